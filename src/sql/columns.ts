/**
 * Column codecs: the forms of a value in SQLite, in the domain and in JSON.
 *
 * Each codec carries a schema and a decoder that is one function call. Decoding the twenty columns of a row by their
 * schemas costs more than the query that read them (`rows.ts`). `json.ts` has the codecs of JSON documents.
 */
import * as Model from "@effect/sql/Model"
import { DateTime, Option, Redacted, Schema } from "effect"
import { type Decoder, decoderOf, invalid, readAs, readingOf, when, withDecoder } from "./decoder.js"

const decoderIn = (schema: Schema.Schema.All): Decoder => {
  const decoder = decoderOf(schema.ast)
  if (decoder === undefined) throw new Error("column: the schema must have a decoder (sql/columns.ts)")
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
      when((id) => typeof id === "string" && id !== "" && id.length <= maxIdLength && isStorable(id))
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
  const accepts = (value: string) => value.length >= minLength && value.length <= maxLength && isStorable(value)
  return readAs(
    withDecoder(
      Schema.String.pipe(
        Schema.filter(accepts, {
          message: () => rule,
          jsonSchema: { minLength, maxLength },
          arbitrary: () => (fc) => fc.string({ minLength, maxLength: 40 }).filter(isStorable)
        })
      ),
      when((value) => typeof value === "string" && accepts(value))
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

/** Returns the text as it can be stored in a column of prose: cut to its limit, without characters that SQLite changes. */
export const storableProse = (text: string): string => storableText(text.slice(0, maxProseLength))

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

const redacted = (text: Schema.Schema<string>) => {
  const decode = decoderIn(text)
  return withDecoder(Schema.Redacted(text), (input) => {
    const value = decode(input)
    return typeof value === "string" ? Redacted.make(value) : invalid
  })
}

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
      when((stored) => typeof stored === "number" && Number.isSafeInteger(stored) && accepts(stored))
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

/** Builds a codec once for each schema: many columns have the same one. */
const onceForEach = <F extends (schema: never) => object>(build: F): F => {
  const built = new WeakMap<object, object>()
  const buildOnce = (schema: never): object => {
    const found = built.get(schema) ?? build(schema)
    built.set(schema, found)
    return found
  }
  return buildOnce as F
}

/** A nullable column: NULL in SQLite, `Option` in the domain, absent in JSON. */
export const optional = onceForEach(<A, I, R>(column: Schema.Schema<A, I, R>) => {
  const reading = readingOf(column)
  const written = orNull(column)
  return Model.Field({
    select: orNull(reading),
    insert: written,
    update: written,
    json: Schema.optionalWith(Schema.typeSchema(reading), { as: "Option" })
  })
})

/** Builds the codec of a column that may be NULL, which is `None`. */
export const orNull = onceForEach(<A, I, R>(column: Schema.Schema<A, I, R>) => {
  const decode = decoderIn(column)
  const none = Option.none()
  return withDecoder(Schema.OptionFromNullOr(column), (stored) => {
    if (stored === null) return none
    const value = decode(stored)
    return value === invalid ? invalid : Option.some(value)
  })
})

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

/** A value of a stored row, or the value itself. */
type StoredOrGiven<I> = I | Option.Option<I> | null | undefined

/**
 * An optional field of an input that also accepts the field as rows contain it: `Some` is its value; `None` and `null`
 * are absent. Callers can then create a row from a stored one.
 */
export const optionalAsStored = <A, I>(field: Schema.Schema<A, I>) =>
  Schema.optional(
    Schema.transform(
      // `field` checks the value.
      Schema.declare((given): given is StoredOrGiven<I> => typeof given !== "symbol"),
      Schema.UndefinedOr(field),
      {
        strict: true,
        decode: (given) => (Option.isOption(given) ? Option.getOrUndefined(given) : (given ?? undefined)),
        encode: (value): StoredOrGiven<I> => value
      }
    )
  )
