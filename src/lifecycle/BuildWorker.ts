/**
 * The loop of a process that builds: claims jobs, keeps their leases alive while a handler works, reports how it ended,
 * and does for jobs that were left behind what nobody else does.
 */
import type { SqlClient } from "@effect/sql"
import { Cause, Data, Duration, Effect, Exit, Option, Schema } from "effect"
import type { Lease } from "../domain/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../domain/build-job/WorkspaceBuildJobRepo.js"
import type { InvalidInput, LeaseLost } from "../Errors.js"
import { Wait } from "../internal/durations.js"
import { operations, spanned } from "../internal/query.js"
import { SandboxLifecycle } from "./SandboxLifecycle.js"
import type { Build, BuildFinished } from "./SandboxViews.js"
import { loop, patiently, supervisedAtOnce, wholeMillis, workerSettings } from "./working.js"

/**
 * Why a handler could not build. `retryable` left out means true: the job is tried again while it has attempts left.
 * What stands here is stored and shown to the owner: no secrets.
 */
export class BuildFailure extends Data.TaggedError("BuildFailure")<{
  readonly errorMessage: string
  readonly errorCode?: string
  readonly retryable?: boolean
}> {}

/**
 * Builds one image, and launches its runtime if that is this worker's task. It is interrupted when the lease is lost:
 * the job is somebody else's then, or cancelled. A handler that dies has failed, and may be tried again.
 */
export type Handler<R> = (build: Build) => Effect.Effect<typeof BuildFinished.Encoded, BuildFailure, R>

/** How a worker works. */
export interface Options {
  /** Names the worker in leases: unique among those that run at the same time, such as host name and process id. */
  readonly workerId: string
  /** How many jobs it works on at the same time. 1 to 1,000, default 1. */
  readonly concurrency?: number
  /** How long a job stays this worker's without a sign of life; a heartbeat is sent three times as often. Default 1 minute. */
  readonly leaseDuration?: Duration.DurationInput
  /** How often an idle worker looks for jobs that became due by themselves: retries, expired leases. Default 1 second. */
  readonly pollInterval?: Duration.DurationInput
  /** How long a run may wait for its runtime after its image was built. Default 15 minutes. */
  readonly runtimeDeadline?: Duration.DurationInput
  /** How long handlers may go on after the worker was interrupted; then they are, and their jobs given back. Default 10 seconds. */
  readonly drainTimeout?: Duration.DurationInput
}

const Settings = Schema.Struct({
  ...workerSettings,
  runtimeDeadline: Schema.optionalWith(Wait, { default: () => "15 minutes" as const })
})

const { input } = operations("BuildWorker", "WorkspaceBuildJob")

/**
 * Runs until it is interrupted. An enqueue in this process wakes it at once, one in another process within some 10 ms
 * on a local file. Interrupting it lets the handlers finish (`drainTimeout`), and gives back what they could not.
 *
 * A store that cannot answer does not end it: it tries again. Fails with `InvalidInput` for options out of range.
 */
export const run = <R>(
  handler: Handler<R>,
  options: Options
): Effect.Effect<never, InvalidInput, R | SandboxLifecycle | WorkspaceBuildJobRepo | SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const { runtimeDeadline, workerId, ...settings } = yield* input("run", Settings)(options)
    const leaseDuration = Duration.decode(settings.leaseDuration)
    const { claimNext } = yield* WorkspaceBuildJobRepo
    const { supervise } = yield* SandboxLifecycle
    return yield* loop({
      ...settings,
      name: "BuildWorker",
      claim: claimNext({ workerId, leaseDuration }),
      work: ({ lease }) => work(handler, lease, leaseDuration),
      supervise: supervise({ limit: supervisedAtOnce, runtimeDeadline })
    })
  }).pipe(Effect.scoped)

/** One job, from its claim to its end. Never fails: what becomes of it is in the database, or left to its lease. */
const work = <R>(handler: Handler<R>, lease: Lease, leaseDuration: Duration.Duration) =>
  Effect.gen(function*() {
    const lifecycle = yield* SandboxLifecycle
    const build = yield* patiently(lifecycle.beginBuild(lease))
    const outcome = yield* Effect.exit(Effect.raceFirst(handler(build), keepAlive(lease, leaseDuration)))
    yield* patiently(
      Exit.match(outcome, {
        onSuccess: (result) => finish(lifecycle, lease, result),
        onFailure: (cause) => fail(lifecycle, lease, cause)
      })
    )
  }).pipe(
    // A fiber that is forked where nothing may interrupt cannot be interrupted either, unless it says so itself. What
    // comes after it must not be, or a job whose fiber had not begun yet would not be given back.
    Effect.interruptible,
    Effect.onInterrupt(() => Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => Effect.ignore(jobs.release(lease)))),
    Effect.catchAll((error) => Effect.logWarning(`job ${lease.jobId}: ${error.message}`)),
    // Nobody else would hear of it: the slot only waits for the end.
    Effect.catchAllDefect((defect) => Effect.logError(`job ${lease.jobId} is left to its lease`, defect)),
    (whole) => spanned(whole, "BuildWorker.work", { "job.id": lease.jobId, "lease.token": lease.token }),
    Effect.uninterruptible
  )

/** Sends signs of life until the lease is lost. One that could not be sent is no loss: the next may come in time. */
const keepAlive = (lease: Lease, leaseDuration: Duration.Duration) =>
  Effect.gen(function*() {
    const jobs = yield* WorkspaceBuildJobRepo
    yield* Effect.sleep(wholeMillis(Duration.times(leaseDuration, 1 / 3)))
    yield* jobs.heartbeat(lease, leaseDuration).pipe(
      Effect.catchTag("PersistenceError", (error) => Effect.logWarning(`heartbeat of job ${lease.jobId}: ${error.message}`)),
      Effect.catchTag("InvalidInput", Effect.die)
    )
  }).pipe(Effect.forever)

const finish = (lifecycle: SandboxLifecycle["Type"], lease: Lease, result: typeof BuildFinished.Encoded) =>
  lifecycle.finishBuild(lease, result).pipe(
    // The handler gave what is no result of a build. It would give the same again.
    Effect.catchTag("InvalidInput", ({ message }) =>
      lifecycle.failBuild(lease, { errorMessage: message, errorCode: "invalid-result", retryable: false }))
  )

const fail = (lifecycle: SandboxLifecycle["Type"], lease: Lease, cause: Cause.Cause<BuildFailure | LeaseLost>) => {
  const error = Cause.failureOption(cause)
  // What a defect says may hold anything; it is the handler's to log.
  if (Option.isNone(error)) return lifecycle.failBuild(lease, { errorMessage: "the build handler died", errorCode: "handler-died" })
  if (error.value._tag === "LeaseLost") return Effect.fail(error.value)
  const { errorCode, errorMessage, retryable } = error.value
  return lifecycle.failBuild(lease, { errorMessage, errorCode, retryable }).pipe(
    // Too long, say. That it failed is known all the same.
    Effect.catchTag("InvalidInput", ({ message }) => lifecycle.failBuild(lease, { errorMessage: message, errorCode: "invalid-failure", retryable }))
  )
}
