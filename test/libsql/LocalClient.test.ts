import { SqlClient } from "@effect/sql"
import { LibsqlClient } from "@effect/sql-libsql"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import Database from "libsql"
import { spawnSync } from "node:child_process"
import { existsSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { vi } from "vitest"
import { Connection } from "../../src/libsql/Connection.js"
import type { LocalClient } from "../../src/libsql/LocalClient.js"
import { openMemory } from "../../src/libsql/openLocal.js"
import { refusedTimes, turns } from "../support/eventLoop.js"
import { codeOf, codeOfFailure, endsWithin, execute, newPath, openClient, rival, sqlOf } from "./support.js"

const memory = Effect.acquireRelease(Effect.promise(openMemory), (client) => Effect.promise(() => client.shutdown()))
const onFile = Effect.flatMap(newPath, (path) => openClient(path))
const both = [
  { name: "file", open: onFile },
  { name: "memory", open: memory }
]

const all = (effects: ReadonlyArray<Effect.Effect<unknown, unknown>>) =>
  Effect.forEach(
    effects,
    (effect) => Effect.map(Effect.either(effect), (answer) => (answer._tag === "Right" ? "ok" : codeOf(answer.left))),
    {
      concurrency: "unbounded"
    }
  )

const rows = (client: LocalClient, sql: string) => Effect.map(execute(client, sql), (result) => result.rows)

/** Stops the clock that limits a shared transaction, so that a slow machine does not split it. */
const inOneTurn = <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => vi.spyOn(performance, "now").mockReturnValue(0)),
    () => body,
    (now) => Effect.sync(() => now.mockRestore())
  )

/** Counts the transactions that a piece of work takes. */
const commits = <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => vi.spyOn(Database.prototype, "exec")),
    (exec) =>
      Effect.map(inOneTurn(body), (value) => ({
        value,
        commits: exec.mock.calls.filter(([sql]) => sql === "COMMIT").length
      })),
    (exec) => Effect.sync(() => exec.mockRestore())
  )

describe.each(both)("concurrent writes ($name)", ({ open }) => {
  it.scopedLive("share one commit, and each gets its own result", () =>
    Effect.gen(function* () {
      const client = yield* open
      yield* execute(client, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
      const insert = (id: number) =>
        Effect.map(execute(client, "INSERT INTO t VALUES (?)", [id]), (result) => result.lastInsertRowid)
      const { commits: count, value } = yield* commits(
        Effect.all(
          Array.from({ length: 100 }, (_, id) => insert(id)),
          { concurrency: "unbounded" }
        )
      )
      expect(count).toBe(1)
      expect(value).toEqual(Array.from({ length: 100 }, (_, id) => BigInt(id)))
    })
  )

  it.scopedLive("fail separately", () =>
    Effect.gen(function* () {
      const client = yield* open
      yield* execute(client, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
      const insert = (id: unknown) => execute(client, "INSERT INTO t VALUES (?)", [id])
      const { commits: count, value } = yield* commits(
        all([insert(1), insert(1), insert(2), insert(Number.NaN), insert(3)])
      )
      expect(value).toEqual(["ok", "SQLITE_CONSTRAINT_PRIMARYKEY", "ok", "SEALANT_UNSUPPORTED_VALUE", "ok"])
      expect(count).toBe(1)
      expect(yield* rows(client, "SELECT id FROM t")).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
    })
  )

  it.scopedLive("fail separately when a constraint fails at the shared commit", () =>
    Effect.gen(function* () {
      const client = yield* open
      yield* execute(client, "CREATE TABLE p (id INTEGER PRIMARY KEY)")
      yield* execute(
        client,
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)"
      )
      const insert = (table: string, ...values: ReadonlyArray<number>) =>
        execute(client, `INSERT INTO ${table} VALUES (${values.join(", ")})`)
      expect(
        yield* all([insert("p", 1), insert("c", 1, 1), insert("c", 2, 404), insert("p", 1), insert("c", 3, 1)])
      ).toEqual(["ok", "ok", "SQLITE_CONSTRAINT_FOREIGNKEY", "SQLITE_CONSTRAINT_PRIMARYKEY", "ok"])
      expect(yield* rows(client, "SELECT id FROM c")).toEqual([{ id: 1 }, { id: 3 }])
      expect(yield* all([insert("c", 4, 1)])).toEqual(["ok"])
    })
  )

  it.scopedLive("fail separately when one rolls back the whole transaction", () =>
    Effect.gen(function* () {
      const client = yield* open
      yield* execute(client, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
      yield* execute(
        client,
        "CREATE TRIGGER g BEFORE INSERT ON t WHEN NEW.id = 13 BEGIN SELECT RAISE(ROLLBACK, 'no 13'); END"
      )
      const insert = (id: number) => execute(client, "INSERT INTO t VALUES (?)", [id])
      expect(yield* all([insert(1), insert(13), insert(2)])).toEqual(["ok", "SQLITE_CONSTRAINT_TRIGGER", "ok"])
      expect(yield* rows(client, "SELECT id FROM t")).toEqual([{ id: 1 }, { id: 2 }])
      expect(yield* all([insert(3)])).toEqual(["ok"])
    })
  )

  it.scopedLive("all fail on a full disk, and none is stored", () =>
    Effect.gen(function* () {
      const client = yield* open
      yield* execute(client, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
      // Bypasses the client, which refuses this setting.
      client["writer"].exec("PRAGMA max_page_count = 20")
      const insert = (id: number, bytes: number) =>
        execute(client, "INSERT INTO t VALUES (?, zeroblob(?))", [id, bytes])
      const answers = yield* all([insert(1, 10), insert(2, 1_000_000), insert(3, 10)])
      // The engine decides whether a full disk ends the statement or the transaction. In both cases nothing acknowledged is lost.
      const stored = (yield* rows(client, "SELECT id FROM t")).map((row) => row["id"])
      expect(stored).toEqual(answers.flatMap((answer, index) => (answer === "ok" ? [index + 1] : [])))
      expect(answers[1]).toBe("SQLITE_FULL")
      expect(yield* all([insert(4, 10)])).toEqual(["ok"])
    })
  )
})

describe("a shared transaction that the engine rolls back", () => {
  it.scopedLive("has no BEGIN when one write waits, unless another connection held the lock before", () =>
    Effect.gen(function* () {
      const client = yield* onFile
      yield* execute(client, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
      const exec = vi.spyOn(Connection.prototype, "exec")
      yield* Effect.addFinalizer(() => Effect.sync(() => exec.mockRestore()))
      const begins = () => exec.mock.calls.filter(([sql]) => sql === "BEGIN IMMEDIATE").length
      const insert = (id: number) => execute(client, "INSERT INTO t VALUES (?)", [id])
      yield* insert(1)
      expect(begins()).toBe(0)
      yield* inOneTurn(all([insert(2), insert(3)]))
      expect(begins()).toBe(1)
      const run = vi.spyOn(Connection.prototype, "run").mockImplementationOnce(function (this: Connection) {
        this.close()
        throw Object.assign(new Error("database is locked"), { code: "SQLITE_BUSY" })
      })
      yield* insert(4)
      yield* insert(5)
      run.mockRestore()
      expect(begins()).toBe(3)
      expect((yield* execute(client, "SELECT count(*) AS n FROM t")).rows[0]?.["n"]).toBe(5)
    })
  )

  it.scopedLive("fails all of its writes when none is at fault, and later ones succeed", () =>
    Effect.gen(function* () {
      const client = yield* onFile
      yield* execute(client, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
      const run = Connection.prototype.run
      const spy = vi.spyOn(Connection.prototype, "run").mockImplementation(function (this: Connection, sql, args) {
        if (args[0] !== 2) return run.call(this, sql, args)
        this.exec("ROLLBACK")
        throw Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_WRITE" })
      })
      const insert = (id: number) => execute(client, "INSERT INTO t VALUES (?)", [id])
      const answers = yield* inOneTurn(all([insert(1), insert(2), insert(3)]))
      spy.mockRestore()
      expect(answers).toEqual(["SQLITE_IOERR_WRITE", "SQLITE_IOERR_WRITE", "ok"])
      expect(yield* rows(client, "SELECT id FROM t")).toEqual([{ id: 3 }])
    })
  )
})

describe("the busy timeout", () => {
  it.scopedLive("expires with SQLITE_BUSY for whatever is waiting, and the client stays usable", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const client = yield* openClient(path, { busyTimeoutMs: 50 })
      yield* execute(client, "CREATE TABLE t (n)")
      const other = yield* rival(path)
      const insert = execute(client, "INSERT INTO t VALUES (1)")
      const transaction = Effect.tryPromise({
        try: () => client.batch([["INSERT INTO t VALUES (2)"]]),
        catch: (error) => error
      })
      const waiting = all([insert, transaction, execute(client, "VACUUM"), insert])
      expect(yield* other.locking(waiting)).toEqual(["SQLITE_BUSY", "SQLITE_BUSY", "SQLITE_BUSY", "SQLITE_BUSY"])
      expect(yield* rows(client, "SELECT * FROM t")).toEqual([])
      expect(yield* waiting).toEqual(["ok", "ok", "ok", "ok"])
      expect(other.value("SELECT count(*) FROM t")).toBe(3)
    })
  )

  it.scopedLive("starts when the lock is refused, for each statement separately", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const client = yield* openClient(path, { busyTimeoutMs: 400 })
      yield* execute(client, "CREATE TABLE t (n)")
      const other = yield* rival(path)
      const clock = Effect.sync(() => performance.now())
      const timed = Effect.gen(function* () {
        const start = yield* clock
        const code = yield* codeOfFailure(execute(client, "INSERT INTO t VALUES (1)"))
        return { code, inTime: (yield* clock) - start >= 400 }
      })
      const fibers = yield* other.locking(
        Effect.gen(function* () {
          const first = yield* Effect.fork(timed)
          yield* refusedTimes(5)
          const second = yield* Effect.fork(timed)
          return yield* Effect.all([Fiber.join(first), Fiber.join(second)])
        })
      )
      expect(fibers).toEqual([
        { code: "SQLITE_BUSY", inTime: true },
        { code: "SQLITE_BUSY", inTime: true }
      ])
    })
  )

  it.scopedLive("does not run while a transaction of the same client holds the connection", () =>
    Effect.gen(function* () {
      // Whoever has to wait for a lock fails at once.
      const client = yield* Effect.flatMap(newPath, (path) => openClient(path, { busyTimeoutMs: 0 }))
      yield* execute(client, "CREATE TABLE t (n)")
      const transaction = client.begin()
      yield* Effect.promise(() => transaction.execute("INSERT INTO t VALUES (1)"))
      const waiting = yield* Effect.fork(execute(client, "INSERT INTO t VALUES (2)"))
      yield* turns(20)
      yield* Effect.promise(() => transaction.commit())
      expect((yield* Fiber.join(waiting)).rowsAffected).toBe(1)
    })
  )

  it.scopedLive("a failing VACUUM replaces the connection, with the PRAGMAs of the first", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const client = yield* openClient(path, { busyTimeoutMs: 30, synchronous: "normal" })
      yield* execute(client, "CREATE TABLE t (n)")
      const other = yield* rival(path)
      expect(yield* other.locking(codeOfFailure(execute(client, "PRAGMA user_version = 3")))).toBe("SQLITE_BUSY")
      expect(yield* rows(client, "PRAGMA synchronous")).toEqual([{ synchronous: 1 }])
      expect(yield* rows(client, "PRAGMA foreign_keys")).toEqual([{ foreign_keys: 1 }])
      expect(other.canWrite()).toBe(true)
    })
  )
})

describe.each(both)("statement texts ($name)", ({ open }) => {
  it.scopedLive.each([
    "BEGIN IMMEDIATE",
    "COMMIT",
    "SAVEPOINT a",
    "SELECT 1; SELECT 2",
    "INSERT INTO t VALUES (1); DROP TABLE t",
    "",
    "-- nothing"
  ])("rejects '%s'", (sql) =>
    Effect.gen(function* () {
      const client = yield* open
      yield* execute(client, "CREATE TABLE t (n)")
      expect(yield* codeOfFailure(execute(client, sql))).toBe("SEALANT_STATEMENT")
      expect(yield* rows(client, "SELECT * FROM t")).toEqual([])
    })
  )

  it.scopedLive.each([
    "PRAGMA foreign_keys = off",
    'PRAGMA main."foreign_keys"(0)',
    "EXPLAIN PRAGMA foreign_keys = off",
    "PRAGMA synchronous = off",
    "ATTACH ':memory:' AS other",
    "CREATE TEMP TABLE t (n)"
  ])("rejects %s, which would change the shared connection", (sql) =>
    Effect.gen(function* () {
      const client = yield* open
      yield* execute(client, "CREATE TABLE t (n INTEGER PRIMARY KEY, r REFERENCES t (n))")
      expect(yield* Effect.flip(execute(client, sql))).toMatchObject({
        code: "SEALANT_STATEMENT",
        message: expect.stringContaining("refused")
      })
      expect(yield* codeOfFailure(execute(client, "INSERT INTO t VALUES (1, 7)"))).toBe("SQLITE_CONSTRAINT_FOREIGNKEY")
      expect(yield* rows(client, "PRAGMA foreign_keys")).toEqual([{ foreign_keys: 1 }])
    })
  )

  it.scopedLive.each(["PRAGMA foreign_keys = off", "VACUUM", "COMMIT", "SELECT 1; SELECT 2"])(
    "rejects %s in a transaction, which continues",
    (sql) =>
      Effect.gen(function* () {
        const client = yield* open
        yield* execute(client, "CREATE TABLE t (n)")
        const transaction = client.begin()
        const inTransaction = (sql: string) => Effect.tryPromise({ try: () => transaction.execute(sql), catch: codeOf })
        yield* inTransaction("INSERT INTO t VALUES (1)")
        expect(yield* Effect.flip(inTransaction(sql))).toBe("SEALANT_STATEMENT")
        yield* inTransaction("INSERT INTO t VALUES (2)")
        yield* Effect.promise(() => transaction.commit())
        expect(yield* rows(client, "SELECT * FROM t")).toEqual([{ n: 1 }, { n: 2 }])
      })
  )

  it.scopedLive("runs scripts statement by statement, and batches as one transaction", () =>
    Effect.gen(function* () {
      const client = yield* open
      yield* Effect.promise(() =>
        client.executeMultiple("CREATE TABLE t (n UNIQUE); INSERT INTO t VALUES (1); -- two\nINSERT INTO t VALUES (2);")
      )
      const batch = Effect.tryPromise({
        try: () => client.batch([{ sql: "INSERT INTO t VALUES (?)", args: [3] }, ["INSERT INTO t VALUES (?)", [1]]]),
        catch: codeOf
      })
      expect(yield* Effect.flip(batch)).toBe("SQLITE_CONSTRAINT_UNIQUE")
      expect(yield* rows(client, "SELECT n FROM t")).toEqual([{ n: 1 }, { n: 2 }])
      yield* Effect.promise(() =>
        client.batch([
          ["DELETE FROM t WHERE n = ?", [2]],
          ["INSERT INTO t VALUES (?)", [3]]
        ])
      )
      expect(yield* rows(client, "SELECT n FROM t")).toEqual([{ n: 1 }, { n: 3 }])
      expect(yield* codeOfFailure(Effect.tryPromise({ try: () => client.migrate(), catch: (error) => error }))).toBe(
        "SEALANT_STATEMENT"
      )
    })
  )
})

describe("SqlClient", () => {
  it.scopedLive("returns rows, values and raw results", () =>
    Effect.gen(function* () {
      const sql = yield* sqlOf(yield* memory)
      yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)`
      const inserted = yield* sql`INSERT INTO t ${sql.insert([
        { id: 5, name: "a" },
        { id: 6, name: "b" }
      ])}`.raw
      expect(inserted).toMatchObject({ columns: [], rows: [], rowsAffected: 2, lastInsertRowid: 6n })
      const select = sql<{ readonly id: number; readonly name: string }>`SELECT name, id, id AS name FROM t ORDER BY id`
      expect(yield* select).toEqual([
        { name: "a", id: 5 },
        { name: "b", id: 6 }
      ])
      expect(yield* select.values).toEqual([
        ["a", 5, 5],
        ["b", 6, 6]
      ])
      expect(yield* select.withoutTransform).toEqual(yield* select)
      expect(yield* select.raw).toMatchObject({
        columns: ["name", "id", "name"],
        rows: [
          { name: "a", id: 5 },
          { name: "b", id: 6 }
        ],
        rowsAffected: 0
      })
      expect(yield* sql`SELECT 1 AS a WHERE 0`.raw).toMatchObject({ columns: ["a"], rows: [] })
      expect(yield* sql`DELETE FROM t RETURNING id`.values).toEqual([[5], [6]])
    })
  )

  it.scopedLive("answers a read synchronously", () =>
    Effect.gen(function* () {
      const sql = yield* sqlOf(yield* onFile)
      expect(Effect.runSync(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }])
    })
  )

  it.scopedLive("works as the client of the standard layer", () =>
    Effect.gen(function* () {
      const client = yield* onFile
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)`
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`INSERT INTO t VALUES (1, 'a')`
            yield* Effect.ignore(
              sql.withTransaction(Effect.zipRight(sql`INSERT INTO t VALUES (2, 'b')`, Effect.fail("no")))
            )
          })
        )
        yield* Effect.ignore(
          sql.withTransaction(Effect.zipRight(sql`INSERT INTO t VALUES (3, 'c')`, Effect.fail("no")))
        )
        expect(yield* sql`SELECT * FROM t`).toEqual([{ id: 1, name: "a" }])
        expect(yield* sql`SELECT name, id FROM t`.values).toEqual([["a", 1]])
        expect(yield* sql`SELECT id FROM t`.raw).toMatchObject({ columns: ["id"], rows: [{ id: 1 }] })
      }).pipe(Effect.provide(LibsqlClient.layer({ liveClient: client })))
    })
  )

  it.scopedLive("stays usable after a transaction that cannot begin, under the standard layer", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const client = yield* openClient(path, { busyTimeoutMs: 20 })
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (n)`
        const insert = sql.withTransaction(sql`INSERT INTO t VALUES (1)`)
        expect(yield* (yield* rival(path)).locking(codeOfFailure(insert))).toBe("SQLITE_BUSY")
        expect(yield* endsWithin(1000, insert)).toBe(true)
        expect(yield* sql`SELECT * FROM t`).toEqual([{ n: 1 }])
      }).pipe(Effect.provide(LibsqlClient.layer({ liveClient: client })))
    })
  )
})

describe("closing", () => {
  it.scopedLive.each(both)("waits for active statements and rejects later ones ($name)", ({ open }) =>
    Effect.gen(function* () {
      const client = yield* open
      yield* execute(client, "CREATE TABLE t (n)")
      const transaction = client.begin()
      yield* Effect.promise(() => transaction.execute("INSERT INTO t VALUES (1)"))
      const waiting = yield* Effect.fork(Effect.exit(execute(client, "INSERT INTO t VALUES (2)")))
      yield* Effect.yieldNow()
      const closing = yield* Effect.fork(Effect.promise(() => client.shutdown()))
      yield* Effect.yieldNow()
      expect(
        yield* all([
          execute(client, "INSERT INTO t VALUES (3)"),
          execute(client, "SELECT * FROM t"),
          execute(client, "PRAGMA user_version")
        ])
      ).toEqual(["SEALANT_CLOSED", "SEALANT_CLOSED", "SEALANT_CLOSED"])
      expect(
        yield* codeOfFailure(
          Effect.tryPromise({ try: () => client.begin().execute("SELECT 1"), catch: (error) => error })
        )
      ).toBe("SEALANT_CLOSED")
      yield* Effect.promise(() => transaction.execute("INSERT INTO t VALUES (4)"))
      yield* Effect.promise(() => transaction.commit())
      expect(Exit.isSuccess(yield* Fiber.join(waiting))).toBe(true)
      yield* Fiber.join(closing)
      yield* Effect.promise(() => client.shutdown())
      expect(yield* all([execute(client, "SELECT 1")])).toEqual(["SEALANT_CLOSED"])
    })
  )

  it.scopedLive("moves the write-ahead log into the file", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* openClient(path)
          yield* execute(client, "CREATE TABLE t (n)")
          yield* execute(client, "INSERT INTO t VALUES (1)")
          expect(statSync(`${path}-wal`).size).toBeGreaterThan(0)
        })
      )
      expect(existsSync(`${path}-wal`) ? statSync(`${path}-wal`).size : 0).toBe(0)
      expect((yield* rival(path)).value("SELECT n FROM t")).toBe(1)
    })
  )

  it.scopedLive("a client that could not be opened can be closed", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const other = yield* rival(path)
      other.exec("PRAGMA journal_mode = delete; CREATE TABLE t (n); BEGIN EXCLUSIVE")
      const opened = yield* Effect.exit(Effect.scoped(openClient(path, { busyTimeoutMs: 20 })))
      expect(Exit.isFailure(opened) && String(opened.cause)).toContain("is locked by another process")
      other.exec("COMMIT")
      expect(yield* rows(yield* openClient(path), "SELECT * FROM t")).toEqual([])
    })
  )
})

describe("opening", () => {
  it.scopedLive("waits for the lock of another connection", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const other = yield* rival(path)
      other.exec("PRAGMA journal_mode = delete; CREATE TABLE t (n); BEGIN EXCLUSIVE")
      const opening = yield* Effect.fork(openClient(path))
      yield* refusedTimes(1)
      other.exec("COMMIT")
      const client = yield* Fiber.join(opening)
      expect(yield* rows(client, "PRAGMA journal_mode")).toEqual([{ journal_mode: "wal" }])
    })
  )

  // A process loses all its locks on a file when it closes any descriptor of it. Then another process can close the database as
  // the last one and delete the log, while this process still writes into it.
  it.scopedLive("another client on the same file keeps its locks, and so its acknowledged writes", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const client = yield* openClient(path)
      yield* execute(client, "CREATE TABLE t (n)")
      yield* Effect.scoped(openClient(path))
      const libsql = createRequire(import.meta.url).resolve("libsql")
      const script = `const [path, sql, libsql] = process.argv.slice(1)
        const database = new (require(libsql))(path)
        const statement = database.prepare(sql)
        console.log(JSON.stringify(statement.reader ? statement.all([]) : statement.run([]).changes))
        database.close()`
      const elsewhere = (sql: string): unknown =>
        JSON.parse(spawnSync(process.execPath, ["-e", script, path, sql, libsql], { encoding: "utf8" }).stdout)
      expect(elsewhere("INSERT INTO t VALUES (1)")).toBe(1)
      yield* execute(client, "INSERT INTO t VALUES (2)")
      expect(yield* rows(client, "SELECT n FROM t")).toEqual([{ n: 1 }, { n: 2 }])
      expect(elsewhere("SELECT n FROM t")).toEqual([{ n: 1 }, { n: 2 }])
    })
  )
})

describe("reads", () => {
  it.scopedLive("on a file neither wait for a transaction nor see its uncommitted writes", () =>
    Effect.gen(function* () {
      const sql = yield* sqlOf(yield* onFile)
      yield* sql`CREATE TABLE t (n)`
      const written = yield* Deferred.make<void>()
      const seen = yield* Deferred.make<ReadonlyArray<unknown>>()
      const transaction = yield* Effect.fork(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`INSERT INTO t VALUES (1)`
            yield* Deferred.succeed(written, undefined)
            expect(yield* Deferred.await(seen)).toEqual([])
          })
        )
      )
      yield* Deferred.await(written)
      yield* Deferred.succeed(seen, yield* sql`SELECT * FROM t`)
      yield* Fiber.join(transaction)
      expect(yield* sql`SELECT * FROM t`).toEqual([{ n: 1 }])
    })
  )

  it.scopedLive("in memory wait for the transaction, and so see no uncommitted writes", () =>
    Effect.gen(function* () {
      const sql = yield* sqlOf(yield* memory)
      yield* sql`CREATE TABLE t (n)`
      const written = yield* Deferred.make<void>()
      const transaction = yield* Effect.fork(
        Effect.exit(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`INSERT INTO t VALUES (1)`
              yield* Deferred.succeed(written, undefined)
              yield* Effect.yieldNow()
              return yield* Effect.fail("taken back")
            })
          )
        )
      )
      yield* Deferred.await(written)
      expect(yield* sql`SELECT * FROM t`).toEqual([])
      yield* Fiber.join(transaction)
    })
  )

  it.scopedLive("see every acknowledged write", () =>
    Effect.gen(function* () {
      const sql = yield* sqlOf(yield* onFile)
      yield* sql`CREATE TABLE t (n)`
      yield* Effect.forEach(
        Array.from({ length: 50 }, (_, n) => n),
        (n) =>
          Effect.gen(function* () {
            yield* sql`INSERT INTO t VALUES (${n})`
            expect(yield* sql`SELECT n FROM t WHERE n = ${n}`).toEqual([{ n }])
          }),
        { concurrency: 8 }
      )
    })
  )
})
