/**
 * Clocks that are wrong.
 */
import { Clock, Effect } from "effect"

/** Runs with a clock that is ahead of the true one by so many milliseconds, or behind. It ticks as that does. */
export const shifted = (millis: number) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) =>
    Effect.withClock(effect, {
      ...clock,
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + millis),
      currentTimeNanos: clock.currentTimeNanos,
      sleep: (duration) => clock.sleep(duration),
      unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + millis,
      unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos()
    }))

/** Later than any lease. */
export const tomorrow = shifted(24 * 3600 * 1000)
