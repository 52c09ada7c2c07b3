/**
 * What the loops of workers share: they claim rows one by one, work on several at the same time, wait for a commit when
 * nothing is due, and drain when they are interrupted.
 */
import type { SqlClient } from "@effect/sql"
import { Duration, Effect, Fiber, FiberSet, Option, Schedule, Schema, type Scope } from "effect"
import * as Database from "../Database.js"
import { Name } from "../internal/columns.js"
import { Pause, Wait } from "../internal/durations.js"
import { spanned } from "../internal/query.js"
import { kindOf } from "./operation.js"

/** The options that every worker has. */
export const workerSettings = {
  workerId: Name,
  concurrency: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 1000)), { default: () => 1 }),
  leaseDuration: Schema.optionalWith(Pause, { default: () => "1 minute" as const }),
  pollInterval: Schema.optionalWith(Pause, { default: () => "1 second" as const }),
  drainTimeout: Schema.optionalWith(Wait, { default: () => "10 seconds" as const })
}

/** How many rows that were left behind are taken care of at a time, and how often at least. */
export const supervisedAtOnce = 100
const longestSupervisionPause = Duration.seconds(15)

/** What a loop is made of. */
export interface Work<A, E, R> {
  /**
   * Names the span of a claim, `<name>.claim`, in which all that becomes of what was claimed has its spans, and that of a
   * supervision, `<name>.supervise`.
   */
  readonly name: string
  readonly concurrency: number
  readonly leaseDuration: Duration.DurationInput
  readonly pollInterval: Duration.DurationInput
  readonly drainTimeout: Duration.DurationInput
  /** What is due next, if anything is, under a lease. */
  readonly claim: Effect.Effect<Option.Option<A>, E, R>
  /** All that becomes of it. Interrupted, it gives back what it has. */
  readonly work: (claimed: A) => Effect.Effect<void, never, R>
  /** Does for what was left behind what nobody else does. */
  readonly supervise: Effect.Effect<void, E, R>
}

/**
 * Works until it is interrupted: then what is begun may be finished for a while (`drainTimeout`), and the rest is given
 * back. A store that cannot answer does not end it: it tries again.
 */
export const loop = <A, E extends { readonly message: string }, R>(
  { claim, concurrency, drainTimeout, leaseDuration, name, pollInterval, supervise, work }: Work<A, E, R>
): Effect.Effect<never, never, R | SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function*() {
    const workers = yield* FiberSet.make<void>()
    yield* Effect.addFinalizer(() => drain(workers, drainTimeout))

    // What was claimed has a fiber before anything can interrupt: it would wait for its lease to expire else. That fiber
    // is not the slot's, so that it can go on while the worker drains, and does not inherit that it is uninterruptible.
    const claimAndWork = claim.pipe(
      Effect.flatMap(Option.match({
        onNone: () => Effect.succeedNone,
        onSome: (claimed) => Effect.asSome(FiberSet.run(workers, Effect.interruptible(work(claimed))))
      })),
      // A trace for each claim, as for each supervision: a loop that runs for days is no span to put them all in.
      (claimed) => spanned(claimed, `${name}.claim`, {}, true),
      Effect.uninterruptible
    )

    const slot = Effect.gen(function*() {
      // Taken before the look, so that what is committed after the look is a change.
      const seen = yield* Database.version
      const fiber = yield* claimAndWork
      if (Option.isSome(fiber)) yield* Fiber.await(fiber.value)
      else yield* Effect.raceFirst(Database.changedSince(seen), Effect.sleep(pollInterval))
    }).pipe(persistently("claiming", pollInterval))

    const every = Duration.min(leaseDuration, longestSupervisionPause)
    const supervision = spanned(supervise, `${name}.supervise`, {}, true).pipe(Effect.zipRight(Effect.sleep(every))).pipe(persistently("supervising", every))
    return yield* Effect.all([supervision, ...Array.from({ length: concurrency }, () => slot)], { concurrency: "unbounded" }).pipe(
      Effect.zipRight(Effect.never)
    )
  })

/** Again and again; a failure of the store, or a defect, is logged and waited out. */
const persistently = (what: string, pause: Duration.DurationInput) => <E extends { readonly message: string }, R>(effect: Effect.Effect<void, E, R>) =>
  effect.pipe(
    Effect.catchAll((error) => Effect.zipRight(Effect.logWarning(`${what}: ${error.message}`), Effect.sleep(pause))),
    Effect.catchAllDefect((defect) => Effect.zipRight(Effect.logError(`${what}: ${kindOf(defect)}`), Effect.sleep(pause))),
    Effect.forever
  )

/** Lets what is begun finish for a while, then interrupts it: each gives back what it has. */
const drain = (workers: FiberSet.FiberSet<void>, timeout: Duration.DurationInput) =>
  FiberSet.awaitEmpty(workers).pipe(
    Effect.interruptible,
    Effect.timeoutOption(timeout),
    Effect.zipRight(FiberSet.clear(workers)),
    Effect.zipRight(FiberSet.awaitEmpty(workers))
  )

/** A pause that a test's clock, which stands at the end of a pause to the fraction, can be stored after. */
export const wholeMillis = (pause: Duration.Duration) => Duration.millis(Math.ceil(Duration.toMillis(pause)))

/** A report is worth waiting for a lock: without it the whole work is done again. */
export const patiently = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, {
    while: (error) => error._tag === "PersistenceError",
    schedule: Schedule.exponential("100 millis").pipe(
      Schedule.jittered,
      Schedule.delayed(wholeMillis),
      Schedule.intersect(Schedule.recurs(5))
    )
  })
