/**
 * The row models of the package, with what each says of its table.
 */
import { Schema } from "effect"
import * as db from "../../src/index.js"
import { ledgerTable } from "../../src/migration/ledger.js"
import type { RowModel } from "../../src/sql/rows.js"
import { type Table, TableId } from "../../src/sql/table.js"

/** A model of rows, with the variant that APIs answer. */
type ModelClass = RowModel<unknown> & Schema.Schema<unknown, object> & { readonly json: Schema.Schema<unknown, unknown> }

/** A row model, under the name that it is exported by. */
export interface Model {
  readonly name: string
  readonly table: Table
  readonly model: ModelClass
}

const isTable = (annotation: unknown): annotation is Table =>
  typeof annotation === "object" && annotation !== null && "name" in annotation && "service" in annotation

// A class is a transformation of its fields, and carries its annotations on one of the sides.
const tableOf = (ast: Schema.Schema.All["ast"]): Table | undefined => {
  const own = ast.annotations[TableId]
  if (isTable(own)) return own
  return ast._tag === "Transformation" ? tableOf(ast.to) ?? tableOf(ast.from) : undefined
}

const isModel = (value: unknown): value is ModelClass => typeof value === "function" && Schema.isSchema(value) && "json" in value

export const models: ReadonlyArray<Model> = Object.entries(db).flatMap(([name, value]) => {
  const table = isModel(value) ? tableOf(value.ast) : undefined
  return isModel(value) && table !== undefined ? [{ name, table, model: value }] : []
})

/** What is said of each table, by its name; the ledger of migrations has no model. */
export const descriptions: ReadonlyMap<string, Table> = new Map([...models.map(({ table }) => table), ledgerTable].map((table) => [table.name, table]))
