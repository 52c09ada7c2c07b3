/**
 * Factories of teardowns of runtimes, in every status.
 */
import { DateTime, Effect, Option } from "effect"
import {
  type ClaimedTeardown,
  RuntimeTeardown,
  RuntimeTeardownId,
  type RuntimeTeardownStatus,
  type TeardownLeaseOutcome
} from "../sandbox/RuntimeTeardown.js"
import { idOrNew } from "../sql/ids.js"
import { asId, defined, ensure, factory, type Given, insert, type Made } from "./rows.js"
import { attempt } from "./sandboxes.js"

/**
 * Creates a teardown, by default `queued` and due now, of a resource whose attempt was deleted.
 *
 * The lease of a running teardown has the token `leaseToken`, belongs to `workerId`, and expires in a minute.
 */
export const runtimeTeardown = (given: Given<RuntimeTeardown> = {}): Made<RuntimeTeardown> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(RuntimeTeardownId, given.id), "teardown", RuntimeTeardownId.make)
    yield* ensure("sandbox_attempts", given.attemptId, (id) => attempt({ id }))
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("runtime_teardowns", RuntimeTeardown, {
      adapter: "docker",
      resourceId: "container",
      reference: "docker:container",
      stopReason: "user",
      availableAt: now,
      createdAt: now,
      updatedAt: now,
      ...columnsOf(given, now),
      ...defined(given),
      id
    })
  }).pipe(factory("runtimeTeardown"))

/** Creates a running teardown, and returns it with its lease. */
export const claimedTeardown = (given: Omit<Given<RuntimeTeardown>, "status"> = {}): Made<ClaimedTeardown> =>
  Effect.map(runtimeTeardown({ ...given, status: "running" }), (teardown) => ({
    teardown,
    lease: {
      teardownId: teardown.id,
      workerId: Option.getOrElse(teardown.workerId, () => ""),
      token: teardown.leaseToken
    }
  }))

const leaseDuration = { minutes: 1 }

const outcomes: Readonly<Record<RuntimeTeardownStatus, TeardownLeaseOutcome | undefined>> = {
  queued: "retried",
  running: undefined,
  succeeded: "succeeded",
  failed: "failed"
}

/** Builds the columns that depend on the status. */
const columnsOf = (given: Given<RuntimeTeardown>, now: DateTime.Utc): Given<RuntimeTeardown> => {
  const status = given.status ?? "queued"
  const attemptCount = given.attemptCount ?? (status === "queued" ? 0 : 1)
  const leaseToken = given.leaseToken ?? attemptCount
  const leaseOutcome = outcomes[status]
  return {
    status,
    attemptCount,
    leaseToken,
    ...(leaseToken > 0 && leaseOutcome !== undefined ? { leaseOutcome } : {}),
    ...(leaseToken > 0 && status !== "queued" ? { workerId: "worker", claimedAt: now } : {}),
    ...(status === "running" ? { leaseExpiresAt: DateTime.add(now, leaseDuration) } : {}),
    ...(status === "succeeded" || status === "failed" ? { finishedAt: now } : {}),
    ...(status === "succeeded" ? { settledAt: now } : {}),
    ...(status === "failed" ? { errorMessage: "the teardown failed" } : {})
  }
}
