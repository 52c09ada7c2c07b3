/**
 * The writes on `oci_image_build_jobs` that are not under a lease, shared by `WorkspaceBuildJobRepo` and the lifecycle
 * operations. Those under a lease are in `claim.ts`.
 */
import type { SqlClient, Statement } from "@effect/sql"
import { DateTime } from "effect"
import { columnList } from "../sql/rows.js"
import { encodeSpec, requestFingerprint } from "./requestFingerprint.js"
import {
  type EnqueueJob,
  WorkspaceBuildJob,
  type WorkspaceBuildJobId,
  workspaceBuildJobTransitions
} from "./WorkspaceBuildJob.js"

export const jobStatements = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(columnList(WorkspaceBuildJob))

  return {
    /** Inserts a queued job. Returns no row if its idempotency key is in use. */
    insert: (job: typeof EnqueueJob.Type & { readonly id: WorkspaceBuildJobId }, now: number) => {
      const { attemptId = null, maxDuration: maxDurationMs, registryId, repository, tag } = job
      const requestPayload = encodeSpec(job.requestPayload)
      const fingerprint = requestFingerprint({
        attemptId,
        registryId,
        repository,
        tag,
        requestPayload,
        maxDurationMs
      })
      const statement = sql`
        INSERT INTO oci_image_build_jobs (id, run_id, status, registry_id, repository, tag, request_payload,
          request_fingerprint, idempotency_key, max_attempts, max_duration_ms, available_at, created_at, updated_at)
        VALUES (${job.id}, ${attemptId}, 'queued', ${registryId}, ${repository}, ${tag}, ${JSON.stringify(requestPayload)},
          ${fingerprint}, ${job.idempotencyKey ?? null}, ${job.maxAttempts}, ${maxDurationMs ?? null},
          ${job.availableAt === undefined ? now : DateTime.toEpochMillis(job.availableAt)}, ${now}, ${now})
        ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
        RETURNING ${columns}`
      return { statement, fingerprint }
    },

    /** Cancels the job with the id that `which` selects, if it is queued or running. `returning` are the columns. */
    cancel: (which: Statement.Fragment, reason: string, now: number, returning: Statement.Fragment = columns) => sql`
      UPDATE oci_image_build_jobs SET
        status = 'cancelled', cancel_reason = ${reason}, lease_expires_at = NULL,
        lease_outcome = iif(status = 'running', 'cancelled', lease_outcome),
        finished_at = max(${now}, coalesce(started_at, 0)), updated_at = ${now}
      WHERE id = ${which} AND ${sql.in("status", workspaceBuildJobTransitions.sources("cancelled"))}
      RETURNING ${returning}`,

    /** Records that the attempt of an ended job has processed its end. Returns no row if that is recorded already. */
    settle: (id: string, now: number) => sql`
      UPDATE oci_image_build_jobs SET run_settled_at = ${now}
      WHERE id = ${id} AND finished_at IS NOT NULL AND run_settled_at IS NULL
      RETURNING ${columns}`
  }
}
