/**
 * The statements on `oci_image_build_jobs` that are not under a lease, for `WorkspaceBuildJobRepo` and the lifecycle
 * operations. Those under a lease are in `claim.ts`, the INSERT is in `enqueue.ts`.
 */
import type { SqlClient, Statement } from "@effect/sql"
import { columnList } from "../sql/rows.js"
import {
  type JobByPlanHash,
  type JobPriority,
  type QueuedJobFailure,
  WorkspaceBuildJob,
  workspaceBuildJobTransitions
} from "./WorkspaceBuildJob.js"

/** The statuses of jobs that a redrive may queue again. */
export const redrivableStatuses = ["failed", "cancelled"] as const

/** The condition on a job that a redrive queues again: it has failed or was cancelled, and its attempt has not ended. */
export const isRedrivable = `oci_image_build_jobs.status IN ('failed', 'cancelled') AND NOT EXISTS (
        SELECT 1 FROM sandbox_attempts AS a
        WHERE a.id = oci_image_build_jobs.run_id
          AND (a.status NOT IN ('queued', 'running') OR a.stop_requested_at IS NOT NULL))`

export const jobStatements = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(columnList(WorkspaceBuildJob))

  /** Selects columns of the job that has succeeded last with a plan in a registry. */
  const latestWithPlan = (selected: Statement.Fragment, { planHash, registryId }: typeof JobByPlanHash.Type) => sql<
    Readonly<Record<string, unknown>>
  >`
    SELECT ${selected} FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_plan_hash_idx
    WHERE status = 'succeeded' AND registry_id = ${registryId} AND plan_hash = ${planHash}
    ORDER BY finished_at DESC, id DESC LIMIT 1`

  return {
    /** Selects the job that has succeeded last with a plan in a registry. */
    findByPlan: (plan: typeof JobByPlanHash.Type) => latestWithPlan(columns, plan),

    /** Cancels the job with the id that `which` selects, if it is queued or running. `returning` are the columns. */
    cancel: (which: Statement.Fragment, reason: string, now: number, returning: Statement.Fragment = columns) => sql`
      UPDATE oci_image_build_jobs SET
        status = 'cancelled', cancel_reason = ${reason}, lease_expires_at = NULL,
        lease_outcome = iif(status = 'running', 'cancelled', lease_outcome),
        finished_at = max(${now}, coalesce(started_at, 0)), updated_at = ${now}
      WHERE id = ${which} AND ${sql.in("status", workspaceBuildJobTransitions.sources("cancelled"))}
      RETURNING ${returning}`,

    /** Sets the priority of a job that is queued or running, from its next claim on. */
    setPriority: ({ id, priority }: typeof JobPriority.Type, now: number) => sql`
      UPDATE oci_image_build_jobs SET priority = ${priority}, updated_at = ${now}
      WHERE id = ${id} AND status IN ('queued', 'running')
      RETURNING ${columns}`,

    /** Fails a queued job. */
    failQueued: ({ errorCode, errorMessage, id }: typeof QueuedJobFailure.Type, now: number) => sql`
      UPDATE oci_image_build_jobs SET
        status = 'failed', error_code = ${errorCode ?? null}, error_message = ${errorMessage},
        finished_at = max(${now}, coalesce(started_at, 0)), updated_at = ${now}
      WHERE id = ${id} AND status = 'queued'
      RETURNING ${columns}`,

    /** Stores the newest image of its plan in a queued job, if there is one, as if a worker had published it. */
    reuseImage: (id: string, plan: typeof JobByPlanHash.Type) => {
      const image = sql.literal(
        "executor_id, result_payload, published_reference, published_digest_reference, published_digest"
      )
      return sql`
      UPDATE oci_image_build_jobs SET (${image}) = (${latestWithPlan(image, plan)})
      WHERE id = ${id}
      RETURNING ${columns}`
    },

    /**
     * Queues ended jobs again, with all attempts. Jobs of an ended attempt are excluded: a worker would cancel them, and
     * their error would be lost. So are running jobs: running → queued is a retry or a release under a lease. `returning`
     * are the columns.
     */
    redrive: (ids: ReadonlyArray<string>, now: number, returning: Statement.Fragment = columns) => sql`
      UPDATE oci_image_build_jobs SET
        status = 'queued', attempt_count = 0, available_at = ${now}, claimed_at = NULL, worker_id = NULL,
        started_at = NULL, finished_at = NULL, error_code = NULL, error_message = NULL, cancel_reason = NULL,
        run_settled_at = NULL, updated_at = ${now},
        owner_user_id = coalesce(owner_user_id, (SELECT owner_user_id FROM sandbox_attempts WHERE id = run_id))
      WHERE id IN (SELECT value FROM json_each(${JSON.stringify(ids)})) AND ${sql.literal(isRedrivable)}
      RETURNING ${returning}`,

    /** Ends a running job as succeeded with the image that its worker has published. */
    keepImage: (id: string, now: number) => sql`
      UPDATE oci_image_build_jobs SET
        status = 'succeeded', lease_outcome = 'succeeded', lease_expires_at = NULL,
        finished_at = max(${now}, started_at), error_code = NULL, error_message = NULL, updated_at = ${now}
      WHERE id = ${id} AND status = 'running' AND published_reference IS NOT NULL
      RETURNING ${columns}`,

    /** Records that the attempt of an ended job has processed its end. Returns no row if that is recorded already. */
    settle: (id: string, now: number) => sql`
      UPDATE oci_image_build_jobs SET run_settled_at = ${now}
      WHERE id = ${id} AND finished_at IS NOT NULL AND run_settled_at IS NULL
      RETURNING ${columns}`
  }
}
