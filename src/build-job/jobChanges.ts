/**
 * The changes of jobs without a lease, by operators. The journal records each change of status with the current actor.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { type InvalidInput, InvalidTransition, type NotFound, type PersistenceError } from "../Errors.js"
import { Prose } from "../sql/columns.js"
import { operations } from "../sql/operations.js"
import type { RowsOf } from "../sql/rows.js"
import { texts } from "./claim.js"
import { journaled } from "./jobJournal.js"
import { jobStatements } from "./jobStatements.js"
import {
  JobPriority,
  QueuedJobFailure,
  type WorkspaceBuildJob,
  type WorkspaceBuildJobStatus
} from "./WorkspaceBuildJob.js"

/** The changes of `WorkspaceBuildJobService`. */
export interface JobChangeMethods {
  /**
   * Cancels a job (queued or running → cancelled). Idempotent. The next call of its worker under the lease fails with
   * `LeaseLost`. The journal records the change with the current actor.
   *
   * Fails with `NotFound` if the job does not exist, with `InvalidTransition` if it has succeeded or failed, with
   * `InvalidInput` if the reason is invalid.
   */
  readonly cancel: (request: {
    readonly id: string
    readonly reason: string
  }) => Effect.Effect<WorkspaceBuildJob, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Fails a job without a lease (queued → failed), for operators. Supervision ends its sandbox attempt. Idempotent. The
   * journal records the change with the current actor.
   *
   * Fails with `NotFound` if the job does not exist, with `InvalidTransition` if it is running, has succeeded or was
   * cancelled, with `InvalidInput` if a field is invalid.
   */
  readonly failQueued: (
    failure: typeof QueuedJobFailure.Encoded
  ) => Effect.Effect<WorkspaceBuildJob, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Queues a job again (failed or cancelled → queued), available now and with all its attempts. A queued job is
   * returned unchanged. The journal records the change with the current actor.
   *
   * Fails with `NotFound` if the job does not exist. Fails with `InvalidTransition` if the job is running or has
   * succeeded, or if its sandbox attempt has ended or was asked to stop. `SandboxLifecycle.retry` creates a new attempt
   * with a new job.
   */
  readonly redrive: (id: string) => Effect.Effect<WorkspaceBuildJob, NotFound | InvalidTransition | PersistenceError>

  /**
   * Sets the priority of a job that is queued or running: 0 (most urgent) to 9. It counts from the next claim on. The
   * journal records the change with the current actor and the priority. A repeat of the last change adds no event.
   *
   * Fails with `NotFound` if the job does not exist, with `InvalidTransition` if it has ended, with `InvalidInput` if the
   * priority is out of range.
   */
  readonly setPriority: (
    request: typeof JobPriority.Encoded
  ) => Effect.Effect<WorkspaceBuildJob, NotFound | InvalidTransition | InvalidInput | PersistenceError>
}

const { decodeInput, onlyFields, orInvalidTransition, orNotFound, traced } = operations(
  "WorkspaceBuildJobRepo",
  "WorkspaceBuildJob"
)

/** Builds the changes. `JobChangeMethods` documents them. */
export const makeJobChanges = (sql: SqlClient.SqlClient, jobs: RowsOf<WorkspaceBuildJob>): JobChangeMethods => {
  const statements = jobStatements(sql)
  const journal = journaled(sql)

  const getById = (id: string) => Effect.flatMap(jobs.findOne(sql.unsafe(texts.byId, [id])), orNotFound(id))

  /** Explains an UPDATE that matched no row. */
  const alreadyOrInvalid = (id: string, to: WorkspaceBuildJobStatus) =>
    Effect.flatMap(getById(id), orInvalidTransition(id, to))

  /** Fails for a job that is neither queued nor running. */
  const endedOf = (id: string) =>
    Effect.flatMap(
      getById(id),
      ({ status }) => new InvalidTransition({ entity: "WorkspaceBuildJob", id, from: status, to: "queued" })
    )

  const queuedOrInvalid = (id: string) =>
    Effect.flatMap(getById(id), (job) =>
      job.status === "failed" || job.status === "cancelled"
        ? new InvalidTransition({
            entity: "WorkspaceBuildJob",
            id,
            from: job.status,
            to: "queued",
            remedy: "its attempt has ended; retry the sandbox instead"
          })
        : orInvalidTransition(id, "queued")(job)
    )

  return {
    cancel: (request) =>
      Effect.gen(function* () {
        yield* onlyFields("cancel", ["id", "reason"])(request)
        const { id, reason } = request
        const cancelReason = yield* decodeInput("cancel", Prose)(reason)
        const now = yield* Clock.currentTimeMillis
        const cancelled = yield* journal("cancel", now, jobs.findOne(statements.cancel(sql`${id}`, cancelReason, now)))
        return Option.isSome(cancelled) ? cancelled.value : yield* alreadyOrInvalid(id, "cancelled")
      }).pipe(traced("cancel", { "job.id": request.id })),

    failQueued: (request) =>
      Effect.gen(function* () {
        const failure = yield* decodeInput("failQueued", QueuedJobFailure)(request)
        const now = yield* Clock.currentTimeMillis
        const failed = yield* journal("failQueued", now, jobs.findOne(statements.failQueued(failure, now)))
        return Option.isSome(failed) ? failed.value : yield* alreadyOrInvalid(failure.id, "failed")
      }).pipe(traced("failQueued", { "job.id": request.id })),

    redrive: (id) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const queued = yield* journal("redrive", now, jobs.findOne(statements.redrive([id], now)))
        return Option.isSome(queued) ? queued.value : yield* queuedOrInvalid(id)
      }).pipe(traced("redrive", { "job.id": id })),

    setPriority: (request) =>
      Effect.gen(function* () {
        const decoded = yield* decodeInput("setPriority", JobPriority)(request)
        const now = yield* Clock.currentTimeMillis
        const changed = yield* journal("setPriority", now, jobs.findOne(statements.setPriority(decoded, now)), {
          priority: decoded.priority
        })
        return Option.isSome(changed) ? changed.value : yield* endedOf(decoded.id)
      }).pipe(traced("setPriority", { "job.id": request.id }))
  }
}
