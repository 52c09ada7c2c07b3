/**
 * Row models: `Model.Class` of `@effect/sql` with input limits in the `insert` and `update` variants only. The `select`
 * and `json` variants accept every stored value (`decoder.ts`).
 */
import type { VariantSchema } from "@effect/experimental"
import { Model } from "@effect/sql"
import { Record, Schema } from "effect"
import { readingOf } from "./decoder.js"

export const Field = Model.Field

type Variant = "select" | "insert" | "update" | "json" | "jsonCreate" | "jsonUpdate"

const reading = (schema: VariantSchema.Field.ValueAny) => (Schema.isSchema(schema) ? readingOf(schema) : schema)

/**
 * Removes the limits from the `select` and `json` variants of a field: one schema for all variants, or one for each.
 */
const fieldOf = (field: VariantSchema.Struct.Fields[string]) => {
  if (Schema.isSchema(field))
    return readingOf(field) === field ? field : Model.fieldEvolve(field, { select: reading, json: reading })
  return field !== undefined && "schemas" in field
    ? Model.fieldEvolve(field, { select: reading, json: reading })
    : field
}

/** Builds a model of the rows of one table, with the types of `Model.Class`. Removing limits does not change a type. */
export const Class =
  <Self = never>(identifier: string) =>
  <const Fields extends VariantSchema.Struct.Fields>(
    fields: Fields & VariantSchema.Struct.Validate<Fields, Variant>,
    annotations?: Schema.Annotations.Schema<Self>
  ) =>
    Model.Class<Self>(identifier)<Fields>(Record.map(fields, fieldOf) as typeof fields, annotations)
