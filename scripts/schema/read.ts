/**
 * Reads the schema of a migrated database from the engine, not from the text of the migrations.
 */
import { SqlClient } from "@effect/sql"
import { Array, Effect } from "effect"
import { migrations } from "../../migrations/index.js"

export interface Column {
  readonly name: string
  readonly type: string
  readonly required: boolean
  readonly default: string | null
  /** Position in the primary key, from 1; 0 if the column is not part of it. */
  readonly key: number
}

export interface ForeignKey {
  readonly columns: ReadonlyArray<string>
  readonly parent: string
  readonly parentColumns: ReadonlyArray<string>
  readonly onDelete: string
}

export interface Index {
  readonly name: string
  readonly unique: boolean
  /** The columns and the condition: `(provider, owner COLLATE NOCASE) WHERE ...`. */
  readonly definition: string
  readonly columns: ReadonlyArray<string>
}

export interface Trigger {
  readonly name: string
  /** The moment, for example `BEFORE UPDATE OF status`. */
  readonly event: string
  /** The message of its RAISE; null if it raises nothing. */
  readonly refusal: string | null
}

export interface TableSchema {
  readonly name: string
  /** The name of its migration without the number, such as `issue_workflows`; null for the ledger of migrations. */
  readonly domain: string | null
  readonly columns: ReadonlyArray<Column>
  readonly checks: ReadonlyArray<{ readonly name: string; readonly rule: string }>
  readonly foreignKeys: ReadonlyArray<ForeignKey>
  readonly indexes: ReadonlyArray<Index>
  readonly triggers: ReadonlyArray<Trigger>
}

const oneLine = (text: string) => text.replaceAll(/\s+/g, " ").trim()

/** Returns the rule of each `CONSTRAINT name CHECK (...)`. Rules may contain parentheses. */
const checksOf = (text: string) =>
  [...text.matchAll(/CONSTRAINT (\w+)\s+CHECK \(/g)].map(({ 0: { length }, 1: name = "", index }) => {
    const start = index + length
    let end = start
    for (let depth = 1; depth > 0 && end < text.length; end++)
      depth += text[end] === "(" ? 1 : text[end] === ")" ? -1 : 0
    return { name, rule: oneLine(text.slice(start, end - 1).replaceAll(/--.*$/gm, "")) }
  })

const domainOf = (table: string) =>
  Object.entries(migrations)
    .find(([, text]) => new RegExp(`^CREATE TABLE ${table} \\(`, "m").test(text))?.[0]
    .slice(5) ?? null

interface StoredForeignKey {
  readonly id: number
  readonly column: string
  readonly parent: string
  readonly parentColumn: string | null
  readonly onDelete: string
}

const foreignKeysOf = (rows: ReadonlyArray<StoredForeignKey>): ReadonlyArray<ForeignKey> =>
  Object.values(Array.groupBy(rows, ({ id }) => String(id))).map((parts) => ({
    columns: parts.map(({ column }) => column),
    parent: parts[0].parent,
    parentColumns: parts.map(({ parentColumn }) => parentColumn ?? "id"),
    onDelete: parts[0].onDelete
  }))

/** Reads all tables and views of the database, by name. */
export const readSchema = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const objects = yield* sql<{
    readonly type: string
    readonly name: string
    readonly table: string
    readonly text: string | null
  }>`
    SELECT type, name, tbl_name AS "table", sql AS text FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*' ORDER BY type, name`
  const of = (type: string, table: string) => objects.filter((object) => object.type === type && object.table === table)

  const table = (name: string, text: string) =>
    Effect.gen(function* () {
      const columns = yield* sql<Omit<Column, "required"> & { readonly required: number }>`
        SELECT name, type, "notnull" AS required, dflt_value AS "default", pk AS key FROM pragma_table_info(${name})`
      const foreignKeys = yield* sql<StoredForeignKey>`
        SELECT id, "from" AS "column", "table" AS parent, "to" AS "parentColumn", on_delete AS "onDelete"
        FROM pragma_foreign_key_list(${name}) ORDER BY id DESC, seq`
      const indexes = yield* Effect.forEach(of("index", name), (index) =>
        Effect.map(
          sql<{ readonly name: string | null }>`SELECT name FROM pragma_index_info(${index.name}) ORDER BY seqno`,
          (parts): Index => ({
            name: index.name,
            unique: index.text?.startsWith("CREATE UNIQUE") ?? false,
            definition: oneLine(index.text?.slice(index.text.indexOf("(")) ?? ""),
            columns: parts.flatMap(({ name }) => name ?? [])
          })
        )
      )
      const triggers = of("trigger", name).map(
        ({ name: trigger, text }): Trigger => ({
          name: trigger,
          event: oneLine(/(?:BEFORE|AFTER)[\s\S]*?(?=\sON\s)/.exec(text ?? "")?.[0] ?? ""),
          refusal: /RAISE\(ABORT, '([^']*)'\)/.exec(text ?? "")?.[1] ?? null
        })
      )
      return {
        name,
        domain: domainOf(name),
        columns: columns.map((column) => ({ ...column, required: column.required === 1 })),
        checks: checksOf(text),
        foreignKeys: foreignKeysOf(foreignKeys),
        indexes,
        triggers
      } satisfies TableSchema
    })

  const tables = yield* Effect.forEach(
    objects.filter(({ type }) => type === "table"),
    ({ name, text }) => table(name, text ?? "")
  )
  const views = objects
    .filter(({ type }) => type === "view")
    .map(({ name, text }) => ({ name, definition: oneLine(text?.slice(text.indexOf("SELECT")) ?? "") }))
  return { tables, views }
})
