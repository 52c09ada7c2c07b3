/**
 * The leases that the workers of this process hold, and their remaining time by the clocks of this process.
 *
 * While the database cannot be reached, a worker measures itself whether its lease is still valid. The lease begins at
 * the moment before the claim, or before the last confirmed heartbeat, was sent. Of two clocks, the one that advanced
 * further is used:
 *
 * - the monotonic clock (`Clock.currentTimeNanos`: `process.hrtime`, CLOCK_MONOTONIC), which ignores changes of the
 *   time of day;
 * - the wall clock, because on Linux the monotonic clock and all timers stop while the machine sleeps.
 */
import { Clock, Deferred, Duration, Effect, Exit, Fiber, FiberId } from "effect"
import { globalValue } from "effect/GlobalValue"
import { LeaseLost, type PersistenceError } from "../Errors.js"
import { wholeMillis } from "../sql/durations.js"
import { kindOf } from "../sql/tagged.js"

/** A reading of both clocks. */
export interface Moment {
  readonly nanos: bigint
  readonly millis: number
}

/** Reads both clocks. */
export const moment: Effect.Effect<Moment> = Clock.clockWith((clock) =>
  Effect.sync(() => ({ nanos: clock.unsafeCurrentTimeNanos(), millis: clock.unsafeCurrentTimeMillis() }))
)

/** Returns the milliseconds between two readings, by the clock that advanced further. */
const elapsedMs = (from: Moment, to: Moment): number =>
  Math.max(Number(to.nanos - from.nanos) / 1e6, to.millis - from.millis)

const sleepMs = (millis: number) => Effect.sleep(wholeMillis(Duration.millis(millis)))

/**
 * Returns the time between the interruption of a handler and the end of its lease or `maxDuration`: a tenth of it, at
 * most 10 seconds.
 */
const marginOf = (millis: number) => Math.min(millis / 10, 10_000)

/** The reason for which a handler must end. */
export type Over =
  /** The database reported that the lease is no longer the current one. */
  | { readonly _tag: "Lost"; readonly error: LeaseLost }
  /** No heartbeat was confirmed in time. */
  | { readonly _tag: "Unconfirmed" }
  /** The `maxDuration` of the job has passed. */
  | { readonly _tag: "TooLong" }

/** A claimed row, and the terms of the lease on it. */
export interface Terms {
  /** The name of the rows in errors. */
  readonly entity: LeaseLost["entity"]
  /** The name of this kind of rows in logs. */
  readonly noun: string
  readonly id: string
  readonly workerId: string
  /** The moment before the claim was sent. */
  readonly claimedAt: Moment
  readonly leaseMs: number
  /** The longest time that the handler may take, counted from the claim. Default: no limit. */
  readonly maxMs?: number | undefined
}

/** A lease of a worker of this process, from the claim until its handler has ended and the outcome is reported. */
export class HeldLease {
  private state: "held" | "lost" | "ended" = "held"
  private confirmedAt: Moment
  private changed = Deferred.unsafeMake<void>(FiberId.none)
  private readonly loss = Deferred.unsafeMake<LeaseLost>(FiberId.none)
  private readonly end = Deferred.unsafeMake<void>(FiberId.none)
  private readonly watching = Effect.unsafeMakeLatch(false)
  private readonly waking = Effect.unsafeMakeLatch(false)
  private readonly beating = Effect.unsafeMakeLatch(false)
  /**
   * The longest time between two readings of the clocks: the delay with which a jump is noticed after the machine
   * sleeps.
   */
  private readonly tickMs: number

  /** `beatsFrom`: heartbeats continue while the handler runs (`start`), or pause from its start to its end (`end`). */
  constructor(
    readonly terms: Terms,
    private readonly beatsFrom: "start" | "end",
    private readonly previous: HeldLease | undefined
  ) {
    this.confirmedAt = terms.claimedAt
    this.tickMs = Math.min(terms.leaseMs / 12, 5000)
  }

  /** Returns the milliseconds until the handler must be interrupted unless a heartbeat is confirmed. */
  private leftMs(now: Moment) {
    const { leaseMs } = this.terms
    return leaseMs - marginOf(leaseMs) - elapsedMs(this.confirmedAt, now)
  }

  /** Returns the milliseconds until the handler must be interrupted because of `maxDuration`. */
  private leftOfMaximumMs(now: Moment) {
    const { claimedAt, leaseMs, maxMs } = this.terms
    return maxMs === undefined
      ? Infinity
      : maxMs - Math.min(marginOf(leaseMs), marginOf(maxMs)) - elapsedMs(claimedAt, now)
  }

  /**
   * Returns whether another worker may own the row by now. False after `maxDuration`, because such a lease cannot be
   * confirmed any more.
   */
  isOverdue(now: Moment) {
    return this.state === "held" && this.leftMs(now) <= 0 && this.leftOfMaximumMs(now) > 0
  }

  private notify() {
    const { changed } = this
    this.changed = Deferred.unsafeMake<void>(FiberId.none)
    Deferred.unsafeDone(changed, Effect.void)
  }

  private confirm(sentAt: Moment) {
    this.confirmedAt = sentAt
    this.notify()
  }

  /** Marks the lease as lost, which interrupts its handler. */
  lose(error: LeaseLost) {
    if (this.state !== "held") return
    this.state = "lost"
    Deferred.unsafeDone(this.loss, Effect.succeed(error))
    this.notify()
  }

  /** Marks the work under the lease as ended. */
  finish() {
    this.state = "ended"
    Deferred.unsafeDone(this.end, Effect.void)
    this.notify()
  }

  /** Sends a heartbeat now, and waits until the lease is confirmed, lost or ended. */
  readonly confirmation: Effect.Effect<void> = Effect.suspend(() => {
    this.waking.unsafeOpen()
    this.watching.unsafeOpen()
    return Deferred.await(this.changed)
  })

  private readonly lost = Effect.flatMap(Deferred.await(this.loss), (error) => Effect.fail(error))

  /**
   * Waits until the handler may begin: the handler of an earlier lease on the same row has ended in this process, and
   * this lease is not overdue. Fails with `LeaseLost` if the lease is lost during the wait.
   */
  readonly ready: Effect.Effect<void, LeaseLost> = Effect.suspend(() => {
    this.beating.unsafeOpen()
    return Effect.zipRight(
      this.previous === undefined ? Effect.void : Deferred.await(this.previous.end),
      Effect.iterate(true, {
        while: (overdue) => overdue,
        body: () =>
          Effect.flatMap(moment, (now) =>
            this.isOverdue(now) ? Effect.as(this.confirmation, true) : Effect.succeed(false)
          )
      })
    )
  }).pipe(
    Effect.asVoid,
    Effect.raceFirst(this.lost),
    Effect.ensuring(
      Effect.sync(() => {
        if (this.beatsFrom === "end") this.beating.unsafeClose()
      })
    )
  )

  /** Sends heartbeats until the lease is lost: three in each lease, and more often after a failed one. */
  heartbeats<R>(send: Effect.Effect<unknown, LeaseLost | PersistenceError, R>): Effect.Effect<void, never, R> {
    const { id, leaseMs, noun } = this.terms
    const beat = Effect.flatMap(moment, (sentAt) =>
      send.pipe(
        Effect.map(() => {
          this.confirm(sentAt)
          return leaseMs / 3
        }),
        Effect.catchTag("PersistenceError", ({ message }) =>
          Effect.as(Effect.logWarning(`heartbeat of ${noun} ${id}: ${message}`), this.tickMs)
        ),
        Effect.catchAllDefect((defect) =>
          Effect.as(Effect.logError(`heartbeat of ${noun} ${id}: ${kindOf(defect)}`), this.tickMs)
        )
      )
    )
    const after = (pauseMs: number) =>
      Effect.raceFirst(sleepMs(pauseMs), this.waking.await).pipe(
        Effect.zipRight(this.beating.await),
        Effect.zipRight(this.waking.close),
        Effect.zipRight(beat)
      )
    return Effect.iterate(this.beatsFrom === "start" ? leaseMs / 3 : this.tickMs, {
      while: () => this.state === "held",
      body: after
    }).pipe(Effect.catchTag("LeaseLost", (error) => Effect.sync(() => this.lose(error))))
  }

  /** Waits until the handler must end, and returns the reason. */
  private readonly over: Effect.Effect<Over> = Effect.suspend(() =>
    Effect.raceFirst(
      Effect.map(Deferred.await(this.loss), (error): Over => ({ _tag: "Lost", error })),
      this.timeIsUp(true)
    )
  )

  private timeIsUp(hasJumped: boolean): Effect.Effect<Over> {
    return Effect.flatMap(moment, (now) => {
      const left = this.leftMs(now)
      if (this.leftOfMaximumMs(now) <= 0) return Effect.succeed<Over>({ _tag: "TooLong" })
      if (left <= 0) {
        // The process or the machine was suspended, so no heartbeat was sent. One may still confirm the lease.
        return hasJumped && this.beatsFrom === "start"
          ? Effect.zipRight(Effect.raceFirst(this.confirmation, sleepMs(this.tickMs)), this.timeIsUp(false))
          : Effect.succeed<Over>({ _tag: "Unconfirmed" })
      }
      const pauseMs = Math.min(left, this.leftOfMaximumMs(now), this.tickMs)
      return Effect.raceFirst(sleepMs(pauseMs), this.watching.await).pipe(
        Effect.zipRight(this.watching.close),
        Effect.zipRight(moment),
        Effect.flatMap((then) => this.timeIsUp(elapsedMs(now, then) > pauseMs + this.tickMs))
      )
    })
  }

  /**
   * Waits until the lease is lost, or has ended by the clocks of this process. A confirmed heartbeat extends the wait.
   */
  readonly runsOut: Effect.Effect<void> = Effect.flatMap(moment, (now) => {
    const left = Math.min(this.terms.leaseMs - elapsedMs(this.confirmedAt, now), this.leftOfMaximumMs(now))
    return this.state !== "held" || left <= 0
      ? Effect.void
      : Effect.zipRight(sleepMs(Math.min(left, this.tickMs)), this.runsOut)
  })

  /**
   * Runs a handler until it ends. The handler is interrupted when the lease ends first, or when the caller is
   * interrupted (`wait` makes the wait interruptible). Returns only after the handler has ended.
   */
  run<A, E, R>(
    handler: Effect.Effect<A, E, R>,
    wait: <B>(effect: Effect.Effect<B>) => Effect.Effect<B> = Effect.interruptible
  ) {
    return Effect.gen(this, function* () {
      // `exit`, so that the runtime does not log defects of the handler. A daemon, as all fibers here, because
      // interruption reaches the children of a fiber at once, even if the fiber is uninterruptible.
      const fiber = yield* Effect.forkDaemon(Effect.exit(Effect.interruptible(handler)))
      const first = yield* Effect.exit(wait(Effect.raceFirst(Effect.as(Fiber.await(fiber), undefined), this.over)))
      this.beating.unsafeOpen()
      const exit = Exit.flatten(yield* Fiber.interrupt(fiber))
      return { exit, over: Exit.isSuccess(first) ? first.value : undefined, interrupted: Exit.isFailure(first) }
    }).pipe(Effect.uninterruptible)
  }
}

// Shared by all copies of this package in the process.
const registries = globalValue(
  Symbol.for("@sealant/db/heldLeases"),
  () => new WeakMap<object, Map<string, HeldLease>>()
)

const heldOn = (sql: object): Map<string, HeldLease> => {
  const known = registries.get(sql)
  if (known !== undefined) return known
  const held = new Map<string, HeldLease>()
  registries.set(sql, held)
  return held
}

/**
 * Holds a lease while `use` runs: sends heartbeats (with `beatsFrom: "end"` not while the handler runs) and keeps the
 * lease in the registry of the process. An earlier lease on the same row is marked as lost.
 */
export const holding = <A, E, R, R2>(
  sql: object,
  terms: Terms,
  {
    beatsFrom,
    heartbeat
  }: {
    readonly heartbeat: Effect.Effect<unknown, LeaseLost | PersistenceError, R2>
    readonly beatsFrom: "start" | "end"
  },
  use: (held: HeldLease) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | R2> =>
  Effect.gen(function* () {
    const all = heldOn(sql)
    const key = `${terms.noun} ${terms.id}`
    const previous = all.get(key)
    previous?.lose(
      new LeaseLost({ entity: terms.entity, id: terms.id, workerId: previous.terms.workerId, reason: "superseded" })
    )
    const held = new HeldLease(terms, beatsFrom, previous)
    all.set(key, held)
    const heartbeats = yield* Effect.forkDaemon(Effect.interruptible(held.heartbeats(heartbeat)))
    return yield* use(held).pipe(
      Effect.ensuring(
        Effect.zipRight(
          Fiber.interrupt(heartbeats),
          Effect.sync(() => {
            held.finish()
            if (all.get(key) === held) all.delete(key)
          })
        )
      )
    )
  }).pipe(Effect.uninterruptible)

/**
 * Waits until no lease that this process holds on the database is overdue: each is confirmed or lost, or its handler
 * has ended. Only then may rows be claimed or reaped. Otherwise they could be rows on which a handler of this process
 * still works.
 */
export const noneOverdue = (sql: object): Effect.Effect<void> =>
  Effect.flatMap(moment, (now) => {
    for (const held of heldOn(sql).values()) {
      if (held.isOverdue(now)) return Effect.zipRight(held.confirmation, noneOverdue(sql))
    }
    return Effect.void
  })
