/**
 * A sandbox: what a user sees, names and keeps, through as many attempts to bring it up as it takes; and the links to
 * those attempts.
 */
import { Schema } from "effect"
import { confinedTo, existing, enumeration, idOf, Label, Name, optional, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { UserId } from "../auth/User.js"
import { ProfileRevisionId } from "../profile/Profile.js"
import { RepositoryProfileRevisionId } from "../profile/RepositoryProfile.js"
import { RepositoryId } from "../source/Repository.js"
import { SandboxAttemptId } from "./SandboxAttempt.js"

/** The id of a sandbox, `sbx_` and a UUIDv7 when it is ours. */
export const SandboxId = idOf("SandboxId")
export type SandboxId = typeof SandboxId.Type

/**
 * `queued`: waits for its attempt; `running`: is being brought up; `ready`: can be used; `failed` and `stopped`: ended,
 * until a new attempt queues it again.
 */
export const SandboxStatus = enumeration("queued", "running", "ready", "failed", "stopped")
export type SandboxStatus = typeof SandboxStatus.Type

/** Where a sandbox can go: stopped and failed → queued is a new attempt. */
export const sandboxTransitions = stateMachine(SandboxStatus.literals, {
  queued: ["running", "stopped", "failed"],
  running: ["ready", "stopped", "failed"],
  ready: ["stopped", "failed"],
  failed: ["queued"],
  stopped: ["queued"]
})

/** One row of `sandboxes`. */
export class Sandbox extends Model.Class<Sandbox>("Sandbox")({
  id: SandboxId,
  /** Empty only in rows that were carried over. */
  name: Label,
  ownerUserId: UserId,
  repositoryId: optional(RepositoryId),
  repositoryProfileRevisionId: optional(RepositoryProfileRevisionId),
  profileRevisionId: optional(ProfileRevisionId),
  /** Who asked for it, where that is not the owner alone. */
  requestedByUserId: optional(UserId),
  status: SandboxStatus,
  /** The newest of the attempts that are linked to it. */
  latestRunId: optional(SandboxAttemptId),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  /** Put away: lists leave it out. Says nothing of the status. */
  archivedAt: OptionalTimestamp
}, table({
  name: "sandboxes",
  service: "SandboxRepo",
  purpose: "What a user sees, names and keeps, through as many attempts to bring it up as it takes.",
  states: { status: sandboxTransitions },
  maintained: ["derived_status"]
})) {}

/** What made an attempt part of a sandbox: its first launch, or what came after. */
export const SandboxRunRelation = enumeration("launch", "rebuild", "retry", "resume")
export type SandboxRunRelation = typeof SandboxRunRelation.Type

/** One row of `sandbox_run_links`: an attempt of a sandbox. An attempt belongs to one sandbox at most. */
export class SandboxRunLink extends Model.Class<SandboxRunLink>("SandboxRunLink")({
  sandboxId: SandboxId,
  runId: SandboxAttemptId,
  relation: SandboxRunRelation,
  linkedAt: Timestamp
}, table({
  name: "sandbox_run_links",
  service: "SandboxRepo",
  purpose: "Which attempts belong to a sandbox, and what made them part of it."
})) {}

/** What a caller gives to create a sandbox. `status` left out means queued. */
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

/** A sandbox and its new name. */
export const RenameSandbox = Schema.Struct({ id: existing(SandboxId), ownerUserId: confinedTo(UserId), name: Name })

/** A sandbox and its new status. */
export const SetSandboxStatus = Schema.Struct({ id: existing(SandboxId), ownerUserId: confinedTo(UserId), status: SandboxStatus })

/** Filter for listing the attempts of a sandbox. */
export const AttemptLinkFilter = Schema.Struct({ sandboxId: existing(SandboxId), ownerUserId: confinedTo(UserId) })

/** Which attempt becomes part of which sandbox. `relation` left out means launch. */
export const LinkAttempt = Schema.Struct({
  sandboxId: existing(SandboxId),
  ownerUserId: confinedTo(UserId),
  attemptId: existing(SandboxAttemptId),
  relation: Schema.optionalWith(SandboxRunRelation, { default: () => "launch" })
})
