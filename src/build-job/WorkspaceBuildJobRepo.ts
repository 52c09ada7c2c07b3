/**
 * The durable queue of workspace builds, over the table `oci_image_build_jobs`.
 *
 * What it guarantees:
 * - A job is handed to one lease at a time. Every write of a worker carries its lease's token, and the database takes
 *   it only while that token is the job's last: a worker that lost its lease cannot write, however late it wakes up.
 * - A job is tried at most `maxAttempts` times. A lease that expires counts as a try, one that is released does not.
 * - A lease ends `maxDuration` after its claim at the latest: heartbeats do not extend it further.
 * - A claim costs the same at any depth of the queue: it walks the first entries of partial indexes over live jobs.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Duration, Effect, Option } from "effect"
import type {
  AlreadyExists,
  IdempotencyConflict,
  InvalidInput,
  InvalidTransition,
  LeaseLost,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import type { ClaimRequest } from "../leasing/leases.js"
import type { Page, PageRequest } from "../sql/page.js"
import type { SandboxAttemptId } from "../sandbox/SandboxAttempt.js"
import { make } from "./makeWorkspaceBuildJobRepo.js"
import type {
  ClaimedJob,
  JobState,
  EnqueueJob,
  JobFailure,
  JobSuccess,
  Lease,
  QueueStats,
  WorkspaceBuildJob,
  WorkspaceBuildJobId,
  WorkspaceBuildJobStatus
} from "./WorkspaceBuildJob.js"

export type { ClaimRequest }

/**
 * Methods of `WorkspaceBuildJobRepo`.
 *
 * Internal: for workers, operators and the lifecycle operations, not for request handlers.
 */
export interface WorkspaceBuildJobService {
  /**
   * Puts a job into the queue. With an idempotency key that stands for the same request already (same run, registry,
   * repository, tag, payload and `maxDuration`), returns the job of that first request and `created: false`.
   *
   * Fails with `IdempotencyConflict` when the key stands for another request, with `ReferenceNotFound` when there is
   * no such run, with `AlreadyExists` when the given id is taken, with `InvalidInput` for a spec or field out of shape.
   */
  readonly enqueue: (
    job: typeof EnqueueJob.Encoded
  ) => Effect.Effect<
    { readonly job: WorkspaceBuildJob; readonly created: boolean },
    AlreadyExists | IdempotencyConflict | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Gives the job that has been due longest: queued and available, or running under a lease that has expired. None
   * when nothing is due. A due job with no attempts left is failed (`attempts-exhausted`) and never handed out; so is one whose row
   * cannot be read (`unreadable-job`).
   *
   * Fails with `InvalidInput` for an empty worker id or a lease that is shorter than 1 ms or longer than 100 years.
   */
  readonly claimNext: (
    request: ClaimRequest
  ) => Effect.Effect<Option.Option<ClaimedJob>, InvalidInput | PersistenceError>

  /** As `claimNext`, up to `limit` (1 to 1,000) jobs at once, in one statement; fewer when fewer are due. */
  readonly claimBatch: (
    request: ClaimRequest & { readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<ClaimedJob>, InvalidInput | PersistenceError>

  /** As `claimNext`, for one job: none when it is not due, under a lease, ended, or not there. */
  readonly claimById: (
    request: ClaimRequest & { readonly id: WorkspaceBuildJobId }
  ) => Effect.Effect<Option.Option<ClaimedJob>, InvalidInput | PersistenceError>

  /**
   * Lets the lease expire `duration` from now, but never later than `maxDuration` after the claim. A lease that has expired is
   * still the current one until another worker claims the job or it is reaped.
   *
   * Fails with `LeaseLost` when the lease is not the current one: the work must stop.
   */
  readonly heartbeat: (
    lease: Lease,
    duration: Duration.DurationInput
  ) => Effect.Effect<WorkspaceBuildJob, LeaseLost | InvalidInput | PersistenceError>

  /**
   * running → succeeded. A repeat by the same lease returns the job as the first call left it.
   *
   * Fails with `LeaseLost` when the lease is not the current one, with `InvalidInput` for a result out of shape.
   */
  readonly succeed: (
    lease: Lease,
    success: typeof JobSuccess.Encoded
  ) => Effect.Effect<WorkspaceBuildJob, LeaseLost | InvalidInput | PersistenceError>

  /**
   * running → queued while it is retryable and attempts are left, available after a pause that doubles with each
   * attempt (1 s at first, 5 min at most, half of it random); else running → failed. A repeat by the same lease
   * returns the job as it is.
   *
   * Fails with `LeaseLost` when the lease is not the current one, with `InvalidInput` for an error out of shape.
   */
  readonly fail: (
    lease: Lease,
    failure: typeof JobFailure.Encoded
  ) => Effect.Effect<WorkspaceBuildJob, LeaseLost | InvalidInput | PersistenceError>

  /**
   * Gives the job back, as if it had not been claimed: the attempt does not count. A repeat by the same lease returns
   * the job as it is. Fails with `LeaseLost` when the lease is not the current one.
   */
  readonly release: (lease: Lease) => Effect.Effect<WorkspaceBuildJob, LeaseLost | PersistenceError>

  /** The job, while the lease on it is the current one. Fails with `LeaseLost` when it is not. */
  readonly getByLease: (lease: Lease) => Effect.Effect<WorkspaceBuildJob, LeaseLost | PersistenceError>

  /**
   * queued or running → cancelled; its worker learns it from the next call under its lease. A cancelled job is
   * returned as it is. Fails with `NotFound`, or with `InvalidTransition` when the job has ended otherwise.
   */
  readonly cancel: (
    request: { readonly id: WorkspaceBuildJobId; readonly reason: string }
  ) => Effect.Effect<WorkspaceBuildJob, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Cancels the newest job of a run where it is queued or running, and says where it is then, if the run has one. Also a
   * job that cannot be read.
   */
  readonly cancelLatestByRunId: (
    request: { readonly runId: SandboxAttemptId; readonly reason: string }
  ) => Effect.Effect<Option.Option<JobState>, InvalidInput | PersistenceError>

  /**
   * failed or cancelled → queued, available now, with all its attempts again. A queued job is returned as it is.
   *
   * Fails with `NotFound`, or with `InvalidTransition` when the job is running or has succeeded, or when its sandbox attempt
   * has ended or was asked to stop: `SandboxLifecycle.retry` makes a new attempt with a new job.
   */
  readonly redrive: (
    id: WorkspaceBuildJobId
  ) => Effect.Effect<WorkspaceBuildJob, NotFound | InvalidTransition | PersistenceError>

  /**
   * Takes up to `limit` (1 to 1,000) jobs from leases that have expired, longest first: back to queued while attempts
   * are left, else failed (`attempts-exhausted`). Returns those that can be read, as they are now.
   */
  readonly reapExpired: (
    limit: number
  ) => Effect.Effect<ReadonlyArray<WorkspaceBuildJob>, InvalidInput | PersistenceError>

  /** The run of a job has taken note of its end. Does nothing to a job that has not ended. Fails with `NotFound`. */
  readonly markSettled: (id: WorkspaceBuildJobId) => Effect.Effect<void, NotFound | PersistenceError>

  /** The job, if it is there. */
  readonly findById: (id: WorkspaceBuildJobId) => Effect.Effect<Option.Option<WorkspaceBuildJob>, PersistenceError>

  /** The job. Fails with `NotFound`. */
  readonly getById: (id: WorkspaceBuildJobId) => Effect.Effect<WorkspaceBuildJob, NotFound | PersistenceError>

  /** The job that was enqueued with this key, if there is one. */
  readonly findByIdempotencyKey: (key: string) => Effect.Effect<Option.Option<WorkspaceBuildJob>, PersistenceError>

  /** The newest job of a run, if it has one. */
  readonly findLatestByRunId: (
    runId: SandboxAttemptId
  ) => Effect.Effect<Option.Option<WorkspaceBuildJob>, PersistenceError>

  /** Where the newest job of a run is, if it has one, also a job that cannot be read. */
  readonly findLatestStateByRunId: (runId: SandboxAttemptId) => Effect.Effect<Option.Option<JobState>, PersistenceError>

  /** The newest job of each run that has one; any number of runs, 100 in a statement. */
  readonly listLatestByRunIds: (
    runIds: ReadonlyArray<SandboxAttemptId>
  ) => Effect.Effect<ReadonlyMap<SandboxAttemptId, WorkspaceBuildJob>, PersistenceError>

  /** The jobs in one state, newest first. Fails with `InvalidInput` for a foreign cursor or a limit out of range. */
  readonly listByStatus: (
    request: PageRequest & { readonly status: WorkspaceBuildJobStatus }
  ) => Effect.Effect<Page<WorkspaceBuildJob>, InvalidInput | PersistenceError>

  /** How many jobs are in each state, how many are due, and since when the oldest of those. Counts every job: for people. */
  readonly stats: Effect.Effect<QueueStats, PersistenceError>
}

export class WorkspaceBuildJobRepo extends Context.Tag("@sealant/db/WorkspaceBuildJobRepo")<
  WorkspaceBuildJobRepo,
  WorkspaceBuildJobService
>() {
  /** The queue over `SqlClient`. */
  static readonly layer: Layer.Layer<WorkspaceBuildJobRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
