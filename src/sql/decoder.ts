/**
 * Decoders of one function call, attached to schemas as annotations, and the schemas that decode stored values.
 *
 * Decoding by a schema traverses its tree and allocates an `Either` at each node. For a row of thirty columns, or for
 * one document, that costs more than the query. Decoder and schema have the same results, which property tests compare.
 * A decoder does not report why it refuses a value; the schema does.
 */
import { Schema, type SchemaAST } from "effect"

/** Decodes one value. Returns `invalid` if the schema would refuse it. */
export type Decoder = (encoded: unknown) => unknown

export const invalid: unique symbol = Symbol("invalid")

const DecoderId: unique symbol = Symbol.for("@sealant/db/Decoder")

/** Attaches a decoder to a schema. */
export const withDecoder = <S extends Schema.Annotable.All>(schema: S, decoder: Decoder): S =>
  schema.annotations({ [DecoderId]: decoder }) as S

/**
 * Returns the decoder of a schema, if it has one. A filter or a transformation of a schema does not inherit its
 * decoder.
 */
export const decoderOf = (ast: SchemaAST.AST): Decoder | undefined => {
  const decoder = ast.annotations[DecoderId]
  return typeof decoder === "function" ? (encoded) => decoder(encoded) : undefined
}

/** Builds a decoder that returns accepted values unchanged. */
export const when =
  (accepts: (encoded: unknown) => boolean): Decoder =>
  (encoded) =>
    accepts(encoded) ? encoded : invalid

/** Attaches the decoder of `base`, if it has one, to `schema`, which is `base` with the filter `accepts`. */
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

/**
 * Builds a function by its first call. Compiling the encoders and decoders of all large schemas takes a fifth of the time in
 * which a program loads this package.
 */
export const onFirstUse = <A, B>(build: () => (value: A) => B): ((value: A) => B) => {
  let built: ((value: A) => B) | undefined
  return (value) => {
    built ??= build()
    return built(value)
  }
}

/** Builds the encoder of a schema, which its first call compiles. */
export const encoderOf = <A, I>(schema: Schema.Schema<A, I>): ((value: A) => I) =>
  onFirstUse(() => Schema.encodeSync(schema))

const ReadingId: unique symbol = Symbol.for("@sealant/db/Reading")

/**
 * Attaches to the schema of an input the schema that decodes stored values.
 *
 * Limits apply to inputs only. Better Auth, imports, earlier releases and people with a shell write rows, too, and one
 * value beyond a limit must not make a list unreadable. So a codec with a limit carries a second schema without it. Row
 * models use the second one to decode rows and to encode JSON (`model.ts`).
 */
export const readAs = <S extends Schema.Annotable.All, Stored>(
  input: S,
  reading: Schema.Schema<Schema.Schema.Type<S>, Stored, Schema.Schema.Context<S>>
): S => input.annotations({ [ReadingId]: reading }) as S

/** Returns the schema that decodes stored values: the attached one, else the schema itself. */
export const readingOf = <A, I, R>(schema: Schema.Schema<A, I, R>): Schema.Schema<A, I, R> => {
  const reading = schema.ast.annotations[ReadingId]
  return Schema.isSchema(reading) ? (reading as Schema.Schema<A, I, R>) : schema
}
