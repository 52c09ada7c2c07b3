/**
 * Output of commands: text, JSON and progress.
 */
import * as Options from "@effect/cli/Options"
import { Console, Context, Effect, Option } from "effect"

export { bytes, counted, span } from "../operations/words.js"

/** The option `--json`. */
export const json = Options.boolean("json").pipe(Options.withDescription("Print one JSON document."))

export const printJson = (document: unknown) => Console.log(JSON.stringify(document, null, 2))

export const printLines = (lines: Iterable<string>) =>
  Effect.forEach(lines, (line) => Console.log(line), { discard: true })

/**
 * Returns the text in one line that is safe to print. Error messages of workers come from the programs that they run,
 * and may contain control characters, which a terminal executes, or bidirectional ones, which reorder text.
 */
export const printable = (text: string): string =>
  text.replaceAll(/\s+/g, " ").replaceAll(/[\p{Cc}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu, "\uFFFD")

/** Aligns cells in columns, two spaces apart. Makes each cell printable. */
export const columns = (cells: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const rows = cells.map((row) => row.map(printable))
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((text, index) => text.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd()
  )
}

/** The text of a cell that may be empty. */
export const orNone: (text: Option.Option<string>) => string = Option.getOrElse(() => "-")

/** The output of progress. On a terminal, each update overwrites one line; otherwise progress is printed as lines. */
export interface ProgressOutput {
  readonly isTerminal: boolean
  readonly write: (text: string) => void
}

export class CurrentProgressOutput extends Context.Reference<CurrentProgressOutput>()(
  "@sealant/db/cli/ProgressOutput",
  {
    defaultValue: (): ProgressOutput => ({
      // Results go to stdout, which may be a pipe while a person watches stderr.
      isTerminal: process.stderr.isTTY === true,
      write: (text) => void process.stderr.write(text)
    })
  }
) {}

const eraseLine = "\r\u001b[2K"

/** Reports progress: `now` is shown on a terminal; otherwise `line`, if any, is printed. */
export type ReportProgress = (now: string, line: Option.Option<string>) => Effect.Effect<void>

/** Runs an effect that reports its progress. Without a terminal, a command that prints JSON shows no progress. */
export const withProgress = <A, E, R>(
  printsJson: boolean,
  work: (report: ReportProgress) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(CurrentProgressOutput, ({ isTerminal, write }) => {
    const report: ReportProgress = (now, line) => {
      if (isTerminal) return Effect.sync(() => write(eraseLine + now))
      return printsJson || Option.isNone(line) ? Effect.void : Console.log(line.value)
    }
    return Effect.ensuring(work(report), isTerminal ? Effect.sync(() => write(eraseLine)) : Effect.void)
  })
