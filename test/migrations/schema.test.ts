/**
 * What the program's own migrations make: run from nothing, in steps, and looked at as a whole.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { migrations } from "../../migrations/index.js"
import * as Database from "../../src/Database.js"
import * as Migrations from "../../src/Migrations.js"
import { predecessorTables } from "../fixtures/predecessor-tables.js"

interface Column {
  readonly table: string
  readonly column: string
  readonly required: number
}

interface ForeignKey {
  readonly child: string
  readonly parent: string
  readonly id: number
  readonly columns: string
}

const tables = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly name: string; readonly strict: number }>`
  SELECT name, strict FROM pragma_table_list
  WHERE schema = 'main' AND type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name`
)

const schema = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`SELECT type, name, sql FROM sqlite_master ORDER BY type, name`
)

const schemaOf = (steps: ReadonlyArray<Record<string, string>>) =>
  Effect.provide(
    Effect.zipRight(
      Effect.forEach(steps, (step) => Migrations.make(step).run, { discard: true }),
      schema
    ),
    Database.layerMemory
  )

// `layer` of @effect/vitest would change the `it` of the other files that this thread runs.
const database = Layer.provideMerge(Migrations.layer, Database.layerMemory)

describe("the schema of the program", () => {
  it.effect("is current and complete, without a dangling reference", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Migrations.verify
      expect((yield* Migrations.status).applied.map(({ name }) => name)).toEqual(Object.keys(migrations))
      expect(yield* sql`PRAGMA integrity_check`).toEqual([{ integrity_check: "ok" }])
      expect(yield* sql`PRAGMA foreign_key_check`).toEqual([])
    }).pipe(Effect.provide(database))
  )

  it.effect("is the same after one run as after separate runs", () =>
    Effect.gen(function* () {
      const entries = Object.entries(migrations)
      const steps = entries.map((_, index) => Object.fromEntries(entries.slice(0, index + 1)))
      expect(yield* schemaOf(steps)).toEqual(yield* schemaOf([migrations]))
    }).pipe(Effect.provide(database))
  )

  it.effect("has the 39 tables of the legacy schema with all their columns", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const columns = yield* sql<Column>`
        SELECT t.name AS "table", c.name AS "column", c."notnull" AS required FROM pragma_table_list t, pragma_table_info(t.name) c
        WHERE t.schema = 'main'`
      const expected = Object.entries(predecessorTables)
      expect(expected).toHaveLength(39)
      const missing = expected.flatMap(([table, described]) =>
        described.columns
          .filter((column) => !columns.some((found) => found.table === table && found.column === column))
          .map((column) => `${table}.${column}`)
      )
      expect(missing).toEqual([])
      // What could be NULL there can be NULL here, or rows of the predecessor would have no place.
      const narrowed = expected.flatMap(([table, described]) =>
        columns
          .filter((found) => found.table === table && found.required === 1 && described.nullable.includes(found.column))
          .map(({ column }) => `${table}.${column}`)
      )
      expect(narrowed).toEqual([])
    }).pipe(Effect.provide(database))
  )

  it.effect("is STRICT in every table", () =>
    Effect.gen(function* () {
      expect((yield* tables).filter(({ strict }) => strict === 0)).toEqual([])
      expect(yield* tables).toContainEqual({ name: "sealant_migrations", strict: 1 })
    }).pipe(Effect.provide(database))
  )

  it.effect("has an index for each reference, so that a delete never scans the referencing table", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const references = yield* sql<ForeignKey>`
        SELECT t.name AS child, f."table" AS parent, f.id, group_concat(f."from") AS columns
        FROM pragma_table_list t, pragma_foreign_key_list(t.name) f
        WHERE t.schema = 'main' AND t.type = 'table' GROUP BY t.name, f.id`
      expect(references.length).toBeGreaterThan(50)
      const scans = yield* Effect.filter(references, ({ child, columns }) =>
        Effect.map(
          sql.unsafe<{ readonly detail: string }>(
            `EXPLAIN QUERY PLAN SELECT 1 FROM "${child}" WHERE ${columns
              .split(",")
              .map((column) => `"${column}" = ?`)
              .join(" AND ")}`,
            columns.split(",").map(() => "x")
          ),
          (lines) => lines.some(({ detail }) => detail.startsWith("SCAN"))
        )
      )
      expect(scans.map(({ child, columns }) => `${child}(${columns})`)).toEqual([])
    }).pipe(Effect.provide(database))
  )

  it.effect("has workspace_build_jobs as a view of the build jobs", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      expect(yield* sql`SELECT type FROM sqlite_master WHERE name = 'workspace_build_jobs'`).toEqual([{ type: "view" }])
      const columnsOf = (name: string) => sql`SELECT name FROM pragma_table_info(${name}) ORDER BY name`
      expect(yield* columnsOf("workspace_build_jobs")).toEqual(yield* columnsOf("oci_image_build_jobs"))
    }).pipe(Effect.provide(database))
  )
})
