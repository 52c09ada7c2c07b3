/**
 * `sealant-db purge`: removes expired rows.
 */
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import { Effect, Option, Stream } from "effect"
import * as Retention from "../Retention.js"
import { layerCurrent } from "./database.js"
import { columns, counted, json, printJson, printLines, withProgress } from "./output.js"

const dryRun = Options.boolean("dry-run").pipe(Options.withDescription("Only count the rows that would be removed."))

const tables = Object.keys(Retention.defaults)

const keep = Options.text("keep").pipe(
  Options.repeated,
  Options.mapEffect(
    Effect.forEach((entry) => {
      const [table = "", ...duration] = entry.split("=")
      return duration.length > 0 && tables.includes(table)
        ? Effect.succeed([table, duration.join("=")] as const)
        : Effect.fail(
            ValidationError.invalidValue(
              HelpDoc.p(`--keep must be TABLE=DURATION or TABLE=keep; the tables are ${tables.join(", ")}`)
            )
          )
    })
  ),
  Options.withDescription(
    'Retention of a table, instead of its default: `--keep session="30 days"`; `keep` keeps all rows. Can be repeated.'
  )
)

export const purge = Command.make("purge", { dryRun, keep, json }, ({ dryRun, json, keep }) =>
  Effect.gen(function* () {
    // `purgeBatches` decodes it, and reports invalid durations.
    const policy: Retention.Policy = Object.fromEntries(keep)
    const removed = yield* withProgress(json, (report) =>
      Stream.runFoldEffect(Retention.purgeBatches({ policy, dryRun }), new Map<string, number>(), (sums, batch) => {
        const sum = (sums.get(batch.table) ?? 0) + batch.removed
        const line =
          batch.removed > 0 && Math.floor(sum / rowsPerLine) > Math.floor((sum - batch.removed) / rowsPerLine)
        return Effect.as(
          report(
            `${batch.table} ${sum}`,
            line ? Option.some(`${batch.table} ${counted(sum, "row")} so far`) : Option.none()
          ),
          sums.set(batch.table, sum)
        )
      })
    )
    const counts = Object.keys(Retention.defaults).map((table) => [table, removed.get(table) ?? 0] as const)
    const total = counts.reduce((sum, [, count]) => sum + count, 0)
    if (json) return yield* printJson({ dryRun, total, tables: Object.fromEntries(counts) })
    const summary = `${dryRun ? "would remove" : "removed"} ${counted(total, "row")}`
    yield* printLines([
      ...columns(counts.filter(([, count]) => count > 0).map(([table, count]) => [table, String(count)])),
      summary
    ])
  }).pipe(Effect.provide(layerCurrent))
).pipe(
  Command.withDescription(
    "Removes ended rows that are older than the retention of their table, oldest first, in small batches while programs run. " +
      "Can be stopped and run again. Never removes active rows."
  )
)

// Without a terminal, progress is a line for each of these many rows of a table.
const rowsPerLine = 10_000
