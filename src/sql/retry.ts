/**
 * Retries while the database cannot answer.
 */
import { Schedule } from "effect"
import { wholeMillis } from "./durations.js"

/** The fields of an error that decide whether it is retried. */
export interface StoreError {
  readonly _tag: string
  readonly reason?: unknown
  readonly cause?: unknown
}

/**
 * Returns whether the client of this program can no longer answer: it was closed, or its file was replaced. A retry
 * cannot succeed.
 */
export const isFinal = ({ cause }: StoreError) => /^SEALANT_(CLOSED|FILE_REPLACED)\b/.test(String(cause))

/** Returns whether the database could not answer, but may answer later. */
export const isTransient = (error: StoreError) =>
  error._tag === "PersistenceError" && (error.reason === "Busy" || error.reason === "Unavailable") && !isFinal(error)

/** Pauses between retries: 100 ms at first, then doubled, at most 5 seconds, with jitter. */
export const backoff = Schedule.exponential("100 millis").pipe(
  Schedule.union(Schedule.spaced("5 seconds")),
  Schedule.jittered,
  Schedule.delayed(wholeMillis)
)
