/**
 * The wrapper of repository methods: it adds a span, decodes inputs, and replaces engine errors by domain errors.
 *
 * The error of a UNIQUE constraint contains its columns, that of a CHECK its name, and that of a trigger the text of
 * RAISE. The error of a FOREIGN KEY contains no name, so methods with several references find the missing row
 * themselves (`references.ts`).
 */
import type { SqlError } from "@effect/sql"
import {
  Context,
  DefaultServices,
  Effect,
  Either,
  Option,
  ParseResult,
  Predicate,
  Record,
  type Schema,
  SchemaAST,
  Tracer
} from "effect"
import {
  AlreadyExists,
  InvalidInput,
  InvalidTransition,
  LeaseLost,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import { invalid } from "./decoder.js"
import { engineErrorOf, isSqlError, persistenceErrorOf } from "./engineError.js"
import { inputDecoderOf, inputOptions } from "./inputDecoder.js"
import { unknownFieldFinder, unknownFieldOf } from "./unknownFields.js"
import { excessOf, isLong, maxIssues, shown } from "./inputLimits.js"
import * as Page from "./page.js"
import { CorruptRow } from "./rows.js"
import { isTaggedAs } from "./tagged.js"

export interface Refusals {
  readonly AlreadyExists: AlreadyExists
  readonly ReferenceNotFound: ReferenceNotFound
  readonly InvalidInput: InvalidInput
}

/** A constraint violation that a method declares. */
export type Refusal = keyof Refusals
type StoreError = SqlError.SqlError | CorruptRow
type Attributes = Readonly<Record<string, string | number | boolean>>

/** Adds a span named after the method, and replaces errors of the engine by domain errors. */
export interface Traced {
  /** For a method that violates no constraint: it does not write, or its conditions exclude violations. */
  (method: string, attributes?: Attributes): Wrapper<never>
  /** For a method that a constraint may refuse. `refusals` lists the domain errors for these constraints. */
  <R extends Refusal>(method: string, refusals: ReadonlyArray<R>, attributes?: Attributes): Wrapper<R>
}

/** The wrapper of the effect of one call. */
export type Wrapper<R extends Refusal> = <A, E, Env>(
  effect: Effect.Effect<A, E, Env>
) => Effect.Effect<A, Exclude<E, StoreError> | Refusals[R] | PersistenceError, Env>

const isList = (value: unknown): value is ReadonlyArray<Refusal> => Array.isArray(value)

/** Builds the helpers of one service. `entity` is the name of its rows in errors. */
export const operations = (service: string, entity: string) => {
  const wrapper =
    <R extends Refusal>(operation: string, refusals: ReadonlyArray<R>, attributes?: Attributes): Wrapper<R> =>
    (effect) =>
      spanned(
        Effect.mapError(effect, (error) => domainError(operation, entity, refusals, error)),
        operation,
        attributes
      )

  const traced: Traced = (
    method: string,
    refusals: ReadonlyArray<Refusal> | Attributes = [],
    attributes?: Attributes
  ) => {
    const operation = `${service}.${method}`
    return isList(refusals) ? wrapper(operation, refusals, attributes) : wrapper(operation, [], refusals)
  }

  return {
    traced,

    /** Returns the row. Fails with `NotFound` if there is none. */
    orNotFound:
      (id: string) =>
      <A>(row: Option.Option<A>): Effect.Effect<A, NotFound> =>
        Option.isSome(row) ? Effect.succeed(row.value) : Effect.fail(new NotFound({ entity, id })),

    /**
     * Explains an UPDATE that matched no row: returns the row if it is already in state `to`, else fails with
     * `InvalidTransition`.
     */
    orInvalidTransition:
      (id: string, to: string) =>
      <A extends { readonly status: string }>(row: A): Effect.Effect<A, InvalidTransition> =>
        row.status === to
          ? Effect.succeed(row)
          : Effect.fail(new InvalidTransition({ entity, id, from: row.status, to })),

    /**
     * Decodes an input before any statement runs. Fails with `InvalidInput`, which contains paths and rules, if the
     * input is invalid, has an unknown field or exceeds the limits in `inputLimits.ts`. The failure has the span of the
     * method, also before `traced`: some methods take the attributes of their span from the decoded input.
     */
    decodeInput: <A, I>(method: string, schema: Schema.Schema<A, I>) => decoderFor(`${service}.${method}`, schema, []),

    /** Refuses unknown fields of a request that is not decoded as a whole. Fails with `InvalidInput`. */
    onlyFields: (method: string, fields: ReadonlyArray<string>) => {
      const find = unknownFieldOf(fields)
      return (request: object): Effect.Effect<void, InvalidInput> => {
        const unknown = Predicate.isObject(request) ? find(request) : "must be an object"
        return unknown === undefined
          ? Effect.void
          : failSpanned(new InvalidInput({ operation: `${service}.${method}`, issues: [unknown] }))
      }
    },

    /** Decodes the filter of a list, as `decodeInput` does. `Page.start` decodes the fields of the page request. */
    decodeFilter: <A, I>(method: string, schema: Schema.Schema<A, I>) =>
      decoderFor(`${service}.${method}`, schema, Page.fields)
  }
}

const decoderFor = <A, I>(operation: string, schema: Schema.Schema<A, I>, otherFields: ReadonlyArray<string>) => {
  const decode = inputDecoderOf(schema)
  const unknownFieldOf = unknownFieldFinder(schema, otherFields)
  return (value: I): Effect.Effect<A, InvalidInput> => {
    const excess = excessOf(value) ?? unknownFieldOf(value)
    if (excess !== undefined) return failSpanned(new InvalidInput({ operation, issues: [excess] }))
    const decoded = decode(value)
    if (decoded !== invalid) return Either.right(decoded)
    const reasons = ParseResult.decodeUnknownEither(schema, inputOptions)(value)
    return Either.isRight(reasons) ? Either.right(reasons.right) : failSpanned(invalidInput(operation, reasons.left))
  }
}

// The tracer of a program without tracing. It discards its spans.
const defaultTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

const shownIfText = (value: Attributes[string]) => (typeof value === "string" ? shown(value) : value)

/** Runs an effect in a span if the program has a tracer. With `root` the span begins a new trace. */
export const spanned = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  name: string,
  attributes: Attributes = {},
  root = false
) => {
  const traced = () =>
    Effect.withSpan(effect, name, { captureStackTrace: false, attributes: Record.map(attributes, shownIfText), root })
  return Effect.withFiberRuntime<A, E, Exclude<R, Tracer.ParentSpan>>((fiber) =>
    fiber.currentTracer === defaultTracer ? (effect as ReturnType<typeof traced>) : traced()
  )
}

/** Fails in a span of the operation: in the current span if it is the span of the operation, else in a new one. */
const failSpanned = (error: InvalidInput): Effect.Effect<never, InvalidInput> =>
  Effect.withFiberRuntime(({ currentSpan }) =>
    currentSpan?._tag === "Span" && currentSpan.name === error.operation
      ? Effect.fail(error)
      : spanned(Effect.fail(error), error.operation)
  )

/**
 * Adds an attribute to the span of a method if the program has a tracer. Without a span, `annotateCurrentSpan` builds
 * an error with a stack.
 */
export const annotated = (key: string, value: string): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber) =>
    fiber.currentTracer === defaultTracer ? Effect.void : Effect.annotateCurrentSpan(key, value)
  )

const domainError = <E, R extends Refusal>(operation: string, entity: string, refusals: ReadonlyArray<R>, error: E) => {
  if (isSqlError(error)) {
    const refusal = refusalOf(operation, entity, error)
    return refusal !== undefined && includes(refusals, refusal) ? refusal : persistenceErrorOf(operation, error)
  }
  if (error instanceof CorruptRow) {
    return new PersistenceError({ operation, reason: "CorruptRow", cause: `${error.entity}.${error.column}` })
  }
  return withShownIds(error) as Exclude<E, StoreError>
}

const isNotFound = isTaggedAs<NotFound>("NotFound")
const isLeaseLost = isTaggedAs<LeaseLost>("LeaseLost")

/** Cuts the ids in an error to the length that errors may contain. */
const withShownIds = (error: unknown): unknown => {
  if (isNotFound(error) && isLong(error.id)) return new NotFound({ entity: error.entity, id: shown(error.id) })
  if (isLeaseLost(error) && (isLong(error.id) || isLong(error.workerId))) {
    const { entity, id, reason, workerId } = error
    return new LeaseLost({ entity, id: shown(id), workerId: shown(workerId), reason })
  }
  return error
}

const includes = <R extends Refusal>(refusals: ReadonlyArray<R>, error: Refusals[Refusal]): error is Refusals[R] =>
  refusals.some((refusal) => refusal === error._tag)

const refusalOf = (operation: string, entity: string, error: SqlError.SqlError): Refusals[Refusal] | undefined => {
  const { code, message } = engineErrorOf(error)
  const detail = message.split("constraint failed: ")[1] ?? message
  switch (code) {
    case "SQLITE_CONSTRAINT_UNIQUE":
    case "SQLITE_CONSTRAINT_PRIMARYKEY":
      return new AlreadyExists({ entity, constraint: detail })
    case "SQLITE_CONSTRAINT_FOREIGNKEY":
      return new ReferenceNotFound({ entity, reference: "unknown" })
    case "SQLITE_CONSTRAINT_TRIGGER":
      // The triggers of this schema refuse references to rows of another owner. `detail` is the text of RAISE.
      return new ReferenceNotFound({ entity, reference: detail })
    case "SQLITE_CONSTRAINT_CHECK":
      return new InvalidInput({ operation, issues: [detail] })
    case "SQLITE_CONSTRAINT_NOTNULL":
      return new InvalidInput({ operation, issues: [`${detail}: must not be null`] })
    case "SEALANT_UNSUPPORTED_VALUE":
      return new InvalidInput({ operation, issues: [message] })
    // SQLITE_CONSTRAINT_DATATYPE, for which the binding has no name. Its message contains the value.
    case "UNKNOWN_SQLITE_ERROR_3091":
      return new InvalidInput({ operation, issues: ["a value is not of the column's type"] })
    default:
      return undefined
  }
}

const invalidInput = (operation: string, issue: ParseResult.ParseIssue) => {
  const rules = [...new Set(rulesOf(issue, []))]
  const more = rules.length - maxIssues
  return new InvalidInput({ operation, issues: more > 0 ? [...rules.slice(0, maxIssues), `and ${more} more`] : rules })
}

/** Returns `path: rule` for each issue. Rules come from the schema and never contain the value. */
const rulesOf = (issue: ParseResult.ParseIssue, path: ReadonlyArray<PropertyKey>): ReadonlyArray<string> => {
  switch (issue._tag) {
    case "Pointer":
      return rulesOf(issue.issue, [...path, ...(Array.isArray(issue.path) ? issue.path : [issue.path])])
    case "Composite":
      if (isChoice(issue.ast)) return [at(path, choiceRule(issue.ast))]
      return (
        (Array.isArray(issue.issues) ? issue.issues : [issue.issues])
          // An optional field that is present must not be reported as "must be undefined".
          .filter((inner) => !(inner._tag === "Type" && SchemaAST.isUndefinedKeyword(inner.ast)))
          .flatMap((inner) => rulesOf(inner, path))
      )
    case "Transformation":
      return rulesOf(issue.issue, path)
    case "Refinement":
      // The issue is in the schema under the filter, or the filter reports its own path and message.
      return issue.kind === "From" || issue.issue._tag !== "Type" || issue.issue.message !== undefined
        ? rulesOf(issue.issue, path)
        : [at(path, ruleOf(issue))]
    case "Missing":
      return [at(path, "is missing")]
    case "Unexpected":
      return [at(path, "is not a known field")]
    case "Type":
    case "Forbidden":
      return [at(path, issue.message ?? ruleOf(issue))]
  }
}

/** Returns whether a schema is an enumeration, or an optional one. */
const isChoice = (ast: SchemaAST.AST): ast is SchemaAST.Union =>
  SchemaAST.isUnion(ast) &&
  ast.types.some(SchemaAST.isLiteral) &&
  ast.types.every((type) => SchemaAST.isLiteral(type) || SchemaAST.isUndefinedKeyword(type))

/** Returns the rule of an enumeration, in the words of `oneOf` of the payloads. */
const choiceRule = ({ types }: SchemaAST.Union) => {
  const values = types.filter(SchemaAST.isLiteral).map(({ literal }) => String(literal))
  return `must be ${values.length > 1 ? "one of " : ""}${values.join(", ")}`
}

const at = (path: ReadonlyArray<PropertyKey>, rule: string) =>
  path.length === 0 ? rule : `${path.map((key) => shown(String(key))).join(".")}: ${rule}`

/** Returns the message of the schema, or `must be` and its description, in one line. Never contains the value. */
const ruleOf = (issue: ParseResult.Type | ParseResult.Forbidden | ParseResult.Refinement): string => {
  const annotation = SchemaAST.getMessageAnnotation(issue.ast)
  const own = Option.isSome(annotation) ? annotation.value(issue) : undefined
  const message = typeof own === "object" && "message" in own ? own.message : own
  if (typeof message === "string") return message
  const expected = Option.getOrElse(SchemaAST.getDescriptionAnnotation(issue.ast), () =>
    // The text of a struct has all its fields.
    SchemaAST.isTypeLiteral(issue.ast) ? "an object" : String(issue.ast)
  )
  return `must be ${expected.replaceAll(/\s+/g, " ")}`
}
