/**
 * The books: what is in the database against what was acknowledged.
 */
import { Effect } from "effect"
import { tomorrow } from "../../support/clock.js"
import { shell } from "../../support/lists.js"
import * as deletions from "./parts/deletions.js"
import * as issues from "./parts/issues.js"
import * as others from "./parts/others.js"
import * as sandboxes from "./parts/sandboxes.js"
import type { Ledger } from "./protocol.js"

/** What was told that no program may tell: an error that no method declares, or one of a reason that is not among these. */
const surprises = (ledger: Ledger, reasons: RegExp) =>
  ledger.flatMap((report) => {
    if (report.type === "broken") return [`${report.deed}: ${report.cause}`]
    return report.type === "refused" && report.tag === "PersistenceError" && !reasons.test(report.reason)
      ? [`${report.deed}: ${report.reason}`]
      : []
  })

/** Everything that is lost, half done, done twice or damaged: none, if all is well. `reasons` are those for which the store may refuse. */
export const losses = (ledger: Ledger, reasons: RegExp) =>
  Effect.gen(function* () {
    const integrity = yield* shell<{ readonly integrity_check: string }>("PRAGMA integrity_check")
    const references = yield* shell("PRAGMA foreign_key_check")
    return [
      ...surprises(ledger, reasons),
      ...integrity.flatMap(({ integrity_check: line }) => (line === "ok" ? [] : [line])),
      ...references.map((row) => `dangling: ${JSON.stringify(row)}`),
      ...(yield* sandboxes.books(ledger)),
      ...(yield* issues.books(ledger)),
      ...(yield* others.books(ledger)),
      ...(yield* deletions.books(ledger))
    ]
  })

/** Does again, under its key, what nobody heard the end of. Only when all who began something are gone. */
export const repeat = (ledger: Ledger) => Effect.zipRight(sandboxes.repeat(ledger), issues.repeat(ledger))

/** Does all that is left to do, as whoever comes next does it, by a clock on which every lease is over. What cannot be done is a loss. */
export const settle = Effect.map(Effect.all([sandboxes.settle, others.settle, deletions.settle]), (all) =>
  all.flat()
).pipe(tomorrow)
