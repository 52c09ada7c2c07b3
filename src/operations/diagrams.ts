/**
 * Diagrams of the schema in the notation of Mermaid (https://mermaid.js.org/syntax/entityRelationshipDiagram.html), read
 * from the engine.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Schema } from "effect"
import { migrations } from "../../migrations/index.js"
import { readerOf } from "./reader.js"

/** A diagram of a part of the schema. */
export const Diagram = Schema.Struct({
  /** The part: the name of the migration that made its tables, without the number, as `sandboxes`. */
  name: Schema.String,
  tables: Schema.Array(Schema.String),
  mermaid: Schema.String
})
export interface Diagram extends Schema.Schema.Type<typeof Diagram> {}

interface Column {
  readonly table: string
  readonly name: string
  readonly type: string
  readonly isKey: boolean
}

interface Reference {
  readonly table: string
  readonly parent: string
  readonly column: string
}

const columnsText = `
  SELECT m.name AS "table", c.name AS name, c.type AS type, c.pk AS pk
  FROM sqlite_schema AS m CROSS JOIN pragma_table_info(m.name) AS c
  WHERE m.type = 'table' AND m.name NOT GLOB 'sqlite_*' ORDER BY m.name, c.cid`

const referencesText = `
  SELECT m.name AS "table", f."table" AS parent, group_concat(f."from", ', ') AS "column"
  FROM sqlite_schema AS m CROSS JOIN pragma_foreign_key_list(m.name) AS f
  WHERE m.type = 'table' GROUP BY m.name, f.id ORDER BY m.name, f.id DESC`

/** The part of a table. Tables of other programs have no migration here. */
const partOf = (table: string) =>
  Object.entries(migrations)
    .find(([, text]) => text.includes(`CREATE TABLE ${table} (`))?.[0]
    .slice(5) ?? "others"

// Names of tables and columns of other programs may contain anything. Mermaid accepts words in quotation marks.
const word = (text: string) => text.replaceAll(/[^\w ]/g, "_").replaceAll(" ", "_")

const render = (
  tables: ReadonlyArray<string>,
  columns: ReadonlyArray<Column>,
  references: ReadonlyArray<Reference>
) => {
  const entities = tables.flatMap((table) => [
    `  ${word(table)} {`,
    ...columns
      .filter((column) => column.table === table)
      .map(({ isKey, name, type }) => {
        const isReference = references.some((one) => one.table === table && one.column.split(", ").includes(name))
        const marks = [...(isKey ? ["PK"] : []), ...(isReference ? ["FK"] : [])]
        return `    ${word(type === "" ? "ANY" : type)} ${word(name)} ${marks.join(", ")}`.trimEnd()
      }),
    "  }"
  ])
  const lines = references
    .filter(({ table }) => tables.includes(table))
    .map(({ column, parent, table }) => `  ${word(parent)} ||--o{ ${word(table)} : "${column.replaceAll('"', "'")}"`)
  return ["erDiagram", ...entities, ...lines].join("\n")
}

/** Reads the schema, and renders a diagram for each part of it. */
export const readDiagrams = Effect.gen(function* () {
  const reader = yield* readerOf(yield* SqlClient.SqlClient)
  const columns = (yield* reader.all(columnsText)).map(
    (row): Column => ({
      table: String(row["table"]),
      name: String(row["name"]),
      type: String(row["type"]),
      isKey: Number(row["pk"]) > 0
    })
  )
  const references = (yield* reader.all(referencesText)).map(
    (row): Reference => ({ table: String(row["table"]), parent: String(row["parent"]), column: String(row["column"]) })
  )
  const tables = [...new Set(columns.map(({ table }) => table))]
  const parts = [...new Set(tables.map(partOf))]
  return parts.map((name): Diagram => {
    const own = tables.filter((table) => partOf(table) === name)
    return { name, tables: own, mermaid: render(own, columns, references) }
  })
}).pipe(Effect.scoped)
