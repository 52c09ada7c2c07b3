/**
 * A runtime instance: what runs, or ran, for one attempt, as its adapter reported it.
 */
import { Schema } from "effect"
import { existing, enumeration, Name, optional, OptionalTimestamp, Prose, ReportedProse, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { RuntimeAdapterId } from "../payloads/enumerations.js"
import { SandboxAttemptId } from "./SandboxAttempt.js"

/** `pending`: is being launched; `running`: is up; `failed` and `stopped`: ended, until it is launched again. */
export const SandboxRuntimeStatus = enumeration("pending", "running", "failed", "stopped")
export type SandboxRuntimeStatus = typeof SandboxRuntimeStatus.Type

/** Where a runtime can go: failed and stopped → pending and running is a relaunch. A stop stands against a late failure. */
export const sandboxRuntimeTransitions = stateMachine(SandboxRuntimeStatus.literals, {
  pending: ["running", "failed", "stopped"],
  running: ["failed", "stopped"],
  failed: ["pending", "running", "stopped"],
  stopped: ["pending", "running"]
})

/** The states in which nothing runs any more. */
export const endedRuntimeStatuses = ["failed", "stopped"] as const satisfies ReadonlyArray<SandboxRuntimeStatus>

/** Whether nothing runs any more in this state. */
export const isEnded = (status: SandboxRuntimeStatus): boolean => endedRuntimeStatuses.some((ended) => ended === status)

/** The adapter that launched it. */
export const SandboxRuntimeAdapter = enumeration(...RuntimeAdapterId.literals)
export type SandboxRuntimeAdapter = typeof SandboxRuntimeAdapter.Type

/** One row of `sandbox_runtime_instances`: one for each attempt that got as far as a launch. */
export class SandboxRuntimeInstance extends Model.Class<SandboxRuntimeInstance>("SandboxRuntimeInstance")({
  runId: SandboxAttemptId,
  status: SandboxRuntimeStatus,
  adapter: optional(SandboxRuntimeAdapter),
  /** What the adapter calls it: a container, a pod. */
  resourceId: optional(Name),
  reference: optional(Name),
  /** Where it can be reached. */
  endpoint: optional(Name),
  errorCode: optional(Name),
  errorMessage: optional(Prose),
  launchedAt: OptionalTimestamp,
  finishedAt: OptionalTimestamp,
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "sandbox_runtime_instances",
  service: "SandboxRuntimeInstanceRepo",
  purpose: "What runs, or ran, for an attempt, as its adapter reported it.",
  states: { status: sandboxRuntimeTransitions }
})) {}

/** What is known of a runtime now. What is left out is not known, or has not changed. Only what has ended has an end. */
export const RuntimeReport = Schema.Struct({
  runId: existing(SandboxAttemptId),
  status: SandboxRuntimeStatus,
  adapter: Schema.optional(SandboxRuntimeAdapter),
  resourceId: Schema.optional(Name),
  reference: Schema.optional(Name),
  endpoint: Schema.optional(Name),
  errorCode: Schema.optional(Name),
  errorMessage: Schema.optional(ReportedProse),
  launchedAt: Schema.optional(Schema.DateTimeUtcFromSelf),
  finishedAt: Schema.optional(Schema.DateTimeUtcFromSelf)
}).pipe(
  Schema.filter(({ finishedAt, status }) =>
    finishedAt === undefined || isEnded(status) || { path: ["finishedAt"], message: "only a runtime that has ended has one" })
)
