/**
 * How Better Auth's models and fields are called in the database: in snake_case.
 */
import type { AdapterFactoryCustomizeAdapterCreator } from "better-auth/adapters"
import type { Decoder } from "../sql/decoder.js"
import { decoderOf } from "./values.js"

/** What Better Auth's adapter factory tells of the configured server: its models, and the names it gives to them. */
export type Server = Parameters<AdapterFactoryCustomizeAdapterCreator>[0]

export type FieldType = Server["schema"][string]["fields"][string]["type"]

/** A column, and the field that it holds. */
export interface Column {
  /** As Better Auth names it to the adapter. */
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

/** `emailVerified` is `email_verified`, `credentialID` is `credential_id`. */
export const snakeCase = (name: string) =>
  name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2").toLowerCase()

/**
 * The tables of all models. Throws, before the server starts, for a name that is no identifier, and for two fields that
 * would share a column.
 */
export const tablesOf = ({ getModelName, schema }: Server): ReadonlyMap<string, Table> =>
  new Map(Object.entries(schema).map(([model, { fields }]) => {
    const columns = new Map<string, Column>()
    const names = new Set<string>()
    const named = Object.entries(fields).map(([field, { fieldName, type }]) => ({ field: fieldName ?? field, type }))
    for (const { field, type } of [{ field: "id", type: "string" as const }, ...named]) {
      const name = identifier(field, `the field ${field} of ${model}`)
      if (field !== "id" && names.has(name)) throw new Error(`Better Auth: two fields of ${model} would be in the column ${name}`)
      names.add(name)
      columns.set(field, { field, name, type, decode: decoderOf(type) })
    }
    return [model, { model, name: identifier(getModelName(model), `the model ${model}`), columns }]
  }))

const identifier = (name: string, of: string) => {
  const column = snakeCase(name)
  if (!/^[a-z_][a-z0-9_]{0,127}$/.test(column) || !/^\w+$/.test(name)) {
    throw new Error(`Better Auth: the name of ${of} is not made of letters, digits and underscores`)
  }
  return column
}
