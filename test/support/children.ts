/**
 * Child processes of tests: they get their options as an argument, and write one report per line.
 */
import { Effect, Logger } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { programAt } from "./programs.js"

/** A line that a process writes. */
export interface AnyReport {
  readonly type: string
}

/** The exit of a process. */
export interface End<Report> {
  readonly signal: NodeJS.Signals | null
  readonly reports: ReadonlyArray<Report>
  readonly errors: string
}

/** A started process. */
export interface Child<Report extends AnyReport> {
  readonly pid: number | undefined
  /** All reports so far. */
  readonly reports: ReadonlyArray<Report>
  readonly ended: Promise<End<Report>>
  /** Resolves with the first report of this type. Rejects if the process ends without it. */
  readonly first: <Type extends Report["type"]>(type: Type) => Promise<Extract<Report, { readonly type: Type }>>
  /** Resolves when the reports satisfy the condition. Rejects if the process ends before. */
  readonly when: (holds: (reports: ReadonlyArray<Report>) => boolean) => Promise<void>
  /** Writes a line to the standard input of the process. */
  readonly writeLine: (line: string) => void
  readonly signal: (name: NodeJS.Signals) => void
}

/** Another user as whom the process runs. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

/** Starts a script with its options. `listen` receives each report. */
export const startChild = <Report extends AnyReport>(
  script: URL,
  orders: object,
  listen: (report: Report) => void = () => undefined,
  identity?: Identity
): Child<Report> => {
  const child = spawn(process.execPath, [programAt(script), JSON.stringify(orders)], {
    stdio: ["pipe", "pipe", "pipe"],
    ...identity
  })
  const reports: Array<Report> = []
  const waiting = new Set<() => void>()
  const lines = createInterface({ input: child.stdout })
  lines.on("line", (line) => {
    const report: Report = JSON.parse(line)
    reports.push(report)
    listen(report)
    for (const look of waiting) look()
  })
  const errors: Array<string> = []
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text))
  // A killed process reads nothing more.
  child.stdin.on("error", () => undefined)
  const ended = Promise.all([once(child, "close"), once(lines, "close")]).then(() => ({
    signal: child.signalCode,
    reports,
    errors: errors.join("")
  }))
  const when = (holds: (reports: ReadonlyArray<Report>) => boolean) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!holds(reports)) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
      void ended.then(({ errors }) =>
        reject(new Error(`the process ended before: ${errors} ${JSON.stringify(reports.at(-1))}`))
      )
    })
  const isOfType =
    <Type extends Report["type"]>(type: Type) =>
    (report: Report): report is Extract<Report, { readonly type: Type }> =>
      report.type === type
  return {
    pid: child.pid,
    reports,
    ended,
    when,
    first: async (type) => {
      await when((all) => all.some(isOfType(type)))
      return reports.find(isOfType(type)) ?? Promise.reject(new Error(`never told: ${type}`))
    },
    writeLine: (line) => child.stdin.write(`${line}\n`),
    signal: (name) => child.kill(name)
  }
}

/** Starts a script like `startChild`. Kills the process with the scope. */
export const child = <Report extends AnyReport>(
  script: URL,
  orders: object,
  listen?: (report: Report) => void,
  identity?: Identity
) =>
  Effect.acquireRelease(
    Effect.sync(() => startChild<Report>(script, orders, listen, identity)),
    ({ ended, signal }) => {
      signal("SIGKILL")
      return Effect.promise(() => ended)
    }
  )

/** In a process: disables logs, because the default logger writes to standard output, where the reports are. */
export const withoutLogs = Effect.provide(Logger.remove(Logger.defaultLogger))

/**
 * In a process: writes a report. Writes to a pipe are synchronous, so the report is complete even if the process is killed
 * right after.
 */
export const writeReport = <Report extends AnyReport>(report: Report): void => {
  process.stdout.write(`${JSON.stringify(report)}\n`)
}
