/**
 * Row models: `Model.Class` of `@effect/sql`, whose `select` and `json` variants accept every value of the table
 * (`decoder.ts`). The `insert` and `update` variants keep the limits.
 */
import { Model } from "@effect/sql"
import { Schema } from "effect"
import { readingOf } from "./decoder.js"

export const Field = Model.Field

const makeField = Model.Field as unknown as (schemas: object) => unknown
const makeClass = Model.Class as unknown as (identifier: string) => (fields: object, annotations?: object) => unknown

const isColumn = (value: unknown): value is Schema.Schema<unknown> => Schema.isSchema(value)

const readable = (schema: unknown): unknown => isColumn(schema) ? readingOf(schema) : schema

/** A field of a model: one schema for all variants, or a schema for each variant. */
const fieldOf = (field: unknown): unknown => {
  if (isColumn(field)) {
    const reading = readingOf(field)
    return reading === field
      ? field
      : makeField({ select: reading, insert: field, update: field, json: reading, jsonCreate: field, jsonUpdate: field })
  }
  if (typeof field !== "object" || field === null || !("schemas" in field)) return field
  const schemas: Record<string, unknown> = { ...field.schemas as object }
  for (const variant of ["select", "json"]) if (variant in schemas) schemas[variant] = readable(schemas[variant])
  return makeField(schemas)
}

/** A model of the rows of one table, with the types of `Model.Class`: schemas of inputs and of stored values share them. */
export const Class = ((identifier: string) => (fields: object, annotations?: object) =>
  makeClass(identifier)(
    Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fieldOf(field)])),
    annotations
  )) as unknown as typeof Model.Class
