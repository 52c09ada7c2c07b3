/**
 * Rows as factories give and store them.
 */
import { SqlClient } from "@effect/sql"
import { type Brand, DateTime, Effect, type Option, Redacted } from "effect"
import type { AlreadyExists, InvalidInput, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { operations } from "../sql/operations.js"
import { columnList, type RowModel, rowsOf } from "../sql/rows.js"

/** A field of a row, as a test writes it: an id is plain text, an `Option` is its value. */
export type Plain<A> = A extends Option.Option<infer Value> ? Plain<Value>
  : A extends Brand.Brand<infer _Name> ? Brand.Brand.Unbranded<A>
  : A

/** What a test says of a row; the factory fills in what is left out. */
export type Given<Row> = { readonly [Field in keyof Row]?: Plain<Row[Field]> }

/** Why a factory cannot make the row that was asked for: what was given breaks a rule of the database. */
export type FactoryError = AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError

/** A row that a factory makes. */
export type Made<Row> = Effect.Effect<Row, FactoryError, SqlClient.SqlClient>

/** Wraps a factory of `entity`: what it stores it stores whole, or not at all, and a broken rule is an error of the domain. */
export const factory = (entity: string) => {
  const { write } = operations("Factories", entity)
  return <A, E>(body: Effect.Effect<A, E, SqlClient.SqlClient>) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(body)).pipe(
      write(entity, ["AlreadyExists", "ReferenceNotFound", "InvalidInput"])
    )
}

/** Stores a row of a model, and reads it as a repository would. */
export const insert = <Row>(table: string, model: RowModel<Row>, row: Given<Row>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* rowsOf(model)
    return yield* rows.one(sql`
      INSERT INTO ${sql(table)} ${sql.insert(stored(row))} RETURNING ${sql.literal(columnList(model))}`)
  })

const stored = (row: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(row).filter(([, value]) => value !== undefined).map(([field, value]) => [
      field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      plain(value)
    ])
  )

const plain = (value: unknown) => {
  if (DateTime.isDateTime(value)) return DateTime.toEpochMillis(value)
  if (Redacted.isRedacted(value)) return Redacted.value(value)
  return typeof value === "object" ? JSON.stringify(value) : value
}

/** The id that a test gives as plain text. */
export const asId = <Id extends string>(id: { readonly make: (id: string) => Id }, given: string | undefined): Id | undefined =>
  given === undefined ? undefined : id.make(given)

/** Makes the row of this id, unless it is there. */
export const ensure = <E>(
  table: string,
  id: string | undefined,
  make: (id: string) => Effect.Effect<unknown, E, SqlClient.SqlClient>
) =>
  Effect.gen(function*() {
    if (id === undefined) return
    const sql = yield* SqlClient.SqlClient
    const found = yield* sql`SELECT 1 FROM ${sql(table)} WHERE id = ${id}`
    if (found.length === 0) yield* make(id)
  })

/** The number after the highest among the rows of one parent. */
export const next = (table: string, column: string, parentColumn: string, parent: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly number: number }>`
      SELECT coalesce(max(${sql(column)}), 0) + 1 AS number FROM ${sql(table)} WHERE ${sql(parentColumn)} = ${parent}`
    return row?.number ?? 1
  })
