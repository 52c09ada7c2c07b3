/**
 * The statements of an import. Each processes a batch of rows through `json_each`; a row is an array in the order of
 * the columns.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect } from "effect"
import { columnsOf, type LegacyTable, legacyTables } from "./tables.js"

/** A foreign key: the column that identifies the parent row, and all pairs of columns that must be equal. */
export interface Reference {
  readonly column: string
  readonly parent: string
  readonly pairs: ReadonlyArray<readonly [from: string, to: string]>
}

interface ForeignKey {
  readonly child: string
  readonly id: number
  readonly parent: string
  readonly from: string
  readonly to: string
}

/** Reads the foreign keys of the imported tables. Returns a function from a table name to its references. */
export const readReferences = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const keys = yield* sql<ForeignKey>`
    SELECT t.value AS child, f.id, f."table" AS parent, f."from", f."to"
    FROM json_each(${JSON.stringify(legacyTables.map(({ name }) => name))}) AS t, pragma_foreign_key_list(t.value) AS f
    ORDER BY t.key, f.id, f.seq`
  const references = new Map<string, Reference>()
  for (const { child, from, id, parent, to } of keys) {
    const place = `${child} ${id}`
    const known = references.get(place)
    references.set(place, { column: known?.column ?? from, parent, pairs: [...(known?.pairs ?? []), [from, to]] })
  }
  return (table: string): ReadonlyArray<Reference> =>
    Array.from(references).flatMap(([place, reference]) => (place.startsWith(`${table} `) ? [reference] : []))
})

/**
 * Returns the SQL condition that the parent row exists and meets the owner rule of the reference. `valueOf` returns the
 * SQL of a column of the child row.
 */
const parentExists = (
  { own }: LegacyTable,
  { column, pairs, parent }: Reference,
  valueOf: (column: string) => string
) => {
  const rule = own?.[column]?.replaceAll(/\$(\w+)/g, (_, name: string) => valueOf(name))
  return `EXISTS (SELECT 1 FROM ${parent} AS p WHERE ${[
    ...pairs.map(([from, to]) => `p.${to} = ${valueOf(from)}`),
    ...(rule === undefined ? [] : [rule])
  ].join(" AND ")})`
}

/** Makes the statements of one table. */
export const statementsOf = (table: LegacyTable, references: ReadonlyArray<Reference>) => {
  const columns = columnsOf(table).map(({ name }) => name)
  const ofBatch = (column: string) => `r.value ->> ${columns.indexOf(column)}`
  const derived = table.derived ?? {}
  const stored = (valueOf: (column: string) => string) =>
    columns
      .map(
        (column) =>
          derived[column]?.replaceAll(/\$(\w+)/g, (_, name: string) => `(${valueOf(name)})`) ?? valueOf(column)
      )
      .join(", ")
  const returned =
    Object.keys(derived).length === 0 ? "" : ` RETURNING ${[...table.key, ...Object.keys(derived)].join(", ")}`
  const later = new Set(table.later)
  const missing = references
    .filter(({ column }) => !later.has(column))
    .map(
      (reference) =>
        `SELECT r.key AS place, '${reference.column}' AS "column", '${reference.parent}' AS parent FROM json_each(?1) AS r
    WHERE ${ofBatch(reference.column)} IS NOT NULL AND NOT ${parentExists(table, reference, ofBatch)}`
    )
  return {
    columns,

    /** Inserts rows. Returns their keys and derived columns, if the table has any. ?1: the rows. */
    insert: `INSERT INTO ${table.name} (${columns.join(", ")}) SELECT ${stored(ofBatch)} FROM json_each(?1) AS r${returned}`,

    /** Inserts one row. Each column is a parameter: the engine does not parse the row for each column of a long row. */
    insertOne: `INSERT INTO ${table.name} (${columns.join(", ")}) SELECT ${stored((column) => `?${columns.indexOf(column) + 1}`)}${returned}`,

    /** Selects the references of rows whose parent row is missing. ?1: the rows. */
    missing: missing.length === 0 ? undefined : missing.join("\n    UNION ALL\n    "),

    /**
     * For each deferred reference: its column, the statement that fills it, and the one that counts the references left
     * empty. ?1: pairs of an id and a value.
     */
    later: references
      .filter(({ column }) => later.has(column))
      .map((reference) => ({
        column: reference.column,
        fill: `UPDATE ${table.name} AS t SET ${reference.column} = r.value ->> 1 FROM json_each(?1) AS r
        WHERE t.id = r.value ->> 0 AND ${parentExists(table, reference, (column) =>
          column === reference.column ? "r.value ->> 1" : `t.${column}`
        )}`,
        unfilled: `SELECT count(*) AS rows FROM json_each(?1) AS r CROSS JOIN ${table.name} AS t ON t.id = r.value ->> 0
        WHERE t.${reference.column} IS NULL`
      }))
  }
}

/** Registers the keys of imported secret versions, of which only the names are known. ?1: names of keys, ?2: now. */
export const rememberKeysText = `
  INSERT INTO encryption_keys (id, status, created_at)
  SELECT DISTINCT value, 'inactive', ?2 FROM json_each(?1) WHERE value <> ''
  ON CONFLICT DO NOTHING`.trim()

/** Marks the ends of jobs as settled if their attempts have ended. Supervision settles the jobs of active attempts. */
export const settleText = `
  UPDATE oci_image_build_jobs SET run_settled_at = finished_at
  WHERE finished_at IS NOT NULL AND run_id IS NOT NULL AND run_settled_at IS NULL
    AND run_id IN (SELECT id FROM sandbox_attempts WHERE status NOT IN ('queued', 'running'))`.trim()

/** Stores rejected rows. ?1: rows of table, key, row and reason; ?2: now. */
export const rejectText = `
  INSERT INTO import_rejects (source_table, source_key, row_payload, reason, imported_at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?2 FROM json_each(?1)`.trim()

/** Selects whether any imported table contains rows. */
export const targetIsFilledText = `SELECT ${[...legacyTables.map(({ name }) => name), "import_rejects"]
  .map((name) => `EXISTS (SELECT 1 FROM ${name})`)
  .join(" OR ")} AS filled`
