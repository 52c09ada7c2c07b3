/**
 * What the engine said, in terms that may leave the store: codes and names of constraints, never values.
 */
import type { SqlError } from "@effect/sql"
import { Predicate } from "effect"
import { PersistenceError, type PersistenceErrorReason } from "../Errors.js"

/** The engine's error code (https://www.sqlite.org/rescode.html), or `UNKNOWN`, and its message, which may hold values. */
export const engineErrorOf = (error: SqlError.SqlError): { readonly code: string; readonly message: string } => {
  const { cause } = error
  const code = Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : "UNKNOWN"
  const message = Predicate.hasProperty(cause, "message") && typeof cause.message === "string" ? cause.message : ""
  return { code, message }
}

const unavailable = /^(SQLITE_(READONLY|FULL|IOERR|CANTOPEN|CORRUPT|NOTADB|NOMEM|PERM|AUTH|PROTOCOL)|SEALANT_CLOSED|SEALANT_FILE_REPLACED|HRANA_|HTTP_|SERVER_|URL_|UNKNOWN$|E[A-Z]+$)/

const reasonOf = (code: string, message: string): PersistenceErrorReason => {
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) return "Busy"
  if (/no such (table|column|view)|has no column named/.test(message)) return "SchemaMismatch"
  return unavailable.test(code) ? "Unavailable" : "Unknown"
}

/** The `PersistenceError` for a failure of the engine, the client or the network. */
export const persistenceErrorOf = (operation: string, error: SqlError.SqlError): PersistenceError => {
  const { code, message } = engineErrorOf(error)
  // This message is the client's own, and tells an operator what to do.
  const cause = code === "SEALANT_FILE_REPLACED" ? `${code}: ${message}` : code
  return new PersistenceError({ operation, reason: reasonOf(code, message), cause })
}

/** By its tag: another copy of `@effect/sql` in the process has a class of its own. */
export const isSqlError = (error: unknown): error is SqlError.SqlError => Predicate.isTagged(error, "SqlError")

/** Whether a row was refused because another one holds what must be unique. */
export const isTaken = (error: unknown): boolean => {
  if (!isSqlError(error)) return false
  const { code } = engineErrorOf(error)
  return code === "SQLITE_CONSTRAINT_UNIQUE" || code === "SQLITE_CONSTRAINT_PRIMARYKEY"
}
