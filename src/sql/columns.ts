/**
 * Column codecs: the forms of a value in SQLite, in the domain and in JSON.
 *
 * Each codec carries a schema and a decoder that is one function call. Decoding the twenty columns of a row by their
 * schemas costs more than the query that read them (`rows.ts`).
 */
import { Model } from "@effect/sql"
import {
  DateTime,
  Either,
  type FastCheck,
  Option,
  ParseResult,
  Predicate,
  Redacted,
  Schema,
  type SchemaAST
} from "effect"
import { type Decoder, decoderOf, invalid, readAs, readingOf, when, withDecoder } from "./decoder.js"
import { isPlainObject } from "./inputLimits.js"

const nullableDecoderOf = (schema: Schema.Schema.All): Decoder => {
  const decoder = decoderOf(schema.ast)
  if (decoder === undefined) throw new Error("nullable column: the schema must have a decoder (sql/columns.ts)")
  return decoder
}

/** Returns whether SQLite stores the text unchanged. */
export const isStorable = (value: string) => !value.includes("\0") && !/[\uD800-\uDFFF]/u.test(value)

/** The maximum length of an id, in characters. */
export const maxIdLength = 255

/**
 * Any text of a column. The engine returns the characters before a NUL, so a text that begins with NUL is read as
 * empty.
 */
export const StoredText = withDecoder(
  Schema.String.annotations({ arbitrary: () => (fc) => fc.string({ maxLength: 40 }).filter(isStorable) }),
  when((stored) => typeof stored === "string")
)

/** The id of a row: 1 to 255 characters. Generated ids are a prefix and a UUIDv7 (`ids.ts`). */
export const idOf = <B extends string>(brand: B) =>
  readAs(
    withDecoder(
      Schema.NonEmptyString.pipe(Schema.maxLength(maxIdLength), storable, Schema.brand(brand)),
      when((stored) => typeof stored === "string" && stored !== "")
    ),
    StoredText.pipe(Schema.brand(brand))
  )

/**
 * The id of an existing row in a request: 1 to 1,000 characters, because imports and earlier releases stored ids longer
 * than `maxIdLength`. A valid id without a row is reported as `NotFound`.
 */
export const existing = <A extends string, I, R>(id: Schema.Schema<A, I, R>) =>
  readingOf(id).pipe(
    Schema.filter((value) => value !== "" && value.length <= maxNameLength && isStorable(value), {
      message: () => `must be 1 to ${maxNameLength} characters, without NUL characters or lone surrogates`
    })
  )

/**
 * Restricts a schema to text that SQLite returns unchanged. The engine cuts text at a NUL and cannot store a lone
 * surrogate.
 */
export const storable = <A extends string, I, R>(text: Schema.Schema<A, I, R>) =>
  text.pipe(
    Schema.filter(isStorable, {
      message: () => "must not contain NUL characters or lone surrogates"
    })
  )

// One filter instead of one for each rule, for speed: every name in every request is decoded here.
const text = (maxLength: number, minLength: number) => {
  const rule = `must be ${minLength === 0 ? "up" : minLength} to ${maxLength} characters, without NUL characters or lone surrogates`
  return readAs(
    withDecoder(
      Schema.String.pipe(
        Schema.filter((value) => value.length >= minLength && value.length <= maxLength && isStorable(value), {
          message: () => rule,
          jsonSchema: { minLength, maxLength },
          arbitrary: () => (fc) => fc.string({ minLength, maxLength: 40 }).filter(isStorable)
        })
      ),
      when((stored) => typeof stored === "string")
    ),
    StoredText
  )
}

/**
 * An optional id that restricts a request, such as `ownerUserId`. An explicit `undefined` is refused: otherwise a
 * caller that lost the id would reach the rows of all owners.
 */
export const ownerScopeField = <A, I, R>(id: Schema.Schema<A, I, R>) => Schema.optionalWith(id, { exact: true })

/** The maximum length of a name, a reference or a label, in characters. */
export const maxNameLength = 1000

/** The maximum length of prose, an error message, a token or a hash, in characters. */
export const maxProseLength = 100_000

/** A name or a reference: 1 to 1,000 characters. */
export const Name = text(maxNameLength, 1)

/** A label that may be empty, up to 1,000 characters. */
export const Label = text(maxNameLength, 0)

/** Prose or an error message: up to 100,000 characters. */
export const Prose = text(maxProseLength, 0)

/** Replaces each character that SQLite does not return unchanged with U+FFFD. */
export const storableText = (text: string): string =>
  isStorable(text) ? text : text.replaceAll(/\0|[\uD800-\uDFFF]/gu, "\uFFFD")

/** The output of a program: up to 100,000 characters of any kind. */
export const RawProse = Schema.String.pipe(
  Schema.maxLength(maxProseLength, { message: () => `must be up to ${maxProseLength} characters` })
)

/**
 * Prose that a worker reports. NUL characters and lone surrogates are replaced with U+FFFD, because a report must not
 * fail for them. Only for inputs.
 */
export const ReportedProse = Schema.transform(RawProse, Prose, {
  strict: true,
  decode: storableText,
  encode: (text) => text
})

/** A token or a hash: 1 to 100,000 characters. */
export const Credential = text(maxProseLength, 1)

const redacted = (text: Schema.Schema<string>) =>
  withDecoder(Schema.Redacted(text), (stored) => (typeof stored === "string" ? Redacted.make(stored) : invalid))

const sensitive = redacted(Name)

/** A secret text: `Redacted` in the domain, so that it is never printed; absent in JSON. */
export const Sensitive = Model.Field({ select: redacted(StoredText), insert: sensitive, update: sensitive })

/** Any number of an INTEGER column. Values beyond 2^53 are read as the nearest JavaScript number. */
const StoredInteger = withDecoder(
  Schema.Number.annotations({ arbitrary: () => (fc) => fc.nat() }),
  when((stored) => typeof stored === "number")
)

/** Builds the codec of a whole number. The schema limits inputs; reads accept any value of the column. */
export const integerOf = (input: Schema.Schema<number>, accepts: (value: number) => boolean): Schema.Schema<number> =>
  readAs(
    withDecoder(
      input,
      when((stored) => typeof stored === "number" && Number.isInteger(stored) && accepts(stored))
    ),
    StoredInteger
  )

/** A whole number, 0 or more. */
export const Count = integerOf(Schema.NonNegativeInt, (value) => value >= 0)

/** A whole number. */
export const Integer = integerOf(Schema.Int, () => true)

/** Builds the codec of an enumeration. */
export const enumeration = <const Values extends readonly [string, ...ReadonlyArray<string>]>(...values: Values) => {
  const known: ReadonlySet<unknown> = new Set(values)
  const schema = Schema.Literal(...values)
  return Object.assign(
    withDecoder(
      schema,
      when((stored) => known.has(stored))
    ) as typeof schema,
    { literals: values }
  )
}

/**
 * Builds the codec of an enumeration whose column accepts any text, so that later releases can add values. Unrecognized
 * values are read as `unknown`.
 */
export const openEnumeration = <A extends string>(known: Schema.Schema<A>, unknown: NoInfer<A>): Schema.Schema<A> => {
  const isKnown = Schema.is(known)
  const decode = (stored: string): A => (isKnown(stored) ? stored : unknown)
  const reading = withDecoder(
    Schema.transform(StoredText, Schema.typeSchema(known), { strict: true, decode, encode: (value: A) => value }),
    (stored) => (typeof stored === "string" ? decode(stored) : invalid)
  )
  return readAs(known, reading)
}

/**
 * The greatest distance from 1970 that a Date can represent, in milliseconds
 * (https://tc39.es/ecma262/#sec-time-values-and-time-range).
 */
export const furthestMs = 8.64e15

// Rows repeat the same few instants: created and available; claimed, started and updated. A new `DateTime` for each
// would be a tenth of the cost of decoding.
const recentInstants: Array<DateTime.Utc> = []

const instantOf = (epochMillis: number): DateTime.Utc => {
  const slot = epochMillis & 63
  const recent = recentInstants[slot]
  return recent !== undefined && recent.epochMillis === epochMillis
    ? recent
    : (recentInstants[slot] = DateTime.unsafeMake(epochMillis))
}

const instant = withDecoder(Schema.DateTimeUtcFromNumber, (stored) =>
  typeof stored === "number" && Math.abs(stored) <= furthestMs ? instantOf(stored) : invalid
)

const nearestInstant = (epochMillis: number) => instantOf(Math.max(-furthestMs, Math.min(furthestMs, epochMillis)))

/** An instant for reads: a number outside the range of Date is read as the nearest Date. */
const storedInstant = withDecoder(
  Schema.transform(Schema.Number, Schema.DateTimeUtcFromSelf, {
    strict: true,
    decode: nearestInstant,
    encode: (at) => at.epochMillis
  }),
  (stored) => (typeof stored === "number" ? nearestInstant(stored) : invalid)
)

/** An instant: epoch milliseconds in SQLite, `DateTime.Utc` in the domain, an ISO 8601 string in JSON. */
export const Timestamp = Model.Field({
  select: storedInstant,
  insert: instant,
  update: instant,
  json: Schema.DateTimeUtc
})

const flag = withDecoder(
  Schema.transform(Schema.Literal(0, 1), Schema.Boolean, {
    strict: true,
    decode: (bit) => bit === 1,
    encode: (on) => (on ? 1 : 0)
  }),
  (stored) => (stored === 1 ? true : stored === 0 ? false : invalid)
)

/** A boolean: 0 or 1 in SQLite. */
export const Flag = Model.Field({ select: flag, insert: flag, update: flag, json: Schema.Boolean })

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
const frozen = (value: unknown): unknown => {
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

/** A nullable column: NULL in SQLite, `Option` in the domain, absent in JSON. */
export const optional = <A, I, R>(column: Schema.Schema<A, I, R>) => {
  const reading = readingOf(column)
  const written = orNull(column)
  return Model.Field({
    select: orNull(reading),
    insert: written,
    update: written,
    json: Schema.optionalWith(Schema.typeSchema(reading), { as: "Option" })
  })
}

const orNull = <A, I, R>(column: Schema.Schema<A, I, R>) => {
  const decode = nullableDecoderOf(column)
  const none = Option.none()
  return withDecoder(Schema.OptionFromNullOr(column), (stored) => {
    if (stored === null) return none
    const value = decode(stored)
    return value === invalid ? invalid : Option.some(value)
  })
}

const optionalInstant = orNull(instant)

const optionalSensitive = orNull(redacted(Credential))

/** A nullable secret token or hash: `Redacted` in the domain, absent in JSON. */
export const OptionalSensitive = Model.Field({
  select: orNull(redacted(StoredText)),
  insert: optionalSensitive,
  update: optionalSensitive
})

/** A nullable instant. */
export const OptionalTimestamp = Model.Field({
  select: orNull(storedInstant),
  insert: optionalInstant,
  update: optionalInstant,
  json: Schema.optionalWith(Schema.DateTimeUtc, { as: "Option" })
})

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
