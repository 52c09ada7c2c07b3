/**
 * Results that all pages share. Reading one may cost much in a large database, so it is read again at most for a
 * tenth of the time.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, Duration, Effect } from "effect"
import * as Database from "../Database.js"

/** The length of the pause after a read, in lengths of the read. */
const pausePerRead = 9

/** A result. */
export interface Paced<A> {
  readonly value: A
  /** The milliseconds until it is read again. Absent if nothing was committed since. */
  readonly staleFor?: number
}

interface Kept<A> {
  readonly value: A
  readonly version: Database.Version
  /** The end of the pause. */
  readonly until: number
}

/**
 * Builds an effect that returns the result of `read`, or the kept one during the pause after it was read. The pause is 9
 * times as long as the read, but not shorter than `atLeast`. Concurrent callers wait for one read. A failure is not kept.
 */
export const paced = <A, E, R>(
  read: Effect.Effect<A, E, R>,
  atLeast: Duration.DurationInput = 0
): Effect.Effect<Paced<A>, E, R | SqlClient.SqlClient> => {
  let kept: Kept<A> | undefined

  const readAgain = Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    // Before the read, so that a commit during it counts as later.
    const version = yield* Database.version
    const value = yield* read
    const end = yield* Clock.currentTimeMillis
    kept = { value, version, until: end + Math.max((end - start) * pausePerRead, Duration.toMillis(atLeast)) }
    return { value }
  })

  return Effect.unsafeMakeSemaphore(1).withPermits(1)(
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      if (kept === undefined || now >= kept.until) return yield* readAgain
      const { until, value, version } = kept
      return version === (yield* Database.version) ? { value } : { value, staleFor: until - now }
    })
  )
}

/** Builds the paced effects of several requests. Keeps those of the latest `most` requests. */
export const pacedBy = <K, A, E, R>(
  most: number,
  read: (key: K) => Effect.Effect<A, E, R>
): ((key: K) => Effect.Effect<Paced<A>, E, R | SqlClient.SqlClient>) => {
  const all = new Map<K, Effect.Effect<Paced<A>, E, R | SqlClient.SqlClient>>()
  return (key) =>
    Effect.suspend(() => {
      const found = all.get(key) ?? paced(read(key))
      all.delete(key)
      all.set(key, found)
      const [oldest] = all.keys()
      if (all.size > most && oldest !== undefined) all.delete(oldest)
      return found
    })
}
