/**
 * The queries of the adapter methods.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError, Statement } from "@effect/sql"
import type { JoinConfig } from "better-auth/adapters"
import { Effect, Option } from "effect"
import { type InvalidInput, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { endWithOwner } from "../events/deletions.js"
import { maxIdLength } from "../sql/columns.js"
import { invalid } from "../sql/decoder.js"
import { isSqlError, missingOf } from "../sql/engineError.js"
import { operations } from "../sql/operations.js"
import { isReferenceNotFound } from "../sql/references.js"
import { CorruptRow, joinedRows } from "../sql/rows.js"
import type { EncryptionKeyUnavailable } from "../secret/errors.js"
import type { Column, Table } from "./names.js"
import { isTokenColumn, openTokens, storedTokens, withSealedTokens } from "./tokens.js"
import { encode, type Stored } from "./values.js"
import { columnOf, conditionOf, refusal, type Where } from "./where.js"

/** A row in the representation of Better Auth: field names, with dates, booleans and JSON values. */
export type Row = Readonly<Record<string, unknown>>

/** A join. `key` is the name of its result in the row. */
export interface Join {
  readonly key: string
  readonly table: Table
  readonly config: JoinConfig[string]
}

/** Input of `find`. */
export interface Find {
  readonly where?: Where | undefined
  readonly fields?: ReadonlyArray<string> | undefined
  readonly sortBy?: { readonly field: string; readonly direction: "asc" | "desc" } | undefined
  readonly limit: number
  readonly offset?: number | undefined
  readonly joins: ReadonlyArray<Join>
}

type Failure = SqlError.SqlError | CorruptRow | EncryptionKeyUnavailable | InvalidInput

const service = "BetterAuthAdapter"

/** Wraps the body of a method: adds a span, and converts errors to domain errors without values. */
const query = <A>(
  method: string,
  table: Table,
  body: (sql: SqlClient.SqlClient, operation: string) => Effect.Effect<A, Failure, SqlClient.SqlClient>,
  joins: ReadonlyArray<Join> = []
) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => body(sql, `${service}.${method}`)).pipe(
    Effect.mapError((error) =>
      isSqlError(error) ? (schemaMismatchOf(`${service}.${method}`, table, joins, error) ?? error) : error
    ),
    operations(service, table.model).traced(method, ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], {
      "auth.model": table.model
    })
  )

export const create = (table: Table, data: Row) =>
  query("create", table, (sql, operation) =>
    Effect.gen(function* () {
      const values = yield* storedOf(operation, table, data)
      return yield* withSealedTokens(table, values, (seal) =>
        first(
          table,
          sql`INSERT INTO ${sql(table.name)} ${sql.insert(seal?.(values["id"], {}) ?? values)} RETURNING ${list(sql, table)}`
        )
      )
    })
  ).pipe(resolveForeignKeyError(table, data))

export const find = (table: Table, { fields = [], joins, limit, offset = 0, sortBy, where }: Find) =>
  query(
    "find",
    table,
    (sql, operation) =>
      Effect.gen(function* () {
        const condition = yield* conditionOf(sql, operation, table, where)
        const columns =
          fields.length === 0 ? all(table) : yield* Effect.forEach(fields, (field) => columnOf(operation, table, field))
        // The id of an account is needed to decrypt its tokens.
        const isAdded = columns.some(({ name }) => isTokenColumn(table, name)) && !columns.some(isId)
        const read = isAdded ? [...columns, ...all(table).filter(isId)] : columns
        for (const count of [limit, offset]) yield* whole(operation, count)
        // The id orders rows with equal values, so that pages neither repeat nor skip a row.
        const order =
          sortBy === undefined
            ? sql``
            : sql`ORDER BY ${sql((yield* columnOf(operation, table, sortBy.field)).name)}
            ${sql.literal(sortBy.direction === "desc" ? "DESC" : "ASC")}, id`
        const joined = yield* Effect.forEach(joins, (join, index) => joinedList(sql, operation, table, join, index))
        const found = yield* run(sql`
        SELECT ${sql.csv([list(sql, table, read), ...joined])} FROM ${sql(table.name)} AS base
        WHERE ${condition} ${order} LIMIT ${limit} OFFSET ${offset}`)
        return yield* Effect.forEach(found, (row) => withJoined(table, columns, joins, row))
      }),
    joins
  )

export const count = (table: Table, where: Where | undefined) =>
  query("count", table, (sql, operation) =>
    Effect.gen(function* () {
      const condition = yield* conditionOf(sql, operation, table, where)
      const [row] = yield* run(sql`SELECT count(*) AS count FROM ${sql(table.name)} WHERE ${condition}`)
      return Number(row?.["count"] ?? 0)
    })
  )

/** Updates one row that meets the condition, and returns it. */
export const updateOne = (table: Table, where: Where, data: Row, increments: Readonly<Record<string, number>> = {}) =>
  query("update", table, (sql, operation) =>
    Effect.gen(function* () {
      const one = yield* oneOf(sql, operation, table, where)
      const values = yield* storedOf(operation, table, data)
      const added = yield* addedOf(operation, table, increments)
      const update = (values: Values, one: Statement.Fragment) => {
        const changes = changesOf(sql, values, added)
        return changes.length === 0
          ? first(table, sql`SELECT ${list(sql, table)} FROM ${sql(table.name)} WHERE ${one}`)
          : first(
              table,
              sql`UPDATE ${sql(table.name)} SET ${sql.csv(changes)} WHERE ${one} RETURNING ${list(sql, table)}`
            )
      }
      return yield* withSealedTokens(table, values, (seal) =>
        Effect.gen(function* () {
          if (seal === undefined) return yield* update(values, one)
          const [account] = yield* storedTokens(sql, table, one)
          return account === undefined
            ? Option.none<Row>()
            : yield* update(seal(account["id"], account), sql`id = ${String(account["id"])}`)
        })
      )
    })
  ).pipe(resolveForeignKeyError(table, data))

/** Updates all rows that meet the condition, and returns their number. */
export const updateMany = (table: Table, where: Where, data: Row) =>
  query("updateMany", table, (sql, operation) =>
    Effect.gen(function* () {
      const condition = yield* conditionOf(sql, operation, table, where)
      const values = yield* storedOf(operation, table, data)
      const update = (values: Values, condition: Statement.Fragment) => {
        const changes = changesOf(sql, values, {})
        return changes.length === 0
          ? run(sql`SELECT id FROM ${sql(table.name)} WHERE ${condition}`)
          : run(sql`UPDATE ${sql(table.name)} SET ${sql.csv(changes)} WHERE ${condition} RETURNING id`)
      }
      return yield* withSealedTokens(table, values, (seal) =>
        Effect.gen(function* () {
          if (seal === undefined) return (yield* update(values, condition)).length
          const accounts = yield* storedTokens(sql, table, condition)
          // The encryption of a token depends on its account.
          for (const account of accounts)
            yield* update(seal(account["id"], account), sql`id = ${String(account["id"])}`)
          return accounts.length
        })
      )
    })
  ).pipe(resolveForeignKeyError(table, data))

/**
 * Deletes one row that meets the condition, and returns it. Only one of several concurrent callers receives the row.
 */
export const consumeOne = (table: Table, where: Where) =>
  query("consumeOne", table, (sql, operation) =>
    Effect.flatMap(oneOf(sql, operation, table, where), (one) =>
      first(table, sql`DELETE FROM ${sql(table.name)} WHERE ${one} RETURNING ${list(sql, table)}`).pipe(
        withDependants(sql, table, one)
      )
    )
  )

/** Deletes all rows that meet the condition, and returns their number. */
export const deleteMany = (table: Table, where: Where) =>
  query("delete", table, (sql, operation) =>
    Effect.gen(function* () {
      const condition = yield* conditionOf(sql, operation, table, where)
      const deletion = run(sql`DELETE FROM ${sql(table.name)} WHERE ${condition} RETURNING id`)
      return (yield* withDependants(sql, table, condition)(deletion)).length
    })
  )

/** Ends the dependants of users in the transaction that deletes them, as `UserRepo.delete` does. */
const withDependants =
  (sql: SqlClient.SqlClient, table: Table, condition: Statement.Fragment) =>
  <A, E, R>(deletion: Effect.Effect<A, E, R>) =>
    table.name !== "user"
      ? deletion
      : Effect.gen(function* () {
          for (const { id } of yield* run(sql`SELECT id FROM user WHERE ${condition}`))
            yield* endWithOwner(sql, String(id))
          return yield* deletion
        }).pipe(sql.withTransaction)

const run = (statement: Statement.Statement<Row>) => Effect.flatMap(joinedRows, (execute) => execute(statement))

const first = (table: Table, statement: Statement.Statement<Row>) =>
  Effect.flatMap(run(statement), ([row]) =>
    row === undefined
      ? Effect.succeedNone
      : Effect.map(
          decoded(table, all(table), ({ field }) => row[field]),
          Option.some
        )
  )

const all = (table: Table) => [...table.columns.values()]

const isId = ({ field }: Column) => field === "id"

const list = (sql: SqlClient.SqlClient, table: Table, columns = all(table)) =>
  sql.csv(columns.map(({ field, name }) => sql`${sql(name)} AS ${sql(field)}`))

/** Returns a condition that matches one of the rows that meet `where`. */
const oneOf = (sql: SqlClient.SqlClient, operation: string, table: Table, where: Where) =>
  Effect.map(
    conditionOf(sql, operation, table, where),
    (condition) => sql`id = (SELECT id FROM ${sql(table.name)} WHERE ${condition} LIMIT 1)`
  )

const storedOf = (operation: string, table: Table, data: Row) =>
  Effect.gen(function* () {
    const values: Record<string, Stored> = {}
    for (const [field, value] of Object.entries(data)) {
      const { name, type } = yield* columnOf(operation, table, field)
      if (name === "id" && typeof value === "string" && value.length > maxIdLength) {
        yield* refusal(operation, field, `must be up to ${maxIdLength} characters`)
      }
      values[name] = yield* Effect.mapError(encode(type, value), (rule) => refusal(operation, field, rule))
    }
    return values
  })

type Values = Readonly<Record<string, Stored>>

const addedOf = (operation: string, table: Table, increments: Readonly<Record<string, number>>) =>
  Effect.gen(function* () {
    const added = yield* storedOf(operation, table, increments)
    for (const field of Object.keys(increments)) {
      if (table.columns.get(field)?.type !== "number")
        yield* refusal(operation, field, "is not a number, so it cannot be incremented")
    }
    return added
  })

const changesOf = (sql: SqlClient.SqlClient, values: Values, added: Values) => [
  ...Object.entries(values)
    .filter(([name]) => added[name] === undefined)
    .map(([name, value]) => sql`${sql(name)} = ${value}`),
  ...Object.entries(added).map(([name, delta]) => sql`${sql(name)} = coalesce(${sql(name)}, 0) + ${delta}`)
]

const whole = (operation: string, count: number) =>
  Number.isSafeInteger(count) && count >= 0
    ? Effect.void
    : Effect.fail(refusal(operation, "limit and offset", "must be whole numbers, 0 or more"))

/** Adds the missing reference to a `ReferenceNotFound`, because the error of the engine does not contain it. */
const resolveForeignKeyError =
  (table: Table, data: Row) =>
  <A, E, R>(write: Effect.Effect<A, E, R>): Effect.Effect<A, E | ReferenceNotFound, R | SqlClient.SqlClient> =>
    Effect.catchAll(
      write,
      (error): Effect.Effect<never, E | ReferenceNotFound, SqlClient.SqlClient> =>
        isReferenceNotFound(error) && error.reference === "unknown"
          ? Effect.flatMap(missingReference(table, data), (reference) =>
              Effect.fail(
                new ReferenceNotFound({ entity: table.model, reference: Option.getOrElse(reference, () => "unknown") })
              )
            )
          : Effect.fail(error)
    )

const missingReference = (table: Table, data: Row) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const keys = yield* run(
      sql`SELECT "from" AS name, "table" AS parent, coalesce("to", 'id') AS key FROM pragma_foreign_key_list(${table.name})`
    )
    for (const { key, name, parent } of keys) {
      const field = all(table).find((column) => column.name === name)?.field
      const value = field === undefined ? undefined : data[field]
      if (field === undefined || typeof value !== "string") continue
      const found = yield* run(sql`SELECT 1 AS found FROM ${sql(String(parent))} WHERE ${sql(String(key))} = ${value}`)
      if (found.length === 0) return Option.some(field)
    }
    return Option.none<string>()
  }).pipe(Effect.orElseSucceed(() => Option.none<string>()))

/**
 * Converts the error of a missing table or column to a `SchemaMismatch` with its remedy; `undefined` for other errors.
 */
const schemaMismatchOf = (operation: string, base: Table, joins: ReadonlyArray<Join>, error: SqlError.SqlError) => {
  const missing = missingOf(error)
  if (missing === undefined) return undefined
  const mismatch = (cause: string) => new PersistenceError({ operation, reason: "SchemaMismatch", cause })
  if (missing.kind !== "column") {
    const table = [base, ...joins.map((join) => join.table)].find(({ name }) => name === missing.name)
    return (
      table &&
      mismatch(`there is no table ${table.name}: create it with the columns ${all(table).map(declared).join(", ")}`)
    )
  }
  const table = joins.find((_, index) => joinedName(index) === missing.table)?.table ?? base
  const column = all(table).find(({ name }) => name === missing.name)
  return (
    column &&
    mismatch(`${table.name} has no column ${column.name}: ALTER TABLE ${table.name} ADD COLUMN ${declared(column)}`)
  )
}

const declared = ({ name, type }: Column) =>
  `${name} ${type === "date" || type === "boolean" || type === "number" ? "INTEGER" : "TEXT"}`

const joinedName = (index: number) => `joined_${index}`

/** Selects the joined rows of each row as JSON, so that one statement reads a consistent snapshot. */
const joinedList = (
  sql: SqlClient.SqlClient,
  operation: string,
  base: Table,
  { config: { limit = 100, on }, table }: Join,
  index: number
) =>
  Effect.gen(function* () {
    yield* whole(operation, limit)
    const from = yield* columnOf(operation, base, on.from)
    const to = yield* columnOf(operation, table, on.to)
    // The columns have the name of the join as prefix, because the engine's error for a missing column contains it.
    const other = joinedName(index)
    const columns = sql.csv(all(table).map(({ name }) => sql`${sql(other)}.${sql(name)}`))
    return sql`(
      SELECT json_group_array(json_array(${columns})) FROM (
        SELECT * FROM ${sql(table.name)} AS other WHERE other.${sql(to.name)} = base.${sql(from.name)} LIMIT ${limit}) AS ${sql(other)}
      ) AS ${sql(other)}`
  })

const withJoined = (table: Table, columns: ReadonlyArray<Column>, joins: ReadonlyArray<Join>, row: Row) =>
  Effect.gen(function* () {
    const base = yield* decoded(table, columns, ({ field }) => row[field], row["id"])
    const joined = yield* Effect.forEach(joins, ({ config, key, table: other }, index) =>
      Effect.forEach(listsOf(row[joinedName(index)]), (values) =>
        decoded(other, all(other), (_, place) => values[place])
      ).pipe(Effect.map((found) => [key, config.relation === "one-to-one" ? (found[0] ?? null) : found] as const))
    )
    return { ...base, ...Object.fromEntries(joined) }
  })

const listsOf = (json: unknown): ReadonlyArray<ReadonlyArray<unknown>> =>
  typeof json === "string" ? JSON.parse(json) : []

const decoded = (
  table: Table,
  columns: ReadonlyArray<Column>,
  valueOf: (column: Column, index: number) => unknown,
  knownId?: unknown
): Effect.Effect<Row, CorruptRow, SqlClient.SqlClient> =>
  Effect.forEach(columns, (column, index) => {
    const value = column.decode(valueOf(column, index) ?? null)
    return value === invalid
      ? Effect.fail(new CorruptRow({ entity: table.model, column: column.name }))
      : Effect.succeed([column.field, value] as const)
  }).pipe(
    Effect.map((fields): Row => Object.fromEntries(fields)),
    Effect.flatMap((row) => openTokens(table, row["id"] ?? knownId, row))
  )
