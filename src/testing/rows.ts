/**
 * Types and helpers of the factories: inserting a row, and creating referenced rows.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { type Brand, DateTime, Effect, type Option, Redacted } from "effect"
import type { AlreadyExists, InvalidInput, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { operations } from "../sql/operations.js"
import { columnList, columnName, type RowModel, rowsOf } from "../sql/rows.js"

/** The input form of a field: ids are plain strings, and an `Option` is its value. */
export type Plain<A> =
  A extends Option.Option<infer Value>
    ? Plain<Value>
    : A extends Brand.Brand<infer _Name>
      ? Brand.Brand.Unbranded<A>
      : A

/** The argument of a factory. The factory sets default values for absent and `undefined` fields. */
export type Given<Row> = { readonly [Field in keyof Row]?: Plain<Row[Field]> | undefined }

/** The errors of a factory: the argument violates a rule of the database. */
export type FactoryError = AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError

/** The result of a factory. */
export type Made<Row> = Effect.Effect<Row, FactoryError, SqlClient.SqlClient>

/** Wraps a factory of `entity` in a transaction, and maps constraint errors to domain errors. */
export const factory = (entity: string) => {
  const { traced } = operations("Factories", entity)
  return <A, E>(body: Effect.Effect<A, E, SqlClient.SqlClient>) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(body)).pipe(
      traced(entity, ["AlreadyExists", "ReferenceNotFound", "InvalidInput"])
    )
}

/** Copies an argument without the fields that are `undefined`, which would replace defaults. */
export const defined = <A extends object>(given: A): A => {
  const copy = { ...given }
  for (const field of Object.keys(copy)) if (Reflect.get(copy, field) === undefined) Reflect.deleteProperty(copy, field)
  return copy
}

/** Inserts a row of a model, and decodes it like a repository. */
export const insert = <Row>(table: string, model: RowModel<Row>, row: Given<Row>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* rowsOf(model)
    return yield* rows.single(sql`
      INSERT INTO ${sql(table)} ${sql.insert(stored(row))} RETURNING ${sql.literal(columnList(model))}`)
  })

const stored = (row: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(defined(row)).map(([field, value]) => [columnName(field), plain(value)]))

const plain = (value: unknown) => {
  if (DateTime.isDateTime(value)) return DateTime.toEpochMillis(value)
  if (Redacted.isRedacted(value)) return Redacted.value(value)
  return typeof value === "object" ? JSON.stringify(value) : value
}

/** Brands an id, if there is one. */
export const asId = <Id extends string>(
  id: { readonly make: (id: string) => Id },
  given: string | undefined
): Id | undefined => (given === undefined ? undefined : id.make(given))

/** Creates the row with this id, if it does not exist. */
export const ensure = <E>(
  table: string,
  id: string | undefined,
  make: (id: string) => Effect.Effect<unknown, E, SqlClient.SqlClient>
) =>
  Effect.gen(function* () {
    if (id === undefined) return
    const sql = yield* SqlClient.SqlClient
    const found = yield* sql`SELECT 1 FROM ${sql(table)} WHERE id = ${id}`
    if (found.length === 0) yield* make(id)
  })

/** Returns the next number among the rows of a parent. */
export const next = (table: string, column: string, parentColumn: string, parent: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly number: number }>`
      SELECT coalesce(max(${sql(column)}), 0) + 1 AS number FROM ${sql(table)} WHERE ${sql(parentColumn)} = ${parent}`
    return row?.number ?? 1
  })
