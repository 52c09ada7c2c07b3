/**
 * The queue of writes, on the real server: shared requests, faults of single entries, and lost answers.
 */
import { SqlClient, type SqlError } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { persistenceErrorOf } from "../../src/sql/engineError.js"
import { until } from "../support/eventLoop.js"
import type { Proxy } from "../support/sqld/Proxy.js"
import { during, once, requestsOf, run } from "./remoteSupport.js"
import { clientOf, isMissing, onEmptyServer, ownServer } from "./serverSupport.js"

const table = run(
  "CREATE TABLE numbers (n INTEGER PRIMARY KEY, text TEXT, parent INTEGER REFERENCES numbers (n) DEFERRABLE INITIALLY DEFERRED) STRICT"
)

const onTable = <A, E, R>(use: (proxy: Proxy) => Effect.Effect<A, E, R>) =>
  onEmptyServer((proxy) => Effect.zipRight(table, use(proxy)))

const insert = (n: number, parent: number | null = null) =>
  run("INSERT INTO numbers (n, parent) VALUES (?, ?)", n, parent)

const stored = Effect.map(run("SELECT n FROM numbers ORDER BY n"), (rows) => rows.map((row) => Reflect.get(row, "n")))

const together = <A, E, R>(effects: ReadonlyArray<Effect.Effect<A, E, R>>) =>
  Effect.all(effects.map(Effect.exit), { concurrency: "unbounded" })

const outcomesOf = (effects: ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError, SqlClient.SqlClient>>) =>
  Effect.map(together(effects.map(Effect.mapError((error) => persistenceErrorOf("here", error)))), (exits) =>
    exits.map((exit) =>
      Exit.isSuccess(exit) || exit.cause._tag !== "Fail"
        ? "stored"
        : `${exit.cause.error.reason} ${exit.cause.error.cause}`
    )
  )

describe.skipIf(isMissing)("waiting writes", () => {
  it.effect("share one request and one commit", () =>
    onTable((proxy) =>
      Effect.gen(function* () {
        const numbers = Array.from({ length: 50 }, (_, n) => n)
        expect(yield* requestsOf(proxy, together(numbers.map((n) => insert(n))))).toBe(1)
        expect(yield* stored).toEqual(numbers)
      })
    )
  )

  it.effect("return their own results", () =>
    onTable(() =>
      Effect.gen(function* () {
        const returning = (n: number) => run("INSERT INTO numbers (n) VALUES (?) RETURNING n, n * 2 AS twice", n)
        const rows = yield* Effect.all([1, 2, 3].map(returning), { concurrency: "unbounded" })
        expect(rows).toEqual([1, 2, 3].map((n) => [{ n, twice: 2 * n }]))
      })
    )
  )

  it.effect("fail alone for a violated constraint or a missing table", () =>
    onTable((proxy) =>
      Effect.gen(function* () {
        const outcomes = outcomesOf([insert(1), insert(1), run("INSERT INTO missing VALUES (1)"), insert(2)])
        expect(yield* requestsOf(proxy, Effect.asVoid(outcomes))).toBe(1)
        yield* run("DELETE FROM numbers")
        expect(yield* outcomes).toEqual([
          "stored",
          "Unknown SQLITE_CONSTRAINT_UNIQUE",
          "SchemaMismatch SQLITE_ERROR: no table missing",
          "stored"
        ])
        expect(yield* stored).toEqual([1, 2])
      })
    )
  )

  it.effect("fail alone when the statement ends the transaction, or fails at the commit, or cannot be parsed", () =>
    onTable(() =>
      Effect.gen(function* () {
        yield* insert(1)
        expect(
          yield* outcomesOf([insert(2), run("INSERT OR ROLLBACK INTO numbers (n) VALUES (1)"), insert(3)])
        ).toEqual(["stored", "Unknown SQLITE_CONSTRAINT_UNIQUE", "stored"])
        expect(yield* outcomesOf([insert(4), insert(5, 99), insert(6)])).toEqual([
          "stored",
          "Unknown SQLITE_CONSTRAINT_FOREIGNKEY",
          "stored"
        ])
        expect(yield* outcomesOf([insert(7), run("INSERT NONSENSE"), insert(8)])).toEqual([
          "stored",
          "Unknown SQLITE_ERROR",
          "stored"
        ])
        expect(yield* stored).toEqual([1, 2, 3, 4, 6, 7, 8])
      })
    )
  )

  it.effect("run again one by one when their common answer is too large", () =>
    onTable(() =>
      Effect.gen(function* () {
        const large = (n: number) =>
          run("INSERT INTO numbers (n, text) VALUES (?, hex(zeroblob(1000000))) RETURNING n, text", n)
        expect(yield* outcomesOf([1, 2, 3, 4, 5, 6].map(large))).toEqual(Array(6).fill("stored"))
        expect(yield* stored).toEqual([1, 2, 3, 4, 5, 6])
      })
    )
  )

  for (const fault of ["lost-request", "lost-answer", 500] as const) {
    it.effect(`are not sent again after a lost answer (${fault})`, () =>
      onTable((proxy) =>
        Effect.gen(function* () {
          const outcomes = yield* outcomesOf([insert(1), insert(2)]).pipe(during(proxy, once(/INSERT/, fault)))
          expect(outcomes.map((outcome) => outcome.replace(/(HRANA|HTTP)_.*/, ""))).toEqual([
            "Unavailable ",
            "Unavailable "
          ])
          expect(yield* stored).toEqual(fault === "lost-answer" ? [1, 2] : [])
          yield* insert(3)
        })
      )
    )
  }

  it.live("are sent again after status 429 and 503, which run nothing", () =>
    onTable((proxy) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        for (const status of [429, 503]) {
          for (const effect of [insert(1), sql.withTransaction(insert(2)), stored]) {
            let left = 2
            proxy.faultInjection = () => (left-- > 0 ? status : undefined)
            yield* effect
            expect(left).toBeLessThan(0)
          }
          expect(yield* stored).toEqual([1, 2])
          yield* run("DELETE FROM numbers")
        }
      })
    )
  )

  it.live("fail after the busy timeout while the server answers with status 429", () =>
    onEmptyServer(
      (proxy) =>
        Effect.gen(function* () {
          yield* table
          const outcomes = yield* outcomesOf([insert(1), insert(2), Effect.asVoid(stored)]).pipe(
            during(proxy, () => 429)
          )
          expect(outcomes).toEqual(Array(3).fill("Unavailable HTTP_429"))
          expect(yield* stored).toEqual([])
        }),
      { busyTimeoutMs: 20 }
    )
  )
})

describe.skipIf(isMissing)("a transaction", () => {
  it.live("takes its turn in the queue, and reads do not wait for it", () =>
    onTable((proxy) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        let [entered, left] = [false, false]
        const holder = yield* Effect.fork(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* insert(1)
              entered = true
              yield* until(() => left)
            })
          )
        )
        yield* until(() => entered)
        const before = proxy.requests
        const waiting = yield* Effect.fork(insert(2))
        const second = yield* Effect.fork(sql.withTransaction(insert(3)))
        const interrupted = yield* Effect.fork(sql.withTransaction(insert(4)))
        expect(yield* stored).toEqual([])
        yield* Fiber.interrupt(interrupted)
        // Only the read was sent.
        expect(proxy.requests - before).toBe(1)
        left = true
        for (const fiber of [holder, waiting, second]) yield* Fiber.join<unknown, SqlError.SqlError>(fiber)
        expect(yield* stored).toEqual([1, 2, 3])
      })
    )
  )
})

describe.skipIf(isMissing)("32 writers of 80 KB, which stall the server through the stock client", () => {
  it.scopedLive("are all answered", () =>
    Effect.gen(function* () {
      const { address } = yield* ownServer()
      yield* Effect.gen(function* () {
        yield* table
        const writers = Array.from({ length: 32 }, (_, n) => n)
        yield* Effect.all(
          writers.map((n) => insert(n)),
          { concurrency: "unbounded" }
        )
        const update = (n: number) =>
          Effect.forEach([1, 2, 3, 4, 5, 6], (round) =>
            run("UPDATE numbers SET text = ? WHERE n = ? RETURNING *", String(round).repeat(80_000), n)
          )
        const rows = yield* Effect.forEach(writers, update, { concurrency: "unbounded" })
        expect(rows.flat()).toHaveLength(32 * 6)
      }).pipe(Effect.provide(clientOf(address, { busyTimeoutMs: 30_000 })))
    })
  )
})
