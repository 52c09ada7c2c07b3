import { expect } from "@effect/vitest"
import { Arbitrary, Either, FastCheck, ParseResult, Schema } from "effect"

/** Decodes, or throws. */
export const decode = <S extends Schema.Schema.AnyNoContext>(schema: S, input: unknown): Schema.Schema.Type<S> =>
  Schema.decodeUnknownSync(schema)(input)

/** Every issue of an input: its path, joined by dots, and its message. */
export const issues = (
  schema: Schema.Schema.AnyNoContext,
  input: unknown
): ReadonlyArray<readonly [path: string, message: string]> =>
  Either.match(Schema.decodeUnknownEither(schema, { errors: "all" })(input), {
    onLeft: (error) =>
      ParseResult.ArrayFormatter.formatErrorSync(error).map(({ message, path }) => [path.join("."), message] as const),
    onRight: () => []
  })

/** The paths of the issues of an input, joined by dots. */
export const paths = (schema: Schema.Schema.AnyNoContext, input: unknown): ReadonlyArray<string> =>
  issues(schema, input).map(([path]) => path)

/** Any value of a schema goes to JSON text and back unchanged, and what is encoded again is the same text. */
export const survivesJson = <A, I>(schema: Schema.Schema<A, I>) =>
  FastCheck.assert(
    FastCheck.property(Arbitrary.make(schema), (value) => {
      const text = JSON.stringify(Schema.encodeSync(schema)(value))
      const decoded = Schema.decodeUnknownSync(Schema.parseJson(schema))(text)
      // Not strictly equal: a generated map of strings has no prototype.
      expect(decoded).toEqual(value)
      expect(JSON.stringify(Schema.encodeSync(schema)(decoded))).toBe(text)
    })
  )
