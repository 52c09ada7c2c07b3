/**
 * Several writes as one: all of them take effect, or none. On a server they are one request.
 *
 * A write may repeat a condition on which the caller relied when it chose the writes (`guard`). When the condition no
 * longer holds, nothing is stored, and the caller reads again.
 */
import * as SqlError from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import type { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import { BatchFailure, isBatchFailure } from "../libsql/BatchFailure.js"
import { clientInternals, type Statement as Text } from "../libsql/registry.js"
import { engineErrorOf } from "./engineError.js"

/** One write: its text and its parameters. */
export interface Write extends Text {
  /** True for a statement that only checks a condition (`guard`). */
  readonly isGuard?: true
}

type Rows = ReadonlyArray<Readonly<Record<string, unknown>>>

/**
 * Runs the writes in order, in the open transaction or in one of their own, and returns the rows of each. The cause of
 * the error is a `BatchFailure` when a write failed.
 *
 * Writes are ordinary statements on a client of another package and under a statement transformer
 * (`Statement.setTransformer`), which must receive every statement.
 */
export const writeAll = (
  sql: SqlClient.SqlClient,
  writes: ReadonlyArray<Write>
): Effect.Effect<ReadonlyArray<Rows>, SqlError.SqlError> =>
  Effect.withFiberRuntime((fiber) => {
    const own = clientInternals(sql)?.writeAll
    return own === undefined || Option.isSome(fiber.getFiberRef(Statement.currentTransformer))
      ? sql.withTransaction(oneByOne(sql, writes))
      : own(writes)
  })

const oneByOne = (sql: SqlClient.SqlClient, writes: ReadonlyArray<Write>) =>
  Effect.forEach(writes, ({ sql: text, values }, index) =>
    Effect.mapError(
      sql.unsafe<Readonly<Record<string, unknown>>>(text, [...values]),
      ({ cause, message }) => new SqlError.SqlError({ cause: new BatchFailure(index, cause), message })
    )
  )

/** Converts a statement of the client to a write. */
export const toWrite = (statement: Statement.Statement<unknown>): Write => {
  const [text, values] = statement.compile()
  return { sql: text, values }
}

// The error of the engine for this text is "malformed JSON". The argument depends on data, because the engine may
// evaluate a constant before it tests the condition.
const changed = "changed since it was read"

/** Builds a write that fails unless `condition` holds. */
export const guard = (condition: string, values: ReadonlyArray<unknown>): Write => ({
  sql: `SELECT json(iif(${condition}, 'true', '${changed}')) AS held`,
  values,
  isGuard: true
})

/** Returns the guard that did not hold, if that is the reason of the error. */
export const failedGuard = (writes: ReadonlyArray<Write>, error: SqlError.SqlError): Option.Option<Write> => {
  const { cause } = error
  const failed = isBatchFailure(cause) ? writes[cause.index] : undefined
  return failed?.isGuard === true && engineErrorOf(error).message.includes("malformed JSON")
    ? Option.some(failed)
    : Option.none()
}
