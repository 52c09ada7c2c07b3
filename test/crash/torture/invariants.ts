/**
 * The invariants: compares the database with the acknowledged operations.
 */
import { Effect } from "effect"
import { tomorrow } from "../../support/clock.js"
import { shell } from "../../support/lists.js"
import * as deletions from "./parts/deletions.js"
import * as issues from "./parts/issues.js"
import * as others from "./parts/others.js"
import * as sandboxes from "./parts/sandboxes.js"
import type { Ledger } from "./protocol.js"

/** Reports that no program may make: an undeclared error, or an error for another reason than these. */
const unexpectedErrors = (ledger: Ledger, reasons: RegExp) =>
  ledger.flatMap((report) => {
    if (report.type === "broken") return [`${report.operation}: ${report.cause}`]
    return report.type === "refused" && report.tag === "PersistenceError" && !reasons.test(report.reason)
      ? [`${report.operation}: ${report.reason}`]
      : []
  })

/**
 * Everything that is lost, partial, duplicated or damaged: empty if the invariants hold. `reasons` are the accepted reasons
 * of refusals.
 */
export const findLosses = (ledger: Ledger, reasons: RegExp) =>
  Effect.gen(function* () {
    const integrity = yield* shell<{ readonly integrity_check: string }>("PRAGMA integrity_check")
    const references = yield* shell("PRAGMA foreign_key_check")
    return [
      ...unexpectedErrors(ledger, reasons),
      ...integrity.flatMap(({ integrity_check: line }) => (line === "ok" ? [] : [line])),
      ...references.map((row) => `dangling: ${JSON.stringify(row)}`),
      ...(yield* sandboxes.checkInvariants(ledger)),
      ...(yield* issues.checkInvariants(ledger)),
      ...(yield* others.checkInvariants(ledger)),
      ...(yield* deletions.checkInvariants(ledger))
    ]
  })

/** Repeats operations without a result under their keys. Only after their processes have ended. */
export const repeat = (ledger: Ledger) => Effect.zipRight(sandboxes.repeat(ledger), issues.repeat(ledger))

/** Completes all remaining work with a clock after every lease. A failure is a loss. */
export const reconcile = Effect.map(Effect.all([sandboxes.reconcile, others.reconcile, deletions.reconcile]), (all) =>
  all.flat()
).pipe(tomorrow)
