/**
 * The operations that record the results of teardowns, under their lease.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Metric, Option, Predicate, Random } from "effect"
import { failureValues } from "../../build-job/leases.js"
import { type Decision, operationsOf, workerOf } from "../../events/operation.js"
import type { InvalidInput, LeaseLost, PersistenceError } from "../../Errors.js"
import { leasesLost } from "../../leasing/leases.js"
import { type RuntimeTeardown, TeardownFailed, type TeardownLease } from "../RuntimeTeardown.js"
import { teardownsRetried } from "../teardownMetrics.js"
import { makeStates } from "./state.js"
import { decideFailTeardown, decideFinishTeardown } from "./teardownDecisions.js"
import { makeWriter, type Written } from "./writes.js"

const { decided, decodeInput } = operationsOf("SandboxLifecycle", "Sandbox")

/** The methods of `SandboxLifecycleService` for `RuntimeWorker`. Internal: not for request handlers. */
export interface TeardownMethods {
  /**
   * Records that the resource of a teardown is gone: the teardown has succeeded. If the resource is that of the current
   * runtime of the attempt, the runtime is stopped, and its sandbox is not `stopping` any more. A repeated call returns
   * the same result. Fails with `LeaseLost` if the lease is not the current one.
   */
  readonly finishTeardown: (lease: TeardownLease) => Effect.Effect<RuntimeTeardown, LeaseLost | PersistenceError>

  /**
   * Records that a teardown has failed. It is queued again if the failure is retryable and attempts are left. Otherwise
   * it has failed, and the runtime is recorded as stopped with the error code `stop-unconfirmed`. A repeated call returns
   * the same result.
   *
   * Fails with `LeaseLost` if the lease is not the current one, and with `InvalidInput` if the error is invalid.
   */
  readonly failTeardown: (
    lease: TeardownLease,
    failure: typeof TeardownFailed.Encoded
  ) => Effect.Effect<RuntimeTeardown, LeaseLost | InvalidInput | PersistenceError>
}

/** Builds the operations. `TeardownMethods` documents them. */
export const makeTeardownOperations = (sql: SqlClient.SqlClient) =>
  Effect.map(makeStates(sql), (states) => {
    const { decisionOf } = makeWriter(sql)

    /** Runs an operation of a worker under its lease, and counts the call if the lease was lost. */
    const underLease = (name: string, lease: TeardownLease) => {
      const run = decided(sql, name, { "teardown.id": lease.teardownId }, workerOf(lease))
      return <A, E, E2>(decide: (now: number) => Effect.Effect<Decision<A, E>, E2>) =>
        Effect.tapError(run(decide), (error) =>
          Predicate.isTagged(error, "LeaseLost") ? Metric.increment(leasesLost) : Effect.void
        )
    }

    /** Returns the teardown as the operation left it. A repeat writes no row. */
    const teardownAfter =
      ({ teardownId }: TeardownLease, stored: Option.Option<RuntimeTeardown>) =>
      (written: Written) =>
        Effect.map(
          written.teardown(teardownId),
          (row): RuntimeTeardown => Option.getOrThrow(Option.orElse(row, () => stored))
        )

    return {
      finishTeardown: (lease: TeardownLease) =>
        underLease(
          "finishTeardown",
          lease
        )((now) =>
          Effect.gen(function* () {
            const state = yield* states.ofTeardown(lease.teardownId)
            const draft = yield* decideFinishTeardown(state, lease)
            return decisionOf(draft, state.unchanged, now, teardownAfter(lease, state.leasedTeardown))
          })
        ),

      failTeardown: (lease: TeardownLease, failure: typeof TeardownFailed.Encoded) =>
        underLease(
          "failTeardown",
          lease
        )((now) =>
          Effect.gen(function* () {
            const decoded = yield* decodeInput("failTeardown", TeardownFailed)(failure)
            const values = failureValues(decoded, yield* Random.next)
            const state = yield* states.ofTeardown(lease.teardownId)
            const { draft, isRetried } = yield* decideFailTeardown(state, lease, decoded, values)
            return decisionOf(draft, state.unchanged, now, (written) =>
              Effect.zipRight(
                isRetried ? Metric.increment(teardownsRetried) : Effect.void,
                teardownAfter(lease, state.leasedTeardown)(written)
              )
            )
          })
        )
    }
  })
