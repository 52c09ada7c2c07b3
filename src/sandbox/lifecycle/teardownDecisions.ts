/**
 * The decisions on teardowns of runtimes: rows in, changes out. Pure, and so tested without a database.
 */
import { Either, Option } from "effect"
import { LeaseLost } from "../../Errors.js"
import { checkLease } from "../../leasing/leases.js"
import type { TeardownFailed, TeardownLease } from "../RuntimeTeardown.js"
import { Draft } from "./draft.js"
import type { LeasedTeardownState } from "./state.js"
import { endTornDownRuntime } from "./steps.js"

/** The error code of a runtime whose end was not confirmed in time. */
const stopUnconfirmed = {
  errorCode: "stop-unconfirmed",
  errorMessage: "the end of the runtime was not confirmed, and its resource may still exist"
} as const

const heldTeardown = (
  { leasedTeardown }: LeasedTeardownState,
  { teardownId: id, token, workerId }: TeardownLease,
  repeats: ReadonlyArray<string>
) => {
  const lost = (reason: LeaseLost["reason"]) =>
    Either.left(new LeaseLost({ entity: "RuntimeTeardown", id, workerId, reason }))
  return Either.match(checkLease("running", leasedTeardown, { id, token, workerId }, repeats), {
    onLeft: lost,
    onRight: (standing) =>
      Option.isSome(leasedTeardown)
        ? Either.right({ teardown: leasedTeardown.value, isRepeated: standing === "repeated" })
        : lost("not-found")
  })
}

/** Ends a teardown as succeeded, and the runtime with it. */
export const decideFinishTeardown = (
  state: LeasedTeardownState,
  lease: TeardownLease
): Either.Either<Draft, LeaseLost> =>
  Either.map(heldTeardown(state, lease, ["succeeded"]), ({ isRepeated, teardown }) => {
    const draft = new Draft(state)
    if (isRepeated) return draft
    draft.finishTeardown(lease)
    endTornDownRuntime(draft, teardown)
    return draft
  })

/** Records a failed teardown. `values` are those of the failure. Without a retry, the sandbox waits no longer. */
export const decideFailTeardown = (
  state: LeasedTeardownState,
  lease: TeardownLease,
  { retryable }: Pick<typeof TeardownFailed.Type, "retryable">,
  values: ReadonlyArray<unknown>
): Either.Either<{ readonly draft: Draft; readonly isRetried: boolean }, LeaseLost> =>
  Either.map(heldTeardown(state, lease, ["retried", "failed"]), ({ isRepeated, teardown }) => {
    const draft = new Draft(state)
    if (isRepeated) return { draft, isRetried: false }
    const isRetried = retryable && teardown.attemptCount < teardown.maxAttempts
    draft.failTeardown(lease, values)
    if (!isRetried) {
      endTornDownRuntime(draft, teardown, stopUnconfirmed)
      draft.settleTeardown(teardown)
    }
    return { draft, isRetried }
  })

/** Ends the runtime of a teardown that has failed, or for which its sandbox has waited too long. */
export const decideLeftTeardown = (state: LeasedTeardownState) => {
  const { leasedTeardown } = state
  if (Option.isNone(leasedTeardown) || Option.isSome(leasedTeardown.value.settledAt)) return undefined
  const draft = new Draft(state)
  endTornDownRuntime(draft, leasedTeardown.value, stopUnconfirmed)
  const ended = draft.changes.length > 0
  draft.settleTeardown(leasedTeardown.value)
  return { draft, ended }
}
