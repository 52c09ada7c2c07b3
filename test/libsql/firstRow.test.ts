import { afterEach, beforeEach, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Connection } from "../../src/libsql/Connection.js"

describe("Connection.run for the first row only", () => {
  let directory: string
  let connection: Connection

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "first-row-"))
    connection = new Connection({ path: join(directory, "db.sqlite"), role: "writer", synchronous: "normal" })
    connection.exec("CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER NOT NULL CHECK (n < 100)) STRICT")
    connection.exec("INSERT INTO t VALUES ('a', 1), ('b', 2), ('c', 3)")
  })

  afterEach(() => {
    connection.close()
    rmSync(directory, { recursive: true })
  })

  const select = "SELECT id, n FROM t WHERE id = ?1"
  const update = "UPDATE t SET n = ?2 WHERE id = ?1 RETURNING id, n"
  const first = (sql: string, ...values: ReadonlyArray<unknown>) => connection.run(sql, values, "first").rows
  const all = (sql: string, ...values: ReadonlyArray<unknown>) => connection.run(sql, values).rows

  it("uses the values of the call after the same statement returned all rows", () => {
    expect(all(select, "a")).toEqual([{ id: "a", n: 1 }])
    expect(first(select, "b")).toEqual([{ id: "b", n: 2 }])
    expect(all(select, "c")).toEqual([{ id: "c", n: 3 }])
    expect(first(select, "missing")).toEqual([])
    expect(first(select, "a")).toEqual([{ id: "a", n: 1 }])
  })

  it("fetches one row of a write that selects `*` or multiplies outside its result columns", () => {
    const write = "UPDATE t SET n = 1 * (SELECT max(n) FROM (SELECT * FROM t)) RETURNING id"
    expect(first(write)).toEqual([{ id: "a" }])
    expect(all(write)).toHaveLength(3)
    connection.exec("ALTER TABLE t ADD COLUMN m INTEGER")
    expect(first(write)).toEqual([{ id: "a" }])
  })

  it("returns the columns of RETURNING * after a schema change", () => {
    const write = "UPDATE t SET n = 5 WHERE id = ?1 RETURNING *"
    expect(first(write, "a")).toEqual([{ id: "a", n: 5 }])
    connection.exec("ALTER TABLE t ADD COLUMN m INTEGER")
    expect(first(write, "a")).toEqual([{ id: "a", n: 5, m: null }])
  })

  it("uses the values of the call after the same statement failed", () => {
    expect(first(update, "a", 10)).toEqual([{ id: "a", n: 10 }])
    expect(() => first(update, "a", 100)).toThrow("CHECK constraint failed")
    expect(first(update, "b", 20)).toEqual([{ id: "b", n: 20 }])
    expect(all("SELECT id, n FROM t ORDER BY id")).toEqual([
      { id: "a", n: 10 },
      { id: "b", n: 20 },
      { id: "c", n: 3 }
    ])
  })

  it("leaves no statement open that would pin a snapshot", () => {
    expect(first("SELECT id, n FROM t ORDER BY id")).toEqual([{ id: "a", n: 1 }])
    connection.exec("UPDATE t SET n = 50 WHERE id = 'a'")
    expect(connection.run("PRAGMA wal_checkpoint(TRUNCATE)", []).rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    expect(connection.inTransaction).toBe(false)
  })
})
