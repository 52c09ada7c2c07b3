/**
 * The conversion of a statement for a libSQL server, and of its result to the values and rows of the local client.
 */
import type { createClient, ResultSet } from "@libsql/client/http"
import { type RowsResult, Stmt } from "@libsql/hrana-client"
import { inspect, notOneStatement, requireParameters } from "./inspect.js"
import type { Result } from "./prepared.js"
import { BatchFailure } from "./BatchFailure.js"
import { codeOf, DriverError } from "./DriverError.js"
import type { Statement } from "./registry.js"
import { remoteError } from "./remoteError.js"
import { rowOf } from "./shape.js"
import { type NativeValue, toNative } from "./values.js"

export type RemoteClient = ReturnType<typeof createClient>

/** A transaction of `@libsql/client`, which begins on the server with its first statement. */
export type Interactive = Awaited<ReturnType<RemoteClient["transaction"]>>

/** A statement in the form that `@libsql/client` accepts. */
export type Sendable = ReturnType<typeof sendable>

/** The limit of a server for a value and for a row, in bytes. It cannot be configured. */
export const maxServerBytes = 5_000_000

/**
 * Converts a statement. Throws `SEALANT_STATEMENT` or `SEALANT_UNSUPPORTED_VALUE` when the local client would, and
 * `SEALANT_TOO_LARGE` for a value beyond the limit of a server.
 */
export const sendable = (sql: string, values: ReadonlyArray<unknown>) => {
  const { refusal, single } = inspect(sql)
  if (!single) throw notOneStatement()
  if (refusal !== undefined) throw new DriverError("SEALANT_STATEMENT", refusal)
  requireParameters(sql, values.length)
  const args = values.map(toNative)
  if (args.some((value) => bytesOf(value) > maxServerBytes))
    throw new DriverError("SEALANT_TOO_LARGE", `a value has more than ${maxServerBytes} bytes, the limit of a server`)
  return { sql, args }
}

const bytesOf = (value: NativeValue): number =>
  typeof value === "string"
    ? // A character has at most three bytes.
      3 * value.length <= maxServerBytes
      ? value.length
      : Buffer.byteLength(value)
    : Buffer.isBuffer(value)
      ? value.length
      : 0

/** The approximate size of a statement in a request, in bytes. */
export const sizeOf = ({ args, sql }: Sendable): number =>
  args.reduce((total: number, value) => total + bytesOf(value), sql.length)

/** Converts a statement for a stream. */
export const toStmt = ({ args, sql }: Sendable): Stmt => new Stmt(sql).bindIndexes(args)

/** Runs one statement of a transaction. Rejects with a `DriverError`. */
export const execute = async (target: Interactive, statement: Sendable): Promise<Result> => {
  try {
    const { columns, ...result } = await target.execute(statement)
    return makeResult(columns, result)
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
    return (await run(batch)).map(({ columns, ...result }) => makeResult(columns, result))
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

/** Converts the result of a stream. */
export const resultOf = ({ affectedRowCount, columnNames, lastInsertRowid, rows }: RowsResult): Result =>
  makeResult(
    columnNames.map((name) => name ?? ""),
    { rows, rowsAffected: affectedRowCount, lastInsertRowid }
  )

const makeResult = (
  columns: ReadonlyArray<string>,
  {
    lastInsertRowid,
    rows,
    rowsAffected
  }: Pick<ResultSet, "lastInsertRowid" | "rowsAffected"> & {
    readonly rows: ReadonlyArray<{ readonly [index: number]: unknown }>
  }
): Result => {
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
