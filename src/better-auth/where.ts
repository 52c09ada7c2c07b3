/**
 * Conditions of Better Auth in SQL.
 *
 * As in its adapters for SQL: conditions that are connected by OR are one group, of which one must hold, and all others
 * must hold beside it. A comparison with what is NULL does not hold, but for `eq` and `ne` with `null`. Patterns are
 * looked for as they are: nothing in them is a wildcard. Where case does not count, it does not for the letters A to Z.
 */
import type { SqlClient, Statement } from "@effect/sql"
import type { CleanedWhere } from "better-auth/adapters"
import { Effect, Either } from "effect"
import { InvalidInput } from "../Errors.js"
import type { Column, Table } from "./names.js"
import { encode, encodeText, type Stored } from "./values.js"

export type Where = ReadonlyArray<CleanedWhere>

/** A refusal in terms of Better Auth's field. */
export const refusal = (operation: string, field: string, rule: string) => new InvalidInput({ operation, issues: [`${field}: ${rule}`] })

/** The column of a field, as Better Auth names it. */
export const columnOf = (operation: string, table: Table, field: string): Effect.Effect<Column, InvalidInput> =>
  Effect.mapError(Effect.fromNullable(table.columns.get(field)), () => refusal(operation, field, `is not a field of ${table.model}`))

/** One condition for all of them. */
export const conditionOf = (
  sql: SqlClient.SqlClient,
  operation: string,
  table: Table,
  where: Where = []
): Effect.Effect<Statement.Fragment, InvalidInput> =>
  Effect.gen(function*() {
    const all: Array<Statement.Fragment> = []
    const any: Array<Statement.Fragment> = []
    for (const clause of where) {
      const column = yield* columnOf(operation, table, clause.field)
      const condition = yield* Either.mapLeft(comparison(sql, column, clause), (rule) => refusal(operation, clause.field, rule))
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
  const folded = (side: Statement.Fragment) => folds ? sql`lower(${side})` : side
  const left = folded(sql`${column}`)
  const right = (given: Stored) => folded(sql`${given}`)

  switch (operator) {
    case "eq":
      return Either.map(encode(type, value), (given) => given === null ? sql`${column} IS NULL` : sql`${left} = ${right(given)}`)
    case "ne":
      return Either.map(encode(type, value), (given) => given === null ? sql`${column} IS NOT NULL` : sql`${left} <> ${right(given)}`)
    case "lt":
    case "lte":
    case "gt":
    case "gte":
      return Either.map(encode(type, value), (given) => sql`${column} ${sql.literal(symbols[operator])} ${given}`)
    case "in":
      return Either.map(listOf(type, values), (list) =>
        sql`${left} IN (SELECT ${folded(sql`value`)} FROM json_each(${list}))`)
    case "not_in":
      return Either.map(listOf(type, values), (list) =>
        sql`${left} NOT IN (SELECT ${folded(sql`value`)} FROM json_each(${list}))`)
    case "contains":
      return Either.map(encodeText(value), (part) => sql`instr(${left}, ${right(part)}) > 0`)
    case "starts_with":
      return Either.map(encodeText(value), (part) => sql`substr(${left}, 1, length(${part})) = ${right(part)}`)
    case "ends_with":
      // The last none of the characters would be all of them.
      return Either.map(encodeText(value), (part) =>
        part === "" ? sql`${column} IS NOT NULL` : sql`substr(${left}, -length(${part})) = ${right(part)}`)
    default:
      return Either.left("has an operator that is not known")
  }
}

/** A list as one parameter: the text of the statement is the same for any number of values. */
const listOf = (type: Column["type"], values: ReadonlyArray<unknown>) =>
  Either.flatMap(Either.all(values.map((value) => encode(type, value))), (list) =>
    list.includes(null) ? Either.left("must be a list without null") : Either.right(JSON.stringify(list)))
