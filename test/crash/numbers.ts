/**
 * Helpers of the suites in which a process stores numbers while its files are removed or replaced.
 */
import { Effect } from "effect"
import Native from "libsql"
import { execFileSync } from "node:child_process"
import { child } from "../support/children.js"
import type { NumberReport } from "./numberWriter.js"

/** A process that stores numbers. Only it opens the database: another connection of this process would keep the log. */
export const numberWriter = (filePath: string) =>
  Effect.gen(function* () {
    const process = yield* child<NumberReport>(new URL("./numberWriter.ts", import.meta.url), { filePath })
    yield* Effect.promise(() => process.first("open"))
    /** Sends a command, and returns the reports until it was executed. */
    const order = (line: string) =>
      Effect.promise(async () => {
        const before = process.reports.length
        process.writeLine(line)
        await process.when((reports) => reports.slice(before).some(({ type }) => type === "obeyed"))
        return process.reports.slice(before).filter(({ type }) => type !== "obeyed")
      })
    const kill = Effect.promise(() => {
      process.signal("SIGKILL")
      return process.ended
    })
    return { order, kill }
  })

export const numbersOf = (reports: ReadonlyArray<NumberReport>) =>
  reports.flatMap((report) => (report.type === "stored" ? [report.number] : []))

/** The numbers that another program reads at the path. */
export const numbersAt = (path: string) => {
  const database = new Native(path)
  const rows = database.prepare("SELECT n FROM numbers ORDER BY n").all() as ReadonlyArray<{ readonly n: number }>
  database.close()
  return rows.map(({ n }) => n)
}

/** Opens the database in a process of its own and closes it, as any tool does: as the last connection, it deletes the log. */
export const openAndClose = (path: string) =>
  execFileSync(process.execPath, [
    "-e",
    `
    const Database = require("libsql")
    const database = new Database(process.argv[1])
    database.exec("SELECT count(*) FROM numbers")
    database.close()`,
    path
  ])
