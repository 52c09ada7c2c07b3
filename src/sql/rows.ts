/**
 * From rows of a statement to instances of a model.
 *
 * A model's columns are decoded by the decoders that its codecs carry, and by its schema where they carry none; the
 * outcome is the same (a property test holds them together), at a fifth of the cost.
 */
import { SqlClient, type SqlError, Statement } from "@effect/sql"
import { Data, Effect, Either, Option, ParseResult, Schema, SchemaAST } from "effect"
import { abilitiesOf } from "../libsql/registry.js"
import { convertedObjectsOf } from "../libsql/shape.js"
import { type Decoder, decoderOf, invalid } from "./decoder.js"

/** A stored row is not of its declared shape. Names the column, not what stands there. */
export class CorruptRow extends Data.TaggedError("CorruptRow")<{ readonly entity: string; readonly column: string }> {}

/** A `Model.Class`, or a `Schema.Class` over columns. */
export interface RowModel<out A> {
  readonly ast: SchemaAST.AST
  readonly Type: A
  readonly prototype: object
}

type Row = Readonly<Record<string, unknown>>

/** How to run a statement whose rows are of one model. */
export interface RowsOf<A> {
  /** All rows. */
  readonly all: (statement: Statement.Statement<Row>) => Effect.Effect<ReadonlyArray<A>, SqlError.SqlError | CorruptRow>
  /** Each row, or why it cannot be read, with the row as it came. */
  readonly each: (
    statement: Statement.Statement<Row>
  ) => Effect.Effect<ReadonlyArray<Either.Either<A, Unreadable>>, SqlError.SqlError>
  /** The first row, if there is one. */
  readonly first: (statement: Statement.Statement<Row>) => Effect.Effect<Option.Option<A>, SqlError.SqlError | CorruptRow>
  /** The one row of a statement that always gives one, as `INSERT ... RETURNING` does. */
  readonly one: (statement: Statement.Statement<Row>) => Effect.Effect<A, SqlError.SqlError | CorruptRow>
}

/** Reads a row that no statement of ours gave: its columns are named as the model's fields, and hold what SQLite would. */
export const readerOf = <A>(model: RowModel<A>): (row: Row) => Either.Either<A, Unreadable> => readable(rowDecoder(model))

/** A row that is not of its declared shape. */
export interface Unreadable {
  readonly error: CorruptRow
  readonly row: Row
}

export const rowsOf = <A>(model: RowModel<A>): Effect.Effect<RowsOf<A>, never, SqlClient.SqlClient> =>
  Effect.map(runner, (run) => {
    const decode = rowDecoder(model)
    return {
      all: (statement) => Effect.flatMap(run(statement), (rows) => decoded(() => rows.map(decode))),
      each: (statement) => Effect.map(run(statement), (rows) => rows.map(readable(decode))),
      first: (statement) =>
        Effect.flatMap(run(statement), ([row]) =>
          row === undefined ? Effect.succeedNone : decoded(() => Option.some(decode(row)))),
      one: (statement) =>
        Effect.flatMap(run(statement), ([row]) =>
          row === undefined ? Effect.dieMessage("a statement that always gives a row gave none") : decoded(() => decode(row)))
    }
  })

/** The rows of a joined statement, as they are: for `partOf`. */
export const joinedRows: Effect.Effect<
  (statement: Statement.Statement<Row>) => Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>,
  never,
  SqlClient.SqlClient
> = Effect.suspend(() => runner)

/**
 * Runs statements without the scope and the span that a statement makes for itself: the method has a span already, and
 * the two cost as much as the read. On a client that is none of ours, and under a statement transformer
 * (`Statement.setTransformer`), a statement runs as it always does, so that the transformer sees it.
 */
const runner = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const execute = abilitiesOf(sql)?.execute
  return (statement: Statement.Statement<Row>): Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError> =>
    Effect.withFiberRuntime((fiber) => {
      if (execute === undefined || Option.isSome(fiber.getFiberRef(Statement.currentTransformer))) return statement
      const [text, params] = statement.compile()
      return execute(text, params)
    })
})

const readable = <A>(decode: (row: Row) => A) => (row: Row): Either.Either<A, Unreadable> => {
  try {
    return Either.right(decode(row))
  } catch (error) {
    if (error instanceof CorruptRow) return Either.left({ error, row })
    throw error
  }
}

/** Decoders throw `CorruptRow`, for speed: an effect for each row costs more than the row. */
const decoded = <A>(decode: () => A): Effect.Effect<A, CorruptRow> => {
  try {
    return Effect.succeed(decode())
  } catch (error) {
    return error instanceof CorruptRow ? Effect.fail(error) : Effect.die(error)
  }
}

/** The model's columns for a SELECT or RETURNING, in camelCase as the model names them: `owner_user_id AS "ownerUserId"`. */
export const columnList = (model: RowModel<unknown>): string =>
  columnsOf(model).map(({ name }) => {
    const column = columnName(name)
    return column === name ? name : `${column} AS "${name}"`
  }).join(", ")

/** The columns of a model that is one part of a joined row: `a.owner_user_id AS "a.ownerUserId"`. */
export const partColumnList = (model: RowModel<unknown>, alias: string): string =>
  columnsOf(model).map(({ name }) => `${alias}.${columnName(name)} AS "${alias}.${name}"`).join(", ")

/** Reads a model out of a joined row; none where an outer join found nothing. */
export const partOf = <A>(model: RowModel<A>, alias: string): (row: Row) => Effect.Effect<Option.Option<A>, CorruptRow> => {
  const decode = rowDecoder(model, `${alias}.`)
  const columns = columnsOf(model)
  return (row) =>
    columns.every(({ name }) => (row[`${alias}.${name}`] ?? null) === null) ? Effect.succeedNone : decoded(() => Option.some(decode(row)))
}

/** The columns that were given, without those that are `undefined`. */
export const givenColumns = <A>(columns: Readonly<Record<string, A | undefined>>): Readonly<Record<string, A>> =>
  Object.fromEntries(Object.entries(columns).flatMap(([column, value]) => value === undefined ? [] : [[column, value]]))

/** The column of a field: `ownerUserId` is `owner_user_id`. */
export const columnName = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

interface Column {
  /** The name of the field. */
  readonly name: string
  readonly decode: Decoder
}

export const columnsOf = (model: Pick<RowModel<unknown>, "ast">): ReadonlyArray<Column> => {
  const encoded = SchemaAST.isTransformation(model.ast) ? model.ast.from : model.ast
  return SchemaAST.getPropertySignatures(SchemaAST.isTransformation(encoded) ? encoded.to : encoded).map(({ name, type }) => ({
    name: String(name),
    decode: columnDecoder(type)
  }))
}

const columnDecoder = (ast: SchemaAST.AST): Decoder => {
  const own = decoderOf(ast)
  if (own !== undefined) return own
  const decode = ParseResult.decodeUnknownEither(Schema.make<unknown>(ast))
  return (stored) => Either.getOrElse(decode(stored), () => invalid)
}

// A class that has annotations of its own keeps its name with what it decodes to.
const entityOf = (ast: SchemaAST.AST): string =>
  Option.getOrElse(SchemaAST.getIdentifierAnnotation(ast), () => SchemaAST.isTransformation(ast) ? entityOf(ast.to) : "row")

// Compiling the decoders of all models takes longer than building the layers that use them: each is compiled once.
const rowDecoders = new WeakMap<RowModel<unknown>, Map<string, (row: Row) => unknown>>()

const rowDecoder = <A>(model: RowModel<A>, prefix = ""): (row: Row) => A => {
  const ofModel = rowDecoders.get(model) ?? new Map<string, (row: Row) => unknown>()
  rowDecoders.set(model, ofModel)
  const known = ofModel.get(prefix) ?? compileRowDecoder(model, prefix)
  ofModel.set(prefix, known)
  return known as (row: Row) => A
}

const compileRowDecoder = (model: RowModel<unknown>, prefix: string): (row: Row) => unknown => {
  const entity = entityOf(model.ast)
  const columns = columnsOf(model).map(({ decode, name }) => ({ name, from: prefix + name, convert: decode }))
  // What the constructor of a `Schema.Class` would make, without the merging of defaults and the validation that it
  // does for strangers: each column was just decoded.
  const refuse = (column: string): never => {
    throw new CorruptRow({ entity, column })
  }
  return convertedObjectsOf(columns, model.prototype, invalid, refuse)
}
