/**
 * Turns and timers of Node's event loop.
 *
 * Taken from `node:timers` when the module loads: tests that replace the global timers do not stop the database.
 */
import { Effect } from "effect"
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from "node:timers"

/** Lets everything that is due run: timers, sockets, other fibers. */
export const nextTurn: Effect.Effect<void> = Effect.async((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})

/** Waits in real time, whatever the `Clock` of the fiber is. */
export const realSleep = (millis: number): Effect.Effect<void> =>
  Effect.async((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis)
    return Effect.sync(() => clearTimeout(timer))
  })
