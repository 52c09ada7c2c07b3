/**
 * Decoders of one call, which a schema carries as an annotation, and the schemas that decode stored values.
 *
 * Going through a schema means a walk of its tree, with an `Either` for each step: for a row of thirty columns, or for
 * the document in one of them, that is more than the query which read it. The outcome is the same; property tests hold
 * the two together. What a decoder refuses it does not explain: that is what the schema is for.
 */
import { Schema, type SchemaAST } from "effect"

/** Decodes one value; `invalid` when it is none of the schema's. */
export type Decoder = (encoded: unknown) => unknown

export const invalid: unique symbol = Symbol("invalid")

const DecoderId: unique symbol = Symbol.for("@sealant/db/Decoder")

export const withDecoder = <S extends Schema.Annotable.All>(schema: S, decoder: Decoder): S =>
  schema.annotations({ [DecoderId]: decoder }) as S

/** The decoder of a schema, or `undefined` where it carries none: a filter or a transformation over it does not. */
export const decoderOf = (ast: SchemaAST.AST): Decoder | undefined => {
  const decoder = ast.annotations[DecoderId]
  return typeof decoder === "function" ? (encoded) => decoder(encoded) : undefined
}

/** Takes a value as it is, or not at all. */
export const when = (accepts: (encoded: unknown) => boolean): Decoder => (encoded) => accepts(encoded) ? encoded : invalid

/** For a schema that is `base` with a filter: the decoder of `base`, where it has one, and what the filter accepts. */
export const withFilter = <S extends Schema.Annotable.All, A, I>(
  schema: S,
  base: Schema.Schema<A, I>,
  accepts: (value: A) => boolean
): S => {
  const decode = decoderOf(base.ast)
  if (decode === undefined) return schema
  return withDecoder(schema, (encoded) => {
    const value = decode(encoded)
    return value === invalid || !accepts(value as A) ? invalid : value
  })
}

const ReadingId: unique symbol = Symbol.for("@sealant/db/Reading")

/**
 * Attaches to the schema of an input the schema that decodes stored values.
 *
 * Limits are rules for inputs. A row may also come from Better Auth, from an import, from an earlier release, or from a
 * person with a shell, and one value beyond a limit must not make a list unreadable. So a codec with a limit carries a
 * second schema without it, and row models use that one to decode rows and to encode JSON (`model.ts`).
 */
export const readAs = <S extends Schema.Annotable.All, Stored>(
  input: S,
  reading: Schema.Schema<Schema.Schema.Type<S>, Stored, Schema.Schema.Context<S>>
): S => input.annotations({ [ReadingId]: reading }) as S

/** The schema that decodes stored values: the attached one, else the schema itself. */
export const readingOf = <A, I, R>(schema: Schema.Schema<A, I, R>): Schema.Schema<A, I, R> => {
  const reading = schema.ast.annotations[ReadingId]
  return Schema.isSchema(reading) ? reading as Schema.Schema<A, I, R> : schema
}
