/**
 * What happens to a sandbox as a whole: launch, build, runtime, stop. Each operation is one transaction over the
 * sandbox, its attempt, its job and its runtime: all of it is stored, or nothing.
 *
 * The operations of a worker carry its lease. A worker that lost it, or whose sandbox was stopped meanwhile, is told
 * so and writes nothing.
 */
import type { SqlClient } from "@effect/sql"
import { Context, type Duration, type Effect, Layer } from "effect"
import type { Lease, WorkspaceBuildJob } from "../build-job/WorkspaceBuildJob.js"
import type { WorkspaceBuildJobRepo } from "../build-job/WorkspaceBuildJobRepo.js"
import type { Sandbox, SandboxId } from "./Sandbox.js"
import type { SandboxAttemptId } from "./SandboxAttempt.js"
import type { SandboxAttemptRepo } from "./SandboxAttemptRepo.js"
import type { SandboxRuntimeInstance } from "./SandboxRuntimeInstance.js"
import type { SandboxRepo } from "./SandboxRepo.js"
import type { SandboxRuntimeInstanceRepo } from "./SandboxRuntimeInstanceRepo.js"
import type {
  IdempotencyConflict,
  InvalidInput,
  InvalidTransition,
  LeaseLost,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import type { ById } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import type { RuntimeAdapterLaunchResult } from "../payloads/RuntimeAdapter.js"
import { makeSandboxLifecycle } from "./makeSandboxLifecycle.js"
import type {
  Build,
  BuildFailed,
  BuildFinished,
  DeleteSandbox,
  Launch,
  LaunchSandbox,
  SandboxDetail,
  SandboxStatusView,
  SandboxView,
  Supervision
} from "./SandboxViews.js"

/**
 * Methods of `SandboxLifecycle`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers. So are the
 * operations of workers and of supervision, which take no owner.
 */
export interface SandboxLifecycleService {
  /**
   * Creates a sandbox with its first attempt, the snapshot of what was asked for, and the build job. An idempotency key
   * belongs to its owner; when it stands for the same request already, the first result is returned as it is now, with
   * `created: false`.
   *
   * The owner must be allowed to use the repository, and those of the issue and of the repository profile
   * (`RepositoryAccess`); one that may not be used is reported as missing. A replay of an earlier launch is returned
   * without this check.
   *
   * Fails with `InvalidInput` for a spec or field out of shape, with `IdempotencyConflict` when the key stands for
   * another request, with `ReferenceNotFound` when the owner, repository, profile, issue or requester does not exist, the
   * profile is another owner's, or the owner may not use the repository, with `NotFound` when the attempt or the job that the key stands for was deleted. A
   * sandbox that is deleted takes its keys along.
   */
  readonly launch: (
    request: typeof LaunchSandbox.Encoded
  ) => Effect.Effect<Launch, InvalidInput | IdempotencyConflict | ReferenceNotFound | NotFound | PersistenceError>

  /**
   * A new attempt of a stopped or failed sandbox, with the spec and the job of its newest attempt, which it is a retry
   * of.
   *
   * Fails with `NotFound` when there is no such sandbox, or nothing to try again; with `InvalidTransition` when the
   * sandbox is neither stopped nor failed; with `ReferenceNotFound` (`repositoryId`, `repositoryProfileRevisionId`,
   * `issueId`) when the owner of the sandbox may no longer use its repository; with `InvalidInput` when its stored spec is
   * refused by the current rules for inputs, such as those for the scheme of a source.
   */
  readonly retry: (
    id: ById
  ) => Effect.Effect<Launch, NotFound | InvalidTransition | ReferenceNotFound | InvalidInput | PersistenceError>

  /** As `retry`, recorded as a rebuild: somebody wants the image made anew, nothing had to fail. */
  readonly rebuild: (
    id: ById
  ) => Effect.Effect<Launch, NotFound | InvalidTransition | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * A worker begins: attempt and sandbox are running. Returns what is to be built. A repeat, also by the next holder
   * of the job, changes nothing.
   *
   * Fails with `LeaseLost` when the lease is not the current one, or when the attempt has ended: its job is cancelled
   * then.
   */
  readonly beginBuild: (lease: Lease) => Effect.Effect<Build, LeaseLost | PersistenceError>

  /**
   * A worker has built and published the image, and may have launched the runtime: the job has succeeded; once the
   * runtime is running, too, the attempt has succeeded and the sandbox is ready. A repeat returns the same.
   *
   * Fails with `LeaseLost` when the lease is not the current one, or when the attempt has ended: its job is cancelled
   * then, and what was launched is to be torn down. Fails with `InvalidInput` for a result out of shape.
   */
  readonly finishBuild: (
    lease: Lease,
    result: typeof BuildFinished.Encoded
  ) => Effect.Effect<WorkspaceBuildJob, LeaseLost | InvalidInput | PersistenceError>

  /**
   * A worker has failed. While attempts are left and the failure is retryable, the job waits for its next try; else
   * job, attempt and sandbox have failed.
   *
   * Fails with `LeaseLost` when the lease is not the current one, with `InvalidInput` for an error out of shape.
   */
  readonly failBuild: (
    lease: Lease,
    failure: typeof BuildFailed.Encoded
  ) => Effect.Effect<WorkspaceBuildJob, LeaseLost | InvalidInput | PersistenceError>

  /**
   * Stores the runtime adapter's answer to a launch: under a lease, or later for an attempt. Attempt and sandbox are
   * running; once the runtime is running and the image is built, the attempt has succeeded and the sandbox is ready.
   * `pending` after `running` of the same resource is out of order, and changes nothing.
   *
   * - Under the current lease, a new resource replaces the recorded one; the journal records the end of the replaced one.
   * - For an attempt, the answer may introduce the first resource. Afterwards it must name the recorded one, also after that
   *   one has ended, so that a worker that lost its lease replaces nothing.
   *
   * Fails with `LeaseLost` under a lease that is not the current one, with `NotFound` when the attempt does not exist, with
   * `InvalidTransition` when a stop was requested, the attempt has failed, or the attempt has another resource, or with
   * `InvalidInput` when the answer is invalid. After any of these the caller tears down what it launched.
   */
  readonly recordRuntime: (
    target: Lease | SandboxAttemptId,
    result: typeof RuntimeAdapterLaunchResult.Encoded
  ) => Effect.Effect<SandboxRuntimeInstance, LeaseLost | NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Ends an attempt that is not ready yet: attempt and job are cancelled, the runtime and the sandbox stopped. A
   * stopped sandbox is returned as it is; what still lives of it ends.
   *
   * Fails with `NotFound`, with `InvalidTransition` when the sandbox is ready (stop it) or has failed, with
   * `InvalidInput` for a reason out of shape.
   */
  readonly cancel: (
    request: { readonly sandboxId: SandboxId; readonly ownerUserId?: string; readonly reason: string }
  ) => Effect.Effect<Sandbox, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Stops a sandbox in any live state. The wish is stored with the attempt: whatever a worker reports later, this
   * attempt does not run again. A stopped sandbox is returned as it is; what still lives of it ends.
   *
   * Fails with `NotFound`, or with `InvalidTransition` when the sandbox has failed.
   */
  readonly stop: (id: ById) => Effect.Effect<Sandbox, NotFound | InvalidTransition | PersistenceError>

  /**
   * Deletes a sandbox in any state, and ends its dependants in the same transaction: its attempts, jobs and runtimes,
   * and the executions in it, which are cancelled. Attempts and jobs stay, ended; later reports of
   * workers about them are refused. The journal records each end; the event of an attempt with an active runtime contains
   * `adapter`, `resourceId` and `reference`, for the program that tears it down.
   *
   * Fails with `NotFound`, also when the sandbox belongs to another owner than `ownerUserId`, or with `InvalidInput`.
   */
  readonly delete: (
    request: typeof DeleteSandbox.Encoded
  ) => Effect.Effect<void, NotFound | InvalidInput | PersistenceError>

  /** One sandbox of an owner with its newest attempt, as of one moment. Fails with `NotFound`, also for another's. */
  readonly getDetail: (
    request: { readonly ownerUserId: string; readonly id: SandboxId }
  ) => Effect.Effect<SandboxDetail, NotFound | PersistenceError>

  /**
   * The sandboxes of an owner with their derived status, newest first. `statuses` are derived ones; archived sandboxes
   * are left out unless asked for. Fails with `InvalidInput` for an unknown status, a foreign cursor or a limit out of range.
   */
  readonly list: (
    request: PageRequest & {
      readonly ownerUserId: string
      readonly statuses?: ReadonlyArray<SandboxStatusView>
      readonly includeArchived?: boolean
    }
  ) => Effect.Effect<Page<SandboxView>, InvalidInput | PersistenceError>

  /**
   * Ends or requeues rows that no worker moves on, up to `limit` of each kind:
   *
   * - expired leases are reaped;
   * - attempts whose job has failed or was cancelled end with it;
   * - attempts that were asked to stop are cancelled;
   * - attempts that have no job, or whose image is built, fail when no runtime was reported to run within
   *   `runtimeDeadline`, and so do sandboxes without an attempt and runtime relaunches that never came up (never, when it is infinite);
   * - sandboxes end when their latest attempt has ended.
   *
   * Each row is one short transaction. A row that cannot be handled is logged and counted in `failed`; the others are
   * handled regardless. Call it repeatedly, as `Supervisor` does.
   *
   * Fails with `InvalidInput` for a limit that is not a whole number from 1 to 1,000, or an invalid deadline.
   */
  readonly supervise: (
    request: { readonly limit: number; readonly runtimeDeadline: Duration.DurationInput }
  ) => Effect.Effect<Supervision, InvalidInput | PersistenceError>
}

export class SandboxLifecycle extends Context.Tag("@sealant/db/SandboxLifecycle")<
  SandboxLifecycle,
  SandboxLifecycleService
>() {
  /** The lifecycle over the repositories of its tables. */
  static readonly layer: Layer.Layer<
    SandboxLifecycle,
    never,
    SqlClient.SqlClient | SandboxRepo | SandboxAttemptRepo | SandboxRuntimeInstanceRepo | WorkspaceBuildJobRepo
  > = Layer.effect(this, makeSandboxLifecycle)
}
