/**
 * Databases of the predecessor for tests, out of the rows of a deployment (test/fixtures/legacy.sql).
 */
import { SqlClient } from "@effect/sql"
import { expect } from "@effect/vitest"
import { LegacyImport } from "@sealant/db"
import { Effect } from "effect"
import Native from "libsql"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { models } from "../../scripts/schema/models.js"
import { columnList, rowsOf } from "../../src/sql/rows.js"
import { predecessorTables } from "../fixtures/predecessor-tables.js"
import { temporaryDirectory } from "../support/directories.js"

/** A row by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>

export type Rows = Readonly<Record<string, ReadonlyArray<Row>>>

export const tableNames = Object.keys(predecessorTables)

const deployment = readFileSync(new URL("../fixtures/legacy.sql", import.meta.url), "utf8")

/** A directory that goes with the test, and the path of a file in it. */
export const legacyPath = Effect.map(temporaryDirectory, (directory) => ({
  directory,
  path: join(directory, "legacy.sqlite")
}))

/** Writes the deployment, and then runs these statements. */
export const writeDeployment = (path: string, ...statements: ReadonlyArray<string>): void => {
  const database = new Native(path)
  database.exec(`PRAGMA foreign_keys = off; BEGIN; ${deployment}`)
  for (const statement of statements) database.exec(statement)
  database.exec("COMMIT")
  database.close()
}

/** All rows of the deployment. Every table has some. */
export const deployedRows: Rows = (() => {
  const database = new Native(":memory:")
  database.exec(`PRAGMA foreign_keys = off; ${deployment}`)
  const rowsOfTable = (table: string, columns: ReadonlyArray<string>) =>
    database.prepare(`SELECT ${columns.join(", ")} FROM ${table}`).all() as Array<Row>
  return Object.fromEntries(
    Object.entries(predecessorTables).map(([table, { columns }]) => [table, rowsOfTable(table, columns)])
  )
})()

/** The rows with changed rows of one table. A row for which `change` returns nothing is unchanged. */
export const changed = (rows: Rows, table: string, change: (row: Row, index: number) => Row | undefined): Rows => ({
  ...rows,
  [table]: (rows[table] ?? []).map((row, index) => ({ ...row, ...change(row, index) }))
})

const bound = (value: unknown): unknown =>
  typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : (value ?? null)

/** Writes rows into the predecessor's tables without any of their rules, so that everything can be in them. */
export const writeRows = (path: string, rows: Rows): void => {
  const database = new Native(path)
  database.exec(
    "BEGIN; CREATE TABLE __drizzle_migrations (id INTEGER PRIMARY KEY, hash TEXT NOT NULL, created_at INTEGER)"
  )
  for (const [table, { columns }] of Object.entries(predecessorTables)) {
    database.exec(`CREATE TABLE ${table} (${columns.join(", ")})`)
    const insert = database.prepare(`INSERT INTO ${table} VALUES (${columns.map(() => "?").join(", ")})`)
    for (const row of rows[table] ?? []) insert.run(columns.map((column) => bound(row[column])))
  }
  database.exec("COMMIT")
  database.close()
}

export const count = (table: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql<{ readonly n: number }>`SELECT count(*) AS n FROM ${sql(table)}`, ([row]) => row?.n ?? 0)
  )

/** What the import rejected: the reasons, and the rows as they were. */
export const rejectsOf = (table: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      sql<{ readonly key: string; readonly payload: string; readonly reason: string }>`
      SELECT source_key AS key, row_payload AS payload, reason FROM import_rejects WHERE source_table = ${table} ORDER BY id`
  )

/** Each row of the source is imported, or is complete in `import_rejects`; and all imported rows are valid. */
export const expectBalance = (rows: Rows, report: LegacyImport.ImportReport) =>
  Effect.gen(function* () {
    expect(report.tables.map(({ table }) => table).toSorted()).toEqual(tableNames.toSorted())
    for (const { imported, rejected, rejects, table } of report.tables) {
      const given = rows[table] ?? []
      expect([table, imported + rejected]).toEqual([table, given.length])
      expect([table, yield* count(table)]).toEqual([table, imported])
      expect([table, rejects.reduce((sum, { rows }) => sum + rows, 0)]).toEqual([table, rejected])
      const kept = yield* rejectsOf(table)
      expect(kept).toHaveLength(rejected)
      const source = new Set(given.map((row) => JSON.stringify(row)))
      for (const { payload } of kept) expect(source.has(payload), `${table} ${payload}`).toBe(true)
    }
    expect(report.imported + report.rejected).toBe(Object.values(rows).flat().length)
    yield* expectLegal
  })

/** Every row can be read by its model, refers to what is there, and breaks no rule. */
export const expectLegal = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  expect(yield* sql`PRAGMA foreign_key_check`).toEqual([])
  expect(yield* sql`PRAGMA integrity_check`).toEqual([{ integrity_check: "ok" }])
  for (const { model, table } of models) {
    const read = yield* rowsOf(model)
    yield* read.findAll(sql`SELECT ${sql.literal(columnList(model))} FROM ${sql(table.name)}`)
  }
})

/** Writes the rows, imports them, and checks that every row is accounted for. */
export const importRows = (rows: Rows) =>
  Effect.gen(function* () {
    const { path } = yield* legacyPath
    writeRows(path, rows)
    const report = yield* LegacyImport.run(path)
    yield* expectBalance(rows, report)
    return report
  })

/** What was repaired, or rejected, in rows of a table. */
export const reportedCounts = (
  report: LegacyImport.ImportReport,
  of: "repaired" | "rejects",
  table: string
): Readonly<Record<string, number>> =>
  Object.fromEntries(
    (report.tables.find((found) => found.table === table)?.[of] ?? []).map(({ rows, what }) => [what, rows])
  )
