/**
 * One operation of a process: reported before its start and after its acknowledgement.
 */
import { Cause, Effect, Exit, Option } from "effect"
import { tell } from "../../support/children.js"
import type { Deed, Deeds, Orders, Report } from "./protocol.js"
import type { Random } from "./random.js"

/** The process and its random numbers. */
export interface Turn {
  readonly orders: Orders
  readonly random: Random
  /** A new name that no other process uses. */
  readonly name: () => string
}

let count = 0

const legal = new Set([
  "NotFound",
  "InvalidTransition",
  "LeaseLost",
  "AlreadyExists",
  "EncryptionKeyUnavailable",
  "ReferenceNotFound"
])

/**
 * Runs the operation, and reports the result. Returns the result, or nothing if it was refused. An error of the database is a
 * refusal, too: the invariants decide which reasons are accepted.
 */
export const deed = <Name extends Deed, A, E extends { readonly _tag: string }, R>(
  orders: Orders,
  name: Name,
  known: Readonly<Record<string, string>>,
  effect: Effect.Effect<A, E, R>,
  told: (value: A) => Deeds[Name] | undefined
): Effect.Effect<Option.Option<A>, never, R> =>
  Effect.gen(function* () {
    const id = `${orders.workerId}/${++count}`
    tell<Report>({ type: "begun", id, deed: name, known })
    const exit = yield* Effect.exit(effect)
    if (Exit.isSuccess(exit)) {
      const acknowledged = told(exit.value)
      if (acknowledged !== undefined) tell<Report>({ type: "done", id, deed: name, facts: acknowledged })
      return Option.some(exit.value)
    }
    const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
    if (error !== undefined && (legal.has(error._tag) || error._tag === "PersistenceError")) {
      const reason = "reason" in error ? String(error.reason) : "problem" in error ? String(error.problem) : ""
      const cause = "cause" in error ? ` ${String(error.cause)}` : ""
      tell<Report>({ type: "refused", id, deed: name, tag: error._tag, reason: `${reason}${cause}` })
    } else tell<Report>({ type: "broken", id, deed: name, cause: Cause.pretty(exit.cause) })
    return Option.none()
  })
