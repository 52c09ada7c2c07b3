/**
 * Requests and results of the lists of build jobs for operators. They omit the documents of a job, which may be
 * confidential, so jobs with unreadable documents are included.
 */
import { Schema } from "effect"
import { UserId } from "../auth/User.js"
import { SandboxId } from "../sandbox/Sandbox.js"
import { SandboxAttemptId, SandboxAttemptStatus } from "../sandbox/SandboxAttempt.js"
import { RepositoryId } from "../source/Repository.js"
import { Count, Label, Name, optional, OptionalTimestamp, ownerScopeField, Prose, Timestamp } from "../sql/columns.js"
import { Limit } from "../sql/inputLimits.js"
import * as Model from "../sql/model.js"
import { LeaseOutcome, WorkspaceBuildJobId, WorkspaceBuildJobStatus } from "./WorkspaceBuildJob.js"

const summary = {
  id: WorkspaceBuildJobId,
  status: WorkspaceBuildJobStatus,
  attemptId: optional(SandboxAttemptId),
  registryId: Name,
  repository: Name,
  tag: Name,
  attemptCount: Count,
  maxAttempts: Count,
  availableAt: Timestamp,
  claimedAt: OptionalTimestamp,
  leaseExpiresAt: OptionalTimestamp,
  workerId: optional(Name),
  startedAt: OptionalTimestamp,
  finishedAt: OptionalTimestamp,
  errorCode: optional(Name),
  createdAt: Timestamp
}

/** A build job in a list. */
export class JobSummary extends Model.Class<JobSummary>("JobSummary")(summary) {}

/** One build job, with all its columns except documents. */
export class JobDetail extends Model.Class<JobDetail>("JobDetail")({
  ...summary,
  requestFingerprint: optional(Name),
  idempotencyKey: optional(Name),
  priority: Count,
  maxDurationMs: optional(Count),
  leaseToken: Count,
  leaseOutcome: optional(LeaseOutcome),
  executorId: optional(Name),
  publishedReference: optional(Name),
  publishedDigestReference: optional(Name),
  publishedDigest: optional(Name),
  errorMessage: optional(Prose),
  cancelReason: optional(Prose),
  planHash: optional(Name),
  runSettledAt: OptionalTimestamp,
  updatedAt: Timestamp
}) {}

/** The attempt of a job, and its owner. */
export class JobAttempt extends Model.Class<JobAttempt>("JobAttempt")({
  id: SandboxAttemptId,
  ownerUserId: UserId,
  repositoryId: optional(RepositoryId),
  status: SandboxAttemptStatus
}) {}

/** The sandbox of a job. */
export class JobSandbox extends Model.Class<JobSandbox>("JobSandbox")({ id: SandboxId, name: Label }) {}

const related = {
  /** Absent for a job without an attempt. */
  attempt: Schema.optionalWith(Model.Row(JobAttempt), { as: "Option" }),
  /** The sandbox to which the attempt is linked. */
  sandbox: Schema.optionalWith(Model.Row(JobSandbox), { as: "Option" })
}

/** A build job in a list, with its attempt and its sandbox. */
export const JobView = Schema.Struct({ job: Model.Row(JobSummary), ...related })
export interface JobView extends Schema.Schema.Type<typeof JobView> {}

/** Consistent snapshot of one build job, its attempt and its sandbox. */
export const JobDetailView = Schema.Struct({ job: Model.Row(JobDetail), ...related })
export interface JobDetailView extends Schema.Schema.Type<typeof JobDetailView> {}

/**
 * Filter for listing jobs: those that match every field that is set. `createdAfter` is inclusive, `createdBefore`
 * exclusive. An empty list of statuses matches no job.
 */
export const JobFilter = Schema.Struct({
  statuses: Schema.optional(Schema.Array(WorkspaceBuildJobStatus)),
  /** The owner of the attempt. */
  ownerUserId: ownerScopeField(UserId),
  /** The source repository of the attempt. */
  repositoryId: Schema.optional(RepositoryId),
  /** The worker of the last lease. */
  workerId: Schema.optional(Name),
  errorCode: Schema.optional(Name),
  createdAfter: Schema.optional(Schema.DateTimeUtcFromSelf),
  createdBefore: Schema.optional(Schema.DateTimeUtcFromSelf)
})

/** The number of jobs that match a filter. */
export const JobCount = Schema.Struct({
  count: Count,
  /** The number of those that `redriveMany` queues again: failed or cancelled, of an attempt that has not ended. */
  redrivable: Count
})
export interface JobCount extends Schema.Schema.Type<typeof JobCount> {}

/** Request to redrive the jobs that match a filter, up to `limit` (1 to 1,000), the newest first. */
export const RedriveJobs = Schema.Struct({ ...JobFilter.fields, limit: Limit })

/** The result of `redriveMany`. */
export const RedrivenJobs = Schema.Struct({
  /** The number of jobs that are queued again. */
  redriven: Count,
  /** The number of matching jobs that are still redrivable, because they are beyond the limit. */
  left: Count
})
export interface RedrivenJobs extends Schema.Schema.Type<typeof RedrivenJobs> {}
