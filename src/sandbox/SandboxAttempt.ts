/**
 * Row models and requests of attempts to launch a sandbox, and of their snapshots. Columns name an attempt `run_id`.
 */
import { Schema } from "effect"
import {
  ownerScopeField,
  Count,
  enumeration,
  existing,
  idOf,
  Name,
  optional,
  OptionalTimestamp,
  Prose,
  Timestamp
} from "../sql/columns.js"
import { documentOf, Json, JsonObject, OptionalJson } from "../sql/json.js"
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

/** The id of an attempt. Generated ids are `run_` and a UUIDv7. */
export const SandboxAttemptId = idOf("SandboxAttemptId")
export type SandboxAttemptId = typeof SandboxAttemptId.Type

/** `queued`: not started; `running`: started by a worker or a runtime; `succeeded`, `failed`, `cancelled`: ended. */
export const SandboxAttemptStatus = enumeration("queued", "running", "succeeded", "failed", "cancelled")
export type SandboxAttemptStatus = typeof SandboxAttemptStatus.Type

const askedToStop = {
  when: "with a stop request",
  by: "`stop`, `cancel`, `delete` in the same transaction",
  deadline: "at once",
  after: "`SandboxLifecycle.supervise`: `cancelled`"
}

/** The allowed transitions of an attempt. An ended attempt keeps its status: a retry is a new attempt. */
export const sandboxAttemptTransitions = stateMachine(
  SandboxAttemptStatus.literals,
  {
    queued: ["running", "failed", "cancelled"],
    running: ["succeeded", "failed", "cancelled"],
    succeeded: [],
    failed: [],
    cancelled: []
  },
  {
    queued: [
      {
        when: "with an active job",
        by: "the worker that claims the job",
        deadline: "that of the job",
        after: "`SandboxLifecycle.supervise`: ends with the job"
      },
      {
        when: "without an active job",
        by: "the report of its runtime",
        deadline: "`runtimeDeadline` after it was queued",
        after: "`SandboxLifecycle.supervise`: `failed`, or `succeeded` if the runtime runs"
      },
      askedToStop
    ],
    running: [
      {
        when: "with an active job",
        by: "its worker",
        deadline: "that of the job",
        after: "`SandboxLifecycle.supervise`: ends with the job"
      },
      {
        when: "without an active job",
        by: "the report of its runtime",
        deadline: "`runtimeDeadline` after the job ended, or after it was started without a job",
        after: "`SandboxLifecycle.supervise`: `failed`, or `succeeded` if the runtime runs"
      },
      askedToStop
    ]
  }
)

/** The kind of trigger of an attempt. */
export const SandboxAttemptTriggerType = enumeration("manual", "issue", "schedule", "api", "retry")
export type SandboxAttemptTriggerType = typeof SandboxAttemptTriggerType.Type

/** One row of `sandbox_attempts`. */
export class SandboxAttempt extends Model.Class<SandboxAttempt>("SandboxAttempt")(
  {
    id: SandboxAttemptId,
    ownerUserId: UserId,
    repositoryId: optional(RepositoryId),
    repositoryProfileRevisionId: optional(RepositoryProfileRevisionId),
    profileRevisionId: optional(ProfileRevisionId),
    /** The issue to work on. */
    issueId: optional(IssueId),
    status: SandboxAttemptStatus,
    triggerType: SandboxAttemptTriggerType,
    /** The trigger itself, as named by the caller. */
    triggerRef: optional(Name),
    requestedByUserId: optional(UserId),
    retryOfAttemptId: optional(SandboxAttemptId),
    cancelReason: optional(Prose),
    /** The instant of the first stop request. A queued attempt cannot start after it. */
    stopRequestedAt: OptionalTimestamp,
    queuedAt: Timestamp,
    startedAt: OptionalTimestamp,
    finishedAt: OptionalTimestamp,
    /** The time from start to finish. `None` if it never started. */
    durationMs: optional(Count),
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "sandbox_attempts",
    service: "SandboxAttemptRepo",
    purpose: "The attempts to launch sandboxes, one row each. An ended attempt keeps its status.",
    states: { status: sandboxAttemptTransitions }
  })
) {}

/**
 * One row of `sandbox_attempt_snapshots`: the inputs of an attempt. Later changes of their sources do not affect it.
 */
export class SandboxAttemptSnapshot extends Model.Class<SandboxAttemptSnapshot>("SandboxAttemptSnapshot")(
  {
    attemptId: SandboxAttemptId,
    /** The requested specification. */
    userSpecPayload: Json(UserWorkspaceSpec),
    /** The specification with the profiles applied. */
    resolvedSpecPayload: Json(UserWorkspaceSpec),
    /** The blueprint of the resolved specification. */
    blueprintPayload: Json(WorkspaceBlueprint),
    profileConfigSnapshot: OptionalJson(JsonObject),
    repositoryProfileConfigSnapshot: OptionalJson(JsonObject),
    createdAt: Timestamp
  },
  table({
    name: "sandbox_attempt_snapshots",
    service: "SandboxAttemptRepo",
    purpose: "The inputs of an attempt: the requested and the resolved specification, and the blueprint. Written once."
  })
) {}

/** Request to queue an attempt. `triggerType` defaults to manual. */
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
  retryOfAttemptId: Schema.optional(existing(SandboxAttemptId))
})

/** Start of an attempt. `startedAt` defaults to now. */
export const AttemptStart = Schema.Struct({
  id: existing(SandboxAttemptId),
  ownerUserId: ownerScopeField(UserId),
  startedAt: Schema.optional(Schema.DateTimeUtcFromSelf)
})

/** End of an attempt. `finishedAt` defaults to now. An instant before the start is replaced by the start. */
export const AttemptEnd = Schema.Struct({
  id: existing(SandboxAttemptId),
  ownerUserId: ownerScopeField(UserId),
  finishedAt: Schema.optional(Schema.DateTimeUtcFromSelf)
})

/** Cancellation of an attempt, and its reason. */
export const AttemptCancellation = Schema.Struct({ ...AttemptEnd.fields, reason: Prose })

/** Request to store the snapshot of an attempt. */
export const SetSnapshot = Schema.Struct({
  attemptId: existing(SandboxAttemptId),
  userSpecPayload: documentOf(UserWorkspaceSpec),
  resolvedSpecPayload: documentOf(UserWorkspaceSpec),
  blueprintPayload: documentOf(WorkspaceBlueprint),
  profileConfigSnapshot: Schema.optional(documentOf(JsonObject)),
  repositoryProfileConfigSnapshot: Schema.optional(documentOf(JsonObject))
})
