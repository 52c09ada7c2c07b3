import { describe, expect, it } from "vitest"
import { indexEvaluates, isSameTable } from "../../src/operations/schemaText.js"

const tableWith = (...columns: ReadonlyArray<string>) =>
  `CREATE TABLE owned (${["id TEXT PRIMARY KEY NOT NULL", ...columns].join(", ")}) STRICT`

describe("isSameTable", () => {
  it.each([
    "role TEXT",
    "banned INTEGER DEFAULT 0 NOT NULL",
    "locale TEXT NOT NULL DEFAULT 'en'",
    "seen INTEGER NOT NULL DEFAULT (cast(unixepoch('subsec') * 1000 AS INTEGER))",
    "team TEXT REFERENCES organization (id) ON DELETE SET NULL"
  ])("accepts an added column that a write can omit: %s", (column) => {
    expect(isSameTable(tableWith(column), tableWith())).toBe(true)
  })

  it.each([
    "y TEXT AS (json(id)) STORED",
    "y TEXT GENERATED ALWAYS AS (json(id)) VIRTUAL",
    "y TEXT DEFAULT 'b' REFERENCES nothing (id)",
    "y TEXT REFERENCES nothing (id) DEFAULT 'b'",
    "y TEXT NOT NULL",
    "y TEXT NOT NULL DEFAULT NULL",
    "y TEXT DEFAULT NULL NOT NULL",
    `"default" TEXT NOT NULL`,
    "y TEXT CHECK (y IS NOT NULL)",
    "y TEXT UNIQUE"
  ])("reports an added column that can stop writes: %s", (column) => {
    expect(isSameTable(tableWith(column), tableWith())).toBe(false)
  })
})

describe("indexEvaluates", () => {
  it.each([
    "CREATE INDEX one ON owned (id)",
    `CREATE UNIQUE INDEX one ON "owned" ("id" COLLATE nocase DESC, role ASC)`,
    "CREATE INDEX one ON owned (role) WHERE role IS NOT NULL"
  ])("is false for an index of columns: %s", (index) => {
    expect(indexEvaluates(index)).toBe(false)
  })

  it.each([
    "CREATE INDEX one ON owned (json_extract(id, '$'))",
    "CREATE INDEX one ON owned (role, id ->> '$')",
    "CREATE INDEX one ON owned (role) WHERE json(id) IS NOT NULL",
    `CREATE INDEX "(|)" ON owned (json(id))`,
    "CREATE INDEX one ON owned (id COLLATE unknown)"
  ])("is true for an index with an expression, a condition or a foreign collation: %s", (index) => {
    expect(indexEvaluates(index)).toBe(true)
  })
})
