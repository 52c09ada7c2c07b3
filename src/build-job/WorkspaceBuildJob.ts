/**
 * A workspace build job: the build and publication of one image.
 *
 * The table is `oci_image_build_jobs`; `workspace_build_jobs` is a view of it.
 */
import { Schema } from "effect"
import {
  Count,
  enumeration,
  existing,
  idOf,
  Name,
  optional,
  OptionalTimestamp,
  Prose,
  ReportedProse,
  Timestamp
} from "../sql/columns.js"
import { maxRows } from "../sql/inputLimits.js"
import { documentOf, Json, OptionalJson } from "../sql/json.js"
import { LeaseLost } from "../Errors.js"
import { Milliseconds } from "../sql/durations.js"
import { table } from "../sql/table.js"
import { LeaseStats } from "../leasing/LeaseMethods.js"
import * as Model from "../sql/model.js"
import { stateMachine } from "../sql/transitions.js"
import { OsExecutorCompileResult } from "../payloads/Executor.js"
import { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"
import { UserId } from "../auth/User.js"
import { SandboxAttemptId } from "../sandbox/SandboxAttempt.js"

/** The id of a build job. Generated ids are `job_` and a UUIDv7. */
export const WorkspaceBuildJobId = idOf("WorkspaceBuildJobId")
export type WorkspaceBuildJobId = typeof WorkspaceBuildJobId.Type

/**
 * The status of a build job.
 *
 * - `queued`: due from `availableAt` on;
 * - `running`: under a lease;
 * - `succeeded`: ended;
 * - `failed`, `cancelled`: ended, unless the job is redriven.
 */
export const WorkspaceBuildJobStatus = enumeration("queued", "running", "succeeded", "failed", "cancelled")
export type WorkspaceBuildJobStatus = typeof WorkspaceBuildJobStatus.Type

/**
 * The transitions of a build job. running → queued is a retry or a release; failed or cancelled → queued is a redrive.
 */
export const workspaceBuildJobTransitions = stateMachine(
  WorkspaceBuildJobStatus.literals,
  {
    queued: ["running", "failed", "cancelled"],
    running: ["queued", "succeeded", "failed", "cancelled"],
    succeeded: [],
    failed: ["queued"],
    cancelled: ["queued"]
  },
  {
    queued: [
      {
        by: "the worker that claims it; `cancel`, `failQueued`",
        noDeadline: "the queue may be long; `doctor` reports jobs due for 15 minutes"
      }
    ],
    running: [
      {
        by: "its worker, under a lease",
        deadline: "the lease, and `max_duration_ms` after the claim",
        after:
          "a claim or `SandboxLifecycle.supervise`: `queued`; without attempts left `failed`, or `succeeded` with a published image"
      }
    ],
    failed: [{ by: "an operator: `redrive`", noDeadline: "it has ended" }],
    cancelled: [{ by: "an operator: `redrive`", noDeadline: "it has ended" }]
  }
)

/** The outcome of the last lease of a job. */
export const LeaseOutcome = enumeration("succeeded", "failed", "retried", "released", "expired", "cancelled")
export type LeaseOutcome = typeof LeaseOutcome.Type

/** A row of `oci_image_build_jobs`. */
export class WorkspaceBuildJob extends Model.Class<WorkspaceBuildJob>("WorkspaceBuildJob")(
  {
    id: WorkspaceBuildJobId,
    /** The sandbox attempt that uses the image. */
    attemptId: optional(SandboxAttemptId),
    status: WorkspaceBuildJobStatus,
    registryId: Name,
    repository: Name,
    tag: Name,
    requestPayload: Json(UserWorkspaceSpec),
    /** The fingerprint of the request, which a repeat with the same idempotency key must match. */
    requestFingerprint: optional(Name),
    idempotencyKey: optional(Name),
    /** The number of claims, without released ones. */
    attemptCount: Count,
    maxAttempts: Count,
    /** The maximum duration of a lease since its claim, in milliseconds. None: no limit. */
    maxDurationMs: optional(Count),
    /** The earliest time of the next claim. */
    availableAt: Timestamp,
    /** The time of the claim of the current lease. */
    claimedAt: OptionalTimestamp,
    leaseExpiresAt: OptionalTimestamp,
    /** The fencing token: the number of the last lease. It only increases. */
    leaseToken: Count,
    /** The outcome of that lease. None while it is held. */
    leaseOutcome: optional(LeaseOutcome),
    workerId: optional(Name),
    /** The time of the first claim that was not released. */
    startedAt: OptionalTimestamp,
    finishedAt: OptionalTimestamp,
    executorId: optional(Name),
    resultPayload: OptionalJson(OsExecutorCompileResult),
    /** The published image, from `SandboxLifecycle.publishBuild` or from the success on. */
    publishedReference: optional(Name),
    publishedDigestReference: optional(Name),
    publishedDigest: optional(Name),
    /** The last error, kept through retries until the job succeeds or is redriven. */
    errorCode: optional(Name),
    errorMessage: optional(Prose),
    cancelReason: optional(Prose),
    /** The hash of all inputs of the image. Launches with `reuseImage` find the image by it. */
    planHash: optional(Name),
    /** The time when the sandbox attempt of the job processed the end of the job. */
    runSettledAt: OptionalTimestamp,
    /** The owner whose share of the queue the job uses. Jobs without an owner have one share together. */
    ownerUserId: optional(UserId),
    /** 0 (most urgent) to 9. */
    priority: Count,
    /** The key whose jobs run at most `concurrencyLimit` at a time. It belongs to the owner. */
    concurrencyKey: optional(Name),
    concurrencyLimit: optional(Count),
    /** The most starts of jobs with the key in a minute. None: no limit. */
    startsPerMinute: optional(Count),
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "oci_image_build_jobs",
    service: "WorkspaceBuildJobRepo",
    purpose: "The durable queue of image builds: the lease, the attempts and the result of each job.",
    states: { status: workspaceBuildJobTransitions }
  })
) {}

/**
 * The right to work on a job. Every write of the worker carries `token`, a fencing token that is unique among the
 * leases of the job. So a worker that lost its lease without noticing cannot write.
 */
export const Lease = Schema.Struct({
  jobId: existing(WorkspaceBuildJobId),
  workerId: Name,
  token: Schema.Positive.pipe(Schema.int())
})
export type Lease = typeof Lease.Type

/** A claimed job and its lease. */
export const ClaimedJob = Schema.Struct({ job: Model.Row(WorkspaceBuildJob), lease: Lease })
export interface ClaimedJob extends Schema.Schema.Type<typeof ClaimedJob> {}

/** The result of `enqueue`. */
export const EnqueuedJob = Schema.Struct({
  job: Model.Row(WorkspaceBuildJob),
  /** False if the idempotency key belongs to an earlier job, which is returned. */
  created: Schema.Boolean
})
export interface EnqueuedJob extends Schema.Schema.Type<typeof EnqueuedJob> {}

/** The result of a call under one lease of a batch: the job, or the loss of the lease. */
export const JobResult = Schema.Either({ left: LeaseLost, right: Model.Row(WorkspaceBuildJob) })
export type JobResult = typeof JobResult.Type

/** The default of `maxAttempts`. */
export const defaultMaxAttempts = 3

/** The largest `maxAttempts` of a request. */
export const mostMaxAttempts = 1000

/** The maximum number of claims of a job, without released ones. */
export const MaxAttempts = Schema.Int.pipe(Schema.between(1, mostMaxAttempts))

/** The default of `priority`. */
export const defaultPriority = 5

/** The urgency of a job: 0 (most urgent) to 9. */
export const Priority = Schema.Int.pipe(Schema.between(0, 9))

const Limit = Schema.Int.pipe(Schema.between(1, 1_000_000))

/** The fields of a request that decide when its job is claimed. */
export const queueFields = {
  /** The urgency, 0 (most urgent) to 9. Default 5. */
  priority: Schema.optional(Priority),
  /** Jobs of one owner with the same key run at most `concurrencyLimit` at a time. */
  concurrencyKey: Schema.optional(Name),
  /**
   * The most running jobs with the key, default 1. The last enqueued job with the key sets it for all of them. Has no
   * effect without `concurrencyKey`.
   */
  concurrencyLimit: Schema.optional(Limit),
  /**
   * The most starts of jobs with the key in a minute. The last enqueued job with the key sets it for all of them.
   * Default: no limit. Has no effect without `concurrencyKey`.
   */
  startsPerMinute: Schema.optional(Limit)
}

/** Request to enqueue a job. `availableAt` defaults to now; without `maxDuration` there is no limit. */
export const EnqueueJob = Schema.Struct({
  id: Schema.optional(WorkspaceBuildJobId),
  attemptId: Schema.optional(existing(SandboxAttemptId)),
  /** The owner whose share the job uses. A job with a sandbox attempt uses that of the attempt's owner instead. */
  ownerUserId: Schema.optional(existing(UserId)),
  ...queueFields,
  registryId: Name,
  repository: Name,
  tag: Name,
  requestPayload: documentOf(UserWorkspaceSpec),
  idempotencyKey: Schema.optional(Name),
  availableAt: Schema.optional(Schema.DateTimeUtcFromSelf),
  maxAttempts: Schema.optionalWith(MaxAttempts, { default: () => defaultMaxAttempts }),
  maxDuration: Schema.optional(Milliseconds),
  /** The hash of all inputs of the image. */
  planHash: Schema.optional(Name)
})

/** Request to enqueue several jobs. */
export const EnqueueJobs = Schema.Struct({ jobs: Schema.Array(EnqueueJob).pipe(Schema.maxItems(maxRows)) })

/** A plan of an image, and the registry that contains the image. */
export const JobByPlanHash = Schema.Struct({ registryId: Name, planHash: Name })

/** A job and its new priority. */
export const JobPriority = Schema.Struct({ id: existing(WorkspaceBuildJobId), priority: Priority })

/** The result of a successful build: the executor, and the published image. */
export const JobSuccess = Schema.Struct({
  executorId: Name,
  resultPayload: Schema.optional(documentOf(OsExecutorCompileResult)),
  publishedReference: Name,
  publishedDigestReference: Name,
  publishedDigest: Name
})

/** The failure of a build. `retryable` defaults to true. */
export const JobFailure = Schema.Struct({
  errorMessage: ReportedProse,
  errorCode: Schema.optional(Name),
  retryable: Schema.optionalWith(Schema.Boolean, { default: () => true })
})

/** The failure of a queued job, by an operator. */
export const QueuedJobFailure = Schema.Struct({
  id: existing(WorkspaceBuildJobId),
  errorMessage: ReportedProse,
  errorCode: Schema.optional(Name)
})

/** The error code of a job whose last lease expired without attempts left. */
export const attemptsExhausted = "attempts-exhausted"

/** The error code of a job whose row cannot be decoded, usually because its spec is older than the schema. */
export const unreadableJob = "unreadable-job"

/**
 * The state of a job, as its sandbox attempt needs it. It omits the documents, so that an attempt can end even if a
 * document cannot be decoded.
 */
export class JobState extends Model.Class<JobState>("JobState")({
  id: WorkspaceBuildJobId,
  attemptId: optional(SandboxAttemptId),
  status: WorkspaceBuildJobStatus,
  cancelReason: optional(Prose),
  attemptCount: Count,
  leaseToken: Count,
  /** Set once the image is published, also before the job has succeeded. */
  publishedReference: optional(Name),
  publishedDigest: optional(Name),
  /** The code of the last error. */
  errorCode: optional(Name)
}) {}

/** Counts of the jobs in the queue. */
export const QueueStats = LeaseStats(WorkspaceBuildJobStatus)
export interface QueueStats extends Schema.Schema.Type<typeof QueueStats> {}
