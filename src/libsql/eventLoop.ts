/**
 * Turns of Node's event loop and waits in real time, as effects.
 */
import { Effect } from "effect"
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from "./timers.js"

/** Waits for one turn of the event loop, in which due timers, sockets and other fibers run. */
export const nextTurn: Effect.Effect<void> = Effect.async((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})

/** Waits in real time, independent of the `Clock` of the fiber. */
export const realSleep = (millis: number): Effect.Effect<void> =>
  Effect.async((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis)
    return Effect.sync(() => clearTimeout(timer))
  })
