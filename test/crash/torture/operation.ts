/**
 * One operation of a process: reported before its start and after its acknowledgement.
 */
import { Cause, Effect, Exit, Option } from "effect"
import { writeReport } from "../../support/children.js"
import type { OperationName, OperationResults, ProcessOptions, Report } from "./protocol.js"
import type { Random } from "./random.js"

/** The process and its random numbers. */
export interface Turn {
  readonly options: ProcessOptions
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
export const runOperation = <Name extends OperationName, A, E extends { readonly _tag: string }, R>(
  options: ProcessOptions,
  name: Name,
  known: Readonly<Record<string, string>>,
  effect: Effect.Effect<A, E, R>,
  told: (value: A) => OperationResults[Name] | undefined
): Effect.Effect<Option.Option<A>, never, R> =>
  Effect.gen(function* () {
    const id = `${options.workerId}/${++count}`
    writeReport<Report>({ type: "begun", id, operation: name, known })
    const exit = yield* Effect.exit(effect)
    if (Exit.isSuccess(exit)) {
      const acknowledged = told(exit.value)
      if (acknowledged !== undefined) writeReport<Report>({ type: "done", id, operation: name, facts: acknowledged })
      return Option.some(exit.value)
    }
    const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
    if (error !== undefined && (legal.has(error._tag) || error._tag === "PersistenceError")) {
      const reason = "reason" in error ? String(error.reason) : "problem" in error ? String(error.problem) : ""
      const cause = "cause" in error ? ` ${String(error.cause)}` : ""
      writeReport<Report>({ type: "refused", id, operation: name, tag: error._tag, reason: `${reason}${cause}` })
    } else writeReport<Report>({ type: "broken", id, operation: name, cause: Cause.pretty(exit.cause) })
    return Option.none()
  })
