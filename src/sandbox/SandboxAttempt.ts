/**
 * An attempt ("run") to bring a sandbox up, and the snapshot of what it was made from.
 */
import { Schema } from "effect"
import {
  confinedTo, existing,
  Count,
  documentOf,
  enumeration,
  idOf,
  Json,
  JsonObject,
  Name,
  optional,
  OptionalJson,
  OptionalTimestamp,
  Prose,
  Timestamp
} from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"
import { WorkspaceBlueprint } from "../payloads/WorkspaceBlueprint.js"
import { UserId } from "../auth/User.js"
import { IssueId } from "../issue-workflow/Issue.js"
import { ProfileRevisionId } from "../profile/Profile.js"
import { RepositoryProfileRevisionId } from "../profile/RepositoryProfile.js"
import { RepositoryId } from "../source/Repository.js"

/** The id of an attempt, `run_` and a UUIDv7 when it is ours. */
export const SandboxAttemptId = idOf("SandboxAttemptId")
export type SandboxAttemptId = typeof SandboxAttemptId.Type

/** `queued`: waits; `running`: a worker is on it; `succeeded`, `failed`, `cancelled`: ended, for good. */
export const SandboxAttemptStatus = enumeration("queued", "running", "succeeded", "failed", "cancelled")
export type SandboxAttemptStatus = typeof SandboxAttemptStatus.Type

/** Where an attempt can go. What has ended stays: another try is another attempt. */
export const sandboxAttemptTransitions = stateMachine(SandboxAttemptStatus.literals, {
  queued: ["running", "cancelled"],
  running: ["succeeded", "failed", "cancelled"],
  succeeded: [],
  failed: [],
  cancelled: []
})

/** What led to an attempt. */
export const SandboxAttemptTriggerType = enumeration("manual", "issue", "schedule", "api", "retry")
export type SandboxAttemptTriggerType = typeof SandboxAttemptTriggerType.Type

/** One row of `sandbox_attempts`. */
export class SandboxAttempt extends Model.Class<SandboxAttempt>("SandboxAttempt")({
  id: SandboxAttemptId,
  ownerUserId: UserId,
  repositoryId: optional(RepositoryId),
  repositoryProfileRevisionId: optional(RepositoryProfileRevisionId),
  profileRevisionId: optional(ProfileRevisionId),
  /** The issue that it works on. */
  issueId: optional(IssueId),
  status: SandboxAttemptStatus,
  triggerType: SandboxAttemptTriggerType,
  /** What of that kind led to it, in words of the caller. */
  triggerRef: optional(Name),
  requestedByUserId: optional(UserId),
  retryOfRunId: optional(SandboxAttemptId),
  cancelReason: optional(Prose),
  /** When somebody asked for it to stop. From then on it cannot begin to run. */
  stopRequestedAt: OptionalTimestamp,
  queuedAt: Timestamp,
  startedAt: OptionalTimestamp,
  finishedAt: OptionalTimestamp,
  /** From start to finish; none when it never started. */
  durationMs: optional(Count),
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "sandbox_attempts",
  service: "SandboxAttemptRepo",
  purpose: "The attempts (runs) to bring sandboxes up: one row for each try, which ends for good.",
  states: { status: sandboxAttemptTransitions }
})) {}

/** One row of `sandbox_attempt_snapshots`: what an attempt was made from, whatever becomes of its sources. */
export class SandboxAttemptSnapshot extends Model.Class<SandboxAttemptSnapshot>("SandboxAttemptSnapshot")({
  runId: SandboxAttemptId,
  /** What the user asked for. */
  userSpecPayload: Json(UserWorkspaceSpec),
  /** The same with the profiles laid over it. */
  resolvedSpecPayload: Json(UserWorkspaceSpec),
  /** What it came to. */
  blueprintPayload: Json(WorkspaceBlueprint),
  profileConfigSnapshot: OptionalJson(JsonObject),
  repositoryProfileConfigSnapshot: OptionalJson(JsonObject),
  createdAt: Timestamp
}, table({
  name: "sandbox_attempt_snapshots",
  service: "SandboxAttemptRepo",
  purpose: "What an attempt was made from: the specification as given and as resolved, and the blueprint. Written once."
})) {}

/** What a caller gives to queue an attempt. `triggerType` left out means manual. */
export const QueueAttempt = Schema.Struct({
  id: Schema.optional(SandboxAttemptId),
  ownerUserId: UserId,
  repositoryId: Schema.optional(RepositoryId),
  repositoryProfileRevisionId: Schema.optional(RepositoryProfileRevisionId),
  profileRevisionId: Schema.optional(ProfileRevisionId),
  issueId: Schema.optional(IssueId),
  triggerType: Schema.optionalWith(SandboxAttemptTriggerType, { default: () => "manual" }),
  triggerRef: Schema.optional(Name),
  requestedByUserId: Schema.optional(UserId),
  retryOfRunId: Schema.optional(existing(SandboxAttemptId))
})

/** An attempt that started. `startedAt` left out means now. */
export const AttemptStart = Schema.Struct({
  id: existing(SandboxAttemptId),
  ownerUserId: confinedTo(UserId),
  startedAt: Schema.optional(Schema.DateTimeUtcFromSelf)
})

/** An attempt that ended. `finishedAt` left out means now; before its start counts as at its start. */
export const AttemptEnd = Schema.Struct({
  id: existing(SandboxAttemptId),
  ownerUserId: confinedTo(UserId),
  finishedAt: Schema.optional(Schema.DateTimeUtcFromSelf)
})

/** An attempt that was given up, and why. */
export const AttemptCancellation = Schema.Struct({ ...AttemptEnd.fields, cancelReason: Prose })

/** What a caller gives as the snapshot of an attempt. */
export const SetSnapshot = Schema.Struct({
  runId: existing(SandboxAttemptId),
  userSpecPayload: documentOf(UserWorkspaceSpec),
  resolvedSpecPayload: documentOf(UserWorkspaceSpec),
  blueprintPayload: documentOf(WorkspaceBlueprint),
  profileConfigSnapshot: Schema.optional(documentOf(JsonObject)),
  repositoryProfileConfigSnapshot: Schema.optional(documentOf(JsonObject))
})
