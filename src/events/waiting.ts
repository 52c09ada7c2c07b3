/**
 * Waits for rows that do not exist yet.
 *
 * Each service has one reader. It finds the commits since its last read with one indexed statement, and wakes only the
 * waiters of the affected keys, so an idle waiter costs nothing at any write rate. The reader runs while there are
 * waiters.
 */
import type { SqlClient } from "@effect/sql"
import { Deferred, Effect, Either, FiberId, Option, RcRef, Scope } from "effect"
import * as Database from "../Database.js"
import { monotonicMs } from "../libsql/backoff.js"
import { nextTurn, realSleep } from "../libsql/eventLoop.js"

/** The keys whose waiters to wake, or all. */
export type Concerned = ReadonlyArray<string> | "all"

/** Result of one read. */
export interface Found<Mark> {
  readonly mark: Mark
  readonly concerned: Concerned
  /** True if the read covers all commits. If false, the next read does not wait for a commit. */
  readonly isAll: boolean
}

/** The statements of a reader. A mark is a position in the order of commits. */
export interface News<Mark, E> {
  /** Returns the mark of everything that is committed now. */
  readonly mark: Effect.Effect<Mark, E>
  /** Returns the keys of commits after a mark, and the new mark. May return extra keys, but never omits one. */
  readonly since: (mark: Mark) => Effect.Effect<Found<Mark>, E>
}

/**
 * Returns the first rows that `read` finds: reads now, and again after each commit with the key. Holds neither a
 * connection nor a transaction while it waits.
 */
export type FirstFound<E> = <A, E2>(key: string, read: Effect.Effect<Option.Option<A>, E2>) => Effect.Effect<A, E | E2>

// Limits the cost of the reader during many small commits: at most 100 reads a second, or about a twentieth of the time
// when reads are slow on a busy machine.
const pauseMillis = (readMillis: number) => Math.min(50, Math.max(10, 20 * readMillis))

const pauseAfterFailureMillis = 100

// Each woken waiter reads, so the event loop gets a turn after this many.
const wakeBatchSize = 50

/** Makes waiters, each for a scope. The reader runs from the first wait of a waiter until its scope closes. */
export const make = <Mark, E>(
  news: News<Mark, E>
): Effect.Effect<Effect.Effect<FirstFound<E>, never, Scope.Scope>, never, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const waiters = new Map<string, Set<Deferred.Deferred<void>>>()

    const wake = (concerned: Concerned) =>
      Effect.gen(function* () {
        const keys = concerned === "all" ? [...waiters.keys()] : concerned
        const woken = keys.flatMap((key) => [...(waiters.get(key) ?? [])])
        for (const [index, waiter] of woken.entries()) {
          if (index > 0 && index % wakeBatchSize === 0) yield* nextTurn
          Deferred.unsafeDone(waiter, Effect.void)
        }
      })

    /** Reads after each commit. If a read fails, wakes all waiters, so that their own reads report the error. */
    const follow = (from: Mark) =>
      Effect.gen(function* () {
        let mark = from
        while (true) {
          // Read before `since`, so that a commit after it counts as a change.
          const seen = yield* Database.version
          const began = monotonicMs()
          const found = yield* Effect.either(news.since(mark))
          const readMillis = monotonicMs() - began
          if (Either.isRight(found)) mark = found.right.mark
          yield* wake(Either.isRight(found) ? found.right.concerned : "all")
          yield* realSleep(Either.isRight(found) ? pauseMillis(readMillis) : pauseAfterFailureMillis)
          if (Either.isRight(found) && found.right.isAll) yield* Database.changedSince(seen)
        }
      })

    // The last waiter ends the reader, so this scope does not need to be closed. The reader outlives the layer of the
    // service, so that its waiters fail when the database closes.
    const scope = yield* Scope.make()
    const reader = yield* RcRef.make({
      // The mark is read before the first read of every waiter, so that no commit is missed between the two.
      acquire: Effect.flatMap(news.mark, (mark) => Effect.forkScoped(Effect.interruptible(follow(mark))))
    }).pipe(Scope.extend(scope))

    const register = (key: string) =>
      Effect.sync(() => {
        const waiter = Deferred.unsafeMake<void>(FiberId.none)
        const ofKey = waiters.get(key)
        if (ofKey === undefined) waiters.set(key, new Set([waiter]))
        else ofKey.add(waiter)
        return waiter
      })

    const unregister = (key: string, waiter: Deferred.Deferred<void>) =>
      Effect.sync(() => {
        const ofKey = waiters.get(key)
        ofKey?.delete(waiter)
        if (ofKey?.size === 0) waiters.delete(key)
      })

    return Effect.map(Effect.scope, (scope) => {
      let isStarted = false
      const start = Effect.suspend(() =>
        isStarted
          ? Effect.void
          : Effect.map(Scope.extend(RcRef.get(reader), scope), () => {
              isStarted = true
            })
      )
      const firstFound: FirstFound<E> = <A, E2>(key: string, read: Effect.Effect<Option.Option<A>, E2>) => {
        // Registered before the read, so that a commit after the read wakes the waiter.
        const once = Effect.acquireUseRelease(
          register(key),
          (waiter) => Effect.tap(read, (found) => (Option.isSome(found) ? Effect.void : Deferred.await(waiter))),
          (waiter) => unregister(key, waiter)
        )
        const repeated: Effect.Effect<A, E2> = Effect.flatMap(
          once,
          Option.match({ onNone: () => repeated, onSome: Effect.succeed })
        )
        if (isStarted) return repeated
        // Rows that exist already need no reader.
        return Effect.flatMap(
          read,
          Option.match({ onNone: () => Effect.zipRight(start, repeated), onSome: Effect.succeed })
        )
      }
      return firstFound
    })
  })
