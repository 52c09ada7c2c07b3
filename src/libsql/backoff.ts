/**
 * The wait for a lock that another connection holds, without blocking the event loop.
 *
 * The engine does not signal when a lock is released, so the client retries: soon at first, then after a random pause
 * of up to 10 ms. The randomness keeps waiting processes from retrying at the same time.
 */
import { performance, setTimeout } from "./timers.js"

const longestPauseMs = 10

/**
 * Sleeps before the next try; `attempt` counts from 0. `longestMs` is longer for a server, because a request costs
 * more than a call of the engine.
 */
export const pause = (attempt: number, longestMs = longestPauseMs): Promise<void> => {
  const ceiling = Math.min(longestMs, 2 ** (attempt + 1))
  return new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * (ceiling - 1)))
}

/** Reads a monotonic clock, in milliseconds. All timeouts use it. */
export const monotonicMs = (): number => performance.now()
