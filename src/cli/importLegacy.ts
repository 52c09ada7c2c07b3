/**
 * `sealant-db import-legacy PATH`: imports a database of the predecessor.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import { Console, Effect, Option } from "effect"
import type { ImportReport } from "../legacy/ImportedSource.js"
import { run } from "../LegacyImport.js"
import { layerCurrent } from "./database.js"
import { columns, counted, json, printJson, printLines, type ReportProgress, withProgress } from "./output.js"

const path = Args.text({ name: "path" }).pipe(
  Args.withDescription("Path of the predecessor's database. The predecessor must be stopped. The file is only read.")
)

// Without a terminal, progress is a line for each of these many rows.
const rowsPerLine = 100_000

/** Reports the progress of a table, with a line after each `rowsPerLine` rows. */
const progressOf = (report: ReportProgress) => {
  let lastTable = ""
  let lastRows = 0
  return (table: string, rows: number) =>
    Effect.suspend(() => {
      if (table !== lastTable) lastRows = 0
      lastTable = table
      const isDue = rows - lastRows >= rowsPerLine
      if (isDue) lastRows = rows
      return report(`${table} ${rows}`, isDue ? Option.some(`${table}: ${counted(rows, "row")} so far`) : Option.none())
    })
}

const linesOf = ({ ignored, tables }: ImportReport): ReadonlyArray<string> => [
  ...columns(
    tables
      .filter(({ imported, rejected }) => imported + rejected > 0)
      .map(({ imported, rejected, table }) => [
        table,
        `imported ${imported}`,
        rejected > 0 ? `rejected ${rejected}` : ""
      ])
  ),
  ...tables.flatMap(({ repaired, table }) =>
    repaired.map(({ rows, what }) => `repaired ${counted(rows, "row")} in ${table}: ${what}`)
  ),
  ...tables.flatMap(({ rejects, table }) =>
    rejects.map(({ rows, what }) => `rejected ${counted(rows, "row")} in ${table}: ${what}`)
  ),
  ...ignored.map(({ rows, what }) => `not imported, because the predecessor had no ${what}: ${counted(rows, "row")}`)
]

export const importLegacy = Command.make("import-legacy", { path, json }, ({ json, path }) =>
  Effect.gen(function* () {
    const report = yield* withProgress(json, (progress) => run(path, { onProgress: progressOf(progress) }))
    if (json) return yield* printJson(report)
    const { imported, rejected, repeated } = report
    if (repeated)
      return yield* Console.log(
        `this file was imported before, ${counted(imported, "row")}, rejected ${rejected}; nothing was changed`
      )
    yield* printLines(linesOf(report))
    yield* Console.log(`imported ${counted(imported, "row")}, rejected ${rejected}`)
    if (rejected > 0)
      yield* Console.log("import_rejects contains the rejected rows with their reasons; they may contain secrets")
  }).pipe(Effect.provide(layerCurrent))
).pipe(
  Command.withDescription(
    "Imports a database of the predecessor into this one, which must be empty, in one transaction. Rows are repaired where their other " +
      "columns determine the right value; rows that no table accepts are stored in import_rejects. Importing the same file again " +
      "changes nothing."
  )
)
