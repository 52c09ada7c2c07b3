import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, type Scope } from "effect"
import { Connection } from "../../src/libsql/Connection.js"
import { openMemory } from "../../src/libsql/openLocal.js"
import * as Sql from "../../src/libsql/SqlClient.js"
import { WriteQueue } from "../../src/libsql/WriteQueue.js"
import { refusedTimes } from "../support/eventLoop.js"
import { codeOf, codeOfFailure, newPath, openClient, rival, sqlOf } from "./support.js"

const memory = Effect.acquireRelease(Effect.promise(openMemory), (client) => Effect.promise(() => client.shutdown()))

const withTable = (open: Effect.Effect<Sql.Driver, never, Scope.Scope>) =>
  Effect.gen(function* () {
    const layer = yield* Layer.build(Sql.layer(open))
    const sql = yield* Effect.provide(SqlClient.SqlClient, layer)
    yield* sql`CREATE TABLE t (n INTEGER PRIMARY KEY)`
    return sql
  })

const numbers = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ readonly n: number }>`SELECT n FROM t ORDER BY n`, (rows) => rows.map(({ n }) => n))
const insert = (sql: SqlClient.SqlClient, n: number) => sql`INSERT INTO t VALUES (${n})`

describe.each([
  { name: "file", open: Effect.flatMap(newPath, (path) => openClient(path)) },
  { name: "memory", open: memory }
])("transactions ($name)", ({ open }) => {
  it.scopedLive("commit all or nothing on success, failure, defect and interruption", () =>
    Effect.gen(function* () {
      const sql = yield* withTable(open)
      const body = (n: number, end: Effect.Effect<unknown, unknown>) =>
        Effect.exit(sql.withTransaction(Effect.zipRight(insert(sql, n), end)))
      expect(Exit.isSuccess(yield* body(1, Effect.void))).toBe(true)
      expect(yield* body(2, Effect.fail("no"))).toEqual(Exit.fail("no"))
      expect(yield* body(3, Effect.die("no"))).toEqual(Exit.die("no"))
      expect(Exit.isInterrupted(yield* body(4, Effect.interrupt))).toBe(true)
      expect(yield* numbers(sql)).toEqual([1])
    })
  )

  it.scopedLive("are rolled back when their body is interrupted", () =>
    Effect.gen(function* () {
      const sql = yield* withTable(open)
      const inside = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        sql.withTransaction(Effect.all([insert(sql, 1), Deferred.succeed(inside, undefined), Effect.never]))
      )
      yield* Deferred.await(inside)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      yield* insert(sql, 2)
      expect(yield* numbers(sql)).toEqual([2])
    })
  )

  it.scopedLive("run one after the other, and statements outside run between them", () =>
    Effect.gen(function* () {
      const sql = yield* withTable(open)
      const increment = sql.withTransaction(
        Effect.gen(function* () {
          const [last] = yield* sql<{ readonly n: number }>`SELECT coalesce(max(n), 0) AS n FROM t`
          yield* Effect.yieldNow()
          yield* insert(sql, (last?.n ?? 0) + 1)
        })
      )
      const beside = sql`INSERT INTO t SELECT max(n) + 1 FROM t`
      yield* insert(sql, 1)
      yield* Effect.all(
        Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? increment : beside)),
        { concurrency: "unbounded", discard: true }
      )
      expect(yield* numbers(sql)).toEqual(Array.from({ length: 41 }, (_, index) => index + 1))
    })
  )

  it.scopedLive("report a failing COMMIT as an error, and store nothing", () =>
    Effect.gen(function* () {
      const sql = yield* withTable(open)
      yield* sql`CREATE TABLE c (t REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)`
      const dangling = sql`INSERT INTO c VALUES (404)`
      expect(yield* codeOfFailure(sql.withTransaction(Effect.zipRight(insert(sql, 1), dangling)))).toBe(
        "SQLITE_CONSTRAINT_FOREIGNKEY"
      )
      expect(
        yield* codeOfFailure(sql.withTransaction(Effect.zipRight(insert(sql, 1), sql.withTransaction(dangling))))
      ).toBe("SQLITE_CONSTRAINT_FOREIGNKEY")
      yield* sql.withTransaction(insert(sql, 2))
      expect(yield* numbers(sql)).toEqual([2])
    })
  )

  it.scopedLive("report that the engine rolled them back early", () =>
    Effect.gen(function* () {
      const sql = yield* withTable(open)
      yield* sql`CREATE TRIGGER g BEFORE INSERT ON t WHEN NEW.n = 13 BEGIN SELECT RAISE(ROLLBACK, 'no 13'); END`
      const transaction = sql.withTransaction(
        Effect.gen(function* () {
          yield* insert(sql, 1)
          yield* Effect.ignore(insert(sql, 13))
          expect(yield* codeOfFailure(insert(sql, 2))).toBe("SQLITE_CONSTRAINT_TRIGGER")
        })
      )
      expect(yield* codeOfFailure(transaction)).toBe("SQLITE_CONSTRAINT_TRIGGER")
      yield* insert(sql, 3)
      expect(yield* numbers(sql)).toEqual([3])
    })
  )

  it.scopedLive("nest: each level commits or rolls back separately", () =>
    Effect.gen(function* () {
      const sql = yield* withTable(open)
      const level = <A, E>(n: number, inside: Effect.Effect<A, E>) =>
        sql.withTransaction(Effect.zipRight(insert(sql, n), inside))
      yield* level(
        1,
        Effect.gen(function* () {
          yield* Effect.ignore(level(2, level(3, Effect.fail("no"))))
          yield* level(4, Effect.ignore(level(5, Effect.fail("no"))))
          yield* level(6, level(7, Effect.void))
        })
      )
      expect(yield* numbers(sql)).toEqual([1, 4, 6, 7])
      yield* Effect.ignore(level(8, Effect.zipRight(level(9, Effect.void), Effect.fail("no"))))
      expect(yield* numbers(sql)).toEqual([1, 4, 6, 7])
    })
  )

  it.scopedLive("nested concurrently run one after the other, with the statements beside them", () =>
    Effect.gen(function* () {
      const sql = yield* withTable(open)
      const nested = (n: number) =>
        sql.withTransaction(
          Effect.gen(function* () {
            yield* insert(sql, n)
            yield* Effect.yieldNow()
            yield* insert(sql, n + 100)
            if (n % 3 === 0) return yield* Effect.fail("no")
          })
        )
      const beside = (n: number) => insert(sql, n + 1000)
      const range = Array.from({ length: 12 }, (_, index) => index)
      yield* sql.withTransaction(
        Effect.forEach(range, (n) => Effect.all([Effect.either(nested(n)), beside(n)], { concurrency: 2 }), {
          concurrency: "unbounded"
        })
      )
      const kept = range.filter((n) => n % 3 !== 0)
      expect(yield* numbers(sql)).toEqual([...kept, ...kept.map((n) => n + 100), ...range.map((n) => n + 1000)])
    })
  )

  it.scopedLive("keep a statement beside a failing nested transaction", () =>
    Effect.gen(function* () {
      const sql = yield* withTable(open)
      const nestedHasWritten = yield* Deferred.make<void>()
      const besideIsAsked = yield* Deferred.make<void>()
      yield* sql.withTransaction(
        Effect.gen(function* () {
          const nested = yield* Effect.fork(
            Effect.exit(
              sql.withTransaction(
                Effect.gen(function* () {
                  yield* insert(sql, 1)
                  yield* Deferred.succeed(nestedHasWritten, undefined)
                  yield* Deferred.await(besideIsAsked)
                  yield* Effect.yieldNow()
                  return yield* Effect.fail("no")
                })
              )
            )
          )
          yield* Deferred.await(nestedHasWritten)
          const beside = yield* Effect.fork(insert(sql, 2))
          yield* Deferred.succeed(besideIsAsked, undefined)
          yield* Fiber.join(beside)
          expect(yield* Fiber.join(nested)).toEqual(Exit.fail("no"))
        })
      )
      expect(yield* numbers(sql)).toEqual([2])
    })
  )

  it.scopedLive("roll back an interrupted nested transaction, and the outer one continues", () =>
    Effect.gen(function* () {
      const sql = yield* withTable(open)
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* insert(sql, 1)
          const inside = yield* Deferred.make<void>()
          const nested = yield* Effect.fork(
            sql.withTransaction(Effect.all([insert(sql, 2), Deferred.succeed(inside, undefined), Effect.never]))
          )
          yield* Deferred.await(inside)
          yield* Fiber.interrupt(nested)
          yield* insert(sql, 3)
        })
      )
      expect(yield* numbers(sql)).toEqual([1, 3])
    })
  )

  it.scopedLive("fail statements of a fiber that outlives them", () =>
    Effect.gen(function* () {
      const sql = yield* withTable(open)
      const over = yield* Deferred.make<void>()
      const late = yield* sql.withTransaction(
        Effect.zipRight(
          insert(sql, 1),
          Effect.forkDaemon(
            Effect.zipRight(
              Deferred.await(over),
              Effect.all([codeOfFailure(insert(sql, 2)), codeOfFailure(sql.withTransaction(insert(sql, 3)))])
            )
          )
        )
      )
      yield* Deferred.succeed(over, undefined)
      expect(yield* Fiber.join(late)).toEqual(["SEALANT_TRANSACTION_OVER", "SEALANT_TRANSACTION_OVER"])
      expect(yield* numbers(sql)).toEqual([1])
    })
  )

  it.scopedLive("without statements send nothing", () =>
    Effect.gen(function* () {
      const client = yield* open
      const sql = yield* sqlOf(client)
      expect(yield* sql.withTransaction(Effect.succeed(1))).toBe(1)
      const transaction = client.begin()
      yield* Effect.promise(() => transaction.commit())
      expect(transaction.closed).toBe(true)
      expect(
        yield* codeOfFailure(Effect.tryPromise({ try: () => transaction.execute("SELECT 1"), catch: (error) => error }))
      ).toBe("SEALANT_TRANSACTION_OVER")
      expect(
        yield* codeOfFailure(Effect.tryPromise({ try: () => transaction.commit(), catch: (error) => error }))
      ).toBe("SEALANT_TRANSACTION_OVER")
    })
  )
})

describe("a transaction that waits for the lock", () => {
  it.scopedLive("does not take the lock before its first statement", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const sql = yield* withTable(openClient(path))
      const other = yield* rival(path)
      yield* sql.withTransaction(
        Effect.gen(function* () {
          expect(other.canWrite()).toBe(true)
          yield* insert(sql, 1)
          expect(other.canWrite()).toBe(false)
        })
      )
      expect(other.canWrite()).toBe(true)
    })
  )

  it.scopedLive("can be interrupted, leaves nothing behind, and later ones get their turn", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const sql = yield* withTable(openClient(path))
      const other = yield* rival(path)
      const [outcome, behind] = yield* other.locking(
        Effect.gen(function* () {
          const waiting = yield* Effect.fork(sql.withTransaction(insert(sql, 1)))
          yield* refusedTimes(1)
          const behind = yield* Effect.fork(insert(sql, 2))
          yield* Effect.yieldNow()
          return [yield* Fiber.interrupt(waiting), behind] as const
        })
      )
      expect(Exit.isInterrupted(outcome)).toBe(true)
      yield* Fiber.join(behind)
      yield* sql.withTransaction(insert(sql, 3))
      expect(yield* numbers(sql)).toEqual([2, 3])
      expect(other.canWrite()).toBe(true)
    })
  )

  it.scopedLive("can be interrupted while another of the same client has its turn", () =>
    Effect.gen(function* () {
      const sql = yield* withTable(openClient(yield* newPath))
      const inside = yield* Deferred.make<void>()
      const leave = yield* Deferred.make<void>()
      const holding = yield* Effect.fork(
        sql.withTransaction(Effect.all([insert(sql, 1), Deferred.succeed(inside, undefined), Deferred.await(leave)]))
      )
      yield* Deferred.await(inside)
      const waiting = yield* Effect.fork(sql.withTransaction(insert(sql, 2)))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(waiting)
      yield* Deferred.succeed(leave, undefined)
      yield* Fiber.join(holding)
      expect(yield* numbers(sql)).toEqual([1])
    })
  )

  it.scopedLive("interrupted at any moment, leaves the client usable and the lock free", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const sql = yield* withTable(openClient(path))
      const other = yield* rival(path)
      for (let ticks = 0; ticks < 30; ticks++) {
        const fiber = yield* Effect.fork(
          sql.withTransaction(
            Effect.zipRight(insert(sql, 1000 + ticks), sql.withTransaction(insert(sql, 2000 + ticks)))
          )
        )
        for (let tick = 0; tick < ticks; tick++) yield* Effect.promise(() => Promise.resolve())
        if (ticks % 3 === 0) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        const exit = yield* Fiber.interrupt(fiber)
        yield* insert(sql, ticks)
        expect(other.canWrite()).toBe(true)
        const written = [1000 + ticks, 2000 + ticks]
        const found = (yield* numbers(sql)).filter((n) => written.includes(n))
        // A commit in a thread ends before an interruption takes effect.
        expect(Exit.isSuccess(exit) ? [written] : [written, []]).toContainEqual(found)
      }
    })
  )

  it.scopedLive("that times out fails with SQLITE_BUSY at its first statement and at later ones", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const sql = yield* withTable(openClient(path, { busyTimeoutMs: 20 }))
      const other = yield* rival(path)
      const codes = yield* other.locking(
        sql.withTransaction(Effect.all([codeOfFailure(insert(sql, 1)), codeOfFailure(insert(sql, 2))]))
      )
      expect(codes).toEqual(["SQLITE_BUSY", "SQLITE_BUSY"])
      yield* sql.withTransaction(insert(sql, 3))
      expect(yield* numbers(sql)).toEqual([3])
    })
  )
})

describe("WriteQueue", () => {
  it.scopedLive(
    "reports why a transaction cannot begin, and repairs a connection that is left inside a transaction",
    () =>
      Effect.gen(function* () {
        const connection = yield* Effect.acquireRelease(
          Effect.sync(() => new Connection({ path: ":memory:", role: "writer", synchronous: "full" })),
          (connection) => Effect.sync(() => connection.close())
        )
        connection.exec("CREATE TABLE t (n); BEGIN; INSERT INTO t VALUES (1)")
        const queue = new WriteQueue(connection, 1000)
        const insert = Effect.tryPromise({
          try: () => new Promise(queue.statement("INSERT INTO t VALUES (?)", [2])),
          catch: codeOf
        })
        expect(yield* Effect.all([Effect.flip(insert), Effect.flip(insert)], { concurrency: "unbounded" })).toEqual([
          "SQLITE_ERROR",
          "SQLITE_ERROR"
        ])
        yield* insert
        expect(connection.run("SELECT n FROM t", []).rows).toEqual([{ n: 2 }])
        expect(queue.isIdle).toBe(false)
        yield* Effect.promise(() => queue.close())
        expect(queue.isIdle).toBe(true)
      })
  )
})
