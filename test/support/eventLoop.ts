/**
 * Waiting for events without an Effect clock: for turns of the event loop, and for lock waits.
 */
import { Chunk, Clock, Effect, TestClock } from "effect"
import { monotonicMs } from "../../src/libsql/backoff.js"
import { busyWaits } from "../../src/libsql/metrics.js"

/** Yields to the event loop until the condition holds. */
export const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.async((resume) => {
    let turn: NodeJS.Immediate | undefined
    const look = () => {
      if (condition()) resume(Effect.void)
      else turn = setImmediate(look)
    }
    look()
    return Effect.sync(() => clearImmediate(turn))
  })

/** Yields to the event loop this number of times. */
export const turns = (count: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    let left = count
    return until(() => left-- <= 0)
  })

/** Yields to the event loop until this time has passed by the monotonic clock, which decides the age of a transaction. */
export const elapsed = (millis: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const end = monotonicMs() + millis
    return until(() => monotonicMs() >= end)
  })

const waits = () => busyWaits.unsafeValue([]).count

/** Succeeds when a client of this package has been refused a lock this number of further times. */
export const refusedTimes = (count: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const before = waits()
    return until(() => waits() >= before + count)
  })

const turn = turns(1)

/** Yields to the event loop until the effect returns true. No time passes. */
export const eventually = <E, R>(holds: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.flatMap(holds, (held) => (held ? Effect.void : Effect.zipRight(turn, eventually(holds))))

/** Waits until a fiber sleeps until this long from now. */
export const sleeping = (seconds: number) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    eventually(Effect.map(TestClock.sleeps(), Chunk.contains(now + seconds * 1000)))
  )

/** Waits until a fiber sleeps until this long from now, and advances the clock by that. */
export const passing = (seconds: number) => Effect.zipRight(sleeping(seconds), TestClock.adjust(`${seconds} seconds`))
