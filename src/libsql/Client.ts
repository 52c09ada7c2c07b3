/**
 * The interface of `@libsql/client`, and how our statements and results pass through it.
 */
import type { LibsqlClient } from "@effect/sql-libsql"
import type { Result, Row } from "./Connection.js"
import { DriverError } from "./DriverError.js"

/** The client interface as `@effect/sql-libsql` takes it. */
export type Client = LibsqlClient.LibsqlClientConfig.Live["liveClient"]
export type Transaction = Awaited<ReturnType<Client["transaction"]>>
export type ResultSet = Awaited<ReturnType<Client["execute"]>>
export type InStatement = Exclude<Parameters<Client["batch"]>[0][number], readonly unknown[]>

/** SQL and parameters out of the forms that the interface allows. Named parameters are not among ours. */
export const statementOf = (statement: InStatement | string | [string, unknown?], args?: unknown) => {
  const [sql, given] = typeof statement === "string"
    ? [statement, args]
    : Array.isArray(statement)
    ? statement
    : [statement.sql, statement.args]
  if (given === undefined || given === null) return { sql, values: [] }
  if (!Array.isArray(given)) throw new DriverError("SEALANT_STATEMENT", "named parameters are not supported: use ?")
  return { sql, values: given as ReadonlyArray<unknown> }
}

/** A result in the interface's form: a row has its columns by name, and also, out of sight, by number. */
export const toResultSet = (result: Result): ResultSet => {
  const { lastInsertRowid, rows, rowsAffected } = result
  const columns = [...result.columns()]
  result.values().forEach((values, index) => numberColumns(rows[index], values))
  const columnTypes = columns.map(() => "")
  const shown = { columns, columnTypes, rows, rowsAffected, lastInsertRowid }
  return {
    ...shown,
    rows: rows as ResultSet["rows"],
    toJSON: () => ({ ...shown, lastInsertRowid: lastInsertRowid?.toString() ?? null })
  }
}

const numberColumns = (row: Row | undefined, values: ReadonlyArray<unknown>): void => {
  if (row === undefined) return
  Object.defineProperty(row, "length", { value: values.length })
  values.forEach((value, index) => Object.defineProperty(row, index, { value }))
}
