/**
 * Real processes that tell what they do: they are given orders as their argument, and write a report a line.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** A line that a process writes. */
export interface Told {
  readonly type: string
}

/** How a process ended. */
export interface End<Report> {
  readonly signal: NodeJS.Signals | null
  readonly reports: ReadonlyArray<Report>
  readonly errors: string
}

/** A process that was started. */
export interface Child<Report extends Told> {
  /** All that it has told so far. */
  readonly reports: ReadonlyArray<Report>
  readonly ended: Promise<End<Report>>
  /** Resolves with the first report of this type. Rejects when it ends without it. */
  readonly first: <Type extends Report["type"]>(type: Type) => Promise<Extract<Report, { readonly type: Type }>>
  /** Writes a line to it. */
  readonly say: (line: string) => void
  readonly signal: (name: NodeJS.Signals) => void
}

/** Starts a script with its orders. */
export const startChild = <Report extends Told>(script: URL, orders: object): Child<Report> => {
  const child = spawn(process.execPath, ["--import", "tsx", fileURLToPath(script), JSON.stringify(orders)], { stdio: ["pipe", "pipe", "pipe"] })
  const reports: Array<Report> = []
  const waiting = new Set<() => void>()
  const lines = createInterface({ input: child.stdout })
  lines.on("line", (line) => {
    reports.push(JSON.parse(line))
    for (const look of waiting) look()
  })
  const errors: Array<string> = []
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text))
  // Who was killed reads no more.
  child.stdin.on("error", () => undefined)
  const ended = Promise.all([once(child, "close"), once(lines, "close")]).then(() => ({ signal: child.signalCode, reports, errors: errors.join("") }))
  const isOfType = <Type extends Report["type"]>(type: Type) => (report: Report): report is Extract<Report, { readonly type: Type }> => report.type === type
  const first = <Type extends Report["type"]>(type: Type) =>
    new Promise<Extract<Report, { readonly type: Type }>>((resolve, reject) => {
      const look = () => {
        const found = reports.find(isOfType(type))
        if (found === undefined) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
      void ended.then(({ errors }) => reject(new Error(`the process ended without "${type}": ${errors} ${JSON.stringify(reports.at(-1))}`)))
    })
  return {
    reports,
    ended,
    first,
    say: (line) => child.stdin.write(`${line}\n`),
    signal: (name) => child.kill(name)
  }
}

/** In a process: writes a report. A write to a pipe is synchronous: what was told is told, also when the process is killed in the next moment. */
export const tell = <Report extends Told>(report: Report): void => {
  process.stdout.write(`${JSON.stringify(report)}\n`)
}
