/**
 * Clocks that are wrong.
 */
import { Clock, Effect } from "effect"

/** Runs with a clock that is ahead of the true one by so many milliseconds, or behind. It ticks as that does. */
export const shifted =
  (millis: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.clockWith((clock) =>
      Effect.withClock(effect, {
        ...clock,
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + millis),
        currentTimeNanos: clock.currentTimeNanos,
        sleep: (duration) => clock.sleep(duration),
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + millis,
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos()
      })
    )

/** Later than any lease. */
export const tomorrow = shifted(24 * 3600 * 1000)

/**
 * A clock whose time of day can be moved while its monotonic time and its timers stand still, as after a machine has slept.
 * Effects in `jumping`, and the fibers that they fork, use it.
 */
export const jumpingClock = () => {
  let ahead = 0
  const jumping = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.clockWith((clock) =>
      Effect.withClock(effect, {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + ahead),
        currentTimeNanos: clock.currentTimeNanos,
        sleep: (duration) => clock.sleep(duration),
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + ahead,
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos()
      })
    )
  const jump = (millis: number) => {
    ahead += millis
  }
  return { jump, jumping }
}
