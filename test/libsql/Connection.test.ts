import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import Database from "libsql"
import { writeFileSync } from "node:fs"
import { vi } from "vitest"
import { Connection } from "../../src/libsql/Connection.js"
import { codeOf } from "../../src/libsql/DriverError.js"
import { newPath } from "./support.js"

const open = (options: Partial<ConstructorParameters<typeof Connection>[0]> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => new Connection({ path: ":memory:", role: "writer", synchronous: "full", ...options })),
    (connection) => Effect.sync(() => connection.close())
  )

const codeThrownBy = (run: () => unknown) => Effect.flip(Effect.try({ try: run, catch: codeOf }))

const pragmas = (connection: Connection) =>
  ["busy_timeout", "journal_mode", "synchronous", "foreign_keys", "query_only"].map(
    (name) => connection.run(`PRAGMA ${name}`, []).values()[0]?.[0]
  )

describe("Connection", () => {
  it.scoped("sets its PRAGMAs on opening and on reopening", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const writer = yield* open({ path, synchronous: "normal" })
      const reader = yield* open({ path, role: "reader" })
      for (let time = 0; time < 2; time++) {
        expect(pragmas(writer)).toEqual([0, "wal", 1, 1, 0])
        expect(pragmas(reader)).toEqual([0, "wal", 2, 1, 1])
        writer.close()
        reader.close()
      }
      expect(pragmas(yield* open())).toEqual([0, "memory", 2, 1, 0])
    })
  )

  it.scoped("fails to open if a PRAGMA has no effect", () =>
    Effect.gen(function* () {
      const connection = yield* open({ path: yield* newPath })
      const exec = vi.spyOn(Database.prototype, "exec").mockImplementation(function (this: Database.Database) {
        return this
      })
      const code = yield* codeThrownBy(() => connection.open())
      exec.mockRestore()
      expect(code).toBe("SEALANT_PRAGMA")
      expect(connection.isOpen).toBe(false)
    })
  )

  it.scoped("reports the engine's error for a file that is not a database and for an invalid path", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      writeFileSync(path, "no database, but long enough to be looked at. ".repeat(50))
      const text = yield* open({ path })
      expect(yield* codeThrownBy(() => text.open())).toBe("SQLITE_NOTADB")
      const below = yield* open({ path: `${path}/below` })
      expect(yield* codeThrownBy(() => below.open())).toBe("SQLITE_CANTOPEN")
    })
  )

  it.scoped("caches a bounded number of statements, least recently used evicted first", () =>
    Effect.gen(function* () {
      const connection = yield* open()
      const prepare = vi.spyOn(Database.prototype, "prepare")
      const prepared = (run: () => void) => {
        prepare.mockClear()
        run()
        return prepare.mock.calls.length
      }
      connection.open()
      expect(prepared(() => connection.run("SELECT 0", []))).toBe(1)
      expect(
        prepared(() => {
          for (let n = 1; n <= 2000; n++) {
            connection.run(`SELECT ${n}`, [])
            connection.run("SELECT 0", [])
          }
        })
      ).toBe(2000)
      expect(prepared(() => connection.run("SELECT 1999", []))).toBe(0)
      expect(prepared(() => connection.run("SELECT 1", []))).toBe(1)
      prepare.mockRestore()
    })
  )

  it.scoped("rejects a wrong number of parameters, for which the binding would reuse earlier values", () =>
    Effect.gen(function* () {
      const connection = yield* open()
      connection.exec("CREATE TABLE t (a, b)")
      connection.run("INSERT INTO t VALUES (?, ?)", [1, "secret"])
      expect(yield* codeThrownBy(() => connection.run("INSERT INTO t VALUES (?, ?)", [2]))).toBe("SEALANT_STATEMENT")
      expect(yield* codeThrownBy(() => connection.run("INSERT INTO t VALUES (?, ?)", [1, 2, 3]))).toBe(
        "SEALANT_STATEMENT"
      )
      expect(connection.run("SELECT count(*) AS n FROM t", []).rows).toEqual([{ n: 1 }])
    })
  )

  it.scoped("recompiles its statements after a schema change", () =>
    Effect.gen(function* () {
      const connection = yield* open()
      connection.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
      expect(connection.run("SELECT * FROM t", []).rows).toEqual([{ a: 1 }])
      connection.exec("ALTER TABLE t ADD COLUMN b DEFAULT 2; ALTER TABLE t RENAME COLUMN a TO c")
      const { rows, values, columns } = connection.run("SELECT * FROM t", [])
      expect([rows, values(), columns()]).toEqual([[{ c: 1, b: 2 }], [[1, 2]], ["c", "b"]])
    })
  )

  it.scoped("returns the values of two columns with one name", () =>
    Effect.gen(function* () {
      const { columns, rows, values } = (yield* open()).run("SELECT 1 AS a, 2 AS b, 3 AS a", [])
      expect([columns(), values(), rows]).toEqual([["a", "b", "a"], [[1, 2, 3]], [{ a: 1, b: 2 }]])
    })
  )

  it.scoped("counts changed rows, also with RETURNING, and no rows of reads", () =>
    Effect.gen(function* () {
      const connection = yield* open()
      connection.exec("CREATE TABLE t (id INTEGER PRIMARY KEY)")
      expect(connection.run("INSERT INTO t VALUES (7), (8)", [])).toMatchObject({
        rowsAffected: 2,
        lastInsertRowid: 8n
      })
      expect(connection.run("UPDATE t SET id = id + 10 RETURNING id", [])).toMatchObject({
        rowsAffected: 2,
        rows: [{ id: 17 }, { id: 18 }]
      })
      expect(connection.run("SELECT * FROM t", []).rowsAffected).toBe(0)
      expect(connection.run("CREATE TABLE u (a)", []).rowsAffected).toBe(0)
    })
  )

  it.scoped("a statement that fails midway holds no read transaction", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const writer = yield* open({ path })
      const reader = yield* open({ path, role: "reader" })
      writer.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1), ('{')")
      expect(yield* codeThrownBy(() => reader.run("SELECT json_extract(a, '$') FROM t", []))).toBe("SQLITE_ERROR")
      expect(
        yield* codeThrownBy(() => writer.run("INSERT INTO t SELECT json_extract(a, '$') FROM t RETURNING a", []))
      ).toBe("SQLITE_ERROR")
      writer.run("INSERT INTO t VALUES (2)", [])
      expect(reader.run("SELECT count(*) AS n FROM t", []).rows).toEqual([{ n: 3 }])
      expect(writer.run("PRAGMA wal_checkpoint(TRUNCATE)", []).rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    })
  )
})
