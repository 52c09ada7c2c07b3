/**
 * Waiting for rows that do not exist yet.
 *
 * One reader for each service finds the commits since its last read with one indexed statement, and wakes only the waiters
 * concerned: an idle waiter costs nothing, however much is written. The reader runs while there are waiters.
 */
import type { SqlClient } from "@effect/sql"
import { Deferred, Effect, Either, FiberId, Option, RcRef, Scope } from "effect"
import * as Database from "../Database.js"
import { monotonicMs } from "../libsql/backoff.js"
import { nextTurn, realSleep } from "../libsql/eventLoop.js"

/** The waiters concerned: those of these keys, or all. */
export type Concerned = ReadonlyArray<string> | "all"

/** Result of one read. */
export interface Found<Mark> {
  readonly mark: Mark
  readonly concerned: Concerned
  /** True if it includes all commits: if not, the next read follows without a commit. */
  readonly isAll: boolean
}

/** The statements of a reader. A mark is a position in the order of commits. */
export interface News<Mark, E> {
  /** Returns the mark of everything that is committed now. */
  readonly mark: Effect.Effect<Mark, E>
  /** Returns the keys of commits after a mark, and the new mark. May return more keys than necessary, never fewer. */
  readonly since: (mark: Mark) => Effect.Effect<Found<Mark>, E>
}

/**
 * Returns the first rows that `read` finds: reads now, and again after each commit that concerns the key. Holds
 * neither a connection nor a transaction while it waits.
 */
export type FirstFound<E> = <A, E2>(key: string, read: Effect.Effect<Option.Option<A>, E2>) => Effect.Effect<A, E | E2>

// Limits the cost of the reader during many small commits: 100 reads in a second, or a twentieth of the time when reads
// take longer on a busy machine.
const restMillis = (readMillis: number) => Math.min(50, Math.max(10, 20 * readMillis))

const restAfterFailureMillis = 100

// Each woken waiter reads.
const wokenAtOnce = 50

/** Makes waiters, each for a scope. The reader runs from the first wait of a waiter to the end of its scope. */
export const make = <Mark, E>(
  news: News<Mark, E>
): Effect.Effect<Effect.Effect<FirstFound<E>, never, Scope.Scope>, never, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const waiters = new Map<string, Set<Deferred.Deferred<void>>>()

    const wake = (concerned: Concerned) =>
      Effect.gen(function*() {
        const woken = (concerned === "all" ? [...waiters.keys()] : concerned).flatMap((key) => [...waiters.get(key) ?? []])
        for (const [index, waiter] of woken.entries()) {
          if (index > 0 && index % wokenAtOnce === 0) yield* nextTurn
          Deferred.unsafeDone(waiter, Effect.void)
        }
      })

    /** Reads after each commit. When the database cannot be read, waiters read, and fail, by themselves. */
    const follow = (from: Mark) =>
      Effect.gen(function*() {
        let mark = from
        while (true) {
          // Taken before the read, so that a commit after the read is a change.
          const seen = yield* Database.version
          const began = monotonicMs()
          const found = yield* Effect.either(news.since(mark))
          const readMillis = monotonicMs() - began
          if (Either.isRight(found)) mark = found.right.mark
          yield* wake(Either.isRight(found) ? found.right.concerned : "all")
          yield* realSleep(Either.isRight(found) ? restMillis(readMillis) : restAfterFailureMillis)
          if (Either.isRight(found) && found.right.isAll) yield* Database.changedSince(seen)
        }
      })

    // The last waiter ends the reader, so a scope that is never closed does not keep it. The reader outlives the layer of the
    // service, so that its waiters fail when the database closes.
    const scope = yield* Scope.make()
    const reader = yield* RcRef.make({
      // The mark is older than the first read of every waiter: no commit falls between the two.
      acquire: Effect.flatMap(news.mark, (mark) => Effect.forkScoped(Effect.interruptible(follow(mark))))
    }).pipe(Scope.extend(scope))
    const expect = (key: string) =>
      Effect.sync(() => {
        const waiter = Deferred.unsafeMake<void>(FiberId.none)
        const ofKey = waiters.get(key)
        if (ofKey === undefined) waiters.set(key, new Set([waiter]))
        else ofKey.add(waiter)
        return waiter
      })

    const forget = (key: string, waiter: Deferred.Deferred<void>) =>
      Effect.sync(() => {
        const ofKey = waiters.get(key)
        ofKey?.delete(waiter)
        if (ofKey?.size === 0) waiters.delete(key)
      })

    return Effect.map(Effect.scope, (scope) => {
      let runs = false
      const start = Effect.suspend(() =>
        runs ? Effect.void : Effect.map(Scope.extend(RcRef.get(reader), scope), () => {
          runs = true
        }))
      const firstFound: FirstFound<E> = <A, E2>(key: string, read: Effect.Effect<Option.Option<A>, E2>) => {
        // Registered before the read, so that a commit after the read wakes it.
        const once = Effect.acquireUseRelease(
          expect(key),
          (waiter) => Effect.tap(read, (found) => Option.isSome(found) ? Effect.void : Deferred.await(waiter)),
          (waiter) => forget(key, waiter)
        )
        const again: Effect.Effect<A, E2> = Effect.flatMap(once, Option.match({ onNone: () => again, onSome: Effect.succeed }))
        // Rows that exist already need no reader.
        return runs ? again : Effect.flatMap(read, Option.match({ onNone: () => Effect.zipRight(start, again), onSome: Effect.succeed }))
      }
      return firstFound
    })
  })
