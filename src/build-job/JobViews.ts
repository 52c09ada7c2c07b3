/**
 * Requests and results of the lists of build jobs for operators. They omit the documents of a job, which may be
 * confidential, so jobs with unreadable documents are included.
 */
import { Schema } from "effect"
import { UserId } from "../auth/User.js"
import { Sandbox } from "../sandbox/Sandbox.js"
import { SandboxAttempt } from "../sandbox/SandboxAttempt.js"
import { RepositoryId } from "../source/Repository.js"
import { Count, Name, ownerScopeField } from "../sql/columns.js"
import { Limit } from "../sql/inputLimits.js"
import * as Model from "../sql/model.js"
import { WorkspaceBuildJob, WorkspaceBuildJobStatus } from "./WorkspaceBuildJob.js"

const { fields } = WorkspaceBuildJob

const summary = {
  id: fields.id,
  status: fields.status,
  attemptId: fields.attemptId,
  registryId: fields.registryId,
  repository: fields.repository,
  tag: fields.tag,
  attemptCount: fields.attemptCount,
  maxAttempts: fields.maxAttempts,
  availableAt: fields.availableAt,
  claimedAt: fields.claimedAt,
  leaseExpiresAt: fields.leaseExpiresAt,
  workerId: fields.workerId,
  startedAt: fields.startedAt,
  finishedAt: fields.finishedAt,
  errorCode: fields.errorCode,
  createdAt: fields.createdAt
}

/** A build job in a list. */
export class JobSummary extends Model.Class<JobSummary>("JobSummary")(summary) {}

/** One build job, with all its columns except documents. */
export class JobDetail extends Model.Class<JobDetail>("JobDetail")({
  ...summary,
  requestFingerprint: fields.requestFingerprint,
  idempotencyKey: fields.idempotencyKey,
  maxDurationMs: fields.maxDurationMs,
  leaseToken: fields.leaseToken,
  leaseOutcome: fields.leaseOutcome,
  executorId: fields.executorId,
  publishedReference: fields.publishedReference,
  publishedDigestReference: fields.publishedDigestReference,
  publishedDigest: fields.publishedDigest,
  errorMessage: fields.errorMessage,
  cancelReason: fields.cancelReason,
  planHash: fields.planHash,
  runSettledAt: fields.runSettledAt,
  updatedAt: fields.updatedAt
}) {}

/** The attempt of a job, and its owner. */
export class JobAttempt extends Model.Class<JobAttempt>("JobAttempt")({
  id: SandboxAttempt.fields.id,
  ownerUserId: SandboxAttempt.fields.ownerUserId,
  repositoryId: SandboxAttempt.fields.repositoryId,
  status: SandboxAttempt.fields.status
}) {}

/** The sandbox of a job. */
export class JobSandbox extends Model.Class<JobSandbox>("JobSandbox")({
  id: Sandbox.fields.id,
  name: Sandbox.fields.name
}) {}

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

/** Request to redrive the jobs that match a filter, up to `limit` (1 to 1,000), the newest first. */
export const RedriveJobs = Schema.Struct({ ...JobFilter.fields, limit: Limit })

/** The result of `redriveMany`. */
export const RedrivenJobs = Schema.Struct({
  /** The number of jobs that are queued again. */
  redriven: Count,
  /** The number of matching jobs that stay as they are, because their attempt has ended or was asked to stop. */
  skipped: Count
})
export interface RedrivenJobs extends Schema.Schema.Type<typeof RedrivenJobs> {}
