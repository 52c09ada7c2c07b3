/**
 * What every method of a repository is wrapped in: a span, and errors of the domain in place of the engine's.
 *
 * The engine names the columns of a UNIQUE constraint, the name of a CHECK, the text of a trigger's RAISE, and nothing
 * of a FOREIGN KEY: a method with several references looks which one is missing (`references.ts`).
 */
import type { SqlError } from "@effect/sql"
import { Context, DefaultServices, Effect, Either, Option, ParseResult, Record, type Schema, SchemaAST, Tracer } from "effect"
import { AlreadyExists, InvalidInput, InvalidTransition, LeaseLost, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { engineErrorOf, isSqlError, persistenceErrorOf } from "./engineError.js"
import { excessOf, isLong, maxIssues, shown } from "./inputLimits.js"
import { CorruptRow } from "./rows.js"
import { isTaggedAs } from "./tagged.js"

interface Refusals {
  readonly AlreadyExists: AlreadyExists
  readonly ReferenceNotFound: ReferenceNotFound
  readonly InvalidInput: InvalidInput
}

type Refusal = keyof Refusals
type StoreError = SqlError.SqlError | CorruptRow
type Attributes = Readonly<Record<string, string | number | boolean>>

/** Wraps the methods of one service. `entity` is the name that its errors give to a row. */
export const operations = (service: string, entity: string) => {
  const wrap = <R extends Refusal>(method: string, refusals: ReadonlyArray<R>, attributes: Attributes | undefined) => {
    const operation = `${service}.${method}`
    return <A, E, Env>(
      effect: Effect.Effect<A, E, Env>
    ): Effect.Effect<A, Exclude<E, StoreError> | Refusals[R] | PersistenceError, Env> =>
      spanned(
        Effect.mapError(effect, (error) => domainError(operation, entity, refusals, error)),
        operation,
        attributes
      )
  }
  return {
    /** For a method that changes nothing, or whose guards leave no constraint to violate. */
    read: (method: string, attributes?: Attributes) => wrap<never>(method, [], attributes),

    /** For a method that a constraint may refuse: `refusals` are the errors of the domain that this can be. */
    write: <R extends Refusal>(method: string, refusals: ReadonlyArray<R>, attributes?: Attributes) =>
      wrap(method, refusals, attributes),

    /** The row, or `NotFound`. */
    present: (id: string) => <A>(row: Option.Option<A>): Effect.Effect<A, NotFound> =>
      Option.isSome(row) ? Effect.succeed(row.value) : Effect.fail(new NotFound({ entity, id })),

    /** Nothing moved: what a second look at the row says of it. A row that is where it was to go is the answer. */
    unmoved: (id: string, to: string) => <A extends { readonly status: string }>(row: A): Effect.Effect<A, InvalidTransition> =>
      row.status === to ? Effect.succeed(row) : Effect.fail(new InvalidTransition({ entity, id, from: row.status, to })),

    /**
     * Decodes a caller's input before any statement runs. Fails with `InvalidInput`, which tells paths and rules: also when it
     * is too much to be decoded.
     */
    input: <A, I>(method: string, schema: Schema.Schema<A, I>) => {
      const decode = ParseResult.decodeUnknownEither(schema, { errors: "all" })
      const operation = `${service}.${method}`
      return (value: I): Effect.Effect<A, InvalidInput> => {
        const excess = excessOf(value)
        return excess === undefined
          ? Either.mapLeft(decode(value), (issue) => invalidInput(operation, issue))
          : Either.left(new InvalidInput({ operation, issues: [excess] }))
      }
    }
  }
}

// The tracer of a program that has set none: it makes spans that nobody sees.
const nobodysTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

const shownIfText = (value: Attributes[string]) => typeof value === "string" ? shown(value) : value

/** Makes a span where somebody traces. With `root` it begins a trace of its own, whatever it is run in. */
export const spanned = <A, E, R>(effect: Effect.Effect<A, E, R>, name: string, attributes: Attributes = {}, root = false) => {
  const traced = () => Effect.withSpan(effect, name, { captureStackTrace: false, attributes: Record.map(attributes, shownIfText), root })
  return Effect.withFiberRuntime<A, E, Exclude<R, Tracer.ParentSpan>>((fiber) =>
    fiber.currentTracer === nobodysTracer ? effect as ReturnType<typeof traced> : traced())
}

const domainError = <E, R extends Refusal>(operation: string, entity: string, refusals: ReadonlyArray<R>, error: E) => {
  if (isSqlError(error)) {
    const refusal = refusalOf(operation, entity, error)
    return refusal !== undefined && includes(refusals, refusal) ? refusal : persistenceErrorOf(operation, error)
  }
  if (error instanceof CorruptRow) {
    return new PersistenceError({ operation, reason: "CorruptRow", cause: `${error.entity}.${error.column}` })
  }
  return cut(error) as Exclude<E, StoreError>
}

const isNotFound = isTaggedAs<NotFound>("NotFound")
const isLeaseLost = isTaggedAs<LeaseLost>("LeaseLost")

/** Of an id that no row has, an error tells no more than an id can be. */
const cut = (error: unknown): unknown => {
  if (isNotFound(error) && isLong(error.id)) return new NotFound({ entity: error.entity, id: shown(error.id) })
  if (isLeaseLost(error) && (isLong(error.jobId) || isLong(error.workerId))) {
    return new LeaseLost({ jobId: shown(error.jobId), workerId: shown(error.workerId), reason: error.reason })
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
      // Our triggers refuse references across owners, and say which in words of their own.
      return new ReferenceNotFound({ entity, reference: detail })
    case "SQLITE_CONSTRAINT_CHECK":
      return new InvalidInput({ operation, issues: [detail] })
    case "SQLITE_CONSTRAINT_NOTNULL":
      return new InvalidInput({ operation, issues: [`${detail}: must not be null`] })
    case "SEALANT_UNSUPPORTED_VALUE":
      return new InvalidInput({ operation, issues: [message] })
    case "UNKNOWN_SQLITE_ERROR_3091": // SQLITE_CONSTRAINT_DATATYPE, which the binding does not name; its text has the value
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

/** `path: rule` for each thing that is wrong. The rule comes from the schema, never from the value. */
const rulesOf = (issue: ParseResult.ParseIssue, path: ReadonlyArray<PropertyKey>): ReadonlyArray<string> => {
  switch (issue._tag) {
    case "Pointer":
      return rulesOf(issue.issue, [...path, ...(Array.isArray(issue.path) ? issue.path : [issue.path])])
    case "Composite":
      return (Array.isArray(issue.issues) ? issue.issues : [issue.issues])
        // That an optional field could also be left out helps nobody who gave it.
        .filter((inner) => !(inner._tag === "Type" && SchemaAST.isUndefinedKeyword(inner.ast)))
        .flatMap((inner) => rulesOf(inner, path))
    case "Transformation":
      return rulesOf(issue.issue, path)
    case "Refinement":
      // The schema that a filter starts from, or a filter that says itself where and what: look inside.
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

const at = (path: ReadonlyArray<PropertyKey>, rule: string) => path.length === 0 ? rule : `${path.map((key) => shown(String(key))).join(".")}: ${rule}`

/** The message that the schema gives for itself, or what it expects, in one line; never what it got. */
const ruleOf = (issue: ParseResult.Type | ParseResult.Forbidden | ParseResult.Refinement): string => {
  const given = Option.map(SchemaAST.getMessageAnnotation(issue.ast), (annotation) => annotation(issue))
  const message = Option.isSome(given) && typeof given.value === "object" && "message" in given.value ? given.value.message : Option.getOrUndefined(given)
  if (typeof message === "string") return message
  const expected = Option.getOrElse(SchemaAST.getDescriptionAnnotation(issue.ast), () => String(issue.ast))
  return `must be ${expected.replaceAll(/\s+/g, " ")}`
}
