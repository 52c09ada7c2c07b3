/**
 * Build jobs as operators see them: without their documents, which may hold what is nobody's to see, and so also those
 * that cannot be read any more.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import { LeaseOutcome, WorkspaceBuildJobId, WorkspaceBuildJobStatus } from "../build-job/WorkspaceBuildJob.js"
import { SandboxAttemptId } from "../sandbox/SandboxAttempt.js"
import { Count, Name, optional, OptionalTimestamp, Prose, Timestamp } from "../sql/columns.js"
import { walk, walksByStatus } from "../sql/filters.js"
import * as Model from "../sql/model.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"

const summary = {
  id: WorkspaceBuildJobId,
  status: WorkspaceBuildJobStatus,
  runId: optional(SandboxAttemptId),
  registryId: Name,
  repository: Name,
  tag: Name,
  attemptCount: Count,
  maxAttempts: Count,
  availableAt: Timestamp,
  leaseExpiresAt: OptionalTimestamp,
  workerId: optional(Name),
  finishedAt: OptionalTimestamp,
  errorCode: optional(Name),
  createdAt: Timestamp
}

/** A job in a list. */
export class JobSummary extends Model.Class<JobSummary>("JobSummary")(summary) {}

/** One job, with all that is not a document. */
export class JobDetail extends Model.Class<JobDetail>("JobDetail")({
  ...summary,
  requestFingerprint: optional(Name),
  idempotencyKey: optional(Name),
  claimedAt: OptionalTimestamp,
  leaseToken: Count,
  leaseOutcome: optional(LeaseOutcome),
  startedAt: OptionalTimestamp,
  executorId: optional(Name),
  publishedReference: optional(Name),
  publishedDigest: optional(Name),
  errorMessage: optional(Prose),
  cancelReason: optional(Prose),
  runSettledAt: OptionalTimestamp,
  updatedAt: Timestamp
}) {}

const { present, read } = operations("Jobs", "WorkspaceBuildJob")

/** The newest jobs, in one state or in any. */
export const listJobs = (limit: number, status: Option.Option<WorkspaceBuildJobStatus>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const jobs = yield* rowsOf(JobSummary)
    const start = yield* Page.start("Jobs.list", { limit })
    const columns = sql.literal(columnList(JobSummary))
    // A walk for each state: no index has them all in one order.
    const walks = walksByStatus(sql, Option.match(status, { onNone: () => WorkspaceBuildJobStatus.literals, onSome: (one) => [one] }), [])
    const found = yield* jobs.all(walk(sql, { columns, table: "oci_image_build_jobs" }, walks, start))
    return found.slice(0, limit)
  }).pipe(read("list"))

/** One job. Fails with `NotFound`. */
export const showJob = (id: WorkspaceBuildJobId) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const jobs = yield* rowsOf(JobDetail)
    const found = yield* jobs.first(sql`SELECT ${sql.literal(columnList(JobDetail))} FROM oci_image_build_jobs WHERE id = ${id}`)
    return yield* present(id)(found)
  }).pipe(read("show"))
