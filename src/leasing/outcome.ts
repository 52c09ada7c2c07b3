/**
 * The outcome of a handler that worked under a lease: its failure or its defect.
 */
import { Cause, Effect, Exit, Option } from "effect"
import type { Over } from "./heldLeases.js"
import { spanned } from "../sql/operations.js"
import { kindOf } from "../sql/tagged.js"

/** The failure of a handler, as it is stored. */
export interface HandlerFailure {
  readonly errorMessage: string
  readonly errorCode?: string | undefined
  readonly retryable?: boolean | undefined
}

/**
 * Returns the defect of a handler that died. An interruption counts as a defect only if the handler interrupted itself.
 */
export const defectOf = <A>(exit: Exit.Exit<A, unknown>, wasInterrupted: boolean): Cause.Cause<never> | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  const isOwn = !wasInterrupted && Option.isNone(Cause.failureOption(exit.cause))
  return isOwn ? Cause.stripFailures(exit.cause) : Option.getOrUndefined(Cause.keepDefects(exit.cause))
}

/**
 * Returns the failure of a handler that failed or had to end; `noun` names its work. `undefined` if it died, or if a
 * drain interrupted it.
 */
export const failureOf = (
  cause: Cause.Cause<HandlerFailure>,
  over: Over | undefined,
  noun: string
): HandlerFailure | undefined => {
  if (over?._tag === "TooLong")
    return { errorMessage: `the ${noun} took longer than its maxDuration`, errorCode: "max-duration" }
  const failed = Cause.failureOption(cause)
  if (Option.isSome(failed)) {
    const { errorCode, errorMessage, retryable } = failed.value
    return { errorMessage, errorCode, retryable }
  }
  return over?._tag === "Unconfirmed"
    ? {
        errorMessage: `no heartbeat was confirmed in time, so the ${noun} was interrupted`,
        errorCode: "lease-unconfirmed"
      }
    : undefined
}

/**
 * Contains the work on one row, under the span `<worker>.work`: never fails, because a row without a stored outcome is
 * claimed again after its lease expires. Uninterruptible: the work handles the interruption of its worker.
 */
export const contained = <A, E extends { readonly message: string }, R>(
  work: Effect.Effect<A, E, R>,
  {
    id,
    noun,
    token,
    worker
  }: { readonly id: string; readonly noun: string; readonly token: number; readonly worker: string }
): Effect.Effect<void, never, R> =>
  work.pipe(
    Effect.catchAll((error) => Effect.logWarning(`${noun} ${id}: ${error.message}`)),
    // Logs only the kind of the defect, because its message may contain secrets.
    Effect.catchAllCause((cause) => {
      const kind = kindOf(Cause.squash(cause))
      return Effect.logError(`${noun} ${id}: its fiber died (${kind}); it is retried after its lease expires`)
    }),
    Effect.asVoid,
    (whole) => spanned(whole, `${worker}.work`, { [`${noun}.id`]: id, "lease.token": token }),
    Effect.uninterruptible
  )
