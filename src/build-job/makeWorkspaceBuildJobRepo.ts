/**
 * The statements and rules of `WorkspaceBuildJobRepo`: enqueueing, looking, and what people do to jobs. What workers do
 * stands in `leases.ts`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect, Option } from "effect"
import { IdempotencyConflict, InvalidTransition } from "../Errors.js"
import { readByIds } from "../sql/batch.js"
import { Prose } from "../sql/columns.js"
import { idOrNew } from "../sql/ids.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import type { SandboxAttemptId } from "../sandbox/SandboxAttempt.js"
import { texts } from "./claim.js"
import { makeLeases } from "./leases.js"
import { encodeRequest, requestFingerprint } from "./requestFingerprint.js"
import {
  JobState,
  EnqueueJob,
  WorkspaceBuildJob,
  WorkspaceBuildJobId,
  WorkspaceBuildJobStatus,
  workspaceBuildJobTransitions
} from "./WorkspaceBuildJob.js"
import type { WorkspaceBuildJobService } from "./WorkspaceBuildJobRepo.js"

const { input, present, read, unmoved, write } = operations("WorkspaceBuildJobRepo", "WorkspaceBuildJob")


export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(WorkspaceBuildJob))
  const jobs = yield* rowsOf(WorkspaceBuildJob)
  const stateColumns = sql.literal(columnList(JobState))
  const states = yield* rowsOf(JobState)

  const byId = (id: string) => jobs.first(sql.unsafe(texts.byId, [id]))
  const byKey = (key: string) => jobs.first(sql`SELECT ${columns} FROM oci_image_build_jobs WHERE idempotency_key = ${key}`)

  const insert = (job: typeof EnqueueJob.Type) =>
    Effect.gen(function*() {
      const id = yield* idOrNew(job.id, "job", WorkspaceBuildJobId.make)
      const now = yield* Clock.currentTimeMillis
      const { idempotencyKey: key, registryId, repository, runId = null, tag } = job
      const requestPayload = encodeRequest(job.requestPayload)
      const { maxDuration: maxDurationMs } = job
      const digest = requestFingerprint({ runId, registryId, repository, tag, requestPayload, maxDurationMs })
      const inserted = yield* jobs.first(sql`
        INSERT INTO oci_image_build_jobs (id, run_id, status, registry_id, repository, tag, request_payload,
          request_fingerprint, idempotency_key, max_attempts, max_duration_ms, available_at, created_at, updated_at)
        VALUES (${id}, ${runId}, 'queued', ${registryId}, ${repository}, ${tag}, ${JSON.stringify(requestPayload)},
          ${digest}, ${key ?? null}, ${job.maxAttempts}, ${maxDurationMs ?? null},
          ${job.availableAt === undefined ? now : DateTime.toEpochMillis(job.availableAt)}, ${now}, ${now})
        ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
        RETURNING ${columns}`)
      if (Option.isSome(inserted)) return { job: inserted.value, created: true }

      const first = key === undefined ? Option.none() : yield* byKey(key)
      return Option.isSome(first) && Option.contains(first.value.requestFingerprint, digest)
        ? { job: first.value, created: false }
        : yield* new IdempotencyConflict({ key: key ?? "" })
    })

  /** Nothing moved: a second look, which only says why. */
  const whyNot = (id: WorkspaceBuildJobId, to: WorkspaceBuildJobStatus) =>
    Effect.flatMap(getById(id), unmoved(id, to))

  const whyNotRedriven = (id: WorkspaceBuildJobId) =>
    Effect.flatMap(getById(id), (job) =>
      job.status === "failed" || job.status === "cancelled"
        ? new InvalidTransition({
          entity: "WorkspaceBuildJob",
          id,
          from: job.status,
          to: "queued",
          remedy: "its attempt has ended; retry the sandbox instead"
        })
        : unmoved(id, "queued")(job))

  const getById = (id: WorkspaceBuildJobId) => Effect.flatMap(byId(id), present(id))

  const isCancellable = sql.in("status", workspaceBuildJobTransitions.sources("cancelled"))

  const cancelledBy = (now: number, reason: string) => sql`
    status = 'cancelled', cancel_reason = ${reason}, lease_expires_at = NULL,
    lease_outcome = iif(status = 'running', 'cancelled', lease_outcome),
    finished_at = max(${now}, coalesce(started_at, 0)), updated_at = ${now}`

  const latestOf = (runId: SandboxAttemptId) => sql`
    SELECT id FROM oci_image_build_jobs WHERE run_id = ${runId} ORDER BY created_at DESC, id DESC LIMIT 1`

  const latestState = (runId: SandboxAttemptId) =>
    states.first(sql`SELECT ${stateColumns} FROM oci_image_build_jobs WHERE id = (${latestOf(runId)})`)

  const service: WorkspaceBuildJobService = {
    ...makeLeases(sql, jobs),

    enqueue: (request) =>
      input("enqueue", EnqueueJob)(request).pipe(
        Effect.flatMap(insert),
        Effect.tap(({ job }) => Effect.annotateCurrentSpan("job.id", job.id)),
        write("enqueue", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "runId", table: "sandbox_attempts", id: Option.fromNullable(request.runId) }
        ]))
      ),

    cancel: ({ id, reason }) =>
      Effect.gen(function*() {
        const given = yield* input("cancel", Prose)(reason)
        const now = yield* Clock.currentTimeMillis
        const cancelled = yield* jobs.first(sql`
          UPDATE oci_image_build_jobs SET ${cancelledBy(now, given)}
          WHERE id = ${id} AND ${isCancellable} RETURNING ${columns}`)
        return Option.isSome(cancelled) ? cancelled.value : yield* whyNot(id, "cancelled")
      }).pipe(read("cancel", { "job.id": id })),

    cancelLatestByRunId: ({ reason, runId }) =>
      Effect.gen(function*() {
        const given = yield* input("cancelLatestByRunId", Prose)(reason)
        const now = yield* Clock.currentTimeMillis
        const cancelled = yield* states.first(sql`
          UPDATE oci_image_build_jobs SET ${cancelledBy(now, given)}
          WHERE id = (${latestOf(runId)}) AND ${isCancellable} RETURNING ${stateColumns}`)
        return Option.isSome(cancelled) ? cancelled : yield* latestState(runId)
      }).pipe(read("cancelLatestByRunId", { "run.id": runId })),

    redrive: (id) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        // running → queued is a retry or a release under a lease, not a redrive. A worker would cancel a job whose attempt has
        // ended, and its error would be lost.
        const queued = yield* jobs.first(sql`
          UPDATE oci_image_build_jobs SET
            status = 'queued', attempt_count = 0, available_at = ${now}, claimed_at = NULL, worker_id = NULL,
            started_at = NULL, finished_at = NULL, error_code = NULL, error_message = NULL, cancel_reason = NULL,
            run_settled_at = NULL, updated_at = ${now}
          WHERE id = ${id} AND status IN ('failed', 'cancelled') AND NOT EXISTS (
            SELECT 1 FROM sandbox_attempts AS a
            WHERE a.id = run_id AND (a.status NOT IN ('queued', 'running') OR a.stop_requested_at IS NOT NULL))
          RETURNING ${columns}`)
        return Option.isSome(queued) ? queued.value : yield* whyNotRedriven(id)
      }).pipe(read("redrive", { "job.id": id })),

    markSettled: (id) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const settled = yield* sql`
          UPDATE oci_image_build_jobs SET run_settled_at = ${now}
          WHERE id = ${id} AND finished_at IS NOT NULL AND run_settled_at IS NULL
          RETURNING id`
        if (settled.length === 0) yield* getById(id)
      }).pipe(read("markSettled", { "job.id": id })),

    findById: (id) => byId(id).pipe(read("findById", { "job.id": id })),

    getById: (id) => getById(id).pipe(read("getById", { "job.id": id })),

    findByIdempotencyKey: (key) => byKey(key).pipe(read("findByIdempotencyKey")),

    findLatestByRunId: (runId) =>
      jobs.first(sql`SELECT ${columns} FROM oci_image_build_jobs WHERE id = (${latestOf(runId)})`).pipe(read("findLatestByRunId", { "run.id": runId })),

    findLatestStateByRunId: (runId) => latestState(runId).pipe(read("findLatestStateByRunId", { "run.id": runId })),

    listLatestByRunIds: (runIds) =>
      readByIds(runIds, (batch) =>
        jobs.all(sql`
          SELECT ${columns} FROM oci_image_build_jobs
          WHERE id IN (
            SELECT (SELECT id FROM oci_image_build_jobs WHERE run_id = wanted.value ORDER BY created_at DESC, id DESC LIMIT 1)
            FROM json_each(${batch}) AS wanted)`)).pipe(
        Effect.map((found) => new Map(found.flatMap((job) => Option.toArray(job.runId).map((runId) => [runId, job] as const)))),
        read("listLatestByRunIds", { "run.count": runIds.length })
      ),

    listByStatus: (request) =>
      Effect.gen(function*() {
        const status = yield* input("listByStatus", WorkspaceBuildJobStatus)(request.status)
        const start = yield* Page.start("WorkspaceBuildJobRepo.listByStatus", request)
        const rows = yield* jobs.all(sql`
          SELECT ${columns} FROM oci_image_build_jobs
          WHERE status = ${status} AND ${Page.below(sql, start)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, (job) => [job.createdAt, job.id])
      }).pipe(read("listByStatus"))
  }
  return service
})
