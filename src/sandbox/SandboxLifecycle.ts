/**
 * Lifecycle operations of sandboxes: launch, build, runtime, stop. Each operation is one transaction over the sandbox,
 * its attempt, its job and its runtime, except `supervise`, which is one for each row.
 *
 * The operations of a worker take its lease. They fail with `LeaseLost`, and write no result, if the worker has lost
 * the lease or its sandbox was stopped.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Context, type Duration, Effect, Layer, type Option } from "effect"
import type { Lease, WorkspaceBuildJob } from "../build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../build-job/WorkspaceBuildJobRepo.js"
import type {
  AlreadyExists,
  IdempotencyConflict,
  InvalidInput,
  InvalidTransition,
  LeaseLost,
  NotFound,
  PersistenceError,
  QuotaExceeded,
  ReferenceNotFound
} from "../Errors.js"
import type { ControlPlaneEvent } from "../events/ControlPlaneEvent.js"
import type { RuntimeAdapterLaunchResult } from "../payloads/RuntimeAdapter.js"
import type { ById } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import { joinedRows } from "../sql/rows.js"
import { makeAccess } from "../source/requireAccess.js"
import { makeAttempts } from "./lifecycle/attempts.js"
import { makeBuildOperations } from "./lifecycle/build.js"
import { makeDeadlines } from "./lifecycle/extend.js"
import { makeLaunches } from "./lifecycle/launch.js"
import { makeRelaunches } from "./lifecycle/relaunch.js"
import type { Repositories } from "./lifecycle/repositories.js"
import { makeEndings } from "./lifecycle/stop.js"
import { makeSandboxSupervision } from "./lifecycle/supervise.js"
import { makeTeardownOperations, type TeardownMethods } from "./lifecycle/teardown.js"
import { makeTimeline } from "./lifecycle/timeline.js"
import { makeViews, type SandboxListMethods } from "./lifecycle/views.js"
import type { Sandbox } from "./Sandbox.js"
import { SandboxRepo } from "./SandboxRepo.js"
import type { SandboxRuntimeInstance } from "./SandboxRuntimeInstance.js"
import type {
  CancelSandbox,
  Build,
  BuildFailed,
  BuildFinished,
  BuildPublished,
  DeleteSandbox,
  EndRuntime,
  FindLaunch,
  ExtendSandbox,
  Launch,
  LaunchSandbox,
  RetrySandbox,
  SandboxAttemptView,
  SandboxDetail,
  SandboxStatusView,
  SandboxView,
  Supervision,
  TouchSandbox
} from "./SandboxViews.js"

/**
 * Methods of `SandboxLifecycle`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers. So are
 * the operations of workers and of supervision, which take no owner.
 */
export interface SandboxLifecycleService extends TeardownMethods, SandboxListMethods {
  /**
   * Creates a sandbox with its first attempt, the snapshot of its inputs, and the build job. An idempotency key belongs
   * to its owner: a repeated request with the key returns the current state of the first result, with `created: false`.
   * A repeat must contain the same fields. Those that a caller resolves or generates for each call may differ:
   * `resolvedSpec`, the configuration snapshots, `id`, `availableAt` and `maxAttempts`.
   *
   * Without a `resolvedSpec`, the sandbox is built from `spec` with the revisions of the request applied
   * (`applyProfiles`): the patch and the SSH settings of the profile, then the run template of the repository profile.
   *
   * With a `lifetime` the sandbox has a deadline, counted from the launch, and with an `idleTimeout` a limit for the
   * time without activity (`touch`) once it is ready. `supervise` stops a sandbox whose deadline has passed.
   *
   * The owner must be allowed to use the repository, and the repositories of the issue and of the repository profile
   * (`RepositoryAccess`). A repository that the owner may not use is reported as missing. A repeated request skips this
   * check.
   *
   * Fails with:
   * - `InvalidInput` if the specification or a field is invalid, or the profiles make the specification invalid;
   * - `IdempotencyConflict` if the key belongs to a different request;
   * - `AlreadyExists` if a sandbox with the `id` of the request exists;
   * - `ReferenceNotFound` if the owner, repository, profile, issue or requester does not exist, the profile belongs to
   *   another owner, or the owner may not use the repository;
   * - `QuotaExceeded` if the owner has `maxQueuedBuilds` queued builds or `maxLiveSandboxes` live sandboxes;
   * - `NotFound` if the attempt or the job of the first result was deleted. Deleting a sandbox deletes its keys.
   */
  readonly launch: (
    request: typeof LaunchSandbox.Encoded
  ) => Effect.Effect<
    Launch,
    InvalidInput | IdempotencyConflict | AlreadyExists | QuotaExceeded | ReferenceNotFound | NotFound | PersistenceError
  >

  /**
   * Returns the current state of the launch that has an idempotency key of an owner, with `created: false`. Callers
   * recognise a repeated request with it before they derive or resolve anything. `None` if no launch has the key, or if
   * the attempt or the job of the launch was deleted.
   *
   * Fails with `InvalidInput` if a field is invalid.
   */
  readonly findLaunch: (
    request: typeof FindLaunch.Encoded
  ) => Effect.Effect<Option.Option<Launch>, InvalidInput | PersistenceError>

  /**
   * Creates a new attempt of a stopped or failed sandbox, with the specification and the job of its newest attempt. The
   * new attempt is recorded as a retry of the newest one, and as activity. A sandbox with a `lifetime` has a new
   * deadline, counted from the retry; another one has no deadline any more, also if `extend` had set one. A new image is
   * built unless `reuseImage` is set and a job has succeeded with the same registry and blueprint: the build of an attempt
   * whose runtime was not launched.
   *
   * Fails with:
   * - `NotFound` if the sandbox does not exist, or has no attempt with a snapshot and a job;
   * - `InvalidTransition` if the sandbox is neither stopped nor failed;
   * - `QuotaExceeded`, as `launch`;
   * - `ReferenceNotFound` (`repositoryId`, `repositoryProfileRevisionId`, `issueId`) if its owner may no longer use its
   *   repository;
   * - `InvalidInput` if `reuseImage` is not a boolean, or its stored specification breaks a current input rule, for example
   *   for the scheme of a source.
   */
  readonly retry: (
    id: ById | RetrySandbox
  ) => Effect.Effect<
    Launch,
    NotFound | InvalidTransition | QuotaExceeded | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /** Does the same as `retry`, recorded as a rebuild: a new image is requested, without a failure. */
  readonly rebuild: (
    id: ById
  ) => Effect.Effect<
    Launch,
    NotFound | InvalidTransition | QuotaExceeded | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Begins a build: attempt and sandbox are running. Returns the work. Idempotent, also for the next holder of the job.
   *
   * Fails with `LeaseLost` if the lease is not the current one, or if the attempt has ended; the job is cancelled in
   * the second case.
   */
  readonly beginBuild: (lease: Lease) => Effect.Effect<Build, LeaseLost | PersistenceError>

  /**
   * Stores the published image of a build whose runtime is yet to be launched. The job stays under its lease, and keeps
   * the image from now on: if the launch fails, the build has succeeded and its runtime has failed; if the worker dies,
   * `Build.job` of the next holder contains the image, and only the launch is left. May be repeated.
   *
   * Fails with `LeaseLost` if the lease is not the current one, or if the attempt has ended; the job is cancelled in
   * the second case. Fails with `InvalidInput` if the result is invalid.
   */
  readonly publishBuild: (
    lease: Lease,
    result: typeof BuildPublished.Encoded
  ) => Effect.Effect<WorkspaceBuildJob, LeaseLost | InvalidInput | PersistenceError>

  /**
   * Records that a worker has built and published the image, and possibly launched the runtime: the job has succeeded.
   * Once the runtime is running, too, the attempt has succeeded and the sandbox is ready. A repeated call returns the
   * same result.
   *
   * Fails with `LeaseLost` if the lease is not the current one, or if the attempt has ended: the job is then cancelled,
   * and the worker tears down the launched runtime. Fails with `InvalidInput` if the result is invalid.
   */
  readonly finishBuild: (
    lease: Lease,
    result: typeof BuildFinished.Encoded
  ) => Effect.Effect<WorkspaceBuildJob, LeaseLost | InvalidInput | PersistenceError>

  /**
   * Records that a build has failed. The job is queued again if the failure is retryable and job attempts are left.
   * Otherwise job, attempt and sandbox have failed. After `publishBuild` the job has succeeded, and its runtime has
   * failed with the reason `launch-failed`.
   *
   * Fails with `LeaseLost` if the lease is not the current one, and with `InvalidInput` if the error is invalid.
   */
  readonly failBuild: (
    lease: Lease,
    failure: typeof BuildFailed.Encoded
  ) => Effect.Effect<WorkspaceBuildJob, LeaseLost | InvalidInput | PersistenceError>

  /**
   * Stores the runtime adapter's response to a launch, under a lease or later for an attempt. Attempt and sandbox are
   * running. Once the runtime is running and the image is built, the attempt has succeeded and the sandbox is ready.
   * `pending` after `running` of the same resource is out of order, and changes nothing. So is any response of a
   * resource whose end was recorded.
   *
   * - Under the current lease, a new resource replaces the recorded one; the journal records the end of the replaced
   *   one.
   * - For an attempt, the response may introduce the first resource. Afterwards it must name the recorded one, also
   *   after that one has ended, so that a worker that lost its lease replaces nothing.
   *
   * After any error except `PersistenceError`, the caller tears down the launched resource. Fails with:
   * - `LeaseLost` if the lease is not the current one, or if the attempt has a newer job;
   * - `NotFound` if the attempt does not exist;
   * - `InvalidTransition` if a stop was requested, the attempt has failed or was cancelled, the attempt has another
   *   resource, or its runtime has ended;
   * - `InvalidInput` if the response is invalid.
   */
  readonly recordRuntime: (
    target: Lease | string,
    result: typeof RuntimeAdapterLaunchResult.Encoded
  ) => Effect.Effect<SandboxRuntimeInstance, LeaseLost | NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Records the end of a runtime, under a lease or for an attempt, and ends the sandbox with it. Returns the current
   * runtime of the attempt.
   *
   * - A ready sandbox is stopped (`stopped`) or has failed (`failed`). Its attempt stays succeeded.
   * - An attempt that has not succeeded yet was cancelled (`stopped`) or has failed (`failed`), and its sandbox is
   *   stopped or has failed with it. An image that was published is kept: its job has succeeded. Another active job is
   *   cancelled.
   * - The first end stands, and a repeat changes nothing. A later response of the same resource does not revive it.
   * - The end of another resource than the current one changes nothing.
   * - After a stop request, the runtime is stopped with the reason of the request, whatever the report is. A queued
   *   teardown has succeeded.
   *
   * The events of attempt and sandbox contain `runtimeStatus`, `stopReason`, `errorCode` and `resourceId`.
   *
   * Fails with:
   * - `LeaseLost` if the lease is not the current one, unless the job has ended under it, and if the attempt has a newer
   *   job;
   * - `NotFound` if the attempt does not exist;
   * - `InvalidInput` if the report is invalid, or its reason contradicts its status.
   */
  readonly endRuntime: (
    target: Lease | string,
    end: typeof EndRuntime.Encoded
  ) => Effect.Effect<SandboxRuntimeInstance, LeaseLost | NotFound | InvalidInput | PersistenceError>

  /**
   * Cancels a sandbox that is not ready yet: attempt and job are cancelled, the sandbox is stopped, and the stop of an
   * active runtime is requested. Returns a stopped sandbox unchanged, and ends its active attempt.
   *
   * Fails with `NotFound`, with `InvalidTransition` if the sandbox is ready (call `stop` instead) or has failed, and
   * with `InvalidInput` if the reason is invalid.
   */
  readonly cancel: (
    request: typeof CancelSandbox.Encoded
  ) => Effect.Effect<Sandbox, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Stops a sandbox that has not failed. The attempt records the stop request, so that later reports of workers cannot
   * start it again. Returns a stopped sandbox unchanged, and ends its active attempt.
   *
   * The row of the sandbox is stopped at once. Its owner sees `stopping` until its active runtime has ended: until a
   * `RuntimeWorker` has torn it down, the adapter has reported its end (`endRuntime`), or `runtimeDeadline` has passed.
   *
   * Fails with `NotFound`, and with `InvalidTransition` if the sandbox has failed.
   */
  readonly stop: (id: ById) => Effect.Effect<Sandbox, NotFound | InvalidTransition | PersistenceError>

  /**
   * Sets the deadline of a sandbox that has not ended, to an instant that may also be earlier than the previous one.
   * Applies to the current attempt: the `lifetime` of the sandbox stays as it is. May be repeated:
   * each call is an event of the journal with the new deadline.
   *
   * Fails with `NotFound`, with `InvalidTransition` if the sandbox has stopped or failed (call `retry` instead), and
   * with `InvalidInput` if `until` is not in the future.
   */
  readonly extend: (
    request: typeof ExtendSandbox.Encoded
  ) => Effect.Effect<Sandbox, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Records activity of a sandbox, so that its `idleTimeout` counts from now. May be called for each request of a user:
   * within a minute after recorded activity it writes nothing. So set an `idleTimeout` of several minutes. Changes
   * nothing if the sandbox has stopped or failed.
   *
   * Fails with `NotFound`, and with `InvalidInput` if the request is invalid.
   */
  readonly touch: (
    request: typeof TouchSandbox.Encoded
  ) => Effect.Effect<void, NotFound | InvalidInput | PersistenceError>

  /**
   * Deletes a sandbox in any state. The same transaction ends its attempts and jobs, requests the stop of its runtimes,
   * and cancels the executions in it. The ended attempts and jobs stay, and later reports of workers about them fail.
   * The teardown of an active runtime stays until the runtime is gone. The journal records each end. The event of an
   * attempt with an active runtime contains `adapter`, `resourceId` and `reference`.
   *
   * Fails with `NotFound`, also if the sandbox belongs to another owner than `ownerUserId`, and with `InvalidInput`.
   */
  readonly delete: (
    request: typeof DeleteSandbox.Encoded
  ) => Effect.Effect<void, NotFound | InvalidInput | PersistenceError>

  /**
   * Returns a consistent snapshot of one sandbox of an owner with its newest attempt. Fails with `NotFound`, also if
   * the sandbox belongs to another owner.
   */
  readonly getDetail: (request: {
    readonly ownerUserId: string
    readonly id: string
  }) => Effect.Effect<SandboxDetail, NotFound | PersistenceError>

  /**
   * Lists the sandboxes of an owner with their derived status, newest first, each with its newest attempt and the
   * image, the runtime and the error of that. A page is one consistent snapshot. `statuses` are derived statuses. Archived
   * sandboxes are left out unless `includeArchived` is true.
   *
   * `search` matches a part of the name literally, ignoring the case of the letters A to Z. A page with a search reads up
   * to all index entries of the owner. The cost of other pages depends only on their length, and on the number of
   * archived sandboxes that they leave out.
   *
   * Fails with `InvalidInput` if a status is unknown, the cursor is malformed, the limit is out of range, or `search` has
   * more than 1,000 characters.
   */
  readonly list: (
    request: PageRequest & {
      readonly ownerUserId: string
      readonly repositoryId?: string | undefined
      readonly search?: string | undefined
      readonly statuses?: ReadonlyArray<SandboxStatusView> | undefined
      readonly includeArchived?: boolean | undefined
    }
  ) => Effect.Effect<Page<SandboxView>, InvalidInput | PersistenceError>

  /**
   * Lists the attempts of a sandbox of an owner, last linked first, each with its derived status, its image, its runtime
   * and its error. A page is one consistent snapshot.
   *
   * Fails with `NotFound`, also if the sandbox belongs to another owner, and with `InvalidInput` if the cursor is
   * malformed or the limit is out of range.
   */
  readonly listAttempts: (
    request: PageRequest & { readonly ownerUserId: string; readonly id: string }
  ) => Effect.Effect<Page<SandboxAttemptView>, NotFound | InvalidInput | PersistenceError>

  /**
   * Returns the events of a sandbox of an owner, newest first: those of the sandbox, its attempts, their jobs, and the
   * executions in it. Rows that were deleted are not part of it; their events stay in `ControlPlaneEvents`.
   *
   * Fails with `NotFound`, also if the sandbox belongs to another owner, and with `InvalidInput` if the cursor is
   * malformed or the limit is out of range.
   */
  readonly timeline: (
    request: PageRequest & { readonly ownerUserId: string; readonly id: string }
  ) => Effect.Effect<Page<ControlPlaneEvent>, NotFound | InvalidInput | PersistenceError>

  /**
   * Ends or requeues rows that no worker moves on, up to `limit` of each kind and state:
   *
   * - expired leases are reaped;
   * - sandboxes whose deadline has passed are stopped with the reason `expired`, and ready ones without activity for
   *   their `idleTimeout` with the reason `idle`;
   * - attempts whose job has failed or was cancelled end with it;
   * - attempts with a stop request are cancelled;
   * - attempts without a job, or with a built image, fail if no runtime was reported running within `runtimeDeadline`;
   * - runtimes whose stop was requested, and that have not ended within `runtimeDeadline`, are recorded as stopped with
   *   the error code `stop-unconfirmed`; so are those whose teardown has failed;
   * - sandboxes without an attempt, and relaunched runtimes that were never reported running, fail after the same
   *   deadline;
   * - sandboxes end if their latest attempt or its runtime has ended.
   *
   * An infinite `runtimeDeadline` turns its rules off. Each row is one short transaction. A row that cannot be handled
   * is logged and counted in `failed`; the others are handled regardless. Call it repeatedly, as `Supervisor` does.
   *
   * Fails with `InvalidInput` if the limit is not a whole number from 1 to 1,000, or the deadline is invalid.
   */
  readonly supervise: (request: {
    readonly limit: number
    readonly runtimeDeadline: Duration.DurationInput
  }) => Effect.Effect<Supervision, InvalidInput | PersistenceError>
}

const make = Effect.gen(function* () {
  const repositories: Repositories = {
    sql: yield* SqlClient.SqlClient,
    sandboxes: yield* SandboxRepo,
    jobs: yield* WorkspaceBuildJobRepo
  }
  const access = yield* makeAccess
  const rows = yield* joinedRows
  const service: SandboxLifecycleService = {
    ...makeLaunches(repositories, access, rows),
    ...makeRelaunches(repositories, access, rows),
    ...(yield* makeBuildOperations(repositories)),
    ...makeDeadlines(repositories),
    ...(yield* makeEndings(repositories)),
    ...(yield* makeSandboxSupervision(repositories)),
    ...(yield* makeTeardownOperations(repositories.sql)),
    ...(yield* makeTimeline),
    ...(yield* makeAttempts),
    ...(yield* makeViews)
  }
  return service
})

/** Lifecycle operations of sandboxes: launch, build, runtime, stop. Each is one transaction. */
export class SandboxLifecycle extends Context.Tag("@sealant/db/SandboxLifecycle")<
  SandboxLifecycle,
  SandboxLifecycleService
>() {
  /** Provides the lifecycle over the repositories of its tables. */
  static readonly layer: Layer.Layer<
    SandboxLifecycle,
    never,
    SqlClient.SqlClient | SandboxRepo | WorkspaceBuildJobRepo
  > = Layer.effect(this, make)
}
