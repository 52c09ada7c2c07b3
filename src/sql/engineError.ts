/**
 * Translation of engine errors into `PersistenceError`: error codes and names of database objects, never values.
 */
import type { SqlError } from "@effect/sql"
import { Predicate } from "effect"
import { PersistenceError, type PersistenceErrorReason } from "../Errors.js"
import { isBatchFailure } from "../libsql/BatchFailure.js"

/**
 * Returns the engine's error code (https://www.sqlite.org/rescode.html), or `UNKNOWN`, and its message. The message may
 * contain values.
 */
export const engineErrorOf = (error: SqlError.SqlError): { readonly code: string; readonly message: string } => {
  const cause = isBatchFailure(error.cause) ? error.cause.cause : error.cause
  const code = Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : "UNKNOWN"
  const message = Predicate.hasProperty(cause, "message") && typeof cause.message === "string" ? cause.message : ""
  return { code, message }
}

/** A table, view or column that a statement names and the database lacks. */
export interface Missing {
  readonly kind: "table" | "view" | "column"
  readonly name: string
  /** The table or alias of a column, if the engine names it. */
  readonly table: string | undefined
}

// Matches only words in the form of a name: these come from the text of a statement, never from a parameter.
const name = "[A-Za-z_][\\w$]{0,127}"
const missingObject = new RegExp(`no such (table|view|column): (?:(${name})\\.)?(${name})$`)
const missingColumn = new RegExp(`table (${name}) has no column named (${name})$`)

/** Returns the missing table, view or column if the engine refused a statement because of it. */
export const missingOf = (error: SqlError.SqlError): Missing | undefined => {
  const { message } = engineErrorOf(error)
  const [, table, column] = missingColumn.exec(message) ?? []
  if (column !== undefined) return { kind: "column", table, name: column }
  const [, kind, qualifier, found] = missingObject.exec(message) ?? []
  return found === undefined
    ? undefined
    : { kind: kind === "table" || kind === "view" ? kind : "column", table: qualifier, name: found }
}

const describe = ({ kind, name, table }: Missing) =>
  kind !== "column" ? `no ${kind} ${name}` : table === undefined ? `no column ${name}` : `no column ${name} in ${table}`

const unavailable =
  /^(SQLITE_(READONLY|FULL|IOERR|CANTOPEN|CORRUPT|NOTADB|NOMEM|PERM|AUTH|PROTOCOL)|SEALANT_CLOSED|SEALANT_FILE_REPLACED|HRANA_|HTTP_|SERVER_|URL_|UNKNOWN$|E[A-Z]+$)/

// The messages of these errors are written by the client, and contain the limit or the remedy.
const written = /^(SEALANT_(FILE_REPLACED|TOKEN|TOO_LARGE)|HRANA_WRITES_STALLED|HTTP_40[13])$/

const reasonOf = (code: string, message: string): PersistenceErrorReason => {
  if (/^(SQLITE_TOOBIG|SEALANT_TOO_LARGE|SERVER_RESPONSE_TOO_LARGE)$/.test(code)) return "TooLarge"
  if (code === "HTTP_401" || code === "HTTP_403" || code === "SEALANT_TOKEN") return "Unauthorized"
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) return "Busy"
  if (/no such (table|column|view)|has no column named/.test(message)) return "SchemaMismatch"
  return unavailable.test(code) ? "Unavailable" : "Unknown"
}

const causeOf = (code: string, message: string, missing: Missing | undefined): string => {
  if (missing !== undefined) return `${code}: ${describe(missing)}`
  return written.test(code) ? `${code}: ${message}` : code
}

/** Builds the `PersistenceError` for a failure of the engine, the client or the network. */
export const persistenceErrorOf = (operation: string, error: SqlError.SqlError): PersistenceError => {
  const { code, message } = engineErrorOf(error)
  return new PersistenceError({
    operation,
    reason: reasonOf(code, message),
    cause: causeOf(code, message, missingOf(error))
  })
}

/** Recognizes a `SqlError` by its tag, because another copy of `@effect/sql` in the process has its own class. */
export const isSqlError = (error: unknown): error is SqlError.SqlError => Predicate.isTagged(error, "SqlError")

/** Returns whether a write violated a UNIQUE or PRIMARY KEY constraint. */
export const isTaken = (error: unknown): boolean => {
  if (!isSqlError(error)) return false
  const { code } = engineErrorOf(error)
  return code === "SQLITE_CONSTRAINT_UNIQUE" || code === "SQLITE_CONSTRAINT_PRIMARYKEY"
}
