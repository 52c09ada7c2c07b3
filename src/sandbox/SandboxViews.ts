/**
 * What goes into the lifecycle of a sandbox, and what comes out of it.
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
import { confinedTo, existing, documentOf, enumeration, Name } from "../sql/columns.js"
import { Milliseconds } from "../sql/durations.js"
import { RuntimeAdapterLaunchResult } from "../payloads/RuntimeAdapter.js"
import { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"

/** What a caller asks for: a sandbox of an owner, the spec of its workspace, and where its image is published. */
export const LaunchSandbox = Schema.Struct({
  ownerUserId: UserId,
  name: Name,
  spec: documentOf(UserWorkspaceSpec),
  /** The spec with the profile applied; left out, it is the spec itself. It is what gets built. */
  resolvedSpec: Schema.optional(documentOf(UserWorkspaceSpec)),
  registryId: Name,
  repository: Name,
  tag: Name,
  /** Stands for this request of this owner: a replay gives the first result. */
  idempotencyKey: Schema.optional(Name),
  repositoryId: Schema.optional(RepositoryId),
  profileRevisionId: Schema.optional(ProfileRevisionId),
  repositoryProfileRevisionId: Schema.optional(RepositoryProfileRevisionId),
  requestedByUserId: Schema.optional(UserId),
  /** The issue that it is to work on. */
  issueId: Schema.optional(IssueId),
  triggerType: Schema.optional(SandboxAttemptTriggerType),
  /** The longest time that a worker may take for the build, counted from each claim. Default: no limit. */
  maxDuration: Schema.optional(Milliseconds)
})

/** What an attempt of a sandbox consists of. */
export interface Launch {
  readonly sandbox: Sandbox
  readonly attempt: SandboxAttempt
  readonly snapshot: SandboxAttemptSnapshot
  readonly job: WorkspaceBuildJob
  /** False when an idempotency key gave an earlier launch. */
  readonly created: boolean
}

/** Request to delete a sandbox. */
export const DeleteSandbox = Schema.Struct({
  id: existing(SandboxId),
  /** Only a sandbox of this user. */
  ownerUserId: confinedTo(UserId)
})

/** What a worker has to build, and for whom. A job that belongs to no run has neither attempt, sandbox nor snapshot. */
export interface Build {
  readonly lease: Lease
  readonly job: WorkspaceBuildJob
  readonly attempt: Option.Option<SandboxAttempt>
  readonly sandbox: Option.Option<Sandbox>
  readonly snapshot: Option.Option<SandboxAttemptSnapshot>
}

/** What a worker tells of a build that succeeded, and of the runtime when it launched one. */
export const BuildFinished = Schema.Struct({ ...JobSuccess.fields, runtime: Schema.optional(RuntimeAdapterLaunchResult) })

/** What a worker tells of a build that failed. */
export const BuildFailed = JobFailure

/** The status of a sandbox as its owner sees it: derived from sandbox, attempt, job and runtime. */
export const SandboxStatusView = enumeration("queued", "running", "ready", "failed", "cancelled")
export type SandboxStatusView = typeof SandboxStatusView.Type

/**
 * Which sandboxes of an owner a list shows, by their derived status. Several mean any of them, an empty list of them none.
 */
export const SandboxViewFilter = Schema.Struct({
  ownerUserId: UserId,
  statuses: Schema.optional(Schema.Array(SandboxStatusView)),
  includeArchived: SandboxFilter.fields.includeArchived
})

/** A sandbox, and its status as its owner sees it. */
export interface SandboxView {
  readonly sandbox: Sandbox
  readonly status: SandboxStatusView
}

/** A sandbox with its newest attempt, as of one moment. */
export interface SandboxDetail extends SandboxView {
  readonly attempt: Option.Option<SandboxAttempt>
  readonly snapshot: Option.Option<SandboxAttemptSnapshot>
  readonly job: Option.Option<WorkspaceBuildJob>
  readonly runtime: Option.Option<SandboxRuntimeInstance>
}

/** Result of one pass of supervision over sandboxes. */
export interface Supervision {
  /** Jobs that went back to the queue. */
  readonly requeued: number
  /** Attempts, runtimes and sandboxes that ended. */
  readonly ended: number
  /** Rows that could not be handled; each is logged by its id. */
  readonly failed: number
}
