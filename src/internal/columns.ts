/**
 * Column codecs: how a value stands in SQLite, in the domain, and in JSON.
 *
 * Each codec that rows are made of carries, beside its schema, a decoder of one call: going through the schema of some
 * twenty columns costs more than the query that read them (see `rows.ts`).
 */
import { Model } from "@effect/sql"
import { DateTime, Either, Option, ParseResult, Redacted, Schema } from "effect"
import { type Decoder, decoderOf, invalid, when, withDecoder } from "./decoder.js"

const nullableDecoderOf = (schema: Schema.Schema.All): Decoder => {
  const decoder = decoderOf(schema.ast)
  if (decoder === undefined) throw new Error("a nullable column needs a column codec")
  return decoder
}

/** How many characters an id may have. */
export const maxIdLength = 255

/** The id of a row: any text of 1 to 255 characters; of ours, a prefix and a UUIDv7. */
export const idOf = <B extends string>(brand: B) =>
  withDecoder(
    Schema.NonEmptyString.pipe(Schema.maxLength(maxIdLength), storable, Schema.brand(brand)),
    when((stored) => typeof stored === "string" && stored !== "")
  )

/** Whether SQLite gives the text back as it was. */
export const isStorable = (value: string) => !value.includes("\0") && !/[\uD800-\uDFFF]/u.test(value)

/** Text that SQLite gives back as it was: the engine cuts it at a NUL and cannot hold half of a surrogate pair. */
export const storable = <A extends string, I, R>(text: Schema.Schema<A, I, R>) =>
  text.pipe(
    Schema.filter(isStorable, {
      message: () => "must not contain NUL characters or lone surrogates"
    })
  )

// One filter, not one for each rule: every name of every request passes through here.
const text = (maxLength: number, minLength: number) => {
  const rule = `must be ${minLength === 0 ? "up" : minLength} to ${maxLength} characters, without NUL characters or lone surrogates`
  return withDecoder(
    Schema.String.pipe(
      Schema.filter((value) => value.length >= minLength && value.length <= maxLength && isStorable(value), {
        message: () => rule,
        jsonSchema: { minLength, maxLength },
        arbitrary: () => (fc) => fc.string({ minLength, maxLength: 40 }).filter(isStorable)
      })
    ),
    when((stored) => typeof stored === "string")
  )
}

/**
 * An id to which a request is confined, if one is given. Given as `undefined` it is refused: what was meant for one owner
 * is not done to anybody's because the id was lost on the way.
 */
export const confinedTo = <A, I, R>(id: Schema.Schema<A, I, R>) => Schema.optionalWith(id, { exact: true })

/** How many characters a name, a reference or a label may have. */
export const maxNameLength = 1000

/** How many characters prose, an error message, a token or a hash may have. */
export const maxProseLength = 100_000

/** A name or a reference: 1 to 1,000 characters. */
export const Name = text(maxNameLength, 1)

/** A label that may be empty, up to 1,000 characters. */
export const Label = text(maxNameLength, 0)

/** Prose or an error message: up to 100,000 characters. */
export const Prose = text(maxProseLength, 0)

/** The text with U+FFFD in place of each character that SQLite does not give back as it was. */
export const storableText = (text: string): string => isStorable(text) ? text : text.replaceAll(/\0|[\uD800-\uDFFF]/gu, "\uFFFD")

/** Up to 100,000 characters of any kind, as programs print them. */
export const RawProse = Schema.String.pipe(Schema.maxLength(maxProseLength, { message: () => `must be up to ${maxProseLength} characters` }))

/**
 * Prose that a worker reports: NUL characters and lone surrogates are replaced with U+FFFD, so that no report is refused, and
 * lost, because of them. Only for inputs.
 */
export const ReportedProse = Schema.transform(RawProse, Prose, { strict: true, decode: storableText, encode: (text) => text })

/** A token or a hash: 1 to 100,000 characters. */
export const Credential = text(maxProseLength, 1)

const sensitive = withDecoder(
  Schema.Redacted(Name),
  (stored) => typeof stored === "string" ? Redacted.make(stored) : invalid
)

/** A text that nobody is to see: redacted in the domain, so that it prints as nothing; absent in JSON. */
export const Sensitive = Model.Field({ select: sensitive, insert: sensitive, update: sensitive })

/** A whole number, 0 or more. */
export const Count = withDecoder(Schema.NonNegativeInt, when((stored) => typeof stored === "number" && Number.isInteger(stored) && stored >= 0))

/** One of the values of an enumeration. */
export const enumeration = <const Values extends readonly [string, ...ReadonlyArray<string>]>(...values: Values) => {
  const known: ReadonlySet<unknown> = new Set(values)
  const schema = Schema.Literal(...values)
  return Object.assign(withDecoder(schema, when((stored) => known.has(stored))) as typeof schema, { literals: values })
}

// The instants that a Date can hold (https://tc39.es/ecma262/#sec-time-values-and-time-range).
const furthestMs = 8.64e15

// A row has the same few instants again and again (created and available, claimed and started and updated), and so has
// the next row: a new `DateTime` for each would be a tenth of the cost of decoding.
const recentInstants: Array<DateTime.Utc> = []

const instantOf = (epochMillis: number): DateTime.Utc => {
  const place = epochMillis & 63
  const recent = recentInstants[place]
  return recent !== undefined && recent.epochMillis === epochMillis
    ? recent
    : (recentInstants[place] = DateTime.unsafeMake(epochMillis))
}

const instant = withDecoder(
  Schema.DateTimeUtcFromNumber,
  (stored) => typeof stored === "number" && Math.abs(stored) <= furthestMs ? instantOf(stored) : invalid
)

/** An instant: epoch milliseconds in SQLite, `DateTime.Utc` in the domain, an ISO 8601 string in JSON. */
export const Timestamp = Model.Field({ select: instant, insert: instant, update: instant, json: Schema.DateTimeUtc })

const flag = withDecoder(
  Schema.transform(Schema.Literal(0, 1), Schema.Boolean, { strict: true, decode: (bit) => bit === 1, encode: (on) => on ? 1 : 0 }),
  (stored) => stored === 1 ? true : stored === 0 ? false : invalid
)

/** A boolean: 0 or 1 in SQLite. */
export const Flag = Model.Field({ select: flag, insert: flag, update: flag, json: Schema.Boolean })

// A document is read again and again while its row moves on: a job's spec at the claim, at each heartbeat, at the end.
// Decoding it costs as much as the rest of the row, and the same text always gives the same value.
const rememberedDocuments = 256
const longestRemembered = 16_384

const remembering = (decode: (text: string) => unknown): Decoder => {
  const known = new Map<string, unknown>()
  return (text) => {
    if (typeof text !== "string") return invalid
    const before = known.get(text)
    if (before !== undefined) return before
    const value = decode(text)
    if (value === invalid || text.length > longestRemembered) return value
    if (known.size >= rememberedDocuments) known.clear()
    known.set(text, frozen(value))
    return value
  }
}

/** Several readers get the same document: none can change it for the others. */
const frozen = (value: unknown): unknown => {
  if (typeof value === "object" && value !== null) {
    Object.freeze(value)
    for (const inner of Object.values(value)) frozen(inner)
  }
  return value
}

/** A JSON document of the given shape: text in SQLite. What is read is frozen. */
export const Json = <A, I>(shape: Schema.Schema<A, I>) => {
  const decode = decoderOf(shape.ast) ?? decoderBySchema(shape)
  const stored = withDecoder(
    Schema.parseJson(shape),
    remembering((text) => {
      try {
        return decode(JSON.parse(text))
      } catch {
        return invalid
      }
    })
  )
  return Model.Field({ select: stored, insert: stored, update: stored, json: shape })
}

const decoderBySchema = <A, I>(shape: Schema.Schema<A, I>): Decoder => {
  const decode = ParseResult.decodeUnknownEither(shape)
  return (encoded) => Either.getOrElse(decode(encoded), () => invalid)
}

/** A nullable column: NULL in SQLite, `Option` in the domain, absent in JSON. */
export const optional = <A, I, R>(column: Schema.Schema<A, I, R>) => {
  const stored = orNull(column)
  return Model.Field({
    select: stored,
    insert: stored,
    update: stored,
    json: Schema.optionalWith(Schema.typeSchema(column), { as: "Option" })
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

const optionalSensitive = orNull(withDecoder(
  Schema.Redacted(Credential),
  (stored) => typeof stored === "string" ? Redacted.make(stored) : invalid
))

/** A nullable token or hash that nobody is to see: redacted in the domain, and absent in JSON. */
export const OptionalSensitive = Model.Field({
  select: optionalSensitive,
  insert: optionalSensitive,
  update: optionalSensitive
})

/** A nullable instant. */
export const OptionalTimestamp = Model.Field({
  select: optionalInstant,
  insert: optionalInstant,
  update: optionalInstant,
  json: Schema.optionalWith(Schema.DateTimeUtc, { as: "Option" })
})

/** A nullable JSON document. */
export const OptionalJson = <A, I>(shape: Schema.Schema<A, I>) => {
  const stored = orNull(Schema.asSchema(Json(shape).schemas.select))
  return Model.Field({ select: stored, insert: stored, update: stored, json: Schema.optionalWith(shape, { as: "Option" }) })
}

/** How many levels a document of any shape may have. */
export const maxJsonDepth = 64

const isJson = (value: unknown, depth: number): boolean => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true
    case "number":
      return Number.isFinite(value)
    case "object":
      if (value === null) return true
      if (depth === 0) return false
      return Array.isArray(value)
        ? value.every((item) => isJson(item, depth - 1))
        : isPlain(value) && Object.values(value).every((item) => isJson(item, depth - 1))
    default:
      return false
  }
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

type JsonObjectValue = { readonly [key: string]: unknown }

const isJsonObject = (value: unknown): value is JsonObjectValue =>
  typeof value === "object" && value !== null && !Array.isArray(value) && isJson(value, maxJsonDepth)

/**
 * A JSON object of any shape: finite numbers, no `undefined`, at most 64 levels deep. A declaration, because a record of
 * `effect/Schema` copies its entries, and in that loses a key `__proto__`.
 */
export const JsonObject = Schema.declare(isJsonObject, {
  identifier: "JsonObject",
  description: "a JSON object of at most 64 levels",
  jsonSchema: { type: "object" },
  // Through text, which has no negative zero.
  arbitrary: () => (fc) => fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })).map((value): JsonObjectValue => JSON.parse(JSON.stringify(value)))
})

/** How many characters a document may have as JSON. */
export const maxDocumentLength = 10_000_000

/**
 * A document as a caller gives it: up to 10,000,000 characters as JSON. Only for inputs: what is stored is read, however
 * long it is.
 */
export const documentOf = <A, I>(shape: Schema.Schema<A, I>) =>
  shape.pipe(
    Schema.filter((document) => isShort(document), { message: () => `must be up to ${maxDocumentLength} characters as JSON` })
  )

const isShort = (document: unknown): boolean => {
  try {
    return JSON.stringify(document).length <= maxDocumentLength
  } catch (error) {
    // Longer than a string of JavaScript can be.
    if (error instanceof RangeError) return false
    throw error
  }
}
