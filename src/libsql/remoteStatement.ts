/**
 * The conversion of a statement for a libSQL server, and of its result to the values and rows of the local client.
 */
import type { createClient } from "@libsql/client"
import { inspect, notOneStatement, requireParameters, type Result } from "./Connection.js"
import { BatchFailure } from "./BatchFailure.js"
import { codeOf, DriverError } from "./DriverError.js"
import type { Statement } from "./registry.js"
import { remoteError } from "./remoteError.js"
import { rowOf } from "./shape.js"
import { toNative } from "./values.js"

export type RemoteClient = ReturnType<typeof createClient>

type ResultSet = Awaited<ReturnType<RemoteClient["execute"]>>

/** A transaction of `@libsql/client`, which begins on the server with its first statement. */
export type Interactive = Awaited<ReturnType<RemoteClient["transaction"]>>

/** A statement in the form that `@libsql/client` accepts. */
export type Sendable = ReturnType<typeof sendable>

/** Converts a statement. Throws `SEALANT_STATEMENT` or `SEALANT_UNSUPPORTED_VALUE` when the local client would. */
export const sendable = (sql: string, values: ReadonlyArray<unknown>) => {
  const { refusal, single } = inspect(sql)
  if (!single) throw notOneStatement()
  if (refusal !== undefined) throw new DriverError("SEALANT_STATEMENT", refusal)
  requireParameters(sql, values.length)
  return { sql, args: values.map(toNative) }
}

/** Runs one statement. Rejects with a `DriverError`. */
export const execute = async (target: RemoteClient | Interactive, statement: Sendable): Promise<Result> => {
  try {
    return resultOf(await target.execute(statement))
  } catch (error) {
    throw remoteError(error)
  }
}

/** Runs statements in one request, each only if the one before it succeeded. Rejects with `BatchFailure`. */
export const executeAll = async (
  run: (statements: Array<Sendable>) => Promise<ReadonlyArray<ResultSet>>,
  statements: ReadonlyArray<Statement>
): Promise<ReadonlyArray<Result>> => {
  const batch = statements.map(({ sql, values }) => sendable(sql, values))
  try {
    return (await run(batch)).map(resultOf)
  } catch (error) {
    throw new BatchFailure(indexOf(error), remoteError(error))
  }
}

const indexOf = (error: unknown): number =>
  codeOf(error) !== "" &&
  error instanceof Error &&
  "statementIndex" in error &&
  typeof error.statementIndex === "number"
    ? error.statementIndex
    : 0

const resultOf = ({ columns, lastInsertRowid, rows, rowsAffected }: ResultSet): Result => {
  const values = rows.map((row) => columns.map((_, index) => fromServer(row[index])))
  return {
    columns: () => columns,
    rows: values.map((row) => rowOf(columns, row)),
    values: () => values,
    rowsAffected,
    lastInsertRowid
  }
}

const fromServer = (value: unknown): unknown =>
  typeof value === "bigint" ? Number(value) : value instanceof ArrayBuffer ? Buffer.from(value) : value
