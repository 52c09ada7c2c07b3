/**
 * Row models: `Model.Class` of `@effect/sql`, whose `select` and `json` variants accept every value of the table
 * (`decoder.ts`). The `insert` and `update` variants keep the limits.
 */
import type { VariantSchema } from "@effect/experimental"
import { Model } from "@effect/sql"
import { Record, Schema } from "effect"
import { readingOf } from "./decoder.js"

export const Field = Model.Field

type Variant = "select" | "insert" | "update" | "json" | "jsonCreate" | "jsonUpdate"

const reading = (schema: VariantSchema.Field.ValueAny) => Schema.isSchema(schema) ? readingOf(schema) : schema

/** A field of a model: one schema for all variants, or a schema for each variant. */
const fieldOf = (field: VariantSchema.Struct.Fields[string]) => {
  if (Schema.isSchema(field)) return readingOf(field) === field ? field : Model.fieldEvolve(field, { select: reading, json: reading })
  return field !== undefined && "schemas" in field ? Model.fieldEvolve(field, { select: reading, json: reading }) : field
}

/** A model of the rows of one table, with the types of `Model.Class`: schemas of inputs and of stored values share them. */
export const Class = <Self = never>(identifier: string) =>
<const Fields extends VariantSchema.Struct.Fields>(
  fields: Fields & VariantSchema.Struct.Validate<Fields, Variant>,
  annotations?: Schema.Annotations.Schema<Self>
) => Model.Class<Self>(identifier)<Fields>(Record.map(fields, fieldOf) as typeof fields, annotations)
