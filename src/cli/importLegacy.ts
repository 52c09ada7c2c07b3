/**
 * `sealant-db import-legacy PATH`: takes over a database of the predecessor.
 */
import { Args, Command } from "@effect/cli"
import { Console, Effect, Option } from "effect"
import type { ImportReport } from "../legacy/ImportedSource.js"
import { run } from "../LegacyImport.js"
import { layerCurrent } from "./database.js"
import { columns, counted, json, printJson, printLines, withProgress } from "./output.js"

const path = Args.text({ name: "path" }).pipe(Args.withDescription("The database of the predecessor, which is not running. It is read only."))

// A line for so many rows, where nobody watches a terminal.
const linesEach = 100_000

/** How far a table is, and a line when another `linesEach` rows of it are done. */
const progressOf = (tell: (now: string, line: Option.Option<string>) => Effect.Effect<void>) => {
  let toldOf = ""
  let told = 0
  return (table: string, rows: number) =>
    Effect.suspend(() => {
      if (table !== toldOf) told = 0
      toldOf = table
      const isDue = rows - told >= linesEach
      if (isDue) told = rows
      return tell(`${table} ${rows}`, isDue ? Option.some(`${table}: ${counted(rows, "row")} so far`) : Option.none())
    })
}

const linesOf = ({ ignored, tables }: ImportReport): ReadonlyArray<string> => [
  ...columns(tables.filter(({ imported, rejected }) => imported + rejected > 0).map(({ imported, rejected, table }) =>
    [table, `imported ${imported}`, rejected > 0 ? `rejected ${rejected}` : ""])),
  ...tables.flatMap(({ repaired, table }) => repaired.map(({ rows, what }) => `repaired ${counted(rows, "row")} in ${table}: ${what}`)),
  ...tables.flatMap(({ rejects, table }) => rejects.map(({ rows, what }) => `rejected ${counted(rows, "row")} in ${table}: ${what}`)),
  ...ignored.map(({ rows, what }) => `not imported, because the predecessor had no ${what}: ${counted(rows, "row")}`)
]

export const importLegacy = Command.make("import-legacy", { path, json }, ({ json, path }) =>
  Effect.gen(function*() {
    const report = yield* withProgress(json, (tell) => run(path, { onProgress: progressOf(tell) }))
    if (json) return yield* printJson(report)
    const { imported, rejected, repeated } = report
    if (repeated) return yield* Console.log(`this file was imported before, ${counted(imported, "row")}, rejected ${rejected}; nothing was changed`)
    yield* printLines(linesOf(report))
    yield* Console.log(`imported ${counted(imported, "row")}, rejected ${rejected}`)
    if (rejected > 0) yield* Console.log("what was rejected is in import_rejects, whole, with its reason; it may hold secrets")
  }).pipe(Effect.provide(layerCurrent))).pipe(
  Command.withDescription(
    "Imports a database of the predecessor into this one, which must be empty, in one transaction. Rows are repaired where their other " +
      "columns determine the right value; rows that no table accepts are stored in import_rejects. The same file again changes nothing."
  )
)
