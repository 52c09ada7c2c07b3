import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, type Scope } from "effect"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { Connection } from "../../src/libsql/Connection.js"
import { openMemory } from "../../src/libsql/openLocal.js"
import * as Sql from "../../src/libsql/SqlClient.js"
import { elapsed, turns, until } from "../support/eventLoop.js"
import { programAt } from "../support/programs.js"
import { vi } from "vitest"
import { codeOfFailure, newPath, openClient } from "./support.js"

const memory = Effect.acquireRelease(Effect.promise(openMemory), (client) => Effect.promise(() => client.shutdown()))

/** Waits until a transaction is old enough for a commit in a thread. */
const aging = elapsed(60)

const insert = (n: number) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.zipRight(sql`INSERT INTO t VALUES (${n})`, aging))

const numbers = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ readonly n: number }>`SELECT n FROM t ORDER BY n`, (rows) => rows.map(({ n }) => n))
)

describe.each([
  { name: "file", open: Effect.flatMap(newPath, (path) => openClient(path)) },
  { name: "memory", open: memory }
])("transactions that take long ($name)", ({ open }) => {
  const withTable = <A, E>(
    use: (sql: SqlClient.SqlClient, driver: Sql.Driver) => Effect.Effect<A, E, SqlClient.SqlClient | Scope.Scope>
  ) =>
    Effect.gen(function* () {
      const driver = yield* open
      const layer = yield* Layer.build(Sql.layer(Effect.succeed(driver)))
      return yield* Effect.flatMap(SqlClient.SqlClient, (sql) =>
        Effect.zipRight(sql`CREATE TABLE t (n INTEGER PRIMARY KEY)`, use(sql, driver))
      ).pipe(Effect.provide(layer))
    })

  it.scopedLive("commit while the event loop turns, and later writes wait for them", () =>
    withTable((sql, driver) =>
      Effect.gen(function* () {
        const transaction = driver.begin()
        yield* Effect.promise(async () => transaction.run("INSERT INTO t VALUES (1)", []))
        yield* aging
        let isCommitted = false
        const committed = transaction.commit().finally(() => {
          isCommitted = true
        })
        // A commit in this thread would have ended by now.
        yield* Effect.promise(() => new Promise<void>((resolve) => process.nextTick(resolve)))
        expect(isCommitted).toBe(false)
        const later = yield* Effect.fork(sql`INSERT INTO t VALUES (2)`)
        yield* Effect.promise(() => committed)
        yield* Fiber.join(later)
        expect(yield* numbers).toEqual([1, 2])
      })
    )
  )

  it.scopedLive("refuse statements, a commit and a rollback that arrive during their commit", () =>
    withTable((_, driver) =>
      Effect.gen(function* () {
        const transaction = driver.begin()
        const run = (n: number) =>
          Effect.tryPromise({
            try: async () => transaction.run("INSERT INTO t VALUES (?)", [n]),
            catch: (error) => error
          })
        yield* run(1)
        yield* aging
        const committed = transaction.commit()
        expect(yield* codeOfFailure(run(2))).toBe("SEALANT_TRANSACTION_OVER")
        expect(
          yield* codeOfFailure(Effect.tryPromise({ try: () => transaction.commit(), catch: (error) => error }))
        ).toBe("SEALANT_TRANSACTION_OVER")
        yield* Effect.promise(() => transaction.rollback())
        yield* Effect.promise(() => committed)
        expect(yield* numbers).toEqual([1])
      })
    )
  )

  it.scopedLive("report a failing COMMIT as an error, and store nothing", () =>
    withTable((sql) =>
      Effect.gen(function* () {
        yield* sql`CREATE TABLE c (t REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)`
        const dangling = Effect.zipRight(sql`INSERT INTO c VALUES (404)`, insert(1))
        expect(yield* codeOfFailure(sql.withTransaction(dangling))).toBe("SQLITE_CONSTRAINT_FOREIGNKEY")
        yield* sql.withTransaction(insert(2))
        expect(yield* numbers).toEqual([2])
      })
    )
  )

  it.scopedLive("are stored when they are interrupted during their commit, and later writes continue", () =>
    withTable((sql) =>
      Effect.gen(function* () {
        const commitInThread = Connection.prototype.commitInThread
        let allow = () => {}
        const allowed = new Promise<void>((resolve) => {
          allow = resolve
        })
        const commit = yield* Effect.acquireRelease(
          Effect.sync(() =>
            vi.spyOn(Connection.prototype, "commitInThread").mockImplementation(async function (this: Connection) {
              await allowed
              await commitInThread.call(this)
            })
          ),
          (spy) => Effect.sync(() => spy.mockRestore())
        )
        const fiber = yield* Effect.fork(sql.withTransaction(insert(1)))
        yield* until(() => commit.mock.calls.length > 0)
        const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* turns(2)
        allow()
        expect(Exit.isInterrupted(yield* Fiber.join(interrupting))).toBe(true)
        yield* sql`INSERT INTO t VALUES (2)`
        expect(yield* numbers).toEqual([1, 2])
      })
    )
  )
})

describe("a worker thread that is terminated while it commits a long transaction", () => {
  it.scopedLive("does not abort the process", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const program = programAt(new URL("./terminatedWorker.ts", import.meta.url))
      const { stdout } = yield* Effect.promise(() => promisify(execFile)(process.execPath, [program, path]))
      expect(stdout).toBe("ended")
    })
  )
})
