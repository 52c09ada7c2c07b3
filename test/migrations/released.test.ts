/**
 * The checkable rules of docs/migrations.md.
 */
import { describe, expect, it } from "vitest"
import { migrations } from "../../migrations/index.js"
import { changedSince, checksumsOf, readReleased } from "../../scripts/pin-migrations.js"
import { splitStatements } from "../../src/libsql/sqlText.js"

const released = readReleased()

describe("released migrations", () => {
  it("are unchanged since their release", () => {
    expect(
      changedSince(released, checksumsOf(migrations)),
      "put the released text back, and the change into a new migration"
    ).toEqual([])
    expect(Object.keys(released).length).toBeGreaterThan(0)
  })

  it("come before all others", () => {
    expect(Object.keys(migrations).slice(0, Object.keys(released).length)).toEqual(Object.keys(released))
  })

  it("are reported when they are edited or missing", () => {
    const [first = "", ...others] = Object.keys(migrations)
    expect(changedSince(released, checksumsOf({ ...migrations, [first]: `${migrations[first] ?? ""} ` }))).toEqual([
      first
    ])
    expect(changedSince(released, {})).toEqual([first, ...others].slice(0, Object.keys(released).length))
  })
})

/** What a program of the release before would not survive, in a migration that comes after the first release. */
const breaking: Readonly<Record<string, RegExp>> = {
  "drops a table": /^DROP TABLE/i,
  "drops a view": /^DROP VIEW/i,
  "drops a column: only when no released program names it; see docs/migrations.md": /^ALTER TABLE \S+ DROP/i,
  renames: /^ALTER TABLE .* RENAME/i,
  "adds a column that old programs do not fill": /^ALTER TABLE \S+ ADD (COLUMN )?(?!.*\bDEFAULT\b).*\bNOT NULL\b/i
}

/** What is wrong with the text of a migration that is not released yet; a statement may say that it was thought of. */
const problemsOf = (text: string) =>
  splitStatements(text).flatMap((statement) => {
    if (/-- second release:/.test(statement)) return []
    const plain = statement
      .replaceAll(/^\s*--.*$/gm, "")
      .replaceAll(/\s+/g, " ")
      .trim()
    return Object.entries(breaking).flatMap(([problem, pattern]) => (pattern.test(plain) ? [problem] : []))
  })

describe("migrations after the last release", () => {
  it("keep everything that older programs need", () => {
    const pending = Object.entries(migrations).filter(([name]) => !(name in released))
    expect(pending.flatMap(([name, text]) => problemsOf(text).map((problem) => `${name} ${problem}`))).toEqual([])
  })

  it("are rejected if older programs would fail", () => {
    for (const statement of [
      "DROP TABLE secrets",
      "DROP VIEW live",
      "ALTER TABLE secrets DROP COLUMN name",
      "ALTER TABLE secrets RENAME TO hidden",
      "ALTER TABLE secrets ADD COLUMN colour TEXT NOT NULL"
    ])
      expect(problemsOf(`-- Why.\n${statement};`)).toHaveLength(1)
    const allowed =
      "ALTER TABLE secrets ADD COLUMN colour TEXT; ALTER TABLE secrets ADD COLUMN size INTEGER NOT NULL DEFAULT 0; CREATE INDEX i ON secrets (colour);"
    expect(problemsOf(allowed)).toEqual([])
    expect(problemsOf("-- second release: nobody reads it since 0.2.\nALTER TABLE secrets DROP COLUMN name;")).toEqual(
      []
    )
  })
})
