/**
 * `sealant-db purge`: removes rows whose time is over.
 */
import { Command, Options } from "@effect/cli"
import { Effect, HashMap, Option, Stream } from "effect"
import * as Retention from "../Retention.js"
import { layerCurrent } from "./database.js"
import { columns, counted, json, printJson, printLines, withProgress } from "./output.js"

const dryRun = Options.boolean("dry-run").pipe(Options.withDescription("Only count what would be removed."))

const keep = Options.keyValueMap("keep").pipe(
  Options.withDescription(
    "How long rows of a table are kept, in place of its default: `--keep session=\"30 days\"`; `keep` is for ever. May be given again."
  ),
  Options.withDefault(HashMap.empty<string, string>())
)

export const purge = Command.make("purge", { dryRun, keep, json }, ({ dryRun, json, keep }) =>
  Effect.gen(function*() {
    // What is no table or no duration is refused there, with the name of the table.
    const policy: Retention.Policy = Object.fromEntries(HashMap.toEntries(keep))
    const removed = yield* withProgress(json, (tell) =>
      Stream.runFoldEffect(Retention.purgeBatches({ policy, dryRun }), new Map<string, number>(), (sums, batch) => {
        const sum = (sums.get(batch.table) ?? 0) + batch.removed
        const line = batch.removed > 0 && Math.floor(sum / reportEach) > Math.floor((sum - batch.removed) / reportEach)
        return Effect.as(
          tell(`${batch.table} ${sum}`, line ? Option.some(`${batch.table} ${counted(sum, "row")} so far`) : Option.none()),
          sums.set(batch.table, sum)
        )
      }))
    const counts = Object.keys(Retention.defaults).map((table) => [table, removed.get(table) ?? 0] as const)
    const total = counts.reduce((sum, [, count]) => sum + count, 0)
    if (json) return yield* printJson({ dryRun, total, tables: Object.fromEntries(counts) })
    const summary = `${dryRun ? "would remove" : "removed"} ${counted(total, "row")}`
    yield* printLines([...columns(counts.filter(([, count]) => count > 0).map(([table, count]) => [table, String(count)])), summary])
  }).pipe(Effect.provide(layerCurrent))).pipe(
  Command.withDescription(
    "Removes what has ended and is older than the retention of its table, oldest first, in small batches beside all programs. " +
      "Can be stopped and run again. Live rows stay."
  )
)

// A line for so many rows of one table, where nobody watches a terminal.
const reportEach = 10_000
