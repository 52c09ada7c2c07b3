/**
 * The loop of a build worker: it claims jobs, keeps their leases alive while handlers work, reports the outcomes, and runs
 * `Supervisor` beside it.
 */
import { SqlClient } from "@effect/sql"
import { Cause, Data, Duration, Effect, Exit, Option, Schema } from "effect"
import type { ClaimedJob, Lease } from "./WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "./WorkspaceBuildJobRepo.js"
import type { InvalidInput } from "../Errors.js"
import { Wait } from "../sql/durations.js"
import { operations, spanned } from "../sql/operations.js"
import { type HeldLease, holding, type Moment, type Over } from "../leasing/heldLeases.js"
import { kindOf } from "../events/operation.js"
import { SandboxLifecycle } from "../sandbox/SandboxLifecycle.js"
import type { Build, BuildFailed, BuildFinished } from "../sandbox/SandboxViews.js"
import { defaultRuntimeDeadline, supervisionBesides } from "../supervision/supervisorLoop.js"
import { loop, type OnDefect, reportDefect, reporting, untilAnswered, workerSettings } from "../leasing/workerLoop.js"

/**
 * Why a handler could not build. `retryable` left out means true: the job is tried again while it has attempts left.
 * The message and the code are stored and shown to the owner: no secrets.
 */
export class BuildFailure extends Data.TaggedError("BuildFailure")<{
  readonly errorMessage: string
  readonly errorCode?: string
  readonly retryable?: boolean
}> {}

/**
 * Builds one image, and launches its runtime if that is this worker's task.
 *
 * It is interrupted when its lease is lost, when no heartbeat was confirmed in time, when the `maxDuration` of the job is over,
 * or when the worker drains. Its job is released or reported only after it has ended, finalizers included; heartbeats continue
 * until then. A handler that dies, also one that throws before it returns an effect, has failed and may be tried again.
 */
export type Handler<R> = (build: Build) => Effect.Effect<typeof BuildFinished.Encoded, BuildFailure, R>

/** How a worker works. */
export interface Options {
  /** Names the worker in leases: unique among those that run at the same time, such as host name and process id. */
  readonly workerId: string
  /** How many jobs it works on at the same time. 1 to 1,000, default 1. */
  readonly concurrency?: number
  /**
   * The duration of a lease without a heartbeat; three are sent in that time. Without a confirmed one the handler is interrupted
   * a tenth of it (at most 10 seconds) before the lease ends. Default 1 minute.
   */
  readonly leaseDuration?: Duration.DurationInput
  /** The pause between two reads of an idle worker for jobs that became due by the clock: retries, expired leases. Default 1 second. */
  readonly pollInterval?: Duration.DurationInput
  /** How long a run may wait for its runtime after its image was built. Default 15 minutes. */
  readonly runtimeDeadline?: Duration.DurationInput
  /** The time for which handlers may continue after the worker was interrupted; then they are interrupted, too. Default 10 seconds. */
  readonly drainTimeout?: Duration.DurationInput
  /**
   * Receives the cause when a handler dies. It is neither stored nor logged elsewhere. Default: `Effect.logError`
   * with the cause; replace it when exceptions may contain secrets. The failure is reported when it has ended, or after 5 seconds.
   */
  readonly onDefect?: (cause: Cause.Cause<never>, lease: Lease) => Effect.Effect<void>
  /** Runs `Supervisor` beside the worker, for the services that are provided. Default true. */
  readonly supervise?: boolean
}

const Settings = Schema.Struct({
  ...workerSettings,
  runtimeDeadline: Schema.optionalWith(Wait, { default: () => defaultRuntimeDeadline })
})

const { input } = operations("BuildWorker", "WorkspaceBuildJob")

/**
 * Runs until it is interrupted. An enqueue in this process wakes it at once, one in another process within some 10 ms
 * on a local file. Interrupting it lets the handlers finish (`drainTimeout`), then interrupts them, and releases their jobs
 * after they have ended.
 *
 * A store that cannot answer does not end it: it tries again. Fails with `InvalidInput` for options out of range.
 */
export const run = <R>(
  handler: Handler<R>,
  { onDefect = logDefect, ...options }: Options
): Effect.Effect<never, InvalidInput, R | SandboxLifecycle | WorkspaceBuildJobRepo | SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const { runtimeDeadline, supervise, workerId, ...settings } = yield* input("run", Settings)(options)
    const leaseDuration = Duration.decode(settings.leaseDuration)
    const { claimNext } = yield* WorkspaceBuildJobRepo
    return yield* loop({
      ...settings,
      name: "BuildWorker",
      claim: claimNext({ workerId, leaseDuration }),
      work: (claimed, claimedAt) => work(handler, onDefect, claimed, claimedAt, leaseDuration),
      supervision: supervise ? supervisionBesides({ leaseDuration, runtimeDeadline }) : Effect.never
    })
  }).pipe(Effect.scoped)

const logDefect: OnDefect<Lease> = (cause, { jobId }) => Effect.logError(`job ${jobId}: the build handler died`, cause)

/** Works on one job, from its claim to its end. Never fails: the outcome is in the database, or the job is left to its lease. */
const work = <R>(
  handler: Handler<R>,
  onDefect: OnDefect<Lease>,
  { job: { maxDurationMs }, lease }: ClaimedJob,
  claimedAt: Moment,
  leaseDuration: Duration.Duration
) =>
  Effect.gen(function*() {
    const lifecycle = yield* SandboxLifecycle
    const jobs = yield* WorkspaceBuildJobRepo
    const terms = { noun: "job", id: lease.jobId, workerId: lease.workerId, claimedAt, leaseMs: Duration.toMillis(leaseDuration), maxMs: Option.getOrUndefined(maxDurationMs) }
    const heartbeat = Effect.catchTag(Effect.suspend(() => jobs.heartbeat(lease, leaseDuration)), "InvalidInput", Effect.die)
    const release = Effect.ignore(jobs.release(lease))
    return yield* holding(yield* SqlClient.SqlClient, terms, { heartbeat, beatsFrom: "start" }, (held) =>
      Effect.gen(function*() {
        const begun = yield* Effect.exit(Effect.interruptible(begin(lifecycle, lease, held)))
        if (Exit.isFailure(begun)) return yield* Exit.isInterrupted(begun) ? release : begun
        const { exit, interrupted, over } = yield* held.run(Effect.suspend(() => handler(begun.value)))
        yield* reportDefect(onDefect, defectOf(exit, interrupted || over !== undefined), lease, "build handler")
        if (Exit.isSuccess(exit)) return yield* reporting(held, finish(lifecycle, lease, exit.value))
        if (over?._tag === "Lost") return yield* over.error
        const failure = failureOf(exit.cause, over)
        return yield* failure === undefined && interrupted ? release : reporting(held, fail(lifecycle, lease, failure ?? died))
      }))
  }).pipe(
    Effect.catchAll((error) => Effect.logWarning(`job ${lease.jobId}: ${error.message}`)),
    // Only the kind of the defect: its message may contain secrets.
    Effect.catchAllCause((cause) => Effect.logError(`job ${lease.jobId} is left to its lease: ${kindOf(Cause.squash(cause))}`)),
    Effect.asVoid,
    (whole) => spanned(whole, "BuildWorker.work", { "job.id": lease.jobId, "lease.token": lease.token }),
    Effect.uninterruptible
  )

/** Begins the build as soon as the handler may run, and returns it while the lease is confirmed. */
const begin = (lifecycle: SandboxLifecycle["Type"], lease: Lease, held: HeldLease) =>
  held.ready.pipe(Effect.zipRight(untilAnswered(lifecycle.beginBuild(lease))), Effect.zipLeft(held.ready))

/** The defect of a handler that died. An interruption from outside is no defect; one by the handler itself is. */
const defectOf = <A>(exit: Exit.Exit<A, unknown>, wasInterrupted: boolean): Cause.Cause<never> | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  const isOwn = !wasInterrupted && Option.isNone(Cause.failureOption(exit.cause))
  return isOwn ? Cause.stripFailures(exit.cause) : Option.getOrUndefined(Cause.keepDefects(exit.cause))
}

type Failure = typeof BuildFailed.Encoded

const died: Failure = { errorMessage: "the build handler died", errorCode: "handler-died" }

/** The failure to store for a handler that failed or had to end. `undefined` when it only died, or a drain interrupted it. */
const failureOf = (cause: Cause.Cause<BuildFailure>, over: Over | undefined): Failure | undefined => {
  if (over?._tag === "TooLong") return { errorMessage: "the build took longer than its maxDuration", errorCode: "max-duration" }
  const failed = Cause.failureOption(cause)
  if (Option.isSome(failed)) {
    const { errorCode, errorMessage, retryable } = failed.value
    return { errorMessage, errorCode, retryable }
  }
  return over?._tag === "Unconfirmed"
    ? { errorMessage: "no heartbeat was confirmed in time, so the build was interrupted", errorCode: "lease-unconfirmed" }
    : undefined
}

const finish = (lifecycle: SandboxLifecycle["Type"], lease: Lease, result: typeof BuildFinished.Encoded) =>
  lifecycle.finishBuild(lease, result).pipe(
    // Not tried again: the handler would return the same invalid result.
    Effect.catchTag("InvalidInput", ({ message }) =>
      lifecycle.failBuild(lease, { errorMessage: message, errorCode: "invalid-result", retryable: false }))
  )

const fail = (lifecycle: SandboxLifecycle["Type"], lease: Lease, failure: Failure) =>
  lifecycle.failBuild(lease, failure).pipe(
    // For example, its message is too long. The failure itself is stored nevertheless.
    Effect.catchTag("InvalidInput", ({ message }) =>
      lifecycle.failBuild(lease, { errorMessage: message, errorCode: "invalid-failure", retryable: failure.retryable }))
  )
