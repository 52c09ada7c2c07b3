/**
 * Column codecs of JSON documents, which are stored as text, and the limits of documents in inputs.
 */
import * as Model from "@effect/sql/Model"
import { Either, type FastCheck, ParseResult, Predicate, Schema, type SchemaAST } from "effect"
import { orNull } from "./columns.js"
import { type Decoder, decoderOf, invalid, readAs, readingOf, when, withDecoder } from "./decoder.js"
import { isPlainObject } from "./inputLimits.js"

// A document is decoded at each read of its row: the spec of a job at the claim, at each heartbeat and at the end.
// Decoding it costs as much as the rest of the row, and the same text always decodes to the same value.
const maxCachedDocuments = 256
const maxCachedLength = 16_384

const cached = (decode: (text: string) => unknown): Decoder => {
  const cache = new Map<string, unknown>()
  return (text) => {
    if (typeof text !== "string") return invalid
    const hit = cache.get(text)
    if (hit !== undefined) return hit
    const value = decode(text)
    if (value === invalid || text.length > maxCachedLength) return value
    if (cache.size >= maxCachedDocuments) cache.clear()
    cache.set(text, frozen(value))
    return value
  }
}

/** Freezes a decoded document, because several readers share it. */
export const frozen = <A>(value: A): A => {
  if (typeof value === "object" && value !== null) {
    Object.freeze(value)
    for (const inner of Object.values(value)) frozen(inner)
  }
  return value
}

const parsed = <A, I>(shape: Schema.Schema<A, I>) => {
  const decode = decoderOf(shape.ast) ?? decoderBySchema(shape)
  return withDecoder(
    Schema.parseJson(shape),
    cached((text) => {
      try {
        return decode(JSON.parse(text))
      } catch {
        return invalid
      }
    })
  )
}

/** A JSON document with a schema, stored as text. Decoded documents are frozen. */
export const Json = <A, I>(shape: Schema.Schema<A, I>) => {
  const reading = readingOf(shape)
  const written = parsed(shape)
  return Model.Field({ select: parsed(reading), insert: written, update: written, json: reading })
}

const decoderBySchema = <A, I>(shape: Schema.Schema<A, I>): Decoder => {
  const decode = ParseResult.decodeUnknownEither(shape)
  return (encoded) => Either.getOrElse(decode(encoded), () => invalid)
}

/** A nullable JSON document. */
export const OptionalJson = <A, I>(shape: Schema.Schema<A, I>) => {
  const reading = readingOf(shape)
  const written = orNull(parsed(shape))
  return Model.Field({
    select: orNull(parsed(reading)),
    insert: written,
    update: written,
    json: Schema.optionalWith(reading, { as: "Option" })
  })
}

/** The maximum depth of a `JsonObject`, in levels. */
export const maxJsonDepth = 64

type JsonObjectValue = { readonly [key: string]: unknown }

const isObject: (value: unknown) => value is JsonObjectValue = Predicate.isRecord

/** The path of a value without a JSON form, and the rule that it violates. */
interface JsonProblem {
  readonly path: ReadonlyArray<PropertyKey>
  readonly rule: string
}

const problemHere = (rule: string): JsonProblem => ({ path: [], rule })

const jsonProblem = (value: unknown, ancestors: ReadonlyArray<object>): JsonProblem | undefined => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : problemHere("must be a finite number")
    case "undefined":
      return problemHere("must not be undefined: leave the key out, or pass null")
    case "object":
      return value === null ? undefined : objectProblem(value, ancestors)
    default:
      return problemHere(`must not be a ${typeof value}, which JSON does not have`)
  }
}

const objectProblem = (value: object, ancestors: ReadonlyArray<object>): JsonProblem | undefined => {
  if (ancestors.includes(value)) return problemHere("must not contain itself")
  if (ancestors.length === maxJsonDepth) return problemHere(tooDeep)
  const inside = [...ancestors, value]
  if (Array.isArray(value)) {
    // `Array.entries` includes the holes of a sparse array, as `undefined`. `Object.entries` skips them.
    for (const [index, item] of value.entries()) {
      const problem = jsonProblem(item, inside)
      if (problem !== undefined) return atKey(index, problem)
    }
    return undefined
  }
  if (!isPlainObject(value))
    return problemHere("must be a plain object, an array, a string, a number, a boolean or null")
  for (const [key, item] of Object.entries(value)) {
    const problem = jsonProblem(item, inside)
    if (problem !== undefined) return atKey(key, problem)
  }
  return undefined
}

const tooDeep = `must be a JSON object of at most ${maxJsonDepth} levels`

/**
 * Prefixes the path of a problem with a key. Excess depth is reported for the whole document, because its path is too
 * long.
 */
const atKey = (key: PropertyKey, { path, rule }: JsonProblem): JsonProblem =>
  rule === tooDeep ? { path, rule } : { path: [key, ...path], rule }

const checkedJson = (input: unknown, _: SchemaAST.ParseOptions, ast: SchemaAST.AST) => {
  if (!isObject(input)) return ParseResult.fail(new ParseResult.Type(ast, input, tooDeep))
  const problem = jsonProblem(input, [])
  if (problem === undefined) return ParseResult.succeed(input)
  const issue = new ParseResult.Type(ast, input, problem.rule)
  const [key, ...keys] = problem.path
  return ParseResult.fail(
    key === undefined
      ? issue
      : new ParseResult.Composite(ast, input, new ParseResult.Pointer([key, ...keys], input, issue))
  )
}

// The round trip through text removes negative zeros, which JSON text does not preserve.
const arbitraryJson = () => (fc: typeof FastCheck) =>
  fc
    .dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }))
    .map((value): JsonObjectValue => JSON.parse(JSON.stringify(value)))

/**
 * A JSON object with any keys: finite numbers, no `undefined`, at most 64 levels deep. Stored objects are read at any
 * depth. This is a declaration, because `Schema.Record` copies the entries and loses a key `__proto__`.
 */
export const JsonObject = readAs(
  Schema.declare<JsonObjectValue, JsonObjectValue, readonly []>(
    [],
    { decode: () => checkedJson, encode: () => checkedJson },
    {
      identifier: "JsonObject",
      description: "a JSON object of at most 64 levels",
      jsonSchema: { type: "object" },
      arbitrary: arbitraryJson
    }
  ),
  withDecoder(
    Schema.declare(isObject, {
      identifier: "StoredJsonObject",
      jsonSchema: { type: "object" },
      arbitrary: arbitraryJson
    }),
    when(isObject)
  )
)

/** The maximum length of a document as JSON, in characters. */
export const maxDocumentLength = 10_000_000

/**
 * Limits a document in an input to 10,000,000 characters as JSON. Only for inputs: stored documents of any length are
 * read.
 */
export const documentOf = <A, I>(shape: Schema.Schema<A, I>) =>
  shape.pipe(
    Schema.filter((document) => isWithinLength(document), {
      message: () => `must be up to ${maxDocumentLength} characters as JSON`
    })
  )

const isWithinLength = (document: unknown): boolean => {
  try {
    return JSON.stringify(document).length <= maxDocumentLength
  } catch (error) {
    // The JSON is longer than a JavaScript string can be.
    if (error instanceof RangeError) return false
    throw error
  }
}
