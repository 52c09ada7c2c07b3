/**
 * Waiting for events without an Effect clock: for turns of the event loop, and for lock waits.
 */
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from "node:timers"
import { Chunk, Clock, Effect, TestClock } from "effect"
import { monotonicMs } from "../../src/libsql/backoff.js"
import { busyWaits } from "../../src/libsql/metrics.js"

/** Yields to the event loop. A long wait yields for milliseconds, because turns without a pause would take a core. */
const pause = (turn: number): Effect.Effect<void> =>
  Effect.async((resume) => {
    const go = () => resume(Effect.void)
    if (turn < 200) {
      const immediate = setImmediate(go)
      return Effect.sync(() => clearImmediate(immediate))
    }
    const timer = setTimeout(go, 2)
    return Effect.sync(() => clearTimeout(timer))
  })

const eventuallyFrom = <E, R>(turn: number, holds: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.flatMap(holds, (held) => (held ? Effect.void : Effect.zipRight(pause(turn), eventuallyFrom(turn + 1, holds))))

/** Yields to the event loop until the effect returns true. No time of an Effect clock passes. */
export const eventually = <E, R>(holds: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  eventuallyFrom(0, holds)

/** Yields to the event loop until the condition holds. */
export const until = (condition: () => boolean): Effect.Effect<void> => eventually(Effect.sync(condition))

/** Yields to the event loop this number of times. */
export const turns = (count: number): Effect.Effect<void> =>
  count <= 0 ? Effect.void : Effect.repeatN(pause(0), count - 1)

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

/** Waits until a fiber sleeps until this long from now. */
export const sleeping = (seconds: number) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    eventually(Effect.map(TestClock.sleeps(), Chunk.contains(now + seconds * 1000)))
  )

/** Waits until a fiber sleeps until this long from now, and advances the clock by that. */
export const passing = (seconds: number) => Effect.zipRight(sleeping(seconds), TestClock.adjust(`${seconds} seconds`))

/** Counts the turns of the event loop while an effect runs. */
export const countingTurns = <A, E, R>(body: (turn: () => number) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const counter = { turns: 0, next: setImmediate(() => {}) }
      const count = () => {
        counter.turns++
        counter.next = setImmediate(count)
      }
      counter.next = setImmediate(count)
      return counter
    }),
    (counter) => body(() => counter.turns),
    (counter) => Effect.sync(() => clearImmediate(counter.next))
  )
