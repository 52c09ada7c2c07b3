/**
 * A requested teardown of a runtime: the resource to stop, and the lease of the worker that stops it.
 */
import { Schema } from "effect"
import { LeaseStats } from "../leasing/LeaseMethods.js"
import {
  Count,
  enumeration,
  existing,
  idOf,
  Name,
  optional,
  OptionalTimestamp,
  Prose,
  ReportedProse,
  Timestamp
} from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { SandboxAttemptId } from "./SandboxAttempt.js"
import { SandboxRuntimeAdapter, SandboxStopReason } from "./SandboxRuntimeInstance.js"

/** The id of a teardown. Generated ids are `teardown_` and 32 random hexadecimal digits. */
export const RuntimeTeardownId = idOf("RuntimeTeardownId")
export type RuntimeTeardownId = typeof RuntimeTeardownId.Type

/**
 * The status of a teardown.
 *
 * - `queued`: due from `availableAt` on;
 * - `running`: under a lease;
 * - `succeeded`: the runtime is gone;
 * - `failed`: no attempts are left, and the resource may still exist.
 */
export const RuntimeTeardownStatus = enumeration("queued", "running", "succeeded", "failed")
export type RuntimeTeardownStatus = typeof RuntimeTeardownStatus.Type

/**
 * The transitions of a teardown. running → queued is a retry or a release; queued → succeeded is the report of the end
 * of the runtime by another program.
 */
export const runtimeTeardownTransitions = stateMachine(
  RuntimeTeardownStatus.literals,
  {
    queued: ["running", "succeeded"],
    running: ["queued", "succeeded", "failed"],
    succeeded: [],
    failed: []
  },
  {
    queued: [
      {
        by: "`RuntimeWorker`, which claims it; `endRuntime`",
        noDeadline:
          "workers may be down for long, and the resource must not be forgotten; the sandbox waits for `runtimeDeadline` only. `doctor` reports teardowns due for 15 minutes, and retention deletes unclaimed ones"
      }
    ],
    running: [
      {
        by: "`RuntimeWorker`, under a lease",
        deadline: "the lease, and `max_duration_ms` after the claim",
        after: "a claim or `SandboxLifecycle.supervise`: `queued`; without attempts left `failed`"
      }
    ]
  }
)

/** The outcome of the last lease of a teardown. */
export const TeardownLeaseOutcome = enumeration("succeeded", "failed", "retried", "released", "expired")
export type TeardownLeaseOutcome = typeof TeardownLeaseOutcome.Type

/** A row of `runtime_teardowns`. */
export class RuntimeTeardown extends Model.Class<RuntimeTeardown>("RuntimeTeardown")(
  {
    id: RuntimeTeardownId,
    /** The attempt of the runtime. None after the attempt was deleted, for example with its owner. */
    attemptId: optional(SandboxAttemptId),
    status: RuntimeTeardownStatus,
    adapter: optional(SandboxRuntimeAdapter),
    /** The id of the container or pod in its adapter. None if its launch was reported without one. */
    resourceId: optional(Name),
    reference: optional(Name),
    /** The reason that the end of the runtime will have. None after a failed build. */
    stopReason: optional(SandboxStopReason),
    /** The number of claims, without released ones. */
    attemptCount: Count,
    maxAttempts: Count,
    /** The maximum duration of a lease since its claim, in milliseconds. */
    maxDurationMs: Count,
    /** The earliest time of the next claim. */
    availableAt: Timestamp,
    claimedAt: OptionalTimestamp,
    leaseExpiresAt: OptionalTimestamp,
    /** The fencing token: the number of the last lease. It only increases. */
    leaseToken: Count,
    /** The outcome of that lease. None while it is held. */
    leaseOutcome: optional(TeardownLeaseOutcome),
    workerId: optional(Name),
    /** The last error, kept through retries. */
    errorCode: optional(Name),
    errorMessage: optional(Prose),
    finishedAt: OptionalTimestamp,
    /** The time when the end of the runtime was recorded, or the deadline for it has passed. */
    settledAt: OptionalTimestamp,
    /** The time of the request. */
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "runtime_teardowns",
    service: "RuntimeTeardownRepo",
    purpose: "The durable queue of teardowns: each runtime whose stop was requested, until it is gone.",
    states: { status: runtimeTeardownTransitions }
  })
) {}

/** The right to tear down one runtime. `token` is a fencing token that is unique among the leases of the teardown. */
export const TeardownLease = Schema.Struct({
  teardownId: existing(RuntimeTeardownId),
  workerId: Name,
  token: Schema.Positive.pipe(Schema.int())
})
export type TeardownLease = typeof TeardownLease.Type

/** A claimed teardown and its lease. */
export const ClaimedTeardown = Schema.Struct({ teardown: Model.Row(RuntimeTeardown), lease: TeardownLease })
export interface ClaimedTeardown extends Schema.Schema.Type<typeof ClaimedTeardown> {}

/** The failure of a teardown. `retryable` defaults to true. */
export const TeardownFailed = Schema.Struct({
  errorMessage: ReportedProse,
  errorCode: Schema.optional(Name),
  retryable: Schema.optionalWith(Schema.Boolean, { default: () => true })
})

/** The state of a teardown, as decisions need it. */
export class TeardownState extends Model.Class<TeardownState>("TeardownState")({
  id: RuntimeTeardownId,
  status: RuntimeTeardownStatus,
  resourceId: optional(Name),
  stopReason: optional(SandboxStopReason),
  attemptCount: Count,
  maxAttempts: Count,
  leaseToken: Count,
  leaseOutcome: optional(TeardownLeaseOutcome),
  workerId: optional(Name),
  settledAt: OptionalTimestamp
}) {}

/** Counts of the teardowns. */
export const TeardownStats = LeaseStats(RuntimeTeardownStatus)
export interface TeardownStats extends Schema.Schema.Type<typeof TeardownStats> {}
