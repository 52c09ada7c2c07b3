/**
 * The client on the real libSQL server: streams, limits, tokens, a replica, a restart and a stall.
 */
import { SqlClient, type SqlError } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Redacted, Ref } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Maintenance from "../../src/Maintenance.js"
import * as Migrations from "../../src/Migrations.js"
import { openRemote } from "../../src/libsql/remote.js"
import { persistenceErrorOf } from "../../src/sql/engineError.js"
import { temporaryDirectory } from "../support/directories.js"
import { eventually } from "../support/eventLoop.js"
import { freePort } from "../support/sqld/Server.js"
import { requestsOf, run } from "./remoteSupport.js"
import { clientOf, isMissing, onEmptyServer, onServer, ownServer, tokenOf } from "./serverSupport.js"

const reasonOf = <A, R>(effect: Effect.Effect<A, SqlError.SqlError, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const { cause, reason } = persistenceErrorOf("here", error)
    return `${reason} ${cause}`
  })

const table = run(
  "CREATE TABLE numbers (n INTEGER PRIMARY KEY, text TEXT UNIQUE CHECK (text <> ''), parent INTEGER REFERENCES numbers (n)) STRICT"
)

describe.skipIf(isMissing)("the test server", () => {
  it.effect("has a database for each test, and the proxy counts its requests", () =>
    onEmptyServer((proxy) =>
      Effect.gen(function* () {
        expect(yield* run("SELECT count(*) AS n FROM sqlite_schema")).toEqual([{ n: 0 }])
        yield* table
        expect(yield* requestsOf(proxy, run("INSERT INTO numbers (n) VALUES (1)"))).toBe(1)
        const sql = yield* SqlClient.SqlClient
        yield* sql.withTransaction(run("INSERT INTO numbers (n) VALUES (2)"))
        expect(yield* run("SELECT n FROM numbers")).toEqual([{ n: 1 }, { n: 2 }])
      })
    )
  )

  it.effect("opens a copy of a migrated file", () =>
    onServer(() =>
      Effect.gen(function* () {
        expect(yield* run("SELECT count(*) AS n FROM user")).toEqual([{ n: 0 }])
        expect(yield* run("PRAGMA journal_mode")).toEqual([{ journal_mode: "wal" }])
      })
    )
  )
})

describe.skipIf(isMissing)("streams", () => {
  it.effect("are kept for later reads and writes", () =>
    onEmptyServer((proxy) =>
      Effect.gen(function* () {
        yield* table
        for (let n = 0; n < 5; n++) {
          yield* run("INSERT INTO numbers (n) VALUES (?)", n)
          yield* run("SELECT n FROM numbers")
          yield* Effect.ignore(run("INSERT INTO numbers (n) VALUES (?)", n))
        }
        expect([proxy.requests, proxy.newStreams]).toEqual([16, 2])
      })
    )
  )

  it.scopedLive("are replaced after a restart of the server, which runs each write once", () =>
    Effect.gen(function* () {
      const server = yield* ownServer()
      yield* Effect.gen(function* () {
        yield* table
        yield* run("INSERT INTO numbers (n) VALUES (1)")
        expect(yield* run("SELECT n FROM numbers")).toEqual([{ n: 1 }])
        yield* Effect.promise(() => server.kill())
        expect(yield* reasonOf(run("INSERT INTO numbers (n) VALUES (2)"))).toMatch(/^Unavailable HRANA_/)
        yield* Effect.promise(() => server.restart())
        yield* run("INSERT INTO numbers (n) VALUES (3)")
        expect(yield* run("SELECT n FROM numbers ORDER BY n")).toEqual([{ n: 1 }, { n: 3 }])
        yield* Effect.promise(() => server.kill())
        yield* Effect.promise(() => server.restart())
        // The streams of before the restart are unknown to the server.
        yield* run("INSERT INTO numbers (n) VALUES (4)")
        expect(yield* run("SELECT n FROM numbers ORDER BY n")).toEqual([{ n: 1 }, { n: 3 }, { n: 4 }])
      }).pipe(Effect.provide(clientOf(server.address)))
    })
  )
})

describe.skipIf(isMissing)("a value, a row and an answer", () => {
  it.effect("beyond the limits of the server fail with TooLarge, a value before it is sent", () =>
    onEmptyServer((proxy) =>
      Effect.gen(function* () {
        yield* table
        const sql = yield* SqlClient.SqlClient
        const tooLarge = "TooLarge SEALANT_TOO_LARGE: a value has more than 5000000 bytes, the limit of a server"
        const insert = (text: unknown) => run("INSERT INTO numbers (n, text) VALUES (1, ?)", text)
        const refused = Effect.gen(function* () {
          for (const value of ["x".repeat(5_000_001), "é".repeat(2_500_001), new Uint8Array(5_000_001)]) {
            expect(yield* reasonOf(insert(value))).toBe(tooLarge)
            expect(yield* reasonOf(sql.withTransaction(insert(value)))).toBe(tooLarge)
          }
        })
        expect(yield* requestsOf(proxy, refused)).toBe(0)
        expect(yield* run("SELECT length(?) AS n", "é".repeat(2_500_000))).toEqual([{ n: 2_500_000 }])
        expect(yield* reasonOf(insert("x".repeat(5_000_000)))).toBe("TooLarge SQLITE_TOOBIG")
        yield* insert("x".repeat(4_900_000))
        expect(yield* reasonOf(run("SELECT text, text AS again, text AS more FROM numbers"))).toBe(
          "TooLarge SERVER_RESPONSE_TOO_LARGE"
        )
      })
    )
  )
})

describe.skipIf(isMissing)("a token", () => {
  it.scopedLive("that is missing, expired or read-only causes Unauthorized, with the setting to change", () =>
    Effect.gen(function* () {
      const keys = generateKeyPairSync("ed25519")
      const keyFile = join(yield* temporaryDirectory, "key.pem")
      writeFileSync(keyFile, keys.publicKey.export({ type: "spki", format: "pem" }))
      const { address } = yield* ownServer(["--auth-jwt-key-file", keyFile])
      const withToken = (claims: object) => {
        return Effect.provide(clientOf(address, { authToken: tokenOf(claims, keys.privateKey) }))
      }
      const refused = /^Unauthorized HTTP_401: .*set DATABASE_AUTH_TOKEN \(option authToken\)/
      expect(yield* reasonOf(run("SELECT 1")).pipe(Effect.provide(clientOf(address)))).toMatch(refused)
      expect(yield* reasonOf(run("SELECT 1")).pipe(withToken({ a: "rw", exp: 1000 }))).toMatch(refused)
      yield* table.pipe(withToken({ a: "rw" }))
      const insert = run("INSERT INTO numbers (n) VALUES (1)")
      const transaction = Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(insert))
      for (const write of [insert, transaction]) {
        expect(yield* reasonOf(write).pipe(withToken({ a: "ro" }))).toMatch(
          /^Unauthorized HTTP_403: .*may read and write/
        )
      }
      expect(yield* run("SELECT n FROM numbers").pipe(withToken({ a: "ro" }))).toEqual([])
    })
  )

  it.scopedLive("of an effect is read before each request, so that it can be replaced when it expires", () =>
    Effect.gen(function* () {
      const keys = generateKeyPairSync("ed25519")
      const keyFile = join(yield* temporaryDirectory, "key.pem")
      writeFileSync(keyFile, keys.publicKey.export({ type: "spki", format: "pem" }))
      const { address } = yield* ownServer(["--auth-jwt-key-file", keyFile])
      const expired = tokenOf({ a: "rw", exp: 1000 }, keys.privateKey)
      const token = yield* Ref.make<Effect.Effect<Redacted.Redacted<string>, string>>(Effect.succeed(expired))
      yield* Effect.gen(function* () {
        expect(yield* reasonOf(run("SELECT 1"))).toMatch(/^Unauthorized HTTP_401/)
        yield* Ref.set(token, Effect.fail("sentinel"))
        for (const refused of [run("SELECT 1"), table]) {
          expect(yield* reasonOf(refused)).toBe(
            "Unauthorized SEALANT_TOKEN: the effect of the option authToken has failed"
          )
        }
        yield* Ref.set(token, Effect.succeed(tokenOf({ a: "rw" }, keys.privateKey)))
        yield* table
        expect(yield* run("SELECT n FROM numbers")).toEqual([])
      }).pipe(Effect.provide(clientOf(address, { authToken: Effect.flatten(Ref.get(token)) })))
    })
  )
})

describe.skipIf(isMissing)("a replica", () => {
  it.scopedLive("reports the errors of its primary by their codes", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const primary = yield* ownServer(["--grpc-listen-addr", `127.0.0.1:${port}`])
      yield* Effect.all([
        table,
        run(
          "CREATE TRIGGER numbers_limit BEFORE INSERT ON numbers WHEN new.n > 9 BEGIN SELECT RAISE(ABORT, 'numbers: too many'); END"
        ),
        run("INSERT INTO numbers (n, text) VALUES (1, 'one')")
      ]).pipe(Effect.provide(clientOf(primary.address)))
      const replica = yield* ownServer(["--primary-grpc-url", `http://127.0.0.1:${port}`])
      yield* Effect.gen(function* () {
        yield* eventually(
          run("SELECT count(*) FROM numbers").pipe(
            Effect.as(true),
            Effect.orElseSucceed(() => false)
          )
        )
        const cases = {
          "INSERT INTO numbers (n, text) VALUES (2, 'one')": "Unknown SQLITE_CONSTRAINT_UNIQUE",
          "INSERT INTO numbers (n, text) VALUES (2, '')": "Unknown SQLITE_CONSTRAINT_CHECK",
          "INSERT INTO numbers (n, parent) VALUES (2, 99)": "Unknown SQLITE_CONSTRAINT_FOREIGNKEY",
          "INSERT INTO numbers (n, text) VALUES (10, 'ten')": "Unknown SQLITE_CONSTRAINT_TRIGGER",
          "INSERT INTO missing VALUES (1)": "SchemaMismatch SQLITE_ERROR: no table missing"
        }
        for (const [text, reason] of Object.entries(cases)) expect(yield* reasonOf(run(text))).toBe(reason)
        const together = Object.keys(cases).map((text) => reasonOf(run(text)))
        expect(yield* Effect.all(together, { concurrency: "unbounded" })).toEqual(Object.values(cases))
        expect(yield* run("INSERT INTO numbers (n) VALUES (3) RETURNING n")).toEqual([{ n: 3 }])
      }).pipe(Effect.provide(clientOf(replica.address)))
    })
  )
})

describe.skipIf(isMissing)("a server that answers reads, but not writes", () => {
  it.live("is reported as stalled, with the remedy", () =>
    onEmptyServer((proxy) =>
      Effect.gen(function* () {
        yield* table
        const driver = openRemote({ url: proxy.url, busyTimeoutMs: 0, requestTimeoutMs: 200 })
        proxy.faultInjection = (statements) =>
          statements.some((text) => /INSERT/.test(text)) ? "no-answer" : undefined
        const transaction = driver.begin()
        const text = "INSERT INTO numbers (n) VALUES (1)"
        for (const write of [() => driver.run(text, []), () => transaction.run(text, [])]) {
          const error = yield* Effect.flip(Effect.tryPromise({ try: async () => write(), catch: (error) => error }))
          expect(error).toMatchObject({
            code: "HRANA_WRITES_STALLED",
            message: expect.stringMatching(/answers reads, .* restart the server/)
          })
        }
        driver.client.close()
      })
    )
  )
})

describe.skipIf(isMissing)("migrations and checks on the server", () => {
  it.effect("name the statement with a syntax error", () =>
    onEmptyServer(() =>
      Effect.gen(function* () {
        const migrate = Migrations.make({
          "0001_plants": "CREATE TABLE plant (n); CREATE TABLE leaf (n); CREATE NONSENSE; CREATE TABLE never (n)"
        }).run
        expect(yield* Effect.flip(migrate)).toMatchObject({ _tag: "MigrationFailed", statement: 3 })
        expect(yield* run("SELECT count(*) AS n FROM sqlite_schema")).toEqual([{ n: 0 }])
      })
    )
  )

  it.effect("check pages, indexes and references", () =>
    onServer(() =>
      Effect.gen(function* () {
        expect(yield* Maintenance.integrityCheck).toEqual({ ok: true, damage: [], danglingReferences: [] })
        expect(yield* run("PRAGMA quick_check")).toEqual([{ quick_check: "ok" }])
      })
    )
  )
})
