/**
 * The timers and the clock of the runtime, captured when the module loads. Fake timers (`vi.useFakeTimers()`) replace
 * the globals, and would stop the write queue.
 */
import { performance as performanceHooks } from "node:perf_hooks"
import * as nodeTimers from "node:timers"

export const setTimeout = nodeTimers.setTimeout
export const clearTimeout = nodeTimers.clearTimeout
export const setImmediate = nodeTimers.setImmediate
export const clearImmediate = nodeTimers.clearImmediate
export const queueMicrotask = globalThis.queueMicrotask
export const performance = performanceHooks
