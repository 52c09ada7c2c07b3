/**
 * The durable queue of workspace builds, over the table `oci_image_build_jobs`.
 *
 * - A job has one current lease at a time. Each write of a worker carries the token of its lease, and the database
 *   refuses it unless the token is the last one of the job. A worker that lost its lease cannot write, no matter how
 *   late it continues.
 * - A job has at most `maxAttempts` attempts. An expired lease counts as an attempt, a released one does not.
 * - A lease ends `maxDuration` after its claim at the latest: heartbeats do not extend it further.
 * - The cost of a claim does not depend on the depth of the queue: it reads the first entries of partial indexes on
 *   queued and running jobs.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, DateTime, Effect, Layer, Option } from "effect"
import {
  type AlreadyExists,
  IdempotencyConflict,
  type InvalidInput,
  type LeaseLost,
  type NotFound,
  type PersistenceError,
  type QuotaExceeded,
  type ReferenceNotFound
} from "../Errors.js"
import type { ClaimRequest, LeaseMethods } from "../leasing/LeaseMethods.js"
import type { SandboxAttemptId } from "../sandbox/SandboxAttempt.js"
import { readByIds } from "../sql/batch.js"
import { Prose } from "../sql/columns.js"
import { idOrNew } from "../sql/ids.js"
import { annotated, operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { type Reference, resolveForeignKeyError } from "../sql/references.js"
import { columnList, joinedRows, rowsOf } from "../sql/rows.js"
import { texts } from "./claim.js"
import { enqueueWrite, ownerOf } from "./enqueue.js"
import { makeEnqueueMany } from "./enqueueMany.js"
import { countOf, type JobBatchMethods } from "./JobBatches.js"
import { type JobChangeMethods, makeJobChanges } from "./jobChanges.js"
import { type JobListMethods, makeJobLists } from "./jobLists.js"
import { makeLeases } from "./leases.js"
import { jobStatements } from "./jobStatements.js"
import { newestJobOf } from "./newestJob.js"
import { nextDueText } from "./queueStatements.js"
import { quotaExceeded } from "./quotas.js"
import {
  type ClaimedJob,
  type EnqueuedJob,
  EnqueueJob,
  EnqueueJobs,
  JobByPlanHash,
  type JobFailure,
  JobState,
  type JobSuccess,
  type Lease,
  type QueueStats,
  WorkspaceBuildJob,
  WorkspaceBuildJobId,
  WorkspaceBuildJobStatus
} from "./WorkspaceBuildJob.js"

export type { ClaimRequest }

/**
 * Methods of `WorkspaceBuildJobRepo`. A job without attempts left fails with the error code `attempts-exhausted`, and a
 * job whose row cannot be decoded with `unreadable-job`. A job without attempts left that has published its image
 * (`SandboxLifecycle.publishBuild`) has succeeded instead, with the same error code.
 *
 * Internal: for workers, operators and the lifecycle operations, not for request handlers.
 */
export interface WorkspaceBuildJobService
  extends LeaseMethods<Lease, WorkspaceBuildJob, ClaimedJob, QueueStats>,
    JobBatchMethods,
    JobChangeMethods,
    JobListMethods {
  /**
   * Enqueues a job. Idempotent by `idempotencyKey`: a repeat of the same request (same sandbox attempt, registry,
   * repository, tag, payload and `maxDuration`) returns the job of the first request and `created: false`.
   *
   * Fails with
   * - `IdempotencyConflict` if the key was used for a different request,
   * - `ReferenceNotFound` if the sandbox attempt `attemptId` or the owner `ownerUserId` does not exist, or if the attempt
   *   belongs to another owner,
   * - `AlreadyExists` if `id` is in use,
   * - `QuotaExceeded` if the owner has `maxQueuedBuilds` queued jobs,
   * - `InvalidInput` if the spec or a field is invalid.
   */
  readonly enqueue: (
    job: typeof EnqueueJob.Encoded
  ) => Effect.Effect<
    EnqueuedJob,
    AlreadyExists | IdempotencyConflict | QuotaExceeded | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Claims the jobs that as many calls of `claimNext` would claim, up to `limit` (1 to 1,000), in their order. Returns
   * fewer if fewer can be claimed. Fails with `InvalidInput` if `limit` is out of range.
   */
  readonly claimBatch: (
    request: ClaimRequest & { readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<ClaimedJob>, InvalidInput | PersistenceError>

  /**
   * Claims one job if it is due, otherwise as `claimNext`. Returns `None` if the job is not due, is under a lease, has
   * ended or does not exist.
   */
  readonly claimById: (
    request: ClaimRequest & { readonly id: string }
  ) => Effect.Effect<Option.Option<ClaimedJob>, InvalidInput | PersistenceError>

  /**
   * Ends a job as succeeded (running → succeeded). A repeat by the same lease changes nothing and returns the job.
   *
   * Fails with `LeaseLost` if the lease is not the current one, with `InvalidInput` if the result is invalid.
   */
  readonly succeed: (
    lease: Lease,
    success: typeof JobSuccess.Encoded
  ) => Effect.Effect<WorkspaceBuildJob, LeaseLost | InvalidInput | PersistenceError>

  /**
   * Reports a failure. If it is retryable and attempts are left, the job is queued again (running → queued). It is
   * available after a pause that doubles with each attempt: 1 s at first, 5 min at most, half of it random. Otherwise
   * the job ends as failed (running → failed). A repeat by the same lease changes nothing and returns the job.
   *
   * Fails with `LeaseLost` if the lease is not the current one, with `InvalidInput` if the failure is invalid.
   */
  readonly fail: (
    lease: Lease,
    failure: typeof JobFailure.Encoded
  ) => Effect.Effect<WorkspaceBuildJob, LeaseLost | InvalidInput | PersistenceError>

  /**
   * Cancels the newest job of a sandbox attempt if it is queued or running, and returns the state of that job. Returns
   * `None` if the attempt has no job. Also handles jobs whose documents cannot be decoded. Fails with `InvalidInput` if
   * the reason is invalid.
   */
  readonly cancelLatestByAttemptId: (request: {
    readonly attemptId: string
    readonly reason: string
  }) => Effect.Effect<Option.Option<JobState>, InvalidInput | PersistenceError>

  /**
   * Returns the earliest time at which a claim may find a job: a due time, the end of a lease, or the next start that a
   * rate limit allows. It may be in the past. `None` if only a write can make a job claimable: a new job, a released
   * slot, a changed limit, the end of a pause.
   */
  readonly nextDueAt: Effect.Effect<Option.Option<DateTime.Utc>, PersistenceError>

  /**
   * Records that the sandbox attempt of a job has processed the end of the job. Does nothing if the job has not ended.
   * Fails with `NotFound` if the job does not exist.
   */
  readonly markSettled: (id: string) => Effect.Effect<void, NotFound | PersistenceError>

  /** Returns the job, if it exists. */
  readonly findById: (id: string) => Effect.Effect<Option.Option<WorkspaceBuildJob>, PersistenceError>

  /** Returns the job. Fails with `NotFound` if it does not exist. */
  readonly getById: (id: string) => Effect.Effect<WorkspaceBuildJob, NotFound | PersistenceError>

  /** Returns the job that was enqueued with this key, if there is one. */
  readonly findByIdempotencyKey: (key: string) => Effect.Effect<Option.Option<WorkspaceBuildJob>, PersistenceError>

  /**
   * Returns the job that has succeeded last with a plan in a registry, of any owner, if there is one. Fails with
   * `InvalidInput` if a field is invalid. Internal: not for request handlers.
   */
  readonly findLatestByPlanHash: (
    request: typeof JobByPlanHash.Encoded
  ) => Effect.Effect<Option.Option<WorkspaceBuildJob>, InvalidInput | PersistenceError>

  /** Returns the newest job of a sandbox attempt, if it has one. */
  readonly findLatestByAttemptId: (
    attemptId: string
  ) => Effect.Effect<Option.Option<WorkspaceBuildJob>, PersistenceError>

  /**
   * Returns the state of the newest job of a sandbox attempt, if it has one. Also returns jobs whose documents cannot
   * be decoded.
   */
  readonly findLatestStateByAttemptId: (attemptId: string) => Effect.Effect<Option.Option<JobState>, PersistenceError>

  /**
   * Returns the newest job of each sandbox attempt that has one. Accepts any number of attempts and reads up to 100 in
   * a statement.
   */
  readonly listLatestByAttemptIds: (
    attemptIds: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyMap<SandboxAttemptId, WorkspaceBuildJob>, PersistenceError>

  /**
   * Lists the jobs with a status, newest first. Fails with `InvalidInput` if the status is unknown, the cursor is
   * malformed or the limit is out of range.
   */
  readonly listByStatus: (
    request: Page.PageRequest & { readonly status: WorkspaceBuildJobStatus }
  ) => Effect.Effect<Page.Page<WorkspaceBuildJob>, InvalidInput | PersistenceError>
}

const { decodeInput, onlyFields, orNotFound, traced } = operations("WorkspaceBuildJobRepo", "WorkspaceBuildJob")

const onlyJobFields = onlyFields("enqueueMany", Object.keys(EnqueueJob.fields))

const referencesOf = ({ attemptId, ownerUserId }: typeof EnqueueJob.Encoded): ReadonlyArray<Reference> => [
  {
    field: "attemptId",
    table: "sandbox_attempts",
    id: Option.fromNullable(attemptId),
    rule: "oci_image_build_jobs: an attempt of another owner"
  },
  { field: "ownerUserId", table: "user", id: Option.fromNullable(ownerUserId) }
]

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(WorkspaceBuildJob))
  const jobs = yield* rowsOf(WorkspaceBuildJob)
  const rows = yield* joinedRows
  const stateColumns = sql.literal(columnList(JobState))
  const states = yield* rowsOf(JobState)
  const statements = jobStatements(sql)
  const { enqueueMany } = makeEnqueueMany(sql, jobs, columnList(WorkspaceBuildJob))

  const byId = (id: string) => jobs.findOne(sql.unsafe(texts.byId, [id]))
  const byKey = (key: string) =>
    jobs.findOne(sql`SELECT ${columns} FROM oci_image_build_jobs WHERE idempotency_key = ${key}`)

  const insert = (job: typeof EnqueueJob.Type) =>
    Effect.gen(function* () {
      const id = yield* idOrNew(job.id, "job", WorkspaceBuildJobId.make)
      const { idempotencyKey: key } = job
      const { fingerprint, row, write } = enqueueWrite({ ...job, id }, yield* Clock.currentTimeMillis)
      const inserted = yield* rows(sql.unsafe(write.sql, [...write.values]))
      const [stored] = inserted
      if (stored !== undefined) return { job: row(ownerOf(stored)), created: true }

      const existing = key === undefined ? Option.none() : yield* byKey(key)
      if (Option.isNone(existing)) return yield* quotaExceeded(sql, "maxQueuedBuilds", yield* ownerOfRequest(job))
      return Option.contains(existing.value.requestFingerprint, fingerprint)
        ? { job: existing.value, created: false }
        : yield* new IdempotencyConflict({ key: key ?? "" })
    })

  /** Returns the owner whose quota a request uses. */
  const ownerOfRequest = ({ attemptId, ownerUserId }: typeof EnqueueJob.Type) =>
    Effect.map(
      sql<{ readonly owner: string }>`
        SELECT owner_user_id AS owner FROM sandbox_attempts WHERE id = ${attemptId ?? null}`,
      ([attempt]) => ownerUserId ?? attempt?.owner ?? null
    )

  const getById = (id: string) => Effect.flatMap(byId(id), orNotFound(id))

  const latestOf = (attemptId: string) => sql.unsafe(newestJobOf("?"), [attemptId])

  const latestState = (attemptId: string) =>
    states.findOne(sql`SELECT ${stateColumns} FROM oci_image_build_jobs WHERE id = (${latestOf(attemptId)})`)

  const service: WorkspaceBuildJobService = {
    ...makeLeases(sql, jobs),
    ...makeJobChanges(sql, jobs),
    ...(yield* makeJobLists),

    enqueue: (request) =>
      decodeInput(
        "enqueue",
        EnqueueJob
      )(request).pipe(
        Effect.flatMap(insert),
        Effect.tap(({ job }) => annotated("job.id", job.id)),
        traced("enqueue", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => referencesOf(request))
        )
      ),

    enqueueMany: (requests) =>
      Effect.gen(function* () {
        const { jobs } = yield* decodeInput("enqueueMany", EnqueueJobs)({ jobs: requests })
        yield* Effect.forEach(requests, onlyJobFields, { discard: true })
        return yield* enqueueMany(jobs)
      }).pipe(
        traced("enqueueMany", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], {
          "job.count": countOf(requests)
        }),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => requests.flatMap(referencesOf))
        )
      ),

    nextDueAt: Effect.map(sql.unsafe<{ readonly at: number | null }>(nextDueText), ([row]) =>
      Option.map(Option.fromNullable(row?.at), DateTime.unsafeMake)
    ).pipe(traced("nextDueAt")),

    cancelLatestByAttemptId: (request) =>
      Effect.gen(function* () {
        yield* onlyFields("cancelLatestByAttemptId", ["attemptId", "reason"])(request)
        const { attemptId, reason } = request
        const cancelReason = yield* decodeInput("cancelLatestByAttemptId", Prose)(reason)
        const now = yield* Clock.currentTimeMillis
        const cancelled = yield* states.findOne(
          statements.cancel(sql`(${latestOf(attemptId)})`, cancelReason, now, stateColumns)
        )
        return Option.isSome(cancelled) ? cancelled : yield* latestState(attemptId)
      }).pipe(traced("cancelLatestByAttemptId", { "attempt.id": request.attemptId })),

    markSettled: (id) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const settled = yield* statements.settle(id, now)
        if (settled.length === 0) yield* getById(id)
      }).pipe(traced("markSettled", { "job.id": id })),

    findById: (id) => byId(id).pipe(traced("findById", { "job.id": id })),

    getById: (id) => getById(id).pipe(traced("getById", { "job.id": id })),

    findByIdempotencyKey: (key) => byKey(key).pipe(traced("findByIdempotencyKey")),

    findLatestByAttemptId: (attemptId) =>
      jobs
        .findOne(sql`SELECT ${columns} FROM oci_image_build_jobs WHERE id = (${latestOf(attemptId)})`)
        .pipe(traced("findLatestByAttemptId", { "attempt.id": attemptId })),

    findLatestByPlanHash: (request) =>
      decodeInput(
        "findLatestByPlanHash",
        JobByPlanHash
      )(request).pipe(
        Effect.flatMap((plan) => jobs.findOne(statements.findByPlan(plan))),
        traced("findLatestByPlanHash")
      ),

    findLatestStateByAttemptId: (attemptId) =>
      latestState(attemptId).pipe(traced("findLatestStateByAttemptId", { "attempt.id": attemptId })),

    listLatestByAttemptIds: (attemptIds) =>
      readByIds(attemptIds, (batch) =>
        jobs.findAll(sql`
          SELECT ${columns} FROM oci_image_build_jobs
          WHERE id IN (SELECT (${sql.literal(newestJobOf("wanted.value"))}) FROM json_each(${batch}) AS wanted)`)
      ).pipe(
        Effect.map(
          (found) =>
            new Map(found.flatMap((job) => Option.toArray(job.attemptId).map((attemptId) => [attemptId, job] as const)))
        ),
        traced("listLatestByAttemptIds", { "attempt.count": attemptIds.length })
      ),

    listByStatus: (request) =>
      Effect.gen(function* () {
        yield* onlyFields("listByStatus", ["status", ...Page.fields])(request)
        const status = yield* decodeInput("listByStatus", WorkspaceBuildJobStatus)(request.status)
        const start = yield* Page.start("WorkspaceBuildJobRepo.listByStatus", request)
        const found = yield* jobs.findPage(sql`
          SELECT ${columns} FROM oci_image_build_jobs
          WHERE status = ${status} AND ${Page.afterCursor(sql, start)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, (job) => [job.createdAt, job.id])
      }).pipe(traced("listByStatus"))
  }
  return service
})

/** The queue of workspace builds. */
export class WorkspaceBuildJobRepo extends Context.Tag("@sealant/db/WorkspaceBuildJobRepo")<
  WorkspaceBuildJobRepo,
  WorkspaceBuildJobService
>() {
  /** The repository over `SqlClient`. */
  static readonly layer: Layer.Layer<WorkspaceBuildJobRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
