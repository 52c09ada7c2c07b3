/**
 * Table and column names of Better Auth's models and fields, in snake_case.
 */
import type { Decoder } from "../sql/decoder.js"
import { decoderOf, type FieldType, type Server } from "./values.js"

/** A column and its field. */
export interface Column {
  /** The name that Better Auth passes to the adapter. */
  readonly field: string
  readonly name: string
  readonly type: FieldType
  readonly decode: Decoder
}

/** The table of a model. */
export interface Table {
  readonly model: string
  readonly name: string
  readonly columns: ReadonlyMap<string, Column>
}

/** Converts a name: `emailVerified` to `email_verified`, `credentialID` to `credential_id`. */
export const snakeCase = (name: string) =>
  name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2")
    .toLowerCase()

/**
 * Returns the tables of all models. Throws before the server starts if a name contains other characters than letters,
 * digits and underscores, or if two fields would share a column.
 */
export const tablesOf = ({ getModelName, schema }: Server): ReadonlyMap<string, Table> =>
  new Map(
    Object.entries(schema).map(([model, { fields }]) => {
      const columns = new Map<string, Column>()
      const names = new Set<string>()
      const named = Object.entries(fields).map(([field, { fieldName, type }]) => ({ field: fieldName ?? field, type }))
      for (const { field, type } of [{ field: "id", type: "string" as const }, ...named]) {
        const name = identifier(field, `the field ${field} of ${model}`)
        if (field !== "id" && names.has(name))
          throw new Error(`Better Auth: two fields of ${model} would share the column ${name}: rename one of them`)
        names.add(name)
        columns.set(field, { field, name, type, decode: decoderOf(type) })
      }
      return [model, { model, name: identifier(getModelName(model), `the model ${model}`), columns }]
    })
  )

const identifier = (name: string, of: string) => {
  const column = snakeCase(name)
  if (!/^[a-z_][a-z0-9_]{0,127}$/.test(column) || !/^\w+$/.test(name)) {
    throw new Error(`Better Auth: the name of ${of} is not made of letters, digits and underscores`)
  }
  return column
}
