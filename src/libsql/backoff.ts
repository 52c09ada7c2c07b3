/**
 * Waiting for a lock that another connection holds, without blocking the event loop.
 *
 * The engine gives no signal when a lock is free, so it is asked again: soon at first, then at random up to 10 ms, so
 * that processes that wait together do not ask together.
 */
import { performance, setTimeout } from "./timers.js"

const longestPauseMs = 10

/** Sleeps before the next try; `attempt` counts from 0. Asking a server costs more than asking the engine: there it is less often. */
export const pause = (attempt: number, longestMs = longestPauseMs): Promise<void> => {
  const ceiling = Math.min(longestMs, 2 ** (attempt + 1))
  return new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * (ceiling - 1)))
}

/** Milliseconds on a clock that never jumps: what timeouts are counted on. */
export const monotonicMs = (): number => performance.now()
