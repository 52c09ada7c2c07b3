/**
 * Another time than the true one, where the clock of tests cannot rule: over a file that real processes share.
 */
import { Clock, Effect } from "effect"

const shiftMs = 24 * 3600 * 1000

/** Runs a day later, which is later than any lease ends. The clock ticks as the true one does. */
export const tomorrow = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) =>
    Effect.withClock(effect, {
      ...clock,
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + shiftMs),
      currentTimeNanos: clock.currentTimeNanos,
      sleep: (duration) => clock.sleep(duration),
      unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + shiftMs,
      unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos()
    }))
