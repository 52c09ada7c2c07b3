/**
 * How commands print.
 */
import { Options } from "@effect/cli"
import { Console, Context, Duration, Effect, Option } from "effect"

/** `--json`, of every command that a script may read. */
export const json = Options.boolean("json").pipe(Options.withDescription("Print one JSON document."))

export const printJson = (document: unknown) => Console.log(JSON.stringify(document, null, 2))

export const printLines = (lines: Iterable<string>) => Effect.forEach(lines, (line) => Console.log(line), { discard: true })

/**
 * Text in one line that does nothing to a terminal. What workers say comes from whatever they ran, and a terminal obeys
 * control characters, and puts text in another order at those of writing directions.
 */
export const printable = (text: string): string =>
  text.replaceAll(/\s+/g, " ").replaceAll(/[\p{Cc}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu, "\uFFFD")

/** Words under each other: each column as wide as its widest, two spaces between; printable, whatever they are. */
export const columns = (given: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const rows = given.map((row) => row.map(printable))
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)))
  return rows.map((row) => row.map((text, index) => text.padEnd(widths[index] ?? 0)).join("  ").trimEnd())
}

const units = ["B", "KB", "MB", "GB", "TB"]

/** A size as people say it: `4.2 MB`. */
export const bytes = (count: number): string => {
  const power = Math.min(units.length - 1, count < 1 ? 0 : Math.floor(Math.log10(count) / 3))
  return `${power === 0 ? count : (count / 1000 ** power).toFixed(1)} ${units[power]}`
}

/** A time as people say it, in its two largest parts: `3h 20m`. */
export const span = (duration: Duration.Duration): string =>
  Duration.format(Duration.seconds(Math.floor(Duration.toSeconds(duration)))).split(" ").slice(0, 2).join(" ")

/** `1 row`, `2 rows`. */
export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

/** Where progress is shown: nowhere for a script, in one line that is written over on a terminal, else line by line. */
export interface ProgressOutput {
  readonly isTerminal: boolean
  readonly write: (text: string) => void
}

export class CurrentProgressOutput extends Context.Reference<CurrentProgressOutput>()("@sealant/db/cli/ProgressOutput", {
  defaultValue: (): ProgressOutput => ({
    // The outcome goes to stdout, which may be a pipe while a person watches.
    isTerminal: process.stderr.isTTY === true,
    write: (text) => void process.stderr.write(text)
  })
}) {}

const eraseLine = "\r\u001b[2K"

/**
 * Runs long work that tells how far it is. On a terminal `now` is the line that is shown; elsewhere `line` is printed,
 * where it is told, and nothing for a command that prints JSON.
 */
export const withProgress = <A, E, R>(
  forScript: boolean,
  work: (tell: (now: string, line: Option.Option<string>) => Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(CurrentProgressOutput, ({ isTerminal, write }) => {
    const tell = (now: string, line: Option.Option<string>): Effect.Effect<void> => {
      if (isTerminal) return Effect.sync(() => write(eraseLine + now))
      return forScript || Option.isNone(line) ? Effect.void : Console.log(line.value)
    }
    return Effect.ensuring(work(tell), isTerminal ? Effect.sync(() => write(eraseLine)) : Effect.void)
  })
