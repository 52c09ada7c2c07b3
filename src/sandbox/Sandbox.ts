/**
 * Row models and requests of sandboxes and of their links to attempts. A sandbox is the named workspace of a user. It
 * keeps its id when it is retried or rebuilt; each launch of it is one attempt.
 */
import { Schema } from "effect"
import {
  Count,
  ownerScopeField,
  enumeration,
  existing,
  idOf,
  Label,
  Name,
  optional,
  OptionalTimestamp,
  Timestamp
} from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { UserId } from "../auth/User.js"
import { ProfileRevisionId } from "../profile/Profile.js"
import { RepositoryProfileRevisionId } from "../profile/RepositoryProfile.js"
import { RepositoryId } from "../source/Repository.js"
import { SandboxAttemptId } from "./SandboxAttempt.js"

/** The id of a sandbox. Generated ids are `sbx_` and a UUIDv7. */
export const SandboxId = idOf("SandboxId")
export type SandboxId = typeof SandboxId.Type

/**
 * The status of a sandbox:
 *
 * - `queued`: its attempt has not started;
 * - `running`: its attempt is being built or launched;
 * - `ready`: usable;
 * - `failed`, `stopped`: ended, until a new attempt queues it again.
 */
export const SandboxStatus = enumeration("queued", "running", "ready", "failed", "stopped")
export type SandboxStatus = typeof SandboxStatus.Type

const untilDeadline = {
  when: "with `expires_at`",
  by: "`extend`",
  deadline: "`expires_at`",
  after: "`SandboxLifecycle.supervise`: `stopped`, stop reason `expired`"
}

/** The allowed transitions of a sandbox. A new attempt moves it from stopped or failed to queued. */
export const sandboxTransitions = stateMachine(
  SandboxStatus.literals,
  {
    queued: ["running", "stopped", "failed"],
    running: ["ready", "stopped", "failed"],
    ready: ["stopped", "failed"],
    failed: ["queued"],
    stopped: ["queued"]
  },
  {
    queued: [
      {
        by: "the worker that claims the job of its attempt; `stop`, `cancel`",
        deadline: "that of its attempt; without an attempt `runtimeDeadline` after its last change",
        after: "`SandboxLifecycle.supervise`: `failed` or `stopped`, as the attempt"
      },
      untilDeadline
    ],
    running: [
      {
        by: "the worker of its attempt, or the report of its runtime; `stop`, `cancel`",
        deadline: "that of its attempt; without an attempt `runtimeDeadline` after its last change",
        after: "`SandboxLifecycle.supervise`: `failed` or `stopped`, as the attempt"
      },
      untilDeadline
    ],
    ready: [
      { by: "`endRuntime`; `stop`", noDeadline: "it is in use" },
      untilDeadline,
      {
        when: "with `idle_timeout_ms`",
        by: "`touch`",
        deadline: "`idle_timeout_ms` after it was ready or last active",
        after: "`SandboxLifecycle.supervise`: `stopped`, stop reason `idle`"
      }
    ],
    failed: [{ by: "its owner: `retry`, `rebuild`", noDeadline: "it has ended" }],
    stopped: [{ by: "its owner: `retry`, `rebuild`", noDeadline: "it has ended" }]
  }
)

/** Returns whether a sandbox in this state has ended. A retry queues it again. */
export const hasEnded = (status: SandboxStatus): boolean => status === "stopped" || status === "failed"

/** The states of a sandbox that has not ended. Its deadlines apply in these states. */
export const activeSandboxStatuses = ["queued", "running", "ready"] as const satisfies ReadonlyArray<SandboxStatus>

/** One row of `sandboxes`. */
export class Sandbox extends Model.Class<Sandbox>("Sandbox")(
  {
    id: SandboxId,
    /** Empty only in imported rows. */
    name: Label,
    ownerUserId: UserId,
    repositoryId: optional(RepositoryId),
    repositoryProfileRevisionId: optional(RepositoryProfileRevisionId),
    profileRevisionId: optional(ProfileRevisionId),
    /** The requester, if recorded separately from the owner. */
    requestedByUserId: optional(UserId),
    status: SandboxStatus,
    /** The newest linked attempt. */
    latestAttemptId: optional(SandboxAttemptId),
    /** The time from a launch or retry to its deadline, in milliseconds. */
    lifetimeMs: optional(Count),
    /** The deadline: from then on supervision stops the sandbox. */
    expiresAt: OptionalTimestamp,
    /** The time without activity after which supervision stops the ready sandbox, in milliseconds. */
    idleTimeoutMs: optional(Count),
    /** The last recorded activity, exact to a minute: a touch or a retry. */
    lastActiveAt: OptionalTimestamp,
    createdAt: Timestamp,
    updatedAt: Timestamp,
    /** Set while the sandbox is archived: lists leave it out. Independent of the status. */
    archivedAt: OptionalTimestamp
  },
  table({
    name: "sandboxes",
    service: "SandboxRepo",
    purpose: "The sandboxes of users. A sandbox keeps its id across attempts to launch it.",
    states: { status: sandboxTransitions },
    maintained: ["derived_status", "view_status"]
  })
) {}

/** The operation that added an attempt to a sandbox: its first launch, or a later one. */
export const SandboxAttemptRelation = enumeration("launch", "rebuild", "retry", "resume")
export type SandboxAttemptRelation = typeof SandboxAttemptRelation.Type

/** One row of `sandbox_run_links`: an attempt of a sandbox. An attempt belongs to at most one sandbox. */
export class SandboxAttemptLink extends Model.Class<SandboxAttemptLink>("SandboxAttemptLink")(
  {
    sandboxId: SandboxId,
    attemptId: SandboxAttemptId,
    relation: SandboxAttemptRelation,
    linkedAt: Timestamp
  },
  table({
    name: "sandbox_run_links",
    service: "SandboxRepo",
    purpose: "The attempts of each sandbox, and the operation that added each of them."
  })
) {}

/** Request to create a sandbox. `status` defaults to queued. */
export const CreateSandbox = Schema.Struct({
  id: Schema.optional(SandboxId),
  name: Name,
  ownerUserId: UserId,
  repositoryId: Schema.optional(RepositoryId),
  repositoryProfileRevisionId: Schema.optional(RepositoryProfileRevisionId),
  profileRevisionId: Schema.optional(ProfileRevisionId),
  requestedByUserId: Schema.optional(UserId),
  status: Schema.optionalWith(SandboxStatus, { default: () => "queued" })
})

/** Request to rename a sandbox. */
export const RenameSandbox = Schema.Struct({
  id: existing(SandboxId),
  ownerUserId: ownerScopeField(UserId),
  name: Name
})

/** Request to change the status of a sandbox. */
export const SetSandboxStatus = Schema.Struct({
  id: existing(SandboxId),
  ownerUserId: ownerScopeField(UserId),
  status: SandboxStatus
})

/** Filter for listing the links of a sandbox to its attempts. */
export const AttemptLinkFilter = Schema.Struct({ sandboxId: existing(SandboxId), ownerUserId: ownerScopeField(UserId) })

/** Request to link an attempt to a sandbox. `relation` defaults to launch. */
export const LinkAttempt = Schema.Struct({
  sandboxId: existing(SandboxId),
  ownerUserId: ownerScopeField(UserId),
  attemptId: existing(SandboxAttemptId),
  relation: Schema.optionalWith(SandboxAttemptRelation, { default: () => "launch" })
})
