/**
 * Building blocks of the document schemas: strict objects, unions by kind and by tag, lists.
 *
 * `Schema.Struct` with `onExcessProperty: "error"` and `optionalWith` defaults is equivalent, but traverses a document
 * once for each level of nesting, and compares each key with each known key. Measured, that costs 2.5 times as much for
 * a specification and 8 times as much for a blueprint, at each claim of a job. These codecs traverse a document once,
 * ignore the options of the caller, and report rules instead of values in issues.
 */
import {
  Arbitrary,
  Either,
  identity,
  ParseResult,
  Predicate,
  Pretty,
  Record,
  Schema,
  SchemaAST,
  type Types
} from "effect"
import { type Decoder, decoderOf, invalid, readAs, readingOf, when, withDecoder } from "../sql/decoder.js"

/** Builds an enumeration of literals. Its issue contains the allowed literals, not the input. */
export const oneOf = <const Literals extends readonly [string, ...ReadonlyArray<string>]>(...literals: Literals) => {
  const known: ReadonlySet<unknown> = new Set(literals)
  const literal = Schema.Literal(...literals).annotations({
    message: () => ({ message: `must be one of ${literals.join(", ")}`, override: true })
  })
  return withDecoder(
    literal,
    when((input) => known.has(input))
  )
}

/** Builds an optional key. In objects of `strict` and `passthrough`, `undefined` is treated as absent. */
export const optional = <S extends Schema.Schema.All>(schema: S) => Schema.optionalWith(schema, { exact: true })

/** Builds a list. Its issue does not contain the input. */
export const list = <S extends Schema.Schema.Any>(item: S) => {
  const array = arrayOf(item)
  const reading = readingOf(
    Schema.make<Schema.Schema.Type<S>, Schema.Schema.Encoded<S>, Schema.Schema.Context<S>>(item.ast)
  )
  return reading.ast === item.ast ? array : readAs(array, arrayOf(reading))
}

const arrayOf = <S extends Schema.Schema.Any>(item: S) => {
  const array = Schema.Array(item).annotations({ message: () => "must be an array", parseIssueTitle: () => "array" })
  const decode = decoderOf(item.ast)
  return decode === undefined ? array : withDecoder(array, listDecoder(decode))
}

const listDecoder =
  (decode: Decoder): Decoder =>
  (input) => {
    if (!Array.isArray(input)) return invalid
    // `Array.from` includes the holes of a sparse array, which `map` skips.
    const items = Array.from(input, decode)
    return items.includes(invalid) ? invalid : items
  }

type Absentable<Encoded, Key extends keyof Encoded, Defaults> =
  Record<never, never> extends Pick<Encoded, Key> ? Key : Key extends keyof Defaults ? Key : never

/** The encoded type of a strict object. Optional keys, and keys with a default, may be absent or `undefined`. */
export type Accepted<Encoded, Defaults> = Types.Simplify<
  { readonly [Key in keyof Encoded as Exclude<Key, Absentable<Encoded, Key, Defaults>>]: Encoded[Key] } & {
    readonly [Key in keyof Encoded as Absentable<Encoded, Key, Defaults>]?: Encoded[Key] | undefined
  }
>

/** The codec of an object, with its decoded and accepted types. */
export interface ObjectCodec<Fields extends Schema.Struct.Fields, Defaults>
  extends Schema.Schema<
    Schema.Struct<Fields>["Type"],
    Accepted<Schema.Struct<Fields>["Encoded"], Defaults>,
    Schema.Struct.Context<Fields>
  > {}

/** Builds the AST of the accepted input. JSON Schemas and tagged unions are derived from it. */
const acceptedAST = (fields: Schema.Struct.Fields, defaults: object) =>
  Schema.Struct(
    Object.fromEntries(
      Object.entries(fields).map(([key, field]) => [
        key,
        key in defaults && Schema.isSchema(field) ? Schema.optionalWith(field, { exact: true }) : field
      ])
    )
  ).ast

/** Returns the field with its schema for stored values; the same field if both schemas are equal. */
const readingField = (field: Schema.Struct.Field): Schema.Struct.Field => {
  if (Schema.isSchema(field)) return readingOf(field)
  if (field.ast._tag !== "PropertySignatureDeclaration") return field
  const type = Schema.make<unknown>(field.ast.type)
  const reading = readingOf(type)
  return reading === type ? field : optional(reading)
}

/** Builds an object. Its schema for stored values consists of those of its fields. */
const objectOf = <Fields extends Schema.Struct.Fields, Defaults extends Readonly<Record<string, unknown>>>(
  fields: Fields,
  defaults: Defaults,
  unknownKeys: "refuse" | "keep"
): ObjectCodec<Fields, Defaults> => {
  const codec = plainObjectOf(fields, defaults, unknownKeys)
  const reading = Record.map(fields, readingField) as Fields
  return Object.entries(fields).every(([key, field]) => reading[key] === field)
    ? codec
    : readAs(codec, plainObjectOf(reading, defaults, unknownKeys))
}

const plainObjectOf = <Fields extends Schema.Struct.Fields, Defaults extends Readonly<Record<string, unknown>>>(
  fields: Fields,
  defaults: Defaults,
  unknownKeys: "refuse" | "keep"
): ObjectCodec<Fields, Defaults> => {
  type Whole = Schema.Struct<Fields>["Encoded"]
  const plain = Schema.Struct(fields).annotations({ parseIssueTitle: () => "object" })
  const struct = unknownKeys === "keep" ? plain.annotations({ parseOptions: { onExcessProperty: "preserve" } }) : plain
  const known = new Set(Object.keys(fields))

  // Checks only the keys. The struct decodes the values, so each value is traversed once.
  const keys = Schema.declare<Whole, Accepted<Whole, Defaults>, readonly []>(
    [],
    {
      decode: () => (input, options, ast) => {
        if (!Predicate.isRecord(input)) return ParseResult.fail(new ParseResult.Type(ast, input, "must be an object"))
        const whole: Record<string, unknown> = { ...defaults }
        const unexpected: Array<ParseResult.ParseIssue> = []
        for (const key of Object.keys(input)) {
          const value = input[key]
          if (value === undefined) continue
          // Assigning `__proto__` would change the prototype of the object instead of setting a key.
          if (known.has(key) || (unknownKeys === "keep" && key !== "__proto__")) whole[key] = value
          else
            unexpected.push(
              new ParseResult.Pointer(key, input, new ParseResult.Unexpected(value, "is not a known key"))
            )
        }
        const [first, ...others] = unexpected
        if (first === undefined) return ParseResult.succeed(whole as Whole)
        if (options.errors !== "all") return ParseResult.fail(new ParseResult.Composite(ast, input, first))
        // The struct does not run after a failure here, so its issues are collected now.
        const checked = ParseResult.decodeUnknownEither(Schema.make<unknown>(struct.ast), options)(whole)
        const rest = Either.isLeft(checked) ? [...others, checked.left] : others
        return ParseResult.fail(new ParseResult.Composite(ast, input, [first, ...rest]))
      },
      encode: () => (whole) => ParseResult.succeed(whole as Accepted<Whole, Defaults>)
    },
    { title: "object", [SchemaAST.SurrogateAnnotationId]: acceptedAST(fields, defaults) }
  )
  const codec = Schema.transform(keys, struct, { strict: true, decode: identity, encode: identity }).annotations({
    parseIssueTitle: () => "object"
  })
  const decode = unknownKeys === "refuse" ? strictDecoder(fields, defaults) : undefined
  return decode === undefined ? codec : withDecoder(codec, decode)
}

/** Builds a decoder that traverses a document once. Undefined if a field has no decoder. */
const strictDecoder = (
  fields: Schema.Struct.Fields,
  defaults: Readonly<Record<string, unknown>>
): Decoder | undefined => {
  const members: Array<{
    readonly key: string
    readonly decode: Decoder
    readonly absent: unknown
    readonly optional: boolean
  }> = []
  for (const [key, field] of Object.entries(fields)) {
    const { optional, type } = Schema.isSchema(field)
      ? { type: field.ast, optional: false }
      : field.ast._tag === "PropertySignatureDeclaration"
        ? { type: field.ast.type, optional: field.ast.isOptional }
        : { type: undefined, optional: false }
    const decode = type && decoderOf(type)
    if (decode === undefined) return undefined
    members.push({ key, decode, absent: defaults[key], optional })
  }
  return (input) => {
    if (!Predicate.isRecord(input)) return invalid
    let unused = 0
    for (const key of Object.keys(input)) if (input[key] !== undefined) unused++
    const whole: Record<string, unknown> = {}
    for (const { absent, decode, key, optional } of members) {
      let value = Object.hasOwn(input, key) ? input[key] : undefined
      if (value === undefined) value = absent
      else unused--
      if (value !== undefined) {
        const decoded = decode(value)
        if (decoded === invalid) return invalid
        whole[key] = decoded
      } else if (!optional) return invalid
    }
    // The remaining keys are unknown.
    return unused === 0 ? whole : invalid
  }
}

/**
 * Builds an object with these keys. Unknown keys are refused.
 *
 * A key with a default may be absent. Defaults are encoded values, so the default `{}` of an object applies the
 * defaults of its keys.
 */
export const strict = <
  Fields extends Schema.Struct.Fields,
  const Defaults extends Partial<Schema.Struct.Encoded<Fields>> = Record<never, never>
>(
  fields: Fields,
  defaults?: Defaults
): ObjectCodec<Fields, Defaults> => objectOf<Fields, Defaults>(fields, defaults ?? ({} as Defaults), "refuse")

/** Builds an object with these keys. All other keys are kept unchanged, at every level. */
export const passthrough = <Fields extends Schema.Struct.Fields>(
  fields: Fields
): ObjectCodec<Fields, Record<never, never>> => objectOf<Fields, Record<never, never>>(fields, {}, "keep")

const stringRecord = Schema.Record({ key: Schema.String, value: Schema.String })

const stringsOf = (input: unknown, options: SchemaAST.ParseOptions, ast: SchemaAST.AST) => {
  if (!Predicate.isRecord(input)) return ParseResult.fail(new ParseResult.Type(ast, input, "must be an object"))
  const entries: Array<readonly [string, string]> = []
  const issues: Array<ParseResult.ParseIssue> = []
  for (const key of Object.keys(input)) {
    const value = input[key]
    if (typeof value === "string") entries.push([key, value])
    else {
      issues.push(
        new ParseResult.Pointer(key, input, new ParseResult.Type(Schema.String.ast, value, "must be a string"))
      )
      if (options.errors !== "all") break
    }
  }
  const [first, ...others] = issues
  return first === undefined
    ? ParseResult.succeed(Object.fromEntries(entries))
    : ParseResult.fail(new ParseResult.Composite(ast, input, [first, ...others]))
}

/**
 * A map of strings with arbitrary keys. Unlike `Schema.Record`, it keeps the key `__proto__`, which is valid in JSON.
 */
export const stringMap = withDecoder(
  Schema.declare<typeof stringRecord.Type, typeof stringRecord.Encoded, readonly []>(
    [],
    { decode: () => stringsOf, encode: () => stringsOf },
    {
      title: "map of strings",
      [SchemaAST.SurrogateAnnotationId]: stringRecord.ast,
      arbitrary: () => Arbitrary.makeLazy(stringRecord),
      equivalence: () => Schema.equivalence(stringRecord),
      pretty: () => Pretty.make(stringRecord)
    }
  ),
  (input) =>
    Predicate.isRecord(input) && Object.values(input).every(Predicate.isString)
      ? Object.fromEntries(Object.entries(input))
      : invalid
)

type Members = { readonly [name: string]: Schema.Schema.AnyNoContext }

/** The codec of a choice: the union of its members. */
export interface Choice<Options extends Members>
  extends Schema.Schema<Schema.Schema.Type<Options[keyof Options]>, Schema.Schema.Encoded<Options[keyof Options]>> {}

/**
 * Builds a union whose member is selected before decoding. Issues are those of the selected member only; `Schema.Union`
 * reports the issues of all members.
 */
const choice = <Options extends Members>(
  members: Options,
  select: (input: unknown) => string,
  refuse: (ast: Schema.Schema.AnyNoContext["ast"], input: unknown) => ParseResult.ParseIssue
): Choice<Options> => {
  const codec = plainChoice(members, select, refuse)
  const reading = Record.map(members, readingField) as Options
  return Object.keys(members).every((name) => reading[name] === members[name])
    ? codec
    : readAs(codec, plainChoice(reading, select, refuse))
}

const plainChoice = <Options extends Members>(
  members: Options,
  select: (input: unknown) => string,
  refuse: (ast: Schema.Schema.AnyNoContext["ast"], input: unknown) => ParseResult.ParseIssue
): Choice<Options> => {
  type Decoded = Schema.Schema.Type<Options[keyof Options]>
  type Encoded = Schema.Schema.Encoded<Options[keyof Options]>
  const names = Object.keys(members)
  const union: Schema.Schema<Decoded, Encoded> = Schema.Union(...Object.values(members))
  const codec = Schema.declare<Decoded, Encoded, ReadonlyArray<Schema.Schema.AnyNoContext>>(
    Object.values(members),
    {
      decode: (...schemas) => {
        const parsers = new Map(schemas.map((schema, index) => [names[index], ParseResult.decodeUnknown(schema)]))
        return (input, options, ast) =>
          parsers.get(select(input))?.(input, options) ?? ParseResult.fail(refuse(ast, input))
      },
      encode: (...schemas) => {
        const parsers = new Map(schemas.map((schema, index) => [names[index], ParseResult.encodeUnknown(schema)]))
        return (input, options, ast) =>
          parsers.get(select(input))?.(input, options) ?? ParseResult.fail(refuse(ast, input))
      }
    },
    {
      [SchemaAST.SurrogateAnnotationId]: union.ast,
      title: "choice",
      arbitrary: () => Arbitrary.makeLazy(Schema.typeSchema(union)),
      equivalence: () => Schema.equivalence(Schema.typeSchema(union)),
      pretty: () => Pretty.make(Schema.typeSchema(union))
    }
  )
  const decoders = new Map(Object.entries(members).map(([name, { ast }]) => [name, decoderOf(ast)] as const))
  return [...decoders.values()].includes(undefined)
    ? codec
    : withDecoder(codec, (input) => decoders.get(select(input))?.(input) ?? invalid)
}

const kindOf = (input: unknown) => (Array.isArray(input) ? "array" : input === null ? "null" : typeof input)

type KindMembers<Options> = {
  readonly [Kind in keyof Options]: Kind extends "string" | "boolean" | "array" | "object"
    ? Schema.Schema.AnyNoContext
    : never
}

/** Builds a choice by JSON type: string, boolean, array or object. */
export const byKind = <Options extends Members & KindMembers<Options>>(members: Options): Choice<Options> => {
  const message = `must be one of these: ${Object.keys(members).join(", ")}`
  return choice(members, kindOf, (ast, input) => new ParseResult.Type(ast, input, message))
}

/** Builds a choice of objects. The literal in the key `tag` is the discriminator. */
export const byTag = <Options extends Members>(tag: string, members: Options): Choice<Options> => {
  const message = `must be one of ${Object.keys(members).join(", ")}`
  const select = (input: unknown) => {
    const value = Predicate.isRecord(input) && Object.hasOwn(input, tag) ? input[tag] : undefined
    // Only these types, because the conversion of an object to a string can throw.
    return typeof value === "string" || typeof value === "boolean" ? String(value) : ""
  }
  return choice(members, select, (ast, input) =>
    Predicate.isRecord(input)
      ? new ParseResult.Composite(
          ast,
          input,
          new ParseResult.Pointer(
            tag,
            input,
            new ParseResult.Type(ast, input[tag], input[tag] === undefined ? "is missing" : message)
          )
        )
      : new ParseResult.Type(ast, input, "must be an object")
  )
}
