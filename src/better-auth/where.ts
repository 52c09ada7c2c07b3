/**
 * Translation of Better Auth's conditions to SQL.
 *
 * - As in Better Auth's SQL adapters, the clauses with the connector OR form one group. One clause of the group and all
 *   other clauses must hold.
 * - A comparison with NULL does not hold, except `eq` and `ne` with `null`.
 * - Patterns contain no wildcards.
 * - Case-insensitive comparisons ignore the case of the letters A to Z only.
 */
import type { SqlClient, Statement } from "@effect/sql"
import type { CleanedWhere } from "better-auth/adapters"
import { Effect, Either } from "effect"
import { InvalidInput } from "../Errors.js"
import type { Column, Table } from "./names.js"
import { encode, encodeText, type Stored } from "./values.js"

export type Where = ReadonlyArray<CleanedWhere>

/** Makes an `InvalidInput` for a field of Better Auth. */
export const refusal = (operation: string, field: string, rule: string) =>
  new InvalidInput({ operation, issues: [`${field}: ${rule}`] })

/** Returns the column of a field. Fails with `InvalidInput` if the model has no such field. */
export const columnOf = (operation: string, table: Table, field: string): Effect.Effect<Column, InvalidInput> =>
  Effect.mapError(Effect.fromNullable(table.columns.get(field)), () =>
    refusal(operation, field, `is not a field of ${table.model}`)
  )

/** Returns the conjunction of all clauses. Fails with `InvalidInput` if a field, operator or value is invalid. */
export const conditionOf = (
  sql: SqlClient.SqlClient,
  operation: string,
  table: Table,
  where: Where = []
): Effect.Effect<Statement.Fragment, InvalidInput> =>
  Effect.gen(function* () {
    const all: Array<Statement.Fragment> = []
    const any: Array<Statement.Fragment> = []
    for (const clause of where) {
      const column = yield* columnOf(operation, table, clause.field)
      const condition = yield* Either.mapLeft(comparison(sql, column, clause), (rule) =>
        refusal(operation, clause.field, rule)
      )
      if (clause.connector === "OR") any.push(condition)
      else all.push(condition)
    }
    return sql.and(any.length === 0 ? all : [...all, sql.or(any)])
  })

const symbols = { lt: "<", lte: "<=", gt: ">", gte: ">=" } as const

const comparison = (
  sql: SqlClient.SqlClient,
  { name, type }: Column,
  { mode, operator, value }: CleanedWhere
): Either.Either<Statement.Fragment, string> => {
  const column = sql(name)
  const values: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
  const folds = mode === "insensitive" && values.every((item) => typeof item === "string")
  const folded = (side: Statement.Fragment) => (folds ? sql`lower(${side})` : side)
  const left = folded(sql`${column}`)
  const right = (stored: Stored) => folded(sql`${stored}`)

  switch (operator) {
    case "eq":
      return Either.map(encode(type, value), (stored) =>
        stored === null ? sql`${column} IS NULL` : sql`${left} = ${right(stored)}`
      )
    case "ne":
      return Either.map(encode(type, value), (stored) =>
        stored === null ? sql`${column} IS NOT NULL` : sql`${left} <> ${right(stored)}`
      )
    case "lt":
    case "lte":
    case "gt":
    case "gte":
      return Either.map(encode(type, value), (stored) => sql`${column} ${sql.literal(symbols[operator])} ${stored}`)
    case "in":
      return Either.map(
        listOf(type, values),
        (list) => sql`${left} IN (SELECT ${folded(sql`value`)} FROM json_each(${list}))`
      )
    case "not_in":
      return Either.map(
        listOf(type, values),
        (list) => sql`${left} NOT IN (SELECT ${folded(sql`value`)} FROM json_each(${list}))`
      )
    case "contains":
      return Either.map(encodeText(value), (part) => sql`instr(${left}, ${right(part)}) > 0`)
    case "starts_with":
      return Either.map(encodeText(value), (part) => sql`substr(${left}, 1, length(${part})) = ${right(part)}`)
    case "ends_with":
      // `substr(x, -0)` returns the whole text, so the empty suffix has a condition of its own.
      return Either.map(encodeText(value), (part) =>
        part === "" ? sql`${column} IS NOT NULL` : sql`substr(${left}, -length(${part})) = ${right(part)}`
      )
    default:
      return Either.left("has an unknown operator")
  }
}

/** Encodes a list as one JSON parameter, so that the statement is the same for any number of values. */
const listOf = (type: Column["type"], values: ReadonlyArray<unknown>) =>
  Either.flatMap(Either.all(values.map((value) => encode(type, value))), (list) =>
    list.includes(null) ? Either.left("must be a list without null") : Either.right(JSON.stringify(list))
  )
