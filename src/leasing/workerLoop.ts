/**
 * The loop of all workers. One dispatcher claims rows for all free slots and waits for a commit when no row is due. The
 * loop drains when it is interrupted.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import {
  type Cause,
  Clock,
  type DateTime,
  Duration,
  Effect,
  Exit,
  Fiber,
  FiberSet,
  Option,
  Schedule,
  Schema,
  type Scope
} from "effect"
import * as Database from "../Database.js"
import { Name } from "../sql/columns.js"
import { clientInternals } from "../libsql/registry.js"
import { Pause, Wait, wholeMillis } from "../sql/durations.js"
import { spanned } from "../sql/operations.js"
import { type HeldLease, type Moment, moment, noneOverdue } from "./heldLeases.js"
import { backoff, isFinal, isTransient, type StoreError } from "../sql/retry.js"
import { kindOf } from "../sql/tagged.js"

/** The longest sleep of an idle loop. */
const longestSleep = Duration.minutes(1)

/** The options that all workers share. */
export const workerSettings = {
  workerId: Name,
  concurrency: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 1000)), { default: () => 1 }),
  leaseDuration: Schema.optionalWith(Pause, { default: () => "1 minute" as const }),
  pollInterval: Schema.optionalWith(Pause, { default: () => "1 second" as const }),
  drainTimeout: Schema.optionalWith(Wait, { default: () => "10 seconds" as const }),
  supervise: Schema.optionalWith(Schema.Boolean, { default: () => true })
}

/** Callback for a handler that died. Receives the cause and the lease of the handler. */
export type OnDefect<Lease> = (cause: Cause.Cause<never>, lease: Lease) => Effect.Effect<void>

/** The parts of a loop. */
export interface Work<A, E, R> {
  /** The prefix of the span of a claim, `<name>.claim`, which contains all spans of the work on the claimed row. */
  readonly name: string
  readonly concurrency: number
  readonly pollInterval: Duration.DurationInput
  readonly drainTimeout: Duration.DurationInput
  /** Claims the next due row, if there is one. */
  readonly claim: Effect.Effect<Option.Option<A>, E, R>
  /**
   * Reads the earliest time at which a claim may find a row without a further commit. An idle loop then sleeps until it,
   * for a minute at most. On a server it also polls, because commits of other programs are not reported.
   */
  readonly nextDueAt?: Effect.Effect<Option.Option<DateTime.Utc>, E, R>
  /**
   * Works on a claimed row. `claimedAt` is the moment before the claim was sent. It is forked uninterruptible, so that
   * an interruption of the loop also releases a row whose fiber has not begun.
   */
  readonly work: (claimed: A, claimedAt: Moment) => Effect.Effect<void, never, R>
  /** Runs concurrently with the loop, such as supervision. */
  readonly besides: Effect.Effect<never, never, R | SqlClient.SqlClient>
}

/**
 * Works until it is interrupted. Then handlers may continue for `drainTimeout`. The remaining ones are interrupted, and
 * their rows are released after they have ended. The loop retries while the database cannot answer.
 */
export const loop = <A, E extends { readonly message: string }, R>({
  besides,
  claim,
  concurrency,
  drainTimeout,
  name,
  nextDueAt,
  pollInterval,
  work
}: Work<A, E, R>): Effect.Effect<never, never, R | SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const workers = yield* FiberSet.make<void>()
    yield* Effect.addFinalizer(() => drain(workers, drainTimeout))
    const freed = Effect.unsafeMakeLatch(false)
    let busy = 0
    let width = 1

    const free = Effect.sync(() => {
      busy -= 1
      freed.unsafeOpen()
    })

    // Uninterruptible, so that each claimed row has a fiber: otherwise its next claim would wait until the lease
    // expires.
    const claimAndWork = Effect.flatMap(moment, (claimedAt) =>
      Effect.flatMap(
        claim,
        Option.match({
          onNone: () => Effect.succeed(false),
          onSome: (claimed) => {
            busy += 1
            return Effect.as(FiberSet.run(workers, Effect.ensuring(work(claimed, claimedAt), free)), true)
          }
        })
      )
    ).pipe(
      // One trace for each claim: a span of the whole loop would last for days.
      (claimed) => spanned(claimed, `${name}.claim`, {}, true),
      Effect.uninterruptible
    )

    const longestPause =
      clientInternals(sql)?.place.kind === "server"
        ? Duration.decode(pollInterval)
        : Duration.max(longestSleep, pollInterval)
    const idlePause: Effect.Effect<Duration.DurationInput, E, R> =
      nextDueAt === undefined
        ? Effect.succeed(pollInterval)
        : Effect.zipWith(nextDueAt, Clock.currentTimeMillis, (due, now) => {
            const left = Option.match(due, { onNone: () => Infinity, onSome: ({ epochMillis }) => epochMillis - now })
            // A due row that was not claimed belongs to a paused part of the queue, or another worker has claimed it.
            return left <= 0 ? pollInterval : Duration.min(wholeMillis(Duration.millis(left)), longestPause)
          })

    // One fiber claims for all slots, so the cost of an idle worker does not depend on their number. Simultaneous
    // claims are one statement. Their number starts at one, which is enough when no row is due, and doubles when all
    // claims found a row.
    const dispatch = Effect.gen(function* () {
      freed.unsafeClose()
      if (busy >= concurrency) return yield* freed.await
      yield* noneOverdue(sql)
      // Read before the claim, so that a commit after the claim counts as a change.
      const seen = yield* Database.version
      const count = Math.min(width, concurrency - busy)
      width = 1
      const found = yield* Effect.all(
        Array.from({ length: count }, () => claimAndWork),
        { concurrency: "unbounded" }
      )
      if (found.every((hasClaimed) => hasClaimed)) width = Math.min(count * 2, concurrency)
      else yield* Effect.raceFirst(Database.changedSince(seen), Effect.flatMap(idlePause, Effect.sleep))
    })

    return yield* Effect.all([besides, forever(dispatch, "claiming", pollInterval)], {
      concurrency: "unbounded"
    }).pipe(Effect.zipRight(Effect.never))
  })

/**
 * Repeats an effect forever. A failure or a defect is logged with the name of the activity, and the next repetition
 * begins after a pause.
 */
export const forever = <E extends { readonly message: string }, R>(
  effect: Effect.Effect<void, E, R>,
  activity: string,
  pause: Duration.DurationInput
): Effect.Effect<never, never, R> =>
  effect.pipe(
    Effect.catchAll(({ message }) =>
      Effect.zipRight(Effect.logWarning(`${activity}: ${message}`), Effect.sleep(pause))
    ),
    Effect.catchAllDefect((defect) =>
      Effect.zipRight(Effect.logError(`${activity}: ${kindOf(defect)}`), Effect.sleep(pause))
    ),
    Effect.forever
  )

/** Waits for handlers until the timeout, then interrupts the remaining ones and waits until their rows are released. */
const drain = (workers: FiberSet.FiberSet<void>, timeout: Duration.DurationInput) =>
  FiberSet.awaitEmpty(workers).pipe(
    Effect.interruptible,
    Effect.timeoutOption(timeout),
    // Interrupts all at once. `FiberSet.clear` waits for the end of each fiber before it interrupts the next.
    Effect.zipRight(Effect.suspend(() => Fiber.interruptAll([...workers]))),
    Effect.zipRight(FiberSet.awaitEmpty(workers))
  )

/**
 * Retries a write under a lease while the database cannot answer: without the write the whole work would be repeated.
 * Ends with `LeaseLost` when the lease is lost. Other errors of the store are retried five times, except when the client
 * was closed.
 */
export const untilAnswered = <A, E extends StoreError, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  effect.pipe(
    Effect.retry({ while: isTransient, schedule: backoff }),
    Effect.retry({
      while: (error) => error._tag === "PersistenceError" && !isFinal(error),
      schedule: Schedule.intersect(backoff, Schedule.recurs(5))
    })
  )

/**
 * Reports an outcome until the database has answered, even if the caller is interrupted. An interruption ends the
 * worker; the report then continues at most until the lease has ended by the clocks of this process.
 */
export const reporting = <A, E extends StoreError, R>(
  held: HeldLease,
  report: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    // A daemon, because interruption reaches the children of a fiber at once.
    const fiber = yield* Effect.forkDaemon(Effect.exit(Effect.interruptible(untilAnswered(report))))
    const waited = yield* Effect.exit(Effect.interruptible(Fiber.await(fiber)))
    if (Exit.isFailure(waited))
      yield* Effect.fork(Effect.interruptible(Effect.zipRight(held.runsOut, Fiber.interrupt(fiber))))
    return yield* Exit.flatten(yield* Fiber.await(fiber))
  }).pipe(Effect.uninterruptible)

/** The longest time for which the report of a defect waits for `onDefect`. */
const longestDefectReport = "5 seconds"

/**
 * Calls `onDefect` if the handler died (`cause`), and waits for it at most 5 seconds; after that it continues in the
 * background. A defect of the callback is logged.
 */
export const reportDefect = <Lease>(
  onDefect: OnDefect<Lease>,
  cause: Cause.Cause<never> | undefined,
  lease: Lease,
  noun: string
) =>
  cause === undefined
    ? Effect.void
    : Effect.suspend(() => onDefect(cause, lease)).pipe(
        Effect.catchAllDefect((defect) => Effect.logError(`onDefect of a ${noun} died: ${kindOf(defect)}`)),
        Effect.interruptible,
        // A daemon, so that an interruption of the worker does not end it.
        Effect.forkDaemon,
        Effect.flatMap((fiber) =>
          Effect.exit(Effect.interruptible(Effect.raceFirst(Fiber.await(fiber), Effect.sleep(longestDefectReport))))
        ),
        Effect.asVoid
      )
