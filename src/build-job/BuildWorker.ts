/**
 * The loop of a build worker. It claims jobs, sends heartbeats while handlers work, reports the outcomes, and runs
 * `Supervisor` concurrently.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { type Cause, Data, Duration, Effect, Exit, Option, Schema } from "effect"
import type { ClaimedJob, Lease, WorkspaceBuildJob } from "./WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "./WorkspaceBuildJobRepo.js"
import type { InvalidInput } from "../Errors.js"
import { Wait } from "../sql/durations.js"
import { operations } from "../sql/operations.js"
import { type HeldLease, holding, type Moment, type Terms } from "../leasing/heldLeases.js"
import { contained, defectOf, failureOf } from "../leasing/outcome.js"
import { SandboxLifecycle } from "../sandbox/SandboxLifecycle.js"
import type { Build, BuildFailed, BuildFinished, BuildPublished } from "../sandbox/SandboxViews.js"
import { defaultRuntimeDeadline, supervisionBesides } from "../supervision/supervisorLoop.js"
import { loop, type OnDefect, reportDefect, reporting, untilAnswered, workerSettings } from "../leasing/workerLoop.js"

/**
 * The failure of a handler. `retryable` defaults to true: the job is retried while it has attempts left. The message
 * and the code are stored and shown to the owner, so they must not contain secrets.
 */
export class BuildFailure extends Data.TaggedError("BuildFailure")<{
  readonly errorMessage: string
  readonly errorCode?: string | undefined
  readonly retryable?: boolean | undefined
}> {}

/** The work of a handler. */
export interface ClaimedBuild extends Build {
  /**
   * Stores the published image, before the runtime is launched. The worker keeps its lease, and the handler continues
   * with the launch: it returns the image with the runtime, or fails. Then the build has succeeded and its runtime has
   * failed (`launch-failed`), and the job is not retried.
   *
   * If the worker dies, is drained or loses its lease after this call, the next holder of the job finds the image in
   * `job` (`publishedReference`, `publishedDigest`…) and only launches it.
   *
   * Waits until the database has answered. If the lease is lost, the handler is interrupted. Fails with `BuildFailure`,
   * which the handler passes on, if the result is invalid (`invalid-result`) or cannot be stored (`not-stored`).
   */
  readonly published: (result: typeof BuildPublished.Encoded) => Effect.Effect<WorkspaceBuildJob, BuildFailure>
}

/**
 * The result of a handler: the published image, and the runtime if the handler has launched it.
 *
 * Without `runtime`, the sandbox waits until another program calls `SandboxLifecycle.recordRuntime`. If none does within
 * `runtimeDeadline`, supervision fails the sandbox.
 */
export interface BuildResult extends Schema.Schema.Encoded<typeof BuildFinished> {}

/**
 * Builds one image, and launches its runtime if that is the task of this worker.
 *
 * It is interrupted when its lease is lost, when no heartbeat was confirmed in time, when the `maxDuration` of the job
 * has passed, or when the worker drains. The job is released or reported only after the handler and its finalizers have
 * ended; heartbeats continue until then. A handler that dies, or that throws before it returns an effect, has failed,
 * and the job may be retried.
 */
export type Handler<R> = (build: ClaimedBuild) => Effect.Effect<BuildResult, BuildFailure, R>

/** Options of a worker. */
export interface Options {
  /** The name of the worker in leases. Unique among the running workers, such as host name and process id. */
  readonly workerId: string
  /** The maximum number of concurrent jobs. 1 to 1,000, default 1. */
  readonly concurrency?: number | undefined
  /**
   * The duration of a lease without a heartbeat. Three heartbeats are sent in that time. If none is confirmed, the
   * handler is interrupted before the lease ends: by a tenth of the duration, at most 10 seconds. Default 1 minute.
   */
  readonly leaseDuration?: Duration.DurationInput | undefined
  /**
   * The pause between two polls of an idle worker on a server. On a file, an idle worker sleeps until a commit or until
   * the next job is due. Default 1 second.
   */
  readonly pollInterval?: Duration.DurationInput | undefined
  /** The longest wait of an attempt for its runtime after its image was built. Default 15 minutes. */
  readonly runtimeDeadline?: Duration.DurationInput | undefined
  /**
   * The time for which handlers may continue after the worker was interrupted. Then they are interrupted. Default 10
   * seconds.
   */
  readonly drainTimeout?: Duration.DurationInput | undefined
  /**
   * Receives the cause when a handler dies. The cause is neither stored nor logged elsewhere. Default:
   * `Effect.logError` with the cause; replace it if exceptions may contain secrets. The failure of the job is reported
   * after the callback has ended, or after 5 seconds.
   */
  readonly onDefect?: ((cause: Cause.Cause<never>, lease: Lease) => Effect.Effect<void>) | undefined
  /** Whether to run `Supervisor` concurrently, for the provided services. Default true. */
  readonly supervise?: boolean | undefined
}

const Settings = Schema.Struct({
  ...workerSettings,
  runtimeDeadline: Schema.optionalWith(Wait, { default: () => defaultRuntimeDeadline })
})

const { decodeInput } = operations("BuildWorker", "WorkspaceBuildJob")

/**
 * Works until it is interrupted. An enqueue in this process wakes it up at once; one in another process within about 10
 * ms, if the database is a local file. After an interruption handlers may continue for `drainTimeout`. The remaining
 * ones are interrupted, and their jobs are released after they have ended.
 *
 * Retries while the database cannot answer. Fails with `InvalidInput` if an option is out of range.
 */
export const run = <R>(
  handler: Handler<R>,
  { onDefect = logDefect, ...options }: Options
): Effect.Effect<never, InvalidInput, R | SandboxLifecycle | WorkspaceBuildJobRepo | SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const { runtimeDeadline, supervise, workerId, ...settings } = yield* decodeInput("run", Settings)(options)
    const leaseDuration = Duration.decode(settings.leaseDuration)
    const { claimNext, nextDueAt } = yield* WorkspaceBuildJobRepo
    return yield* loop({
      ...settings,
      name: "BuildWorker",
      claim: claimNext({ workerId, leaseDuration }),
      nextDueAt,
      work: (claimed, claimedAt) => work(handler, onDefect, claimed, claimedAt, leaseDuration),
      besides: supervise ? supervisionBesides({ leaseDuration, runtimeDeadline }) : Effect.never
    })
  }).pipe(Effect.scoped)

const logDefect: OnDefect<Lease> = (cause, { jobId }) => Effect.logError(`job ${jobId}: the build handler died`, cause)

/**
 * Works on one job, from its claim to its end. Never fails: a job without a stored outcome is retried after its lease
 * expires.
 */
const work = <R>(
  handler: Handler<R>,
  onDefect: OnDefect<Lease>,
  { job: { maxDurationMs }, lease }: ClaimedJob,
  claimedAt: Moment,
  leaseDuration: Duration.Duration
) =>
  contained(
    Effect.gen(function* () {
      const lifecycle = yield* SandboxLifecycle
      const jobs = yield* WorkspaceBuildJobRepo
      const terms: Terms = {
        entity: "WorkspaceBuildJob",
        noun: "job",
        id: lease.jobId,
        workerId: lease.workerId,
        claimedAt,
        leaseMs: Duration.toMillis(leaseDuration),
        maxMs: Option.getOrUndefined(maxDurationMs)
      }
      const heartbeat = Effect.catchTag(
        Effect.suspend(() => jobs.heartbeat(lease, leaseDuration)),
        "InvalidInput",
        Effect.die
      )
      const release = Effect.ignore(jobs.release(lease))
      return yield* holding(yield* SqlClient.SqlClient, terms, { heartbeat, beatsFrom: "start" }, (held) =>
        Effect.gen(function* () {
          const begun = yield* Effect.exit(Effect.interruptible(begin(lifecycle, lease, held)))
          if (Exit.isFailure(begun)) return yield* Exit.isInterrupted(begun) ? release : begun
          let isPublished = Option.isSome(begun.value.job.publishedReference)
          const published: ClaimedBuild["published"] = (result) =>
            Effect.tap(publish(lifecycle, lease, held, result), () => Effect.sync(() => (isPublished = true)))
          const { exit, interrupted, over } = yield* held.run(
            Effect.suspend(() => handler({ ...begun.value, published }))
          )
          yield* reportDefect(onDefect, defectOf(exit, interrupted || over !== undefined), lease, "build handler")
          if (Exit.isSuccess(exit)) return yield* reporting(held, finish(lifecycle, lease, exit.value))
          if (over?._tag === "Lost") return yield* over.error
          const failure = failureOf(exit.cause, over, "build")
          if (failure === undefined && interrupted) return yield* release
          // The launch of a published image is not tried again, unless the worker itself was the reason.
          const isFinal = isPublished && over?._tag !== "Unconfirmed"
          const reported = { ...(failure ?? died), ...(isFinal ? { retryable: false } : {}) }
          return yield* reporting(held, fail(lifecycle, lease, reported))
        })
      )
    }),
    { worker: "BuildWorker", noun: "job", id: lease.jobId, token: lease.token }
  )

/** Begins the build as soon as the handler may run, and returns it if the lease is not overdue afterwards. */
const begin = (lifecycle: SandboxLifecycle["Type"], lease: Lease, held: HeldLease) =>
  held.ready.pipe(Effect.zipRight(untilAnswered(lifecycle.beginBuild(lease))), Effect.zipLeft(held.ready))

type Failure = typeof BuildFailed.Encoded

const died: Failure = { errorMessage: "the build handler died", errorCode: "handler-died" }

/** Stores a published image, and interrupts the handler if its lease is lost. */
const publish = (
  lifecycle: SandboxLifecycle["Type"],
  lease: Lease,
  held: HeldLease,
  result: typeof BuildPublished.Encoded
): Effect.Effect<WorkspaceBuildJob, BuildFailure> =>
  untilAnswered(lifecycle.publishBuild(lease, result)).pipe(
    Effect.catchTags({
      // Not retryable, because the handler would publish the same invalid result.
      InvalidInput: ({ message }) =>
        new BuildFailure({ errorMessage: message, errorCode: "invalid-result", retryable: false }),
      PersistenceError: ({ message }) => new BuildFailure({ errorMessage: message, errorCode: "not-stored" }),
      LeaseLost: (error) =>
        Effect.zipRight(
          Effect.sync(() => held.lose(error)),
          Effect.never
        )
    })
  )

const finish = (lifecycle: SandboxLifecycle["Type"], lease: Lease, result: typeof BuildFinished.Encoded) =>
  lifecycle.finishBuild(lease, result).pipe(
    // Not retryable, because the handler would return the same invalid result.
    Effect.catchTag("InvalidInput", ({ message }) =>
      lifecycle.failBuild(lease, { errorMessage: message, errorCode: "invalid-result", retryable: false })
    )
  )

const fail = (lifecycle: SandboxLifecycle["Type"], lease: Lease, failure: Failure) =>
  lifecycle.failBuild(lease, failure).pipe(
    // An invalid failure, for example with too long a message, is stored as a failure with another message.
    Effect.catchTag("InvalidInput", ({ message }) =>
      lifecycle.failBuild(lease, { errorMessage: message, errorCode: "invalid-failure", retryable: failure.retryable })
    )
  )
