/**
 * Reads of pages: a statement whose rows are long ends early, and leaves nothing open.
 */
import { afterEach, beforeEach, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Connection } from "../../src/libsql/Connection.js"
import { maxPageWeight } from "../../src/libsql/pageRows.js"

const text = "SELECT id, value FROM items WHERE id > ? ORDER BY id LIMIT ?"

describe("a read of a page", () => {
  let directory: string
  let writer: Connection
  let reader: Connection

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "page-rows-"))
    const path = join(directory, "db.sqlite")
    reader = new Connection({ path, role: "reader", synchronous: "normal" })
    writer = new Connection({ path, role: "writer", synchronous: "normal" })
    writer.exec("CREATE TABLE items (id INTEGER PRIMARY KEY, value TEXT)")
  })

  afterEach(() => {
    writer.close()
    reader.close()
    rmSync(directory, { recursive: true })
  })

  /** Adds rows of this length. */
  const add = (count: number, length: number) =>
    writer.run(
      `INSERT INTO items (value) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       SELECT printf('%.*c', ?, 'x') FROM n`,
      [count, length]
    )

  const page = (after = 0, limit = 501, connection = reader) => {
    const { isCut, rows } = connection.run(text, [after, limit], "page")
    return { isCut, ids: rows.map(({ id }) => id) }
  }

  const idsTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index)

  it("returns all rows if they are short", () => {
    add(600, 10)
    expect(page()).toEqual({ isCut: false, ids: idsTo(501) })
    expect(page(595)).toEqual({ isCut: false, ids: idsTo(600, 596) })
    expect(page(600)).toEqual({ isCut: false, ids: [] })
  })

  it("ends with the row after the first million characters", () => {
    add(100, maxPageWeight / 10 - 1)
    expect(page()).toEqual({ isCut: true, ids: idsTo(11) })
    expect(page(90)).toEqual({ isCut: false, ids: idsTo(100, 91) })
    expect(page(89)).toEqual({ isCut: true, ids: idsTo(100, 90) })
  })

  it("returns two rows at least, of any length", () => {
    add(5, 3 * maxPageWeight)
    expect(page()).toEqual({ isCut: true, ids: [1, 2] })
    expect(page(3)).toEqual({ isCut: true, ids: [4, 5] })
    expect(page(4)).toEqual({ isCut: false, ids: [5] })
  })

  it("reads few rows after the one with which it ends", () => {
    add(40, 10)
    add(60, maxPageWeight)
    expect(page()).toEqual({ isCut: true, ids: idsTo(41) })
  })

  it("leaves no read transaction open when it ends early", () => {
    add(100, maxPageWeight / 10)
    expect(page().isCut).toBe(true)
    add(1, 10)
    expect(reader.run("SELECT max(id) AS last FROM items", []).rows).toEqual([{ last: 101 }])
    expect(writer.run("PRAGMA wal_checkpoint(TRUNCATE)", []).rows).toEqual([{ busy: 0, log: 0, checkpointed: 0 }])
    expect(page(90)).toEqual({ isCut: true, ids: idsTo(100, 91) })
  })

  it("ends early inside a transaction without ending the transaction", () => {
    writer.exec("BEGIN IMMEDIATE")
    add(30, maxPageWeight / 10)
    expect(page(0, 501, writer).isCut).toBe(true)
    expect(page(20, 10, writer)).toEqual({ isCut: true, ids: idsTo(30, 21) })
    writer.commit()
    expect(reader.run("SELECT count(*) AS count FROM items", []).rows).toEqual([{ count: 30 }])
  })
})
