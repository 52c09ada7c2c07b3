import { SqlError } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { persistenceErrorOf } from "../../src/sql/engineError.js"

const causeOf = (message: string) =>
  persistenceErrorOf(
    "Test",
    new SqlError.SqlError({ cause: Object.assign(new Error(message), { code: "SQLITE_ERROR" }) })
  ).cause

describe("the cause of a PersistenceError", () => {
  it.each([
    ["no such table: two_factor", "SQLITE_ERROR: no table two_factor"],
    ["no such table: main.two_factor", "SQLITE_ERROR: no table two_factor"],
    ["no such view: jobs", "SQLITE_ERROR: no view jobs"],
    ["no such column: role", "SQLITE_ERROR: no column role"],
    ["SQLite error: no such column: base.role", "SQLITE_ERROR: no column role in base"],
    ["table user has no column named role", "SQLITE_ERROR: no column role in user"]
  ])("names the missing object: %s", (message, cause) => {
    expect(causeOf(message)).toBe(cause)
  })

  it.each([
    "no such column: s3cr3t value",
    "no such column: s3cr3t's",
    "no such column: s3cr3t@example.com",
    "no such column: s3cr3t-token",
    `no such column: ${"s3cr3t".repeat(40)}`,
    "table user has no column named s3cr3t value",
    'near "s3cr3t": syntax error',
    "UNIQUE constraint failed: s3cr3t"
  ])("contains names only: %s", (message) => {
    expect(causeOf(message)).toBe("SQLITE_ERROR")
  })
})
