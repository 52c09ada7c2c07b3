/**
 * The methods on many jobs: each is one transaction, and one request to a server.
 */
import type { Effect } from "effect"
import type {
  AlreadyExists,
  IdempotencyConflict,
  InvalidInput,
  PersistenceError,
  QuotaExceeded,
  ReferenceNotFound
} from "../Errors.js"
import type { EnqueuedJob, EnqueueJob, JobFailure, JobResult, JobSuccess, Lease } from "./WorkspaceBuildJob.js"

/** The outcome of the job of a lease. */
export interface JobOutcome<A> {
  readonly lease: Lease
  readonly outcome: A
}

/** Returns the length of a list that is not decoded yet, for a span. */
export const countOf = (items: unknown): number => (Array.isArray(items) ? items.length : 0)

/** The batches of `WorkspaceBuildJobService`. */
export interface JobBatchMethods {
  /**
   * Enqueues up to 1,000 jobs in one statement, otherwise as `enqueue`: all of them, or none. Returns their results in
   * the order of the requests. A repeat of an idempotency key within the batch returns the first of its jobs.
   *
   * Fails as `enqueue`, for the first job that cannot be stored, and with `InvalidInput` if there are more jobs.
   */
  readonly enqueueMany: (
    jobs: ReadonlyArray<typeof EnqueueJob.Encoded>
  ) => Effect.Effect<
    ReadonlyArray<EnqueuedJob>,
    AlreadyExists | IdempotencyConflict | QuotaExceeded | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Ends up to 1,000 jobs as succeeded in one transaction, as `succeed`. Returns for each lease its job, or `LeaseLost`.
   * Fails with `InvalidInput` if a result is invalid, or if there are more jobs; then nothing is stored.
   */
  readonly succeedMany: (
    outcomes: ReadonlyArray<JobOutcome<typeof JobSuccess.Encoded>>
  ) => Effect.Effect<ReadonlyArray<JobResult>, InvalidInput | PersistenceError>

  /**
   * Reports up to 1,000 failures in one transaction, as `fail`. Returns for each lease its job, or `LeaseLost`. Fails
   * with `InvalidInput` if a failure is invalid, or if there are more jobs; then nothing is stored.
   */
  readonly failMany: (
    outcomes: ReadonlyArray<JobOutcome<typeof JobFailure.Encoded>>
  ) => Effect.Effect<ReadonlyArray<JobResult>, InvalidInput | PersistenceError>
}
