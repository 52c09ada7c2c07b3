/**
 * Databases of the predecessor for tests: its tables as the fixture tells them, filled with what a world of ours holds.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import Native from "libsql"
import { layerTest } from "@sealant/db/testing"
import { makeWorld } from "../contract/world.js"
import { predecessorTables } from "../fixtures/predecessor-tables.js"

/** A row by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>

export type Rows = Readonly<Record<string, ReadonlyArray<Row>>>

export const tableNames = Object.keys(predecessorTables)

/** What ours has and the predecessor had not: those rows stay out of it. */
const unknownThere: Readonly<Record<string, string>> = {
  github_webhook_deliveries: "status <> 'processing'",
  oci_image_build_jobs: "status <> 'cancelled'"
}

/** The rows of a world of ours in which every table has some, with the predecessor's columns. */
export const worldRows = Effect.gen(function*() {
  yield* makeWorld
  const sql = yield* SqlClient.SqlClient
  const rows: Record<string, ReadonlyArray<Row>> = {}
  for (const [table, { columns }] of Object.entries(predecessorTables)) {
    rows[table] = yield* sql.unsafe<Row>(`SELECT ${columns.join(", ")} FROM ${table} WHERE ${unknownThere[table] ?? "1"}`)
  }
  return rows as Rows
}).pipe(Effect.provide(layerTest), Effect.orDie)

/** Writes a database at the predecessor's schema, which had no rules. `without` are tables that it lacks. */
export const writeSource = (path: string, rows: Rows, without: ReadonlyArray<string> = []): void => {
  const database = new Native(path)
  database.exec("BEGIN; CREATE TABLE __drizzle_migrations (id INTEGER PRIMARY KEY, hash TEXT NOT NULL, created_at INTEGER)")
  for (const [table, { columns }] of Object.entries(predecessorTables)) {
    if (without.includes(table)) continue
    database.exec(`CREATE TABLE ${table} (${columns.join(", ")})`)
    const insert = database.prepare(`INSERT INTO ${table} VALUES (${columns.map(() => "?").join(", ")})`)
    for (const row of rows[table] ?? []) insert.run(columns.map((column) => row[column] ?? null))
  }
  database.exec("COMMIT")
  database.close()
}
