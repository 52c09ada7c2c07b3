/**
 * The loop of a process that builds: claims jobs, keeps their leases alive while a handler works, reports how it ended,
 * and does for jobs that were left behind what nobody else does.
 */
import type { SqlClient } from "@effect/sql"
import { Cause, Data, Duration, Effect, Exit, Fiber, FiberSet, Option, Schedule, Schema } from "effect"
import type { Lease } from "../domain/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../domain/build-job/WorkspaceBuildJobRepo.js"
import * as Database from "../Database.js"
import type { InvalidInput, LeaseLost, PersistenceError } from "../Errors.js"
import { Name } from "../internal/columns.js"
import { Pause, Wait } from "../internal/durations.js"
import { operations } from "../internal/query.js"
import { SandboxLifecycle } from "./SandboxLifecycle.js"
import type { Build, BuildFinished } from "./SandboxViews.js"

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
  workerId: Name,
  concurrency: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 1000)), { default: () => 1 }),
  leaseDuration: Schema.optionalWith(Pause, { default: () => "1 minute" as const }),
  pollInterval: Schema.optionalWith(Pause, { default: () => "1 second" as const }),
  runtimeDeadline: Schema.optionalWith(Wait, { default: () => "15 minutes" as const }),
  drainTimeout: Schema.optionalWith(Wait, { default: () => "10 seconds" as const })
})

const { input } = operations("BuildWorker", "WorkspaceBuildJob")

/** How many left-behind jobs are taken care of at a time, and how often at least. */
const supervisedAtOnce = 100
const longestSupervisionPause = Duration.seconds(15)

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
    const { concurrency, drainTimeout, pollInterval, runtimeDeadline, workerId, ...rest } = yield* input("run", Settings)(options)
    const leaseDuration = Duration.decode(rest.leaseDuration)
    const { claimNext } = yield* WorkspaceBuildJobRepo
    const handlers = yield* FiberSet.make<void>()
    yield* Effect.addFinalizer(() => drain(handlers, drainTimeout))

    // A job that was claimed has a fiber before anything can interrupt: it would wait for its lease to expire else. That
    // fiber is not the slot's, so that it can go on while the worker drains, and does not inherit that it is uninterruptible.
    const claimAndWork = claimNext({ workerId, leaseDuration }).pipe(
      Effect.flatMap(Option.match({
        onNone: () => Effect.succeedNone,
        onSome: ({ lease }) => Effect.asSome(FiberSet.run(handlers, Effect.interruptible(work(handler, lease, leaseDuration))))
      })),
      Effect.uninterruptible
    )

    const slot = Effect.gen(function*() {
      // Taken before the look, so that what is committed after the look is a change.
      const seen = yield* Database.version
      const fiber = yield* claimAndWork
      if (Option.isSome(fiber)) yield* Fiber.await(fiber.value)
      else yield* Effect.raceFirst(Database.changedSince(seen), Effect.sleep(pollInterval))
    }).pipe(persistently("claiming", pollInterval))

    const supervision = supervise(Duration.min(leaseDuration, longestSupervisionPause), runtimeDeadline)
    return yield* Effect.all([supervision, ...Array.from({ length: concurrency }, () => slot)], { concurrency: "unbounded" }).pipe(
      Effect.zipRight(Effect.never)
    )
  }).pipe(Effect.scoped)

/** Again and again; a failure of the store is logged and waited out. */
const persistently = (what: string, pause: Duration.DurationInput) => <E extends InvalidInput | PersistenceError, R>(effect: Effect.Effect<void, E, R>) =>
  effect.pipe(
    Effect.catchAll((error) => Effect.zipRight(Effect.logWarning(`${what}: ${error.message}`), Effect.sleep(pause))),
    Effect.forever
  )

/** What other workers left behind is taken care of by whoever is there. */
const supervise = (every: Duration.Duration, runtimeDeadline: Duration.DurationInput) =>
  Effect.gen(function*() {
    const lifecycle = yield* SandboxLifecycle
    yield* lifecycle.supervise({ limit: supervisedAtOnce, runtimeDeadline })
    yield* Effect.sleep(every)
  }).pipe(persistently("supervising", every))

/** Lets handlers finish for a while, then interrupts them: each gives its job back. */
const drain = (handlers: FiberSet.FiberSet<void>, timeout: Duration.DurationInput) =>
  FiberSet.awaitEmpty(handlers).pipe(
    Effect.interruptible,
    Effect.timeoutOption(timeout),
    Effect.zipRight(FiberSet.clear(handlers)),
    Effect.zipRight(FiberSet.awaitEmpty(handlers))
  )

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
    Effect.withSpan("BuildWorker.work", { captureStackTrace: false, attributes: { "job.id": lease.jobId } }),
    Effect.uninterruptible
  )

/** A pause that a test's clock, which stands at the end of a pause to the fraction, can be stored after. */
const wholeMillis = (pause: Duration.Duration) => Duration.millis(Math.ceil(Duration.toMillis(pause)))

/** A report is worth waiting for a lock: without it the whole build is done again. */
const patiently = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, {
    while: (error) => error._tag === "PersistenceError",
    schedule: Schedule.exponential("100 millis").pipe(
      Schedule.jittered,
      Schedule.delayed(wholeMillis),
      Schedule.intersect(Schedule.recurs(5))
    )
  })

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
