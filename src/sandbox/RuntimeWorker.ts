/**
 * The loop of a runtime worker. It tears down runtimes whose stop was requested, inspects running ones, and runs
 * `Supervisor` concurrently.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { type Cause, Data, Duration, Effect, Exit, type Option, Schema } from "effect"
import type { InvalidInput, PersistenceError } from "../Errors.js"
import { type HeldLease, holding, type Moment, type Terms } from "../leasing/heldLeases.js"
import { contained, defectOf, failureOf, type HandlerFailure } from "../leasing/outcome.js"
import { loop, type OnDefect, reportDefect, reporting, workerSettings } from "../leasing/workerLoop.js"
import { Pause, Wait } from "../sql/durations.js"
import { operations } from "../sql/operations.js"
import { defaultRuntimeDeadline, supervisionBesides } from "../supervision/supervisorLoop.js"
import { inspections } from "./inspections.js"
import type { ClaimedTeardown, RuntimeTeardown, TeardownLease } from "./RuntimeTeardown.js"
import { RuntimeTeardownRepo } from "./RuntimeTeardownRepo.js"
import { SandboxLifecycle } from "./SandboxLifecycle.js"
import type { SandboxRuntimeInstance } from "./SandboxRuntimeInstance.js"
import type { SandboxRuntimeInstanceRepo } from "./SandboxRuntimeInstanceRepo.js"
import type { EndRuntime } from "./SandboxViews.js"

/**
 * The failure of an adapter. `retryable` defaults to true: a teardown is retried while it has attempts left. The message
 * and the code are stored, so they must not contain secrets.
 */
export class AdapterFailure extends Data.TaggedError("AdapterFailure")<{
  readonly errorMessage: string
  readonly errorCode?: string | undefined
  readonly retryable?: boolean | undefined
}> {}

/** The end of a runtime that an inspection has found: a status, and one of its reasons (`runtimeEndReasons`). */
export type FoundEnd = Omit<typeof EndRuntime.Encoded, "resourceId">

/** The calls of a worker on the system that runs containers or pods. */
export interface Adapter<R> {
  /**
   * Removes a resource, and succeeds when it is gone. Must succeed for a resource that does not exist, because a teardown
   * may be repeated. It is interrupted when its lease is lost, when no heartbeat was confirmed in time, 10 minutes after
   * the claim, or when the worker drains; heartbeats continue until it has ended.
   *
   * Resource ids must be unique for each launch: a late teardown would otherwise remove the resource of a later launch.
   */
  readonly stop: (instance: RuntimeTeardown) => Effect.Effect<unknown, AdapterFailure, R>
  /**
   * Returns the end of a resource that is gone, and `None` if it is running. Called for each running runtime once in each
   * `inspectInterval`, by one of the workers. A failure, a defect and an inspection that takes longer than the interval
   * are logged, and the next inspection tries again.
   */
  readonly inspect?:
    | ((instance: SandboxRuntimeInstance) => Effect.Effect<Option.Option<FoundEnd>, AdapterFailure, R>)
    | undefined
}

/** Options of a worker. */
export interface Options {
  /** The name of the worker in leases. Unique among the running workers, such as host name and process id. */
  readonly workerId: string
  /** The maximum number of concurrent teardowns, and of concurrent inspections. 1 to 1,000, default 1. */
  readonly concurrency?: number | undefined
  /**
   * The duration of a lease without a heartbeat. Three heartbeats are sent in that time. If none is confirmed, `stop` is
   * interrupted before the lease ends: by a tenth of the duration, at most 10 seconds. Default 1 minute.
   */
  readonly leaseDuration?: Duration.DurationInput | undefined
  /**
   * The pause between two polls of an idle worker, for retries that became due and leases that expired. Default 1
   * second.
   */
  readonly pollInterval?: Duration.DurationInput | undefined
  /**
   * The pause between two inspections of a running runtime, and the longest time of an inspection: one that hangs delays
   * the others by an interval, unless `concurrency` is higher. Default 1 minute.
   */
  readonly inspectInterval?: Duration.DurationInput | undefined
  /** The longest wait of a sandbox for the end of its runtime, and of an attempt for its runtime. Default 15 minutes. */
  readonly runtimeDeadline?: Duration.DurationInput | undefined
  /**
   * The time for which teardowns may continue after the worker was interrupted. Then they are interrupted. Default 10
   * seconds.
   */
  readonly drainTimeout?: Duration.DurationInput | undefined
  /**
   * Receives the cause when `stop` dies. The cause is neither stored nor logged elsewhere. Default: `Effect.logError`
   * with the cause; replace it if exceptions may contain secrets. The failure of the teardown is reported after the
   * callback has ended, or after 5 seconds.
   */
  readonly onDefect?: ((cause: Cause.Cause<never>, lease: TeardownLease) => Effect.Effect<void>) | undefined
  /** Whether to run `Supervisor` concurrently, for the provided services. Default true. */
  readonly supervise?: boolean | undefined
}

const Settings = Schema.Struct({
  ...workerSettings,
  inspectInterval: Schema.optionalWith(Pause, { default: () => "1 minute" as const }),
  runtimeDeadline: Schema.optionalWith(Wait, { default: () => defaultRuntimeDeadline })
})

const { decodeInput } = operations("RuntimeWorker", "RuntimeTeardown")

/** The services of a worker. */
export type Services = SandboxLifecycle | RuntimeTeardownRepo | SandboxRuntimeInstanceRepo | SqlClient.SqlClient

/**
 * Works until it is interrupted. A stop in this process wakes it up at once; one in another process within about 10 ms,
 * if the database is a local file. After an interruption teardowns may continue for `drainTimeout`. The remaining ones
 * are interrupted, and released after they have ended.
 *
 * Retries while the database cannot answer. Fails with `InvalidInput` if an option is out of range.
 */
export const run = <R>(
  adapter: Adapter<R>,
  { onDefect = logDefect, ...options }: Options
): Effect.Effect<never, InvalidInput, R | Services> =>
  Effect.gen(function* () {
    const { inspectInterval, runtimeDeadline, supervise, workerId, ...settings } = yield* decodeInput(
      "run",
      Settings
    )(options)
    const leaseDuration = Duration.decode(settings.leaseDuration)
    const { claimNext } = yield* RuntimeTeardownRepo
    const { concurrency } = settings
    const besides = [
      ...(supervise ? [supervisionBesides({ leaseDuration, runtimeDeadline })] : []),
      ...(adapter.inspect === undefined ? [] : [inspections(adapter.inspect, { concurrency, every: inspectInterval })])
    ]
    return yield* loop<ClaimedTeardown, InvalidInput | PersistenceError, R | Services>({
      ...settings,
      name: "RuntimeWorker",
      claim: claimNext({ workerId, leaseDuration }),
      work: (claimed, claimedAt) => work(adapter, onDefect, claimed, claimedAt, leaseDuration),
      besides: Effect.zipRight(Effect.all(besides, { concurrency: "unbounded", discard: true }), Effect.never)
    })
  }).pipe(Effect.scoped)

const logDefect: OnDefect<TeardownLease> = (cause, { teardownId }) =>
  Effect.logError(`teardown ${teardownId}: the adapter died`, cause)

/** Works on one teardown, from its claim to its end. Never fails. */
const work = <R>(
  adapter: Adapter<R>,
  onDefect: OnDefect<TeardownLease>,
  { lease, teardown }: ClaimedTeardown,
  claimedAt: Moment,
  leaseDuration: Duration.Duration
) =>
  contained(
    Effect.gen(function* () {
      const lifecycle = yield* SandboxLifecycle
      const teardowns = yield* RuntimeTeardownRepo
      const terms: Terms = {
        entity: "RuntimeTeardown",
        noun: "teardown",
        id: lease.teardownId,
        workerId: lease.workerId,
        claimedAt,
        leaseMs: Duration.toMillis(leaseDuration),
        maxMs: teardown.maxDurationMs
      }
      const heartbeat = Effect.catchTag(
        Effect.suspend(() => teardowns.heartbeat(lease, leaseDuration)),
        "InvalidInput",
        Effect.die
      )
      const release = Effect.ignore(teardowns.release(lease))
      return yield* holding(yield* SqlClient.SqlClient, terms, { heartbeat, beatsFrom: "start" }, (held) =>
        Effect.gen(function* () {
          const begun = yield* Effect.exit(Effect.interruptible(held.ready))
          if (Exit.isFailure(begun)) return yield* Exit.isInterrupted(begun) ? release : begun
          const { exit, interrupted, over } = yield* held.run(Effect.suspend(() => adapter.stop(teardown)))
          yield* reportDefect(onDefect, defectOf(exit, interrupted || over !== undefined), lease, "runtime adapter")
          if (Exit.isSuccess(exit)) return yield* reporting(held, lifecycle.finishTeardown(lease))
          if (over?._tag === "Lost") return yield* over.error
          const failure = failureOf(exit.cause, over, "teardown")
          if (failure === undefined && interrupted) return yield* release
          return yield* fail(lifecycle, lease, held, failure ?? died)
        })
      )
    }),
    { worker: "RuntimeWorker", noun: "teardown", id: lease.teardownId, token: lease.token }
  )

const died: HandlerFailure = { errorMessage: "the runtime adapter died", errorCode: "handler-died" }

const fail = (lifecycle: SandboxLifecycle["Type"], lease: TeardownLease, held: HeldLease, failure: HandlerFailure) =>
  reporting(
    held,
    lifecycle.failTeardown(lease, failure).pipe(
      // An invalid failure, for example with too long a message, is stored as a failure with another message.
      Effect.catchTag("InvalidInput", ({ message }) =>
        lifecycle.failTeardown(lease, {
          errorMessage: message,
          errorCode: "invalid-failure",
          retryable: failure.retryable
        })
      )
    )
  )
