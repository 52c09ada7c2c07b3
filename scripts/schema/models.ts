/**
 * The row models of the package, with the descriptions of their tables.
 */
import { Schema } from "effect"
import * as db from "../../src/index.js"
import { ledgerTable } from "../../src/migration/ledger.js"
import type { RowModel } from "../../src/sql/rows.js"
import { type Table, TableId } from "../../src/sql/table.js"

/** A row model with its JSON variant. */
type ModelClass = RowModel<unknown> &
  Schema.Schema<unknown, object> & { readonly json: Schema.Schema<unknown, unknown> }

/** A row model and its exported name. */
export interface Model {
  readonly name: string
  readonly table: Table
  readonly model: ModelClass
}

const isTable = (annotation: unknown): annotation is Table =>
  typeof annotation === "object" && annotation !== null && "name" in annotation && "service" in annotation

// The schema of a class is a transformation, and one of its sides has the annotations.
const tableOf = (ast: Schema.Schema.All["ast"]): Table | undefined => {
  const own = ast.annotations[TableId]
  if (isTable(own)) return own
  return ast._tag === "Transformation" ? (tableOf(ast.to) ?? tableOf(ast.from)) : undefined
}

const isModel = (value: unknown): value is ModelClass =>
  typeof value === "function" && Schema.isSchema(value) && "json" in value

export const models: ReadonlyArray<Model> = Object.entries(db).flatMap(([name, value]) => {
  const table = isModel(value) ? tableOf(value.ast) : undefined
  return isModel(value) && table !== undefined ? [{ name, table, model: value }] : []
})

/** The description of each table, by name. The ledger of migrations has no model. */
export const descriptions: ReadonlyMap<string, Table> = new Map(
  [...models.map(({ table }) => table), ledgerTable].map((table) => [table.name, table])
)
