/**
 * The interface of `@libsql/client`, and the conversions of its statements and results.
 */
import type { LibsqlClient } from "@effect/sql-libsql"
import type { Result, Row } from "./prepared.js"
import { DriverError } from "./DriverError.js"

/** The client interface that `@effect/sql-libsql` accepts. */
export type Client = LibsqlClient.LibsqlClientConfig.Live["liveClient"]
export type Transaction = Awaited<ReturnType<Client["transaction"]>>
export type ResultSet = Awaited<ReturnType<Client["execute"]>>
export type InStatement = Exclude<Parameters<Client["batch"]>[0][number], readonly unknown[]>

/**
 * Extracts SQL and parameters from the forms that the interface allows. Throws `SEALANT_STATEMENT` for named
 * parameters.
 */
export const statementOf = (statement: InStatement | string | [string, unknown?], args?: unknown) => {
  const [sql, parameters] =
    typeof statement === "string"
      ? [statement, args]
      : Array.isArray(statement)
        ? statement
        : [statement.sql, statement.args]
  if (parameters === undefined || parameters === null) return { sql, values: [] }
  if (!Array.isArray(parameters))
    throw new DriverError("SEALANT_STATEMENT", "named parameters are not supported: use ?")
  return { sql, values: parameters as ReadonlyArray<unknown> }
}

/**
 * Converts a result to the form of the interface. A row has its columns by name and, as non-enumerable properties, by
 * number.
 */
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
