/**
 * Decoding of the rows of a statement into instances of a model.
 *
 * Each column is decoded by the decoder of its codec, or by its schema if it has no decoder. The results are the same,
 * which a property test checks, at a fifth of the cost.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Statement from "@effect/sql/Statement"
import type { SqlError } from "@effect/sql"
import { Data, Effect, Either, identity, Option, ParseResult, Schema, SchemaAST } from "effect"
import { nextTurn } from "../libsql/eventLoop.js"
import { clientInternals } from "../libsql/registry.js"
import { convertedObjectsOf } from "../libsql/shape.js"
import { type Decoder, decoderOf, invalid, onFirstUse } from "./decoder.js"
import { inPieces } from "./paging.js"

/** A stored row that does not match its model. Contains the name of the column, not its value. */
export class CorruptRow extends Data.TaggedError("CorruptRow")<{ readonly entity: string; readonly column: string }> {}

/** A `Model.Class`, or a `Schema.Class` over columns. */
export interface RowModel<out A> {
  readonly ast: SchemaAST.AST
  readonly Type: A
  readonly prototype: object
}

type Row = Readonly<Record<string, unknown>>

/**
 * The rows of a page, and the row after them if there is one. If `isCut` is true, the statement ended early, and the
 * last row is not part of the page.
 */
export interface Found<A> {
  readonly rows: ReadonlyArray<A>
  readonly isCut: boolean
}

/** Runs statements whose rows are of one model. */
export interface RowsOf<A> {
  /** Returns all rows. */
  readonly findAll: (
    statement: Statement.Statement<Row>
  ) => Effect.Effect<ReadonlyArray<A>, SqlError.SqlError | CorruptRow>
  /** Returns the rows of a page. Ends the statement early when its rows are long. */
  readonly findPage: (statement: Statement.Statement<Row>) => Effect.Effect<Found<A>, SqlError.SqlError | CorruptRow>
  /** Returns each row, or its error and its raw columns if it cannot be decoded. */
  readonly each: (
    statement: Statement.Statement<Row>
  ) => Effect.Effect<ReadonlyArray<Either.Either<A, Unreadable>>, SqlError.SqlError>
  /** Returns the first row, or its error and its raw columns if it cannot be decoded. */
  readonly first: (
    statement: Statement.Statement<Row>
  ) => Effect.Effect<Option.Option<Either.Either<A, Unreadable>>, SqlError.SqlError>
  /** Returns the first row, if there is one. */
  readonly findOne: (
    statement: Statement.Statement<Row>
  ) => Effect.Effect<Option.Option<A>, SqlError.SqlError | CorruptRow>
  /** Returns the row of a statement that always returns one, such as `INSERT ... RETURNING`. */
  readonly single: (statement: Statement.Statement<Row>) => Effect.Effect<A, SqlError.SqlError | CorruptRow>
}

/** Builds the decoder of rows from another source, with SQLite values under the names of the model's fields. */
export const readerOf = <A>(model: RowModel<A>): ((row: Row) => Either.Either<A, Unreadable>) =>
  readable(rowDecoder(model))

/** Builds the decoder of one row of a statement with the columns of `columnList`. */
export const rowReader = <A>(model: RowModel<A>): ((row: Row) => Effect.Effect<A, CorruptRow>) => {
  const decode = rowDecoder(model)
  return (row) => decoded(() => decode(row))
}

/**
 * Builds the constructor of rows from decoded fields, for a row that is known from the input of its INSERT. Fields are
 * not validated.
 */
export const instancesOf = <A>(model: RowModel<A>): ((fields: A) => A) => {
  const columns = columnsOf(model).map(({ name }) => ({ name, from: name, convert: (value: unknown) => value }))
  const refuse = (): never => {
    throw new Error("unreachable: fields are not converted")
  }
  return convertedObjectsOf(columns, model.prototype, invalid, refuse) as (fields: A) => A
}

/** A row that cannot be decoded: the error, and its raw columns. */
export interface Unreadable {
  readonly error: CorruptRow
  readonly row: Row
}

/** Builds the runner of statements whose rows are of one model. */
export const rowsOf = <A>(model: RowModel<A>): Effect.Effect<RowsOf<A>, never, SqlClient.SqlClient> =>
  Effect.map(runner, (run) => {
    const decode = rowDecoder(model)
    return {
      findAll: (statement) => Effect.flatMap(run.all(statement), (rows) => decoded(() => rows.map(decode))),
      findPage: (statement) =>
        Effect.flatMap(run.page(statement), (found) => inTurns(found, (rows) => decoded(() => rows.map(decode)))),
      each: (statement) => Effect.map(run.all(statement), (rows) => rows.map(readable(decode))),
      first: (statement) =>
        Effect.map(run.first(statement), ([row]) =>
          row === undefined ? Option.none() : Option.some(readable(decode)(row))
        ),
      findOne: (statement) =>
        Effect.flatMap(run.first(statement), ([row]) =>
          row === undefined ? Effect.succeedNone : decoded(() => Option.some(decode(row)))
        ),
      single: (statement) =>
        Effect.flatMap(run.first(statement), ([row]) =>
          row === undefined
            ? Effect.dieMessage("a statement that always returns a row returned none")
            : decoded(() => decode(row))
        )
    }
  })

/** Runs joined statements. Returns raw rows, for `partOf`. */
export type JoinedRows = (statement: Statement.Statement<Row>) => Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>

/** Builds the runner of joined statements. */
export const joinedRows: Effect.Effect<JoinedRows, never, SqlClient.SqlClient> = Effect.map(
  Effect.suspend(() => runner),
  ({ all }) => all
)

/** Runs joined statements for a page, and decodes each row. Ends the statement early when its rows are long. */
export type JoinedPage = <A, E>(
  statement: Statement.Statement<Row>,
  decode: (row: Row) => Effect.Effect<A, E>
) => Effect.Effect<Found<A>, SqlError.SqlError | E>

/** Builds the runner of joined statements for pages. */
export const joinedPage: Effect.Effect<JoinedPage, never, SqlClient.SqlClient> = Effect.map(
  Effect.suspend(() => runner),
  ({ page }): JoinedPage =>
    (statement, decode) =>
      Effect.flatMap(page(statement), (found) => inTurns(found, Effect.forEach(decode)))
)

/** The rows of short values that are decoded at a time: those of a page of 100, which needs no turn of the event loop. */
const decodedAtOnce = 128

/** The characters that take about as long to decode as a row of short values. */
const charactersPerRow = 2_500

/** Returns the weight of a row by its long texts: 1 for a row without. */
const weightOf = (row: Row): number => {
  let characters = 0
  for (const name in row) {
    const value = row[name]
    if (typeof value === "string") characters += value.length
  }
  return 1 + characters / charactersPerRow
}

/**
 * Decodes the rows of a page, a piece at a time: up to 128 rows, and fewer long ones. The event loop turns between the
 * read and the first of several pieces, and between two pieces.
 */
const inTurns = <A, E>(
  { isCut, rows }: Found<Row>,
  decode: (rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<A>, E>
): Effect.Effect<Found<A>, E> => {
  let weight = 0
  for (const row of rows) weight += weightOf(row)
  const decoding =
    weight <= decodedAtOnce
      ? decode(rows)
      : Effect.map(Effect.zipRight(nextTurn, inPieces(rows, decode, decodedAtOnce, weightOf)), (pieces) =>
          pieces.flat()
        )
  return Effect.map(decoding, (decodedRows) => ({ rows: decodedRows, isCut }))
}

/**
 * Runs statements without the scope and the span that `@effect/sql` adds to each: the method has a span, and these two
 * cost as much as a read. Statements run unchanged on a client of another package and under a statement transformer
 * (`Statement.setTransformer`), which must receive every statement.
 */
const runner = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const internals = clientInternals(sql)
  const runBy =
    <Answer>(
      execute: ((text: string, params: ReadonlyArray<unknown>) => Effect.Effect<Answer, SqlError.SqlError>) | undefined,
      answerOf: (rows: ReadonlyArray<Row>) => Answer
    ) =>
    (statement: Statement.Statement<Row>): Effect.Effect<Answer, SqlError.SqlError> =>
      Effect.withFiberRuntime((fiber) => {
        if (execute === undefined || Option.isSome(fiber.getFiberRef(Statement.currentTransformer)))
          return Effect.map(statement, answerOf)
        const [text, params] = statement.compile()
        return execute(text, params)
      })
  const wholePage = (rows: ReadonlyArray<Row>): Found<Row> => ({ rows, isCut: false })
  return {
    all: runBy(internals?.execute, identity<ReadonlyArray<Row>>),
    first: runBy(internals?.executeFirst, identity<ReadonlyArray<Row>>),
    page: runBy(internals?.executePage, wholePage)
  }
})

const readable =
  <A>(decode: (row: Row) => A) =>
  (row: Row): Either.Either<A, Unreadable> => {
    try {
      return Either.right(decode(row))
    } catch (error) {
      if (error instanceof CorruptRow) return Either.left({ error, row })
      throw error
    }
  }

/** Runs a decoder. Decoders throw `CorruptRow`, because one effect per row would cost more than decoding it. */
const decoded = <A>(decode: () => A): Effect.Effect<A, CorruptRow> => {
  try {
    return Effect.succeed(decode())
  } catch (error) {
    return error instanceof CorruptRow ? Effect.fail(error) : Effect.die(error)
  }
}

/**
 * Builds the columns of a SELECT or RETURNING under the names of the model's fields: `owner_user_id AS "ownerUserId"`.
 */
export const columnList = (model: RowModel<unknown>): string =>
  columnsOf(model)
    .map(({ name }) => {
      const column = columnName(name)
      return column === name ? name : `${column} AS "${name}"`
    })
    .join(", ")

/** Builds the columns of a model in a joined row: `a.owner_user_id AS "a.ownerUserId"`. */
export const partColumnList = (model: RowModel<unknown>, alias: string): string =>
  columnsOf(model)
    .map(({ name }) => `${alias}.${columnName(name)} AS "${alias}.${name}"`)
    .join(", ")

/**
 * Builds the decoder of a model in a joined row. Returns `None` if all columns are NULL: an outer join found no row.
 */
export const partOf = <A>(
  model: RowModel<A>,
  alias: string
): ((row: Row) => Effect.Effect<Option.Option<A>, CorruptRow>) => {
  const decode = rowDecoder(model, `${alias}.`)
  let columns: ReadonlyArray<Column> | undefined
  return (row) => {
    columns ??= columnsOf(model)
    return columns.every(({ name }) => (row[`${alias}.${name}`] ?? null) === null)
      ? Effect.succeedNone
      : decoded(() => Option.some(decode(row)))
  }
}

/** Fails with `CorruptRow` if a part is absent: an inner join returns every part. */
export const requiredPart = <A>(part: Effect.Effect<Option.Option<A>, CorruptRow>, entity: string) =>
  Effect.flatMap(
    part,
    Option.match({ onSome: Effect.succeed, onNone: () => Effect.fail(new CorruptRow({ entity, column: "id" })) })
  )

/** Removes the columns that are `undefined`. */
export const givenColumns = <A>(columns: Readonly<Record<string, A | undefined>>): Readonly<Record<string, A>> =>
  Object.fromEntries(
    Object.entries(columns).flatMap(([column, value]) => (value === undefined ? [] : [[column, value]]))
  )

// The released columns name an attempt `run_id`.
const attemptColumns = new Map([
  ["attemptId", "run_id"],
  ["latestAttemptId", "latest_run_id"],
  ["retryOfAttemptId", "retry_of_run_id"]
])

/** Returns the name of a field's column: `owner_user_id` for `ownerUserId`. */
export const columnName = (name: string) =>
  attemptColumns.get(name) ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

interface Column {
  /** The name of the field. */
  readonly name: string
  readonly decode: Decoder
}

/** Returns the fields of a model and the decoders of their columns. */
export const columnsOf = (model: Pick<RowModel<unknown>, "ast">): ReadonlyArray<Column> => {
  const encoded = SchemaAST.isTransformation(model.ast) ? model.ast.from : model.ast
  return SchemaAST.getPropertySignatures(SchemaAST.isTransformation(encoded) ? encoded.to : encoded).map(
    ({ name, type }) => ({
      name: String(name),
      decode: columnDecoder(type)
    })
  )
}

const columnDecoder = (ast: SchemaAST.AST): Decoder => {
  const own = decoderOf(ast)
  if (own !== undefined) return own
  const decode = ParseResult.decodeUnknownEither(Schema.make<unknown>(ast))
  return (stored) => Either.getOrElse(decode(stored), () => invalid)
}

// A class with annotations has its identifier on the type that it decodes to.
const entityOf = (ast: SchemaAST.AST): string =>
  Option.getOrElse(SchemaAST.getIdentifierAnnotation(ast), () =>
    SchemaAST.isTransformation(ast) ? entityOf(ast.to) : "row"
  )

// Each decoder is compiled once, by the first row: compiling those of all models takes longer than building the layers that
// use them.
const rowDecoders = new WeakMap<RowModel<unknown>, Map<string, (row: Row) => unknown>>()

const rowDecoder = <A>(model: RowModel<A>, prefix = ""): ((row: Row) => A) =>
  onFirstUse(() => compiledRowDecoder(model, prefix) as (row: Row) => A)

const compiledRowDecoder = (model: RowModel<unknown>, prefix: string) => {
  const ofModel = rowDecoders.get(model) ?? new Map<string, (row: Row) => unknown>()
  rowDecoders.set(model, ofModel)
  const known = ofModel.get(prefix) ?? compileRowDecoder(model, prefix)
  ofModel.set(prefix, known)
  return known
}

const compileRowDecoder = (model: RowModel<unknown>, prefix: string): ((row: Row) => unknown) => {
  const entity = entityOf(model.ast)
  const columns = columnsOf(model).map(({ decode, name }) => ({ name, from: prefix + name, convert: decode }))
  // Builds the instance that the constructor of the `Schema.Class` would build, without its defaults and its
  // validation: each column is already decoded.
  const refuse = (column: string): never => {
    throw new CorruptRow({ entity, column })
  }
  return convertedObjectsOf(columns, model.prototype, invalid, refuse)
}
