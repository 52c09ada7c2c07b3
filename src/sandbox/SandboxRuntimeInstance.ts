/**
 * Row model and report of runtime instances: the container or pod of an attempt, as its adapter reported it.
 */
import { Schema } from "effect"
import {
  enumeration,
  existing,
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
import { RuntimeAdapterId } from "../payloads/enumerations.js"
import { SandboxAttemptId } from "./SandboxAttempt.js"

/**
 * `pending`: being launched; `running`: launched; `failed` and `stopped`: ended. A worker may launch another one while
 * the attempt is active.
 */
export const SandboxRuntimeStatus = enumeration("pending", "running", "failed", "stopped")
export type SandboxRuntimeStatus = typeof SandboxRuntimeStatus.Type

const stopping = {
  when: "with a stop request: the sandbox is `stopping`",
  by: "`RuntimeWorker`, or the runtime adapter's report (`endRuntime`)",
  deadline: "`runtimeDeadline` after the request",
  after: "`SandboxLifecycle.supervise`: `stopped`, error code `stop-unconfirmed`; the teardown stays queued"
} as const

/**
 * The allowed transitions of a runtime. A relaunch moves it from failed or stopped to pending or running. A stopped
 * runtime cannot fail, so a late failure does not replace a stop.
 */
export const sandboxRuntimeTransitions = stateMachine(
  SandboxRuntimeStatus.literals,
  {
    pending: ["running", "failed", "stopped"],
    running: ["failed", "stopped"],
    failed: ["pending", "running", "stopped"],
    stopped: ["pending", "running"]
  },
  {
    pending: [
      stopping,
      {
        when: "attempt active, without a stop request",
        by: "the runtime adapter's report (`recordRuntime`, `endRuntime`)",
        deadline: "that of the attempt",
        after: "`SandboxLifecycle.supervise`: `failed`, error code `runtime-missing`"
      },
      {
        when: "attempt ended, without a stop request",
        by: "the runtime adapter's report (`recordRuntime`, `endRuntime`)",
        deadline: "`runtimeDeadline` after the last report",
        after: "`SandboxLifecycle.supervise`: `failed`, error code `runtime-missing`"
      }
    ],
    running: [
      stopping,
      {
        when: "without a stop request",
        by: "the runtime adapter's report (`endRuntime`); `stop`, `delete`",
        noDeadline: "it is in use, until the deadline of its sandbox"
      }
    ],
    failed: [{ by: "a launch of another resource, while the attempt is active", noDeadline: "it has ended" }],
    stopped: [{ by: "a launch of another resource, while the attempt is active", noDeadline: "it has ended" }]
  }
)

/** The states of an ended runtime. */
export const endedRuntimeStatuses = ["failed", "stopped"] as const satisfies ReadonlyArray<SandboxRuntimeStatus>

/** The states of a runtime that has not ended. */
export const activeRuntimeStatuses = ["pending", "running"] as const satisfies ReadonlyArray<SandboxRuntimeStatus>

/** Returns whether a runtime in this state has ended. */
export const isEnded = (status: SandboxRuntimeStatus): boolean => endedRuntimeStatuses.some((ended) => ended === status)

/** The adapter that launched the runtime. */
export const SandboxRuntimeAdapter = enumeration(...RuntimeAdapterId.literals)
export type SandboxRuntimeAdapter = typeof SandboxRuntimeAdapter.Type

/**
 * The reason of the end of a runtime:
 *
 * - `exited`: its main process has ended; `crashed`: it failed; `out-of-memory`: its memory was exhausted;
 * - `evicted`: its host or cluster removed it;
 * - `expired`, `idle`: a deadline has passed;
 * - `user`: its owner stopped, cancelled or deleted the sandbox;
 * - `launch-failed`: it was never running.
 */
export const SandboxStopReason = enumeration(
  "exited",
  "crashed",
  "out-of-memory",
  "evicted",
  "expired",
  "idle",
  "user",
  "launch-failed"
)
export type SandboxStopReason = typeof SandboxStopReason.Type

/** One row of `sandbox_runtime_instances`: the runtime of one attempt. Attempts without a launch have none. */
export class SandboxRuntimeInstance extends Model.Class<SandboxRuntimeInstance>("SandboxRuntimeInstance")(
  {
    attemptId: SandboxAttemptId,
    status: SandboxRuntimeStatus,
    adapter: optional(SandboxRuntimeAdapter),
    /** The id of the container or pod in its adapter. */
    resourceId: optional(Name),
    reference: optional(Name),
    /** The address at which it is reachable. */
    endpoint: optional(Name),
    /** The reason of its end. Only ended runtimes have one. */
    stopReason: optional(SandboxStopReason),
    errorCode: optional(Name),
    errorMessage: optional(Prose),
    launchedAt: OptionalTimestamp,
    finishedAt: OptionalTimestamp,
    /** The time when a worker last claimed it for an inspection. */
    inspectedAt: OptionalTimestamp,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "sandbox_runtime_instances",
    service: "SandboxRuntimeInstanceRepo",
    purpose: "The runtime of each attempt, as its adapter reported it.",
    states: { status: sandboxRuntimeTransitions }
  })
) {}

/** Fields of a reported runtime. Omitted fields are unknown or unchanged. */
export const ReportedRuntime = Schema.Struct({
  status: SandboxRuntimeStatus,
  adapter: Schema.optional(SandboxRuntimeAdapter),
  resourceId: Schema.optional(Name),
  reference: Schema.optional(Name),
  endpoint: Schema.optional(Name),
  errorCode: Schema.optional(Name),
  errorMessage: Schema.optional(ReportedProse),
  launchedAt: Schema.optional(Schema.DateTimeUtcFromSelf),
  finishedAt: Schema.optional(Schema.DateTimeUtcFromSelf)
})

const onlyOfEnded = "must be absent unless the status is failed or stopped"

/** Report of a runtime. `finishedAt` and `stopReason` are allowed only with the status failed or stopped. */
export const RuntimeReport = Schema.Struct({
  attemptId: existing(SandboxAttemptId),
  ...ReportedRuntime.fields,
  stopReason: Schema.optional(SandboxStopReason)
}).pipe(
  Schema.filter(({ finishedAt, status, stopReason }) => {
    if (isEnded(status)) return true
    if (finishedAt !== undefined) return { path: ["finishedAt"], message: onlyOfEnded }
    return stopReason === undefined || { path: ["stopReason"], message: onlyOfEnded }
  })
)
