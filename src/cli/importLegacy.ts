/**
 * `sealant-db import-legacy PATH`: takes over a database of the predecessor.
 */
import { Args, Command } from "@effect/cli"
import { Console, Effect, Layer, Option } from "effect"
import { LegacyImport, type ImportedTable } from "../legacy/LegacyImport.js"
import { layerCurrent } from "./database.js"
import { columns, counted, json, printJson, printLines, withProgress } from "./output.js"

const path = Args.text({ name: "path" }).pipe(Args.withDescription("The database of the predecessor. It is read only."))

// A line for so many rows of one table, where nobody watches a terminal.
const reportEach = 50_000

const linesOf = ({ imported, rejected, repaired, table }: ImportedTable): ReadonlyArray<string> => [
  ...Object.entries(repaired).map(([kind, rows]) => `  mended    ${table}  ${rows}  ${kind}`),
  ...Object.entries(rejected).map(([reason, rows]) => `  rejected  ${table}  ${rows}  ${reason}`),
  ...(imported === 0 && Object.keys(rejected).length > 0 ? [`  nothing of ${table} was imported`] : [])
]

export const importLegacy = Command.make("import-legacy", { path, json }, ({ json, path }) =>
  Effect.gen(function*() {
    const legacy = yield* LegacyImport
    const report = yield* withProgress(json, (tell) =>
      legacy.run(path, {
        onProgress: (table, rows) =>
          tell(`${table} ${rows}`, rows % reportEach < 500 && rows >= reportEach ? Option.some(`${table} ${counted(rows, "row")} so far`) : Option.none())
      }))
    if (json) return yield* printJson(report)
    if (report.repeated) return yield* Console.log(`${counted(report.imported + report.rejected, "row")} of this file are here already; nothing was changed`)
    yield* printLines(columns(report.tables.filter(({ imported }) => imported > 0).map(({ imported, table }) => [table, String(imported)])))
    yield* printLines(report.tables.flatMap(linesOf))
    yield* Console.log(`imported ${counted(report.imported, "row")}, rejected ${report.rejected}`)
    if (report.rejected > 0) yield* Console.log("what was rejected is in import_rejects, whole, with its reason; it may hold secrets")
  }).pipe(Effect.provide(Layer.provideMerge(LegacyImport.layer, layerCurrent)))).pipe(
  Command.withDescription(
    "Imports a database of the predecessor into this one, which has to be empty: all of it in one transaction. Rows are mended where " +
      "they say themselves what was meant; what no table takes is kept whole in import_rejects. The same file again changes nothing."
  )
)
