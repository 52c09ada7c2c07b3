/**
 * Row models: `Model.Class` of `@effect/sql` with input limits in the `insert` and `update` variants only. The `select`
 * and `json` variants accept every stored value (`decoder.ts`).
 *
 * `Row` is the schema of a row in a result.
 */
import type * as VariantSchema from "@effect/experimental/VariantSchema"
import * as Model from "@effect/sql/Model"
import { Record, Schema, type SchemaAST } from "effect"
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

interface RowModel {
  new (fields: never, options: { readonly disableValidation: true }): unknown
  readonly ast: SchemaAST.AST
  readonly Type: unknown
  readonly json: Schema.Schema.AnyNoContext
}

/** The model if its `json` variant has all its fields, else `never`: JSON omits secret fields. */
type WithoutSecrets<M extends RowModel> = M["json"]["Type"] extends M["Type"] ? M : never

/** The schema of a row in a result. */
export interface Row<M extends RowModel> extends Schema.Schema<M["Type"], M["json"]["Encoded"]> {}

/**
 * Builds the schema of a row in a result: an instance of the model, encoded as its `json` variant. Models with secret
 * fields, which JSON omits, have no such schema: use `json` instead.
 */
export const Row = <M extends RowModel>(model: M & WithoutSecrets<M>): Row<M> =>
  Schema.transform(model.json, Schema.typeSchema(Schema.make<M["Type"]>(model.ast)), {
    strict: false,
    decode: (fields): M["Type"] => new model(fields as never, { disableValidation: true }),
    encode: (row) => row
  })
