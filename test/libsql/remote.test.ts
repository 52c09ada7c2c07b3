/**
 * On a server, values, rows and errors are those of the local client; what cannot be known is not done twice.
 */
import { SqlClient, type SqlError } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import * as Database from "../../src/Database.js"
import { engineErrorOf, persistenceErrorOf } from "../../src/sql/engineError.js"
import { openRemote } from "../../src/libsql/remote.js"
import { memoryLayer, remoteLayer } from "../support/database.js"
import { until } from "../support/eventLoop.js"
import { during, once, onPeer, requestsOf, run } from "./remoteSupport.js"

const told = <A, R>(effect: Effect.Effect<A, SqlError.SqlError, R>) => Effect.map(Effect.flip(effect), engineErrorOf)

const reasonOf = <A, R>(effect: Effect.Effect<A, SqlError.SqlError, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const { cause, reason } = persistenceErrorOf("here", error)
    return `${reason} ${cause}`
  })

const table = run(`CREATE TABLE numbers (
  n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE CONSTRAINT numbers_name CHECK (name <> ''),
  parent INTEGER REFERENCES numbers (n) DEFERRABLE INITIALLY DEFERRED, mother INTEGER REFERENCES numbers (n)
) STRICT`)

const outcomes = (statements: ReadonlyArray<readonly [string, ...ReadonlyArray<unknown>]>) =>
  Effect.gen(function* () {
    yield* table
    yield* run(
      "CREATE TRIGGER numbers_limit BEFORE INSERT ON numbers WHEN new.n > 1000 BEGIN SELECT RAISE(ABORT, 'numbers are small'); END"
    )
    yield* run("INSERT INTO numbers (n, name) VALUES (1, 'one')")
    const sql = yield* SqlClient.SqlClient
    return yield* Effect.forEach(statements, ([text, ...params]) =>
      Effect.zip(told(run(text, ...params)), told(sql.withTransaction(run(text, ...params))))
    )
  })

describe("a statement on a server", () => {
  it.effect("returns the values of the local client", () =>
    Effect.gen(function* () {
      const values = Effect.gen(function* () {
        const given = [
          0,
          -1,
          1.5,
          -0.25,
          1e300,
          Number.MAX_SAFE_INTEGER,
          Number.MIN_SAFE_INTEGER,
          2n ** 53n + 1n,
          -(2n ** 63n),
          2n ** 63n - 1n,
          "",
          "é\u{1F600}\n'\"",
          true,
          false,
          null,
          ...[0, 1, 2, 3, 4].map((length) => Uint8Array.from({ length }, (_, index) => 255 - index)),
          new Date(1000)
        ]
        const sql = yield* SqlClient.SqlClient
        return yield* Effect.forEach(
          given,
          (value) => sql`SELECT ${value} AS v, typeof(${value}) AS type, 1 AS twice, 2 AS twice`
        )
      })
      const local = yield* Effect.provide(values, memoryLayer)
      expect(local).toHaveLength(21)
      expect(yield* Effect.provide(values, remoteLayer)).toEqual(local)
    })
  )

  it.effect("is rejected before sending if a value cannot be stored", () =>
    onPeer((peer) =>
      Effect.gen(function* () {
        for (const value of [
          Number.NaN,
          Number.POSITIVE_INFINITY,
          "a\0b",
          "\uD800",
          2n ** 63n,
          Symbol("x"),
          undefined
        ]) {
          expect(yield* requestsOf(peer, told(run("SELECT ?", value)))).toBe(0)
          expect((yield* told(run("SELECT ?", value))).code).toBe("SEALANT_UNSUPPORTED_VALUE")
        }
        for (const text of ["SELECT 1; SELECT 2", "", "BEGIN", "COMMIT", "SAVEPOINT a"]) {
          expect((yield* told(run(text))).code).toBe("SEALANT_STATEMENT")
        }
        expect((yield* told(run("SELECT ?, ?", 1))).code).toBe("SEALANT_STATEMENT")
        expect(peer.requests).toBe(0)
      })
    )
  )

  it.effect("fails as it does on the local client, and the message shows no value", () =>
    Effect.gen(function* () {
      const statements = [
        ["INSERT INTO numbers (n, name) VALUES (2, 'one')"],
        ["INSERT INTO numbers (n, name) VALUES (1, 'sentinel')"],
        ["INSERT INTO numbers (n, name) VALUES (2, '')"],
        ["INSERT INTO numbers (n, name) VALUES (2, NULL)"],
        ["INSERT INTO numbers (n, name, mother) VALUES (2, 'two', 99)"],
        ["INSERT INTO numbers (n, name, parent) VALUES (2, 'two', 99)"],
        ["INSERT INTO numbers (n, name) VALUES (1001, 'big')"],
        ["INSERT INTO numbers (n, name, parent) VALUES (2, 'two', ?)", "sentinel"],
        ["INSERT INTO numbers (n, name) VALUES (?, 'two')", "sentinel"],
        ["SELECT * FROM missing"],
        ["SELECT missing FROM numbers"],
        ["INSERT INTO numbers (missing) VALUES (1)"],
        ["CREATE TABLE numbers (n)"],
        ["SELECT json(?)", "{sentinel"]
      ] as const
      const local = yield* Effect.provide(outcomes(statements), memoryLayer)
      const remote = yield* Effect.provide(outcomes(statements), remoteLayer)
      // The server reports a primary key violation like any unique violation, and so does this package.
      const same = JSON.stringify(local).replaceAll("CONSTRAINT_PRIMARYKEY", "CONSTRAINT_UNIQUE")
      expect(remote).toEqual(JSON.parse(same))
      expect(same).not.toContain("sentinel")
    })
  )
})

describe("a statement without an answer", () => {
  const insert = run("INSERT INTO numbers (n, name) VALUES (1, 'sentinel')")
  const stored = run("SELECT n FROM numbers")

  it.effect("is not sent again if it is a write, which may have been stored", () =>
    onPeer((peer) =>
      Effect.gen(function* () {
        yield* table
        const lost = reasonOf(insert).pipe(during(peer, once(/^INSERT/, "lost-request")))
        expect(yield* requestsOf(peer, lost)).toBe(1)
        expect(yield* stored).toEqual([])
        const unanswered = reasonOf(insert).pipe(during(peer, once(/^INSERT/, "lost-answer")))
        expect(yield* requestsOf(peer, unanswered)).toBe(1)
        expect(yield* stored).toEqual([{ n: 1 }])
        for (const fault of ["lost-request", "lost-answer"] as const) {
          expect(yield* reasonOf(insert).pipe(during(peer, once(/^INSERT/, fault)))).toMatch(
            /^Unavailable HRANA_[A-Z_]+$/
          )
        }
      })
    )
  )

  it.effect("is sent once more if it is a read", () =>
    onPeer((peer) =>
      Effect.gen(function* () {
        yield* table
        for (const fault of ["lost-request", "lost-answer"] as const) {
          expect(yield* stored.pipe(during(peer, once(/^SELECT/, fault)))).toEqual([])
          expect(yield* requestsOf(peer, reasonOf(stored).pipe(during(peer, () => fault)))).toBe(2)
        }
      })
    )
  )

  it.live("times out, and the fiber continues", () =>
    onPeer(
      ({ url }) =>
        Effect.gen(function* () {
          const { client, run } = openRemote({ url, busyTimeoutMs: 0, requestTimeoutMs: 20 })
          const error: unknown = yield* Effect.flip(
            Effect.tryPromise({ try: async () => run("SELECT 1", []), catch: (error) => error })
          )
          expect(error).toMatchObject({ code: "HRANA_TIMEOUT" })
          client.close()
        }),
      { latencyMs: 60_000 }
    )
  )
})

describe("a server that answers with an error", () => {
  it.effect.each([404, 500, 502])("with status %i is reported by its status, and not asked again", (status) =>
    onPeer((peer) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        for (const effect of [run("SELECT 1"), sql.withTransaction(run("SELECT 1"))]) {
          const failing = reasonOf(effect).pipe(during(peer, () => status))
          expect(yield* requestsOf(peer, failing)).toBe(1)
          expect(yield* reasonOf(effect).pipe(during(peer, () => status))).toBe(`Unavailable HTTP_${status}`)
        }
      })
    )
  )

  it.effect("with an error code is reported by that code, and not asked again", () =>
    onPeer((peer) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const blocked = { message: "Operation was blocked: sentinel", code: "BLOCKED" }
        for (const effect of [run("SELECT 1"), sql.withTransaction(run("SELECT 1"))]) {
          expect(yield* requestsOf(peer, reasonOf(effect).pipe(during(peer, () => blocked)))).toBe(1)
          expect(yield* reasonOf(effect).pipe(during(peer, () => blocked))).toBe("Unavailable SERVER_BLOCKED")
        }
      })
    )
  )

  it.effect("to a token causes an error without the token and the message", () =>
    onPeer(
      (peer) =>
        Effect.gen(function* () {
          const token = { authToken: Redacted.make("right") }
          expect(
            yield* run("SELECT 1 AS n").pipe(Effect.provide(Database.layerRemote({ url: peer.url, ...token })))
          ).toEqual([{ n: 1 }])
          const error = yield* Effect.flip(Database.transaction(run("SELECT 1")))
          expect(error).toMatchObject({ _tag: "PersistenceError", reason: "Unauthorized" })
          expect(error).toMatchObject({
            cause: expect.stringMatching(/^HTTP_401: .* DATABASE_AUTH_TOKEN \(option authToken\)/)
          })
          expect(JSON.stringify(error)).not.toContain("sentinel")
        }),
      { authToken: "right" },
      { authToken: Redacted.make("sentinel") }
    )
  )

  it.effect("to an unsupported statement causes an error without its text", () =>
    onPeer(() =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        for (const text of ["PRAGMA optimize", "VACUUM INTO 'sentinel'"]) {
          const error = yield* told(run(text))
          expect(error).toEqual({ code: "SEALANT_STATEMENT", message: "the server does not accept this statement" })
          expect((yield* told(sql.withTransaction(run(text)))).code).toBe("SEALANT_STATEMENT")
        }
        for (const text of [
          "PRAGMA journal_mode = delete",
          "ATTACH 'sentinel' AS other",
          "PRAGMA foreign_keys = off"
        ]) {
          const error = yield* told(run(text))
          expect(error).toMatchObject({ code: "SEALANT_STATEMENT", message: expect.stringContaining("refused") })
          expect(error.message).not.toContain("sentinel")
        }
        expect(yield* run("PRAGMA foreign_keys")).toEqual([{ foreign_keys: 1 }])
      })
    )
  )
})

describe("a lock that another stream holds", () => {
  it.live("is waited for, by statements and by transactions", () =>
    onPeer(
      (peer) =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* table
          const { lock } = peer.streams
          const other = { lose: () => undefined }
          yield* Effect.promise(() => lock.acquire(other))
          const waiting = yield* Effect.fork(
            Effect.all(
              [
                run("INSERT INTO numbers (n, name) VALUES (1, 'one')"),
                sql.withTransaction(run("INSERT INTO numbers (n, name) VALUES (2, 'two')"))
              ],
              { concurrency: 2 }
            )
          )
          // Both were refused at least once: the server lets nobody wait.
          yield* until(() => peer.requests > 4)
          expect(yield* run("SELECT n FROM numbers")).toEqual([])
          lock.release(other)
          yield* Fiber.join(waiting)
          expect(yield* run("SELECT n FROM numbers ORDER BY n")).toEqual([{ n: 1 }, { n: 2 }])
        }),
      { lockTimeoutMs: 0 }
    )
  )

  it.live("fails with Busy if it is held for the whole timeout, and nothing is written", () =>
    onPeer(
      (peer) =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* table
          const other = { lose: () => undefined }
          yield* Effect.promise(() => peer.streams.lock.acquire(other))
          const insert = run("INSERT INTO numbers (n, name) VALUES (1, 'one')")
          expect(yield* reasonOf(insert)).toBe("Busy SQLITE_BUSY")
          expect(yield* reasonOf(sql.withTransaction(insert))).toBe("Busy SQLITE_BUSY")
          peer.streams.lock.release(other)
          expect(yield* run("SELECT n FROM numbers")).toEqual([])
          yield* sql.withTransaction(insert)
        }),
      { lockTimeoutMs: 0 },
      { busyTimeoutMs: 20 }
    )
  )

  it.live("is not waited for after an interruption", () =>
    onPeer((peer) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* table
        const { lock } = peer.streams
        const other = { lose: () => undefined }
        yield* Effect.promise(() => lock.acquire(other))
        const waiting = yield* Effect.fork(sql.withTransaction(run("INSERT INTO numbers (n, name) VALUES (1, 'one')")))
        yield* until(() => lock.waiting === 1)
        yield* Fiber.interrupt(waiting)
        lock.release(other)
        yield* run("INSERT INTO numbers (n, name) VALUES (2, 'two')")
        expect(yield* run("SELECT n FROM numbers")).toEqual([{ n: 2 }])
      })
    )
  )
})
