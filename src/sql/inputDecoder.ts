/**
 * Decoders of inputs, derived from their schemas.
 *
 * Decoding an input by its schema costs more than its statement: the schema collects the issues that an error reports.
 * A derived decoder runs the same filters and transformations in the same order, and stops at the first failure. The
 * caller then decodes by the schema, which reports the issues. A property test compares both.
 */
import { Either, Option, ParseResult, Predicate, Schema, SchemaAST } from "effect"
import { type Decoder, decoderOf, invalid, when } from "./decoder.js"

/** The options with which inputs are decoded, also by the schema. */
export const inputOptions: SchemaAST.ParseOptions = { errors: "all" }

/** Returns the derived decoder of a schema. It returns `invalid` if the schema would refuse the input. */
export const inputDecoderOf = <A, I>(schema: Schema.Schema<A, I>): ((input: unknown) => A | typeof invalid) =>
  derived(schema.ast) as (input: unknown) => A | typeof invalid

const decoders = new WeakMap<SchemaAST.AST, Decoder>()

const derived = (ast: SchemaAST.AST): Decoder => {
  const known = decoders.get(ast)
  if (known !== undefined) return known
  const decode = decoderOf(ast) ?? (hasOwnRules(ast) ? bySchema(ast) : derive(ast))
  decoders.set(ast, decode)
  return decode
}

/** Returns whether a node changes the options of its parts, or replaces invalid values. */
const hasOwnRules = (ast: SchemaAST.AST) =>
  Option.isSome(SchemaAST.getParseOptionsAnnotation(ast)) || Option.isSome(SchemaAST.getDecodingFallbackAnnotation(ast))

const bySchema = (ast: SchemaAST.AST): Decoder => {
  const decode = ParseResult.decodeUnknownEither(Schema.make<unknown>(ast))
  return (input) => Either.getOrElse(decode(input), () => invalid)
}

const derive = (ast: SchemaAST.AST): Decoder => {
  switch (ast._tag) {
    case "StringKeyword":
      return when(Predicate.isString)
    case "NumberKeyword":
      return when(Predicate.isNumber)
    case "BooleanKeyword":
      return when(Predicate.isBoolean)
    case "UndefinedKeyword":
      return when(Predicate.isUndefined)
    case "UnknownKeyword":
      return (input) => input
    case "Literal":
      return when((input) => input === ast.literal)
    case "Refinement":
      return refined(ast)
    case "Declaration":
      return declared(ast)
    case "Transformation":
      return transformed(ast)
    case "TypeLiteral":
      return isPlainStruct(ast) ? struct(ast) : bySchema(ast)
    case "TupleType":
      return list(ast)
    case "Union":
      return union(ast)
    default:
      return bySchema(ast)
  }
}

const refined = (ast: SchemaAST.Refinement): Decoder => {
  const decode = derived(ast.from)
  return (input) => {
    const value = decode(input)
    return value === invalid || Option.isSome(ast.filter(value, inputOptions, ast)) ? invalid : value
  }
}

/** Returns the value of a result. An asynchronous result is refused: inputs are decoded synchronously. */
const valueOf = (result: ReturnType<SchemaAST.FinalTransformation["decode"]>): unknown =>
  Either.isEither(result) && Either.isRight(result) ? result.right : invalid

const declared = (ast: SchemaAST.Declaration): Decoder => {
  const parse = ast.decodeUnknown(...ast.typeParameters)
  return (input) => valueOf(parse(input, inputOptions, ast))
}

const transformed = (ast: SchemaAST.Transformation): Decoder => {
  const { from, to, transformation } = ast
  if (transformation._tag === "TypeLiteralTransformation") {
    return transformedStruct(from, to, transformation.propertySignatureTransformations) ?? bySchema(ast)
  }
  const [before, after] = [derived(from), derived(to)]
  if (transformation._tag === "ComposeTransformation") {
    return (input) => {
      const value = before(input)
      return value === invalid ? invalid : after(value)
    }
  }
  return (input) => {
    const encoded = before(input)
    if (encoded === invalid) return invalid
    const value = valueOf(transformation.decode(encoded, inputOptions, ast, input))
    return value === invalid ? invalid : after(value)
  }
}

const isPlainStruct = (ast: SchemaAST.AST): ast is SchemaAST.TypeLiteral =>
  SchemaAST.isTypeLiteral(ast) && ast.indexSignatures.length === 0 && ast.propertySignatures.length > 0

/** A key, its decoder, and whether it may be absent. */
const fieldOf = ({ isOptional, name, type }: SchemaAST.PropertySignature) => ({
  name,
  decode: derived(type),
  isOptional
})

const struct = (ast: SchemaAST.TypeLiteral): Decoder => {
  const fields = ast.propertySignatures.map(fieldOf)
  return (input) => {
    if (!Predicate.isRecord(input)) return invalid
    const output: Record<PropertyKey, unknown> = {}
    for (const { decode, isOptional, name } of fields) {
      if (isOptional && !Object.hasOwn(input, name)) continue
      const value = decode(input[name])
      if (value === invalid) return invalid
      output[name] = value
    }
    return output
  }
}

/**
 * A struct with keys that have a default or another name. Decoded values of the other keys are not checked against the
 * type side of the schema: it is derived from the side that decoded them.
 */
const transformedStruct = (
  from: SchemaAST.AST,
  to: SchemaAST.AST,
  changes: ReadonlyArray<SchemaAST.PropertySignatureTransformation>
): Decoder | undefined => {
  if (!isPlainStruct(from) || !isPlainStruct(to) || hasOwnRules(from) || hasOwnRules(to)) return undefined
  const sources = new Map(from.propertySignatures.map((field) => [field.name, fieldOf(field)]))
  const fields: Array<{
    readonly name: PropertyKey
    readonly isOptional: boolean
    readonly source: ReturnType<typeof fieldOf>
    readonly change: SchemaAST.PropertySignatureTransformation["decode"] | undefined
    readonly check: Decoder
  }> = []
  for (const { isOptional, name, type } of to.propertySignatures) {
    const change = changes.find((each) => each.to === name)
    const source = sources.get(change?.from ?? name)
    if (source === undefined) return undefined
    fields.push({ name, isOptional, source, change: change?.decode, check: derived(type) })
  }
  if (fields.length !== sources.size) return undefined
  return (input) => {
    if (!Predicate.isRecord(input)) return invalid
    const output: Record<PropertyKey, unknown> = {}
    for (const { change, check, isOptional, name, source } of fields) {
      const isAbsent = source.isOptional && !Object.hasOwn(input, source.name)
      const value = isAbsent ? undefined : source.decode(input[source.name])
      if (value === invalid) return invalid
      if (change === undefined) {
        if (!isAbsent) output[name] = value
        continue
      }
      const changed = change(isAbsent ? Option.none() : Option.some(value))
      if (Option.isNone(changed) && isOptional) continue
      const checked = check(Option.getOrUndefined(changed))
      if (checked === invalid) return invalid
      output[name] = checked
    }
    return output
  }
}

const list = (ast: SchemaAST.TupleType): Decoder => {
  const [item, ...others] = ast.rest
  if (item === undefined || others.length > 0 || ast.elements.length > 0) return bySchema(ast)
  const decode = derived(item.type)
  return (input) => {
    if (!Array.isArray(input)) return invalid
    const output: Array<unknown> = []
    // By index, which includes the holes of a sparse array.
    for (let index = 0; index < input.length; index++) {
      const value = decode(input[index])
      if (value === invalid) return invalid
      output.push(value)
    }
    return output
  }
}

/** The kinds of nodes that accept neither objects nor arrays. */
const scalars: ReadonlySet<SchemaAST.AST["_tag"]> = new Set([
  "StringKeyword",
  "NumberKeyword",
  "BooleanKeyword",
  "UndefinedKeyword",
  "BigIntKeyword",
  "SymbolKeyword",
  "Literal",
  "Enums",
  "TemplateLiteral"
] as const)

const isScalar = (ast: SchemaAST.AST): boolean =>
  SchemaAST.isRefinement(ast) || SchemaAST.isTransformation(ast) ? isScalar(ast.from) : scalars.has(ast._tag)

/** The schema selects among several objects by their literals, in an order of its own. */
const union = (ast: SchemaAST.Union): Decoder => {
  if (ast.types.filter((member) => !isScalar(member)).length > 1) return bySchema(ast)
  const members = ast.types.map(derived)
  return (input) => {
    for (const decode of members) {
      const value = decode(input)
      if (value !== invalid) return value
    }
    return invalid
  }
}
