/**
 * Waiting for what happens, where no clock of Effect rules: for turns of the event loop, and for waits for a lock.
 */
import { Chunk, Clock, Effect, TestClock } from "effect"
import { busyWaits } from "../../src/libsql/metrics.js"

/** Lets the event loop come round until something is so. */
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

/** Lets the event loop come round so many times. */
export const turns = (count: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    let left = count
    return until(() => left-- <= 0)
  })

const waits = () => busyWaits.unsafeValue([]).count

/** Until a client of ours in this process has met a lock that another holds so many times, counted from now. */
export const refusedTimes = (count: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const before = waits()
    return until(() => waits() >= before + count)
  })

const turn = turns(1)

/** Lets the event loop turn until it holds: as often as it takes, but no time passes. */
export const eventually = <E, R>(holds: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.flatMap(holds, (held) => (held ? Effect.void : Effect.zipRight(turn, eventually(holds))))

/** Waits until somebody sleeps until this long from now. */
export const sleeping = (seconds: number) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    eventually(Effect.map(TestClock.sleeps(), Chunk.contains(now + seconds * 1000)))
  )

/** Waits until somebody sleeps until this long from now, and lets it pass. */
export const passing = (seconds: number) => Effect.zipRight(sleeping(seconds), TestClock.adjust(`${seconds} seconds`))
