/**
 * The loop of a process that builds: claims jobs, keeps their leases alive while a handler works, reports how it ended,
 * and does for jobs that were left behind what nobody else does.
 */
import { SqlClient } from "@effect/sql"
import { Cause, Data, Duration, Effect, Exit, FiberSet, Fiber, Option, Schedule, Schema } from "effect"
import type { ClaimedJob, Lease } from "../domain/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../domain/build-job/WorkspaceBuildJobRepo.js"
import * as Database from "../Database.js"
import type { InvalidInput, PersistenceError } from "../Errors.js"
import { Name } from "../internal/columns.js"
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
  concurrency: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 1000)), { default: () => 1 })
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
    const { concurrency, workerId } = yield* input("run", Settings)(options)
    const leaseDuration = Duration.decode(options.leaseDuration ?? "1 minute")
    const pollInterval = Duration.decode(options.pollInterval ?? "1 second")
    const jobs = yield* WorkspaceBuildJobRepo
    const handlers = yield* FiberSet.make<void>()
    yield* Effect.addFinalizer(() => drain(handlers, options.drainTimeout ?? "10 seconds"))

    // Each slot works on one job at a time; a handler has a fiber of its own, which outlives the slot while it drains.
    const slot = Effect.gen(function*() {
      const seen = yield* Database.version
      const claimed = yield* claim(workerId, leaseDuration)
      if (Option.isNone(claimed)) return yield* Effect.raceFirst(Database.changedSince(seen), Effect.sleep(pollInterval))
      // Between the claim and the fork nothing may come, or the job would wait for its lease to expire.
      yield* Effect.flatMap(FiberSet.run(handlers, work(handler, claimed.value, leaseDuration)), Fiber.await)
    }).pipe(
      Effect.catchAll((error) => Effect.zipRight(logFailure("claiming", error), Effect.sleep(pollInterval))),
      Effect.forever
    )

    const supervision = supervise(Duration.min(leaseDuration, longestSupervisionPause), options.runtimeDeadline ?? "15 minutes")
    yield* jobs.stats.pipe(Effect.ignore)
    return yield* Effect.all([supervision, ...Array.from({ length: concurrency }, () => slot)], { concurrency: "unbounded" }).pipe(
      Effect.zipRight(Effect.never)
    )
  }).pipe(Effect.scoped)
