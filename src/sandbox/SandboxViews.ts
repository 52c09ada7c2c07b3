/**
 * Requests and results of `SandboxLifecycle`.
 */
import { Schema } from "effect"
import {
  JobFailure,
  JobSuccess,
  Lease,
  MaxAttempts,
  queueFields,
  WorkspaceBuildJob
} from "../build-job/WorkspaceBuildJob.js"
import { ProfileRevisionId } from "../profile/Profile.js"
import { RepositoryProfileRevisionId } from "../profile/RepositoryProfile.js"
import { UserId } from "../auth/User.js"
import { IssueId } from "../issue-workflow/Issue.js"
import { SandboxFilter } from "./filters.js"
import { Sandbox, SandboxAttemptRelation, SandboxId } from "./Sandbox.js"
import {
  SandboxAttempt,
  SandboxAttemptId,
  SandboxAttemptSnapshot,
  SandboxAttemptStatus,
  SandboxAttemptTriggerType
} from "./SandboxAttempt.js"
import {
  endedRuntimeStatuses,
  SandboxRuntimeAdapter,
  SandboxRuntimeInstance,
  SandboxRuntimeStatus,
  SandboxStopReason
} from "./SandboxRuntimeInstance.js"
import { RepositoryId } from "../source/Repository.js"
import {
  ownerScopeField,
  Count,
  existing,
  enumeration,
  Label,
  Name,
  optional,
  OptionalTimestamp,
  Prose,
  ReportedProse,
  Timestamp
} from "../sql/columns.js"
import { documentOf, JsonObject } from "../sql/json.js"
import { Milliseconds } from "../sql/durations.js"
import * as Model from "../sql/model.js"
import type { OwnedId } from "../sql/ownerScope.js"
import { RuntimeAdapterLaunchResult } from "../payloads/RuntimeAdapter.js"
import { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"

/** Request to launch a sandbox: its owner, the specification of its workspace, and the destination of its image. */
export const LaunchSandbox = Schema.Struct({
  /** The id of the sandbox. Generated if omitted. */
  id: Schema.optional(SandboxId),
  ownerUserId: UserId,
  name: Name,
  spec: documentOf(UserWorkspaceSpec),
  /** The specification to build. Default: `spec` with the revisions of the request applied, by `applyProfiles`. */
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
  /** The trigger itself, as the caller names it. */
  triggerRef: Schema.optional(Name),
  /** The configuration of the profile at the time of the launch. Stored in the snapshot; a retry copies it. */
  profileConfigSnapshot: Schema.optional(documentOf(JsonObject)),
  /** The configuration of the repository profile at the time of the launch. Stored in the snapshot; a retry copies it. */
  repositoryProfileConfigSnapshot: Schema.optional(documentOf(JsonObject)),
  /** The earliest time of the build. Default: now. */
  availableAt: Schema.optional(Schema.DateTimeUtcFromSelf),
  /** The maximum number of claims of the job. Default: 3. */
  maxAttempts: Schema.optional(MaxAttempts),
  /** The maximum build time of a worker, from each claim. Default: no limit. */
  maxDuration: Schema.optional(Milliseconds),
  ...queueFields,
  /**
   * Starts from the image of the owner's newest succeeded job with the same registry and the same blueprint, if there is
   * one. The job contains that image from the beginning, as after `publishBuild`, and only the launch is left. Sources
   * that have changed since are not part of the image. Default: false.
   */
  reuseImage: Schema.optional(Schema.Boolean),
  /**
   * The time until the deadline of the sandbox, from the launch. Each retry sets a new deadline, as long after it.
   * Default: no deadline.
   */
  lifetime: Schema.optional(Milliseconds),
  /** The time without activity after which a ready sandbox is stopped. Default: no limit. */
  idleTimeout: Schema.optional(Milliseconds)
})

/** A sandbox to retry. */
export interface RetrySandbox extends OwnedId {
  /** Starts from the image of the newest succeeded job, as in `LaunchSandbox`. Default: false. */
  readonly reuseImage?: boolean | undefined
}

/** A sandbox and its new attempt, with the snapshot and the build job of the attempt. */
export const Launch = Schema.Struct({
  sandbox: Model.Row(Sandbox),
  attempt: Model.Row(SandboxAttempt),
  snapshot: Model.Row(SandboxAttemptSnapshot),
  job: Model.Row(WorkspaceBuildJob),
  /** False if the idempotency key returned an earlier launch. */
  created: Schema.Boolean
})
export interface Launch extends Schema.Schema.Type<typeof Launch> {}

/** Request to find the launch with an idempotency key of an owner. */
export const FindLaunch = Schema.Struct({ ownerUserId: UserId, idempotencyKey: Name })

/** Request to cancel a sandbox. */
export const CancelSandbox = Schema.Struct({
  id: existing(SandboxId),
  /** Cancels only a sandbox of this user. */
  ownerUserId: ownerScopeField(UserId),
  reason: Prose
})

/** Request to set the deadline of a sandbox. */
export const ExtendSandbox = Schema.Struct({
  id: existing(SandboxId),
  /** Extends only a sandbox of this user. */
  ownerUserId: ownerScopeField(UserId),
  /** The new deadline, which may also be earlier than the previous one. Must be in the future. */
  until: Schema.DateTimeUtcFromSelf
})

/** Request to record activity of a sandbox. */
export const TouchSandbox = Schema.Struct({
  id: existing(SandboxId),
  /** Touches only a sandbox of this user. */
  ownerUserId: ownerScopeField(UserId)
})

/** Request to delete a sandbox. */
export const DeleteSandbox = Schema.Struct({
  id: existing(SandboxId),
  /** Deletes only a sandbox of this user. */
  ownerUserId: ownerScopeField(UserId)
})

/** The work of a worker. A job without an attempt has no sandbox and no snapshot either. */
export const Build = Schema.Struct({
  lease: Lease,
  job: Model.Row(WorkspaceBuildJob),
  attempt: Schema.optionalWith(Model.Row(SandboxAttempt), { as: "Option" }),
  sandbox: Schema.optionalWith(Model.Row(Sandbox), { as: "Option" }),
  snapshot: Schema.optionalWith(Model.Row(SandboxAttemptSnapshot), { as: "Option" })
})
export interface Build extends Schema.Schema.Type<typeof Build> {}

/** Report of a successful build, and of the runtime if the worker launched one. */
export const BuildFinished = Schema.Struct({
  ...JobSuccess.fields,
  runtime: Schema.optional(RuntimeAdapterLaunchResult)
})

/** The published image of a build whose runtime is yet to be launched. */
export const BuildPublished = JobSuccess

/** Report of a failed build. */
export const BuildFailed = JobFailure

/** The reasons that the report of each end may have. */
export const runtimeEndReasons = {
  stopped: ["exited", "evicted", "expired", "idle", "user"],
  failed: ["crashed", "out-of-memory", "evicted", "launch-failed"]
} as const satisfies Readonly<Record<(typeof endedRuntimeStatuses)[number], ReadonlyArray<SandboxStopReason>>>

/**
 * Report of the end of a runtime: `stopped` after an orderly end, `failed` after an error, each with one of its reasons
 * (`runtimeEndReasons`). `reason`, `errorCode` and `errorMessage` are stored and shown to the owner, so they must not
 * contain secrets.
 */
export const EndRuntime = Schema.Struct({
  status: Schema.Literal(...endedRuntimeStatuses),
  reason: SandboxStopReason,
  errorCode: Schema.optional(Name),
  errorMessage: Schema.optional(ReportedProse),
  /** The resource that has ended. Default: the current one of the attempt. */
  resourceId: Schema.optional(Name)
}).pipe(
  Schema.filter(({ reason, status }) => {
    const allowed: ReadonlyArray<SandboxStopReason> = runtimeEndReasons[status]
    return (
      allowed.includes(reason) || {
        path: ["reason"],
        message: `must be one of ${allowed.join(", ")} for the status ${status}`
      }
    )
  })
)

/**
 * The status of a sandbox for its owner, derived from sandbox, attempt, job and runtime:
 *
 * - `queued`, `running`: its attempt waits, or is being built or launched;
 * - `ready`: usable;
 * - `stopping`: its stop was requested, and its runtime has not ended yet;
 * - `stopped`: it was ready, and its runtime has stopped or its owner has stopped it;
 * - `cancelled`: it was stopped before it was ready;
 * - `failed`: its build, its launch or its runtime has failed.
 */
export const SandboxStatusView = enumeration("queued", "running", "ready", "stopping", "stopped", "failed", "cancelled")
export type SandboxStatusView = typeof SandboxStatusView.Type

/**
 * Filter for listing the sandboxes of an owner. Rows must match every field that is set, and one of `statuses`, which
 * are derived ones; an empty list of statuses matches no row. `search` matches a part of the name.
 */
export const SandboxViewFilter = Schema.Struct({
  ownerUserId: UserId,
  repositoryId: Schema.optional(RepositoryId),
  search: Schema.optional(Label),
  statuses: Schema.optional(Schema.Array(SandboxStatusView)),
  includeArchived: SandboxFilter.fields.includeArchived
})

/** Filter for listing the sandboxes of all owners; see `SandboxViewFilter`. */
export const AllSandboxFilter = Schema.Struct({
  ...SandboxViewFilter.fields,
  ownerUserId: ownerScopeField(UserId)
})

/** The number of sandboxes that are not archived, by derived status. */
export const SandboxStats = Schema.Struct({ byStatus: Schema.Record({ key: SandboxStatusView, value: Count }) })
export interface SandboxStats extends Schema.Schema.Type<typeof SandboxStats> {}

/** An attempt, as a list of sandboxes shows it. */
export class SandboxAttemptSummary extends Model.Class<SandboxAttemptSummary>("SandboxAttemptSummary")({
  id: SandboxAttemptId,
  status: SandboxAttemptStatus,
  triggerType: SandboxAttemptTriggerType,
  triggerRef: optional(Name),
  queuedAt: Timestamp,
  startedAt: OptionalTimestamp,
  finishedAt: OptionalTimestamp
}) {}

/** A runtime, as lists show it. */
export class SandboxRuntimeSummary extends Model.Class<SandboxRuntimeSummary>("SandboxRuntimeSummary")({
  status: SandboxRuntimeStatus,
  adapter: optional(SandboxRuntimeAdapter),
  endpoint: optional(Name),
  stopReason: optional(SandboxStopReason),
  launchedAt: OptionalTimestamp,
  finishedAt: OptionalTimestamp
}) {}

/** The error of a runtime or of a job. */
export const SandboxProblem = Schema.Struct({
  code: Schema.optionalWith(Schema.String, { as: "Option" }),
  message: Schema.optionalWith(Schema.String, { as: "Option" })
})
export interface SandboxProblem extends Schema.Schema.Type<typeof SandboxProblem> {}

/** The outcome of an attempt: its image, its runtime and its error. */
const outcome = {
  /** The reference of the published image. */
  image: Schema.optionalWith(Schema.String, { as: "Option" }),
  runtime: Schema.optionalWith(Model.Row(SandboxRuntimeSummary), { as: "Option" }),
  /** The error of the runtime, or else the last one of the job. A retried job has one until it succeeds. */
  error: Schema.optionalWith(SandboxProblem, { as: "Option" })
}

/** A sandbox, its derived status, and its newest attempt with the image, the runtime and the error of that. */
export const SandboxView = Schema.Struct({
  sandbox: Model.Row(Sandbox),
  status: SandboxStatusView,
  attempt: Schema.optionalWith(Model.Row(SandboxAttemptSummary), { as: "Option" }),
  ...outcome
})
export interface SandboxView extends Schema.Schema.Type<typeof SandboxView> {}

/** A sandbox of an owner. */
export const SandboxOfOwner = Schema.Struct({ ownerUserId: UserId, id: existing(SandboxId) })

/** An attempt of a sandbox, with its derived status. */
export const SandboxAttemptView = Schema.Struct({
  attempt: Model.Row(SandboxAttempt),
  relation: SandboxAttemptRelation,
  linkedAt: Schema.DateTimeUtc,
  /** The status that the sandbox has, or had, with this attempt. */
  status: SandboxStatusView,
  ...outcome
})
export interface SandboxAttemptView extends Schema.Schema.Type<typeof SandboxAttemptView> {}

/** Consistent snapshot of a sandbox with its newest attempt. */
export const SandboxDetail = Schema.Struct({
  ...SandboxView.fields,
  attempt: Schema.optionalWith(Model.Row(SandboxAttempt), { as: "Option" }),
  snapshot: Schema.optionalWith(Model.Row(SandboxAttemptSnapshot), { as: "Option" }),
  job: Schema.optionalWith(Model.Row(WorkspaceBuildJob), { as: "Option" }),
  runtime: Schema.optionalWith(Model.Row(SandboxRuntimeInstance), { as: "Option" })
})
export interface SandboxDetail extends Schema.Schema.Type<typeof SandboxDetail> {}

/** Result of one pass of supervision over sandboxes. */
export const Supervision = Schema.Struct({
  /** The number of requeued jobs and teardowns. */
  requeued: Count,
  /** The number of attempts, runtimes and sandboxes that were ended. */
  ended: Count,
  /** The number of rows that could not be handled. Each is logged by its id. */
  failed: Count
})
export interface Supervision extends Schema.Schema.Type<typeof Supervision> {}
