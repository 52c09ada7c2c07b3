/**
 * Turns of the event loop.
 */
import { Effect } from "effect"
// At load: a test that fakes the global timers must not stop the work.
import { clearImmediate, setImmediate } from "node:timers"

/** Lets the event loop do its other work. The engine answers synchronously, so long work does this between its steps. */
export const nextTurn: Effect.Effect<void> = Effect.async<void>((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})
