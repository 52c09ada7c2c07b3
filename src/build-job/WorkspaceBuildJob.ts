/**
 * A workspace build job: one image to build and publish, and how far that is.
 *
 * The table is `oci_image_build_jobs`, its other name `workspace_build_jobs` is a view of it.
 */
import { Schema } from "effect"
import { Count, existing, documentOf, enumeration, idOf, Json, Name, optional, OptionalJson, OptionalTimestamp, Prose, ReportedProse, Timestamp } from "../sql/columns.js"
import { Milliseconds } from "../sql/durations.js"
import { table } from "../sql/table.js"
import type { LeaseStats } from "../leasing/leases.js"
import * as Model from "../sql/model.js"
import { stateMachine } from "../sql/transitions.js"
import { OsExecutorCompileResult } from "../payloads/Executor.js"
import { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"
import { SandboxAttemptId } from "../sandbox/SandboxAttempt.js"

/** The id of a build job, `job_` and a UUIDv7 when it is ours. */
export const WorkspaceBuildJobId = idOf("WorkspaceBuildJobId")
export type WorkspaceBuildJobId = typeof WorkspaceBuildJobId.Type

/**
 * `queued`: waits until `availableAt`; `running`: under a lease; `succeeded`, `failed`, `cancelled`: ended, the last two
 * until somebody redrives them.
 */
export const WorkspaceBuildJobStatus = enumeration("queued", "running", "succeeded", "failed", "cancelled")
export type WorkspaceBuildJobStatus = typeof WorkspaceBuildJobStatus.Type

/** Where a job can go: running → queued is a retry or a release, failed and cancelled → queued a redrive. */
export const workspaceBuildJobTransitions = stateMachine(WorkspaceBuildJobStatus.literals, {
  queued: ["running", "cancelled"],
  running: ["queued", "succeeded", "failed", "cancelled"],
  succeeded: [],
  failed: ["queued"],
  cancelled: ["queued"]
})

/** How the last lease of a job ended. */
export const LeaseOutcome = enumeration("succeeded", "failed", "retried", "released", "expired", "cancelled")
export type LeaseOutcome = typeof LeaseOutcome.Type

/** One row of `oci_image_build_jobs`. */
export class WorkspaceBuildJob extends Model.Class<WorkspaceBuildJob>("WorkspaceBuildJob")({
  id: WorkspaceBuildJobId,
  /** The attempt that the image is for. */
  runId: optional(SandboxAttemptId),
  status: WorkspaceBuildJobStatus,
  registryId: Name,
  repository: Name,
  tag: Name,
  requestPayload: Json(UserWorkspaceSpec),
  /** What the idempotency key stands for: a digest of the request. */
  requestFingerprint: optional(Name),
  idempotencyKey: optional(Name),
  /** How many leases were given and not released. */
  attemptCount: Count,
  maxAttempts: Count,
  /** The longest time that a worker may take, counted from the claim, in milliseconds. None: no limit. */
  maxDurationMs: optional(Count),
  /** Not handed out before. */
  availableAt: Timestamp,
  /** When the current lease was given. */
  claimedAt: OptionalTimestamp,
  leaseExpiresAt: OptionalTimestamp,
  /** The fence: the number of the last lease. It only grows. */
  leaseToken: Count,
  /** How the lease of that number ended; none while it is held. */
  leaseOutcome: optional(LeaseOutcome),
  workerId: optional(Name),
  /** When the first lease was given. */
  startedAt: OptionalTimestamp,
  finishedAt: OptionalTimestamp,
  executorId: optional(Name),
  resultPayload: OptionalJson(OsExecutorCompileResult),
  publishedReference: optional(Name),
  publishedDigestReference: optional(Name),
  publishedDigest: optional(Name),
  /** The last error, kept through retries until the job succeeds or is redriven. */
  errorCode: optional(Name),
  errorMessage: optional(Prose),
  cancelReason: optional(Prose),
  /** When the run that the job belongs to took note of the job's end. */
  runSettledAt: OptionalTimestamp,
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "oci_image_build_jobs",
  service: "WorkspaceBuildJobRepo",
  purpose: "The durable queue of image builds: who holds which lease, how often a job was tried, and what came of it.",
  states: { status: workspaceBuildJobTransitions }
})) {}

/**
 * The right to work on a job, and the fence of every write under it: `token` is never given twice for a job, so that a
 * worker which lost its lease without noticing cannot write any more.
 */
export const Lease = Schema.Struct({ jobId: WorkspaceBuildJobId, workerId: Name, token: Schema.Positive.pipe(Schema.int()) })
export type Lease = typeof Lease.Type

/** A job that was claimed, and the lease on it. */
export interface ClaimedJob {
  readonly job: WorkspaceBuildJob
  readonly lease: Lease
}

/** How often a job is tried when nothing else is said. */
export const defaultMaxAttempts = 3

/** Request to enqueue a job. `availableAt` defaults to now; without `maxDuration` there is no limit. */
export const EnqueueJob = Schema.Struct({
  id: Schema.optional(WorkspaceBuildJobId),
  runId: Schema.optional(existing(SandboxAttemptId)),
  registryId: Name,
  repository: Name,
  tag: Name,
  requestPayload: documentOf(UserWorkspaceSpec),
  idempotencyKey: Schema.optional(Name),
  availableAt: Schema.optional(Schema.DateTimeUtcFromSelf),
  maxAttempts: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 1000)), { default: () => defaultMaxAttempts }),
  maxDuration: Schema.optional(Milliseconds)
})

/** What a worker tells of a job that succeeded: who built it, and where the image is. */
export const JobSuccess = Schema.Struct({
  executorId: Name,
  resultPayload: Schema.optional(documentOf(OsExecutorCompileResult)),
  publishedReference: Name,
  publishedDigestReference: Name,
  publishedDigest: Name
})

/** What a worker tells of a job that failed. `retryable` left out means true. */
export const JobFailure = Schema.Struct({
  errorMessage: ReportedProse,
  errorCode: Schema.optional(Name),
  retryable: Schema.optionalWith(Schema.Boolean, { default: () => true })
})

/** The error code of a job whose last lease expired with no attempts left. */
export const attemptsExhausted = "attempts-exhausted"

/** The error code of a job whose row is not of its declared shape: its spec, most likely, is older than the schema. */
export const unreadableJob = "unreadable-job"

/**
 * Where a job is, as far as the run that it belongs to has to know. Without its documents, so that one that cannot be
 * read keeps no run from ending.
 */
export class JobState extends Model.Class<JobState>("JobState")({
  id: WorkspaceBuildJobId,
  runId: optional(SandboxAttemptId),
  status: WorkspaceBuildJobStatus,
  cancelReason: optional(Prose),
  attemptCount: Count,
  leaseToken: Count
}) {}

/** Counts of the queue at one moment. */
export type QueueStats = LeaseStats<WorkspaceBuildJobStatus>
