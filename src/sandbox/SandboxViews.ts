/**
 * Requests and results of `SandboxLifecycle`.
 */
import { type Option, Schema } from "effect"
import { JobFailure, JobSuccess, type Lease, type WorkspaceBuildJob } from "../build-job/WorkspaceBuildJob.js"
import { ProfileRevisionId } from "../profile/Profile.js"
import { RepositoryProfileRevisionId } from "../profile/RepositoryProfile.js"
import { UserId } from "../auth/User.js"
import { IssueId } from "../issue-workflow/Issue.js"
import { SandboxFilter } from "./filters.js"
import { type Sandbox, SandboxId } from "./Sandbox.js"
import { type SandboxAttempt, type SandboxAttemptSnapshot, SandboxAttemptTriggerType } from "./SandboxAttempt.js"
import type { SandboxRuntimeInstance } from "./SandboxRuntimeInstance.js"
import { RepositoryId } from "../source/Repository.js"
import { ownerScopeField, existing, enumeration, Name, Prose } from "../sql/columns.js"
import { documentOf } from "../sql/json.js"
import { Milliseconds } from "../sql/durations.js"
import { RuntimeAdapterLaunchResult } from "../payloads/RuntimeAdapter.js"
import { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"

/** Request to launch a sandbox: its owner, the specification of its workspace, and the destination of its image. */
export const LaunchSandbox = Schema.Struct({
  ownerUserId: UserId,
  name: Name,
  spec: documentOf(UserWorkspaceSpec),
  /** The specification to build: `spec` with the profile applied. Defaults to `spec`. */
  resolvedSpec: Schema.optional(documentOf(UserWorkspaceSpec)),
  registryId: Name,
  repository: Name,
  tag: Name,
  /** Identifies the request within its owner: a repeated request with the key returns the first result. */
  idempotencyKey: Schema.optional(Name),
  repositoryId: Schema.optional(RepositoryId),
  profileRevisionId: Schema.optional(ProfileRevisionId),
  repositoryProfileRevisionId: Schema.optional(RepositoryProfileRevisionId),
  requestedByUserId: Schema.optional(UserId),
  /** The issue to work on. */
  issueId: Schema.optional(IssueId),
  triggerType: Schema.optional(SandboxAttemptTriggerType),
  /** The maximum build time of a worker, from each claim. Default: no limit. */
  maxDuration: Schema.optional(Milliseconds)
})

/** A sandbox and its new attempt, with the snapshot and the build job of the attempt. */
export interface Launch {
  readonly sandbox: Sandbox
  readonly attempt: SandboxAttempt
  readonly snapshot: SandboxAttemptSnapshot
  readonly job: WorkspaceBuildJob
  /** False if the idempotency key returned an earlier launch. */
  readonly created: boolean
}

/** Request to cancel a sandbox. */
export const CancelSandbox = Schema.Struct({
  id: existing(SandboxId),
  /** Cancels only a sandbox of this user. */
  ownerUserId: ownerScopeField(UserId),
  reason: Prose
})

/** Request to delete a sandbox. */
export const DeleteSandbox = Schema.Struct({
  id: existing(SandboxId),
  /** Deletes only a sandbox of this user. */
  ownerUserId: ownerScopeField(UserId)
})

/** The work of a worker. A job without an attempt has no sandbox and no snapshot either. */
export interface Build {
  readonly lease: Lease
  readonly job: WorkspaceBuildJob
  readonly attempt: Option.Option<SandboxAttempt>
  readonly sandbox: Option.Option<Sandbox>
  readonly snapshot: Option.Option<SandboxAttemptSnapshot>
}

/** Report of a successful build, and of the runtime if the worker launched one. */
export const BuildFinished = Schema.Struct({
  ...JobSuccess.fields,
  runtime: Schema.optional(RuntimeAdapterLaunchResult)
})

/** Report of a failed build. */
export const BuildFailed = JobFailure

/** The status of a sandbox for its owner, derived from sandbox, attempt, job and runtime. */
export const SandboxStatusView = enumeration("queued", "running", "ready", "failed", "cancelled")
export type SandboxStatusView = typeof SandboxStatusView.Type

/**
 * Filter for listing the sandboxes of an owner by their derived status. Rows must match one of `statuses`; an empty
 * list matches no row.
 */
export const SandboxViewFilter = Schema.Struct({
  ownerUserId: UserId,
  statuses: Schema.optional(Schema.Array(SandboxStatusView)),
  includeArchived: SandboxFilter.fields.includeArchived
})

/** A sandbox and its derived status. */
export interface SandboxView {
  readonly sandbox: Sandbox
  readonly status: SandboxStatusView
}

/** Consistent snapshot of a sandbox with its newest attempt. */
export interface SandboxDetail extends SandboxView {
  readonly attempt: Option.Option<SandboxAttempt>
  readonly snapshot: Option.Option<SandboxAttemptSnapshot>
  readonly job: Option.Option<WorkspaceBuildJob>
  readonly runtime: Option.Option<SandboxRuntimeInstance>
}

/** Result of one pass of supervision over sandboxes. */
export interface Supervision {
  /** The number of requeued jobs. */
  readonly requeued: number
  /** The number of attempts, runtimes and sandboxes that were ended. */
  readonly ended: number
  /** The number of rows that could not be handled. Each is logged by its id. */
  readonly failed: number
}
