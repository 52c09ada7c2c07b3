/**
 * Defects of other clients: each test runs on the client of this package, which has the correct behaviour, and on a stock
 * one, which shows the defect. If a stock version no longer has the defect, the test asserts its current behaviour.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Deferred, Effect, Exit, Fiber, Option, Stream } from "effect"
import Database from "libsql"
import { statSync } from "node:fs"
import { vi } from "vitest"
import { Connection } from "../../src/libsql/Connection.js"
import { openMemory } from "../../src/libsql/openLocal.js"
import { refusedTimes, turns } from "../support/eventLoop.js"
import {
  type Binding,
  codeOf,
  codeOfFailure,
  descriptorsBelow,
  endsWithin,
  execute,
  newPath,
  ourLayer,
  openClient,
  rival,
  sqlOf,
  stockClients,
  stockLayer,
  type Subject
} from "./support.js"

interface Executes {
  readonly execute: (
    sql: string,
    args?: never
  ) => Promise<{ readonly rowsAffected: number; readonly rows: ReadonlyArray<unknown> }>
}

const run = (client: Executes, sql: string) =>
  Effect.tryPromise({ try: () => client.execute(sql), catch: (error) => error })

/** The first column of the first row, for any row format. */
const value = (client: Executes, sql: string) =>
  Effect.map(run(client, sql), ({ rows }) => Object.values(rows[0] as object)[0] as unknown)

describe("acknowledged writes survive a busy statement", () => {
  const writes = 20

  /** A write that gets SQLITE_BUSY, then acknowledged writes. */
  const scenario = (client: Executes, path: string, Native: Binding) =>
    Effect.gen(function* () {
      const other = yield* rival(path, Native)
      yield* run(client, "CREATE TABLE t (n)")
      const refused = yield* other.locking(codeOfFailure(run(client, "INSERT INTO t VALUES (0)")))
      let acknowledged = 0
      for (let n = 0; n < writes; n++) acknowledged += (yield* run(client, "INSERT INTO t VALUES (1)")).rowsAffected
      return {
        refused,
        acknowledged,
        seenByItself: yield* value(client, "SELECT count(*) AS n FROM t"),
        seenByOthers: other.value("SELECT count(*) AS n FROM t"),
        othersCanWrite: other.canWrite()
      }
    })

  it.scopedLive("the client of this package", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const client = yield* openClient(path, { busyTimeoutMs: 20 })
      expect(yield* scenario(client, path, Database)).toEqual({
        refused: "SQLITE_BUSY",
        acknowledged: writes,
        seenByItself: writes,
        seenByOthers: writes,
        othersCanWrite: true
      })
    })
  )

  it.each([stockClients.bundled, stockClients.newest])("the defect: $name", ({ Native, open }) =>
    Effect.gen(function* () {
      const path = yield* newPath
      const seen = yield* scenario((yield* open(path)) as Executes, path, Native)
      expect(seen).toMatchObject({ refused: "SQLITE_BUSY", acknowledged: writes, othersCanWrite: false })
      expect(seen.seenByItself).toBeGreaterThanOrEqual(writes)
      expect(seen.seenByOthers).toBeLessThanOrEqual(1)
    }).pipe(Effect.scoped, Effect.runPromise)
  )

  it.scopedLive("a connection with a busy prepared statement is closed and releases all locks", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const other = yield* rival(path)
      const connection = new Connection({ path, role: "writer", synchronous: "normal" })
      connection.exec("CREATE TABLE t (n)")
      connection.run("INSERT INTO t VALUES (?)", [1])
      const before = connection.open()
      const refused = yield* other.locking(
        Effect.flip(Effect.try({ try: () => connection.run("INSERT INTO t VALUES (?)", [2]), catch: codeOf }))
      )
      expect(refused).toBe("SQLITE_BUSY")
      expect(connection.isOpen).toBe(false)
      // An open snapshot or lock would prevent the truncation of the log.
      other.exec("INSERT INTO t VALUES (3)")
      expect(other.value("PRAGMA wal_checkpoint(TRUNCATE)")).toBe(0)
      expect(statSync(`${path}-wal`).size).toBe(0)
      expect(connection.run("INSERT INTO t VALUES (?)", [4]).rowsAffected).toBe(1)
      expect(connection.open()).not.toBe(before)
      expect(other.value("SELECT count(*) FROM t")).toBe(3)
      expect(connection.run("PRAGMA synchronous", []).rows).toEqual([{ synchronous: 1 }])
      connection.close()
    })
  )
})

describe("a transaction that cannot begin leaves the client usable", () => {
  const scenario = ({ Native, layer }: Subject) =>
    Effect.gen(function* () {
      const path = yield* newPath
      return yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (n)`
        const other = yield* rival(path, Native)
        const begin = sql.withTransaction(sql`INSERT INTO t VALUES (1)`)
        const refused = yield* other.locking(codeOfFailure(begin))
        return {
          refused,
          laterQueryEnds: yield* endsWithin(500, sql`SELECT * FROM t`),
          laterWriteEnds: yield* endsWithin(500, begin)
        }
      }).pipe(Effect.provide(layer(path)))
    })

  it.scopedLive("the client of this package", () =>
    Effect.gen(function* () {
      expect(yield* scenario(ourLayer)).toEqual({ refused: "SQLITE_BUSY", laterQueryEnds: true, laterWriteEnds: true })
    })
  )

  it.scopedLive("the defect: every later query hangs", () =>
    Effect.gen(function* () {
      expect(yield* scenario(stockLayer)).toEqual({
        refused: "SQLITE_BUSY",
        laterQueryEnds: false,
        laterWriteEnds: false
      })
    })
  )
})

describe("a failing COMMIT is an error and releases the lock", () => {
  const scenario = ({ Native, layer }: Subject) =>
    Effect.gen(function* () {
      const path = yield* newPath
      return yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE p (id INTEGER PRIMARY KEY)`
        yield* sql`CREATE TABLE c (p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)`
        const exit = yield* Effect.exit(sql.withTransaction(sql`INSERT INTO c VALUES (1)`))
        const other = yield* rival(path, Native)
        return {
          failure: Exit.isFailure(exit) ? Option.map(Cause.failureOption(exit.cause), codeOf) : "none",
          defect: Exit.isFailure(exit) && Chunk.isNonEmpty(Cause.defects(exit.cause)),
          stored: other.value("SELECT count(*) FROM c"),
          othersCanWrite: other.canWrite(),
          nextTransactionSucceeds: yield* endsWithin(
            500,
            Effect.orDie(sql.withTransaction(sql`INSERT INTO p VALUES (1)`))
          ).pipe(Effect.map((ends) => ends && other.value("SELECT count(*) FROM p") === 1))
        }
      }).pipe(Effect.provide(layer(path)))
    })

  it.scopedLive("the client of this package", () =>
    Effect.gen(function* () {
      expect(yield* scenario(ourLayer)).toEqual({
        failure: Option.some("SQLITE_CONSTRAINT_FOREIGNKEY"),
        defect: false,
        stored: 0,
        othersCanWrite: true,
        nextTransactionSucceeds: true
      })
    })
  )

  it.scopedLive("the defect: the fiber dies, and the write lock stays taken", () =>
    Effect.gen(function* () {
      expect(yield* scenario(stockLayer)).toEqual({
        failure: Option.none(),
        defect: true,
        stored: 0,
        othersCanWrite: false,
        nextTransactionSucceeds: false
      })
    })
  )
})

describe("PRAGMAs, temporary tables and file descriptors outlive transactions", () => {
  interface Transacts extends Executes {
    readonly transaction: () => Promise<Executes & { readonly commit: () => Promise<void>; readonly close: () => void }>
  }

  const transact = (client: Transacts, sql: string) =>
    Effect.promise(async () => {
      const transaction = await client.transaction()
      await transaction.execute(sql)
      await transaction.commit()
      transaction.close()
    })

  const onFile = (
    client: Transacts,
    path: string,
    setSynchronous: Effect.Effect<unknown, unknown> = run(client, "PRAGMA synchronous = 1")
  ) =>
    Effect.gen(function* () {
      yield* run(client, "CREATE TABLE t (n)")
      yield* setSynchronous
      yield* transact(client, "INSERT INTO t VALUES (1)")
      const before = descriptorsBelow(path)
      for (let n = 0; n < 10; n++) yield* transact(client, "INSERT INTO t VALUES (1)")
      return { synchronous: yield* value(client, "PRAGMA synchronous"), leaked: descriptorsBelow(path) - before }
    })

  const inMemory = (client: Transacts) =>
    Effect.gen(function* () {
      yield* run(client, "CREATE TABLE t (n)")
      yield* transact(client, "INSERT INTO t VALUES (1)")
      return yield* Effect.exit(value(client, "SELECT count(*) AS n FROM t"))
    })

  it.scopedLive("the client of this package", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const client = yield* openClient(path, { synchronous: "full" })
      // Bypasses the client, which refuses to change its connection.
      const setSynchronous = Effect.sync(() => client["writer"].exec("PRAGMA synchronous = 1"))
      expect(yield* onFile(client, path, setSynchronous)).toEqual({ synchronous: 1, leaked: 0 })
      const memory = yield* Effect.acquireRelease(Effect.promise(openMemory), (client) =>
        Effect.promise(() => client.shutdown())
      )
      expect(yield* inMemory(memory)).toEqual(Exit.succeed(1))
    })
  )

  it.scopedLive("the defect: @libsql/client 0.12 opens a new connection after each transaction", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const { leaked, synchronous } = yield* onFile((yield* stockClients.bundled.open(path)) as Transacts, path)
      expect(synchronous).toBe(2)
      // Some of them come back when the garbage collector happens to run.
      expect(leaked).toBeGreaterThan(0)
      const exit = yield* inMemory((yield* stockClients.bundled.open(":memory:")) as Transacts)
      expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain("no such table")
    })
  )

  it.scopedLive("the defect: @libsql/client 0.18 has a pool, and a PRAGMA reaches one connection", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const client = (yield* stockClients.newest.open(path)) as Transacts
      expect(yield* onFile(client, path)).toEqual({ synchronous: 1, leaked: 0 })
      const held = yield* Effect.promise(() => client.transaction())
      expect(yield* value(client, "PRAGMA synchronous")).toBe(2)
      held.close()
      expect(yield* inMemory((yield* stockClients.newest.open(":memory:")) as Transacts)).toEqual(Exit.succeed(1))
    })
  )
})

describe("a failing nested transaction rolls back its own rows only", () => {
  /** `failing` begins first and fails last; `succeeding` runs concurrently. */
  const scenario = ({ layer }: Subject) =>
    Effect.gen(function* () {
      const path = yield* newPath
      return yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (name TEXT)`
        const begun = yield* Deferred.make<void>()
        const siblingDone = yield* Deferred.make<void>()
        const failing = sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`INSERT INTO t VALUES ('failed')`
            yield* Deferred.succeed(begun, undefined)
            // Where nested transactions take turns, the sibling cannot come before this one has ended.
            yield* Effect.raceFirst(Deferred.await(siblingDone), turns(200))
            return yield* Effect.fail("on purpose" as const)
          })
        )
        const succeeding = Deferred.await(begun).pipe(
          Effect.zipRight(sql.withTransaction(sql`INSERT INTO t VALUES ('succeeded')`)),
          Effect.zipRight(Deferred.succeed(siblingDone, undefined))
        )
        yield* sql.withTransaction(Effect.all([Effect.flip(failing), succeeding], { concurrency: "unbounded" }))
        return (yield* sql<{ readonly name: string }>`SELECT name FROM t`).map(({ name }) => name)
      }).pipe(Effect.provide(layer(path)))
    })

  it.scopedLive("the client of this package", () =>
    Effect.gen(function* () {
      expect(yield* scenario(ourLayer)).toEqual(["succeeded"])
    })
  )

  it.scopedLive("the defect: the sibling's row is erased, and the failed one's is stored", () =>
    Effect.gen(function* () {
      expect(yield* scenario(stockLayer)).toEqual(["failed"])
    })
  )
})

describe("waiting for a lock does not block the event loop", () => {
  // The lock is released in a later turn of the event loop: a client that blocks the loop waits for itself.
  it.scopedLive("the client of this package", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const client = yield* openClient(path, { busyTimeoutMs: 10_000 })
      yield* execute(client, "CREATE TABLE t (n)")
      const other = yield* rival(path)
      const holding = yield* Effect.fork(other.locking(refusedTimes(2)))
      yield* Effect.yieldNow()
      expect((yield* execute(client, "INSERT INTO t VALUES (1)")).rowsAffected).toBe(1)
      yield* Fiber.join(holding)
    })
  )

  it.scopedLive("the defect: the binding's own timeout blocks the process that holds the lock", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const other = yield* rival(path)
      other.exec("PRAGMA journal_mode = wal; CREATE TABLE t (n)")
      const waiting = new Database(path, { timeout: 100 })
      const holding = yield* Effect.fork(other.locking(turns(1)))
      yield* Effect.yieldNow()
      const exit = yield* Effect.exit(Effect.try({ try: () => waiting.exec("BEGIN IMMEDIATE"), catch: codeOf }))
      waiting.close()
      yield* Fiber.join(holding)
      expect(exit).toEqual(Exit.fail("SQLITE_BUSY"))
    })
  )
})

describe("a text with two statements is rejected, and streams work", () => {
  const scenario = ({ layer }: Subject) =>
    Effect.gen(function* () {
      const path = yield* newPath
      return yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (n)`
        const answer = yield* Effect.either(sql.unsafe("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"))
        const stream = yield* Effect.exit(
          Stream.runCollect(sql<{ readonly n: number }>`SELECT n FROM t ORDER BY n`.stream)
        )
        return {
          answer: answer._tag === "Right" ? "succeeded" : codeOf(answer.left),
          stored: (yield* sql<{ readonly n: number }>`SELECT n FROM t ORDER BY n`).map(({ n }) => n),
          stream: Exit.match(stream, { onFailure: Cause.isDie, onSuccess: Chunk.size })
        }
      }).pipe(Effect.provide(layer(path)))
    })

  it.scopedLive("the client of this package", () =>
    Effect.gen(function* () {
      expect(yield* scenario(ourLayer)).toEqual({ answer: "SEALANT_STATEMENT", stored: [], stream: 0 })
    })
  )

  it.scopedLive("the defect: only the first statement runs, and a stream dies", () =>
    Effect.gen(function* () {
      expect(yield* scenario(stockLayer)).toEqual({ answer: "succeeded", stored: [1], stream: true })
    })
  )
})

describe("a statement is prepared once", () => {
  const reads = 50

  const preparations = ({ Native, layer }: Subject) =>
    Effect.gen(function* () {
      const path = yield* newPath
      return yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (n)`
        const prepare = vi.spyOn(Native.prototype, "prepare")
        for (let n = 0; n < reads; n++) yield* sql`SELECT * FROM t WHERE n = ${n}`
        const { length } = prepare.mock.calls
        prepare.mockRestore()
        return length
      }).pipe(Effect.provide(layer(path)))
    })

  it.scopedLive("the client of this package", () =>
    Effect.gen(function* () {
      expect(yield* preparations(ourLayer)).toBe(1)
    })
  )

  it.scopedLive("the defect: it is prepared at each call", () =>
    Effect.gen(function* () {
      expect(yield* preparations(stockLayer)).toBe(reads)
    })
  )
})

describe("only the writing connection checkpoints", () => {
  it.scopedLive("the client of this package, by PRAGMA and on closing", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const run = vi.spyOn(Connection.prototype, "run")
      const exec = vi.spyOn(Connection.prototype, "exec")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* openClient(path)
          yield* execute(client, "CREATE TABLE t (n)")
          yield* execute(client, "INSERT INTO t VALUES (1)")
          yield* execute(client, "SELECT * FROM t")
          yield* execute(client, "PRAGMA wal_checkpoint(PASSIVE)")
        })
      )
      const running = (text: string) =>
        [run, exec].flatMap(({ mock }) =>
          mock.calls.flatMap(([sql], call) => (sql.startsWith(text) ? [mock.contexts[call]] : []))
        )
      const checkpointing = running("PRAGMA wal_checkpoint")
      const reading = running("SELECT *")
      run.mockRestore()
      exec.mockRestore()
      expect(checkpointing).toHaveLength(2)
      expect(reading).toHaveLength(1)
      for (const connection of checkpointing) expect(connection).not.toBe(reading[0])
    })
  )

  // Engines from 3.51.3 on do not have the WAL-reset bug.
  it.each([stockClients.bundled, stockClients.newest])(
    "the defect: the engine below $name has the WAL-reset bug",
    ({ Native }) => {
      const database = new Native(":memory:")
      const { version } = database.prepare("SELECT sqlite_version() AS version").all([])[0] as {
        readonly version: string
      }
      const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number)
      expect(major * 1_000_000 + minor * 1000 + patch).toBeLessThan(3_051_003)
      database.close()
    }
  )
})

describe("foreign keys, durability and copies", () => {
  it.scopedLive("the client of this package", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const sql = yield* sqlOf(yield* openClient(path, { synchronous: "full" }))
      yield* sql`CREATE TABLE p (id INTEGER PRIMARY KEY)`
      yield* sql`CREATE TABLE c (p INTEGER REFERENCES p (id))`
      expect(yield* codeOfFailure(sql`INSERT INTO c VALUES (1)`)).toBe("SQLITE_CONSTRAINT_FOREIGNKEY")
      expect(yield* sql`PRAGMA synchronous`).toEqual([{ synchronous: 2 }])
      yield* sql`INSERT INTO p VALUES (1)`
      yield* sql`VACUUM INTO ${`${path}.copy`}`
      expect((yield* rival(`${path}.copy`)).value("SELECT count(*) FROM p")).toBe(1)
    })
  )

  it.each([stockClients.bundled, stockClients.newest])("the binding below $name", ({ Native }) => {
    const database = new Native(":memory:")
    const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).all([])[0] as object)[0]
    expect([pragma("foreign_keys"), pragma("synchronous")]).toEqual([1, 2])
    expect(() => database.backup("x")).toThrow("not implemented")
    expect(() => database.serialize()).toThrow("not implemented")
    database.close()
  })
})
