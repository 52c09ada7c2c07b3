/**
 * The conversion of errors of a libSQL server, its client and the network to the engine's codes, so that no other
 * module depends on the origin of an error.
 *
 * A server returns the primary code, and adds words to the engine's message
 * (https://github.com/tursodatabase/libsql/blob/main/libsql-server/src/hrana/stmt.rs). The client puts the code
 * before it. Only the message contains the kind of constraint. A replica passes on errors of its primary without their
 * code. Messages of the network are dropped, because they may name hosts.
 */
import { codeOf, DriverError } from "./DriverError.js"

/** Patterns of messages, each with the engine's code for that error. */
const constraints: ReadonlyArray<readonly [RegExp, string]> = [
  [/^UNIQUE constraint failed/, "SQLITE_CONSTRAINT_UNIQUE"],
  [/^CHECK constraint failed/, "SQLITE_CONSTRAINT_CHECK"],
  [/^NOT NULL constraint failed/, "SQLITE_CONSTRAINT_NOTNULL"],
  [/^FOREIGN KEY constraint failed/, "SQLITE_CONSTRAINT_FOREIGNKEY"],
  [/^cannot store /, "UNKNOWN_SQLITE_ERROR_3091"]
]

/** Patterns of other messages of a primary that a replica passes on. */
const ofPrimary: ReadonlyArray<readonly [RegExp, string]> = [
  ...constraints,
  [/^database is locked/, "SQLITE_BUSY"],
  [/no such (table|column)|has no column named|syntax error/, "SQLITE_ERROR"],
  [/^string or blob too big/, "SQLITE_TOOBIG"],
  // The form of the texts of this package's triggers.
  [/^[a-z_]+: /, "SQLITE_CONSTRAINT_TRIGGER"]
]

/** Messages that contain the remedy. */
const remedies: Readonly<Record<number, string>> = {
  401: "the server does not accept the token: set DATABASE_AUTH_TOKEN (option authToken) to a valid one that has not expired",
  403: "the token does not permit this: set DATABASE_AUTH_TOKEN (option authToken) to one that may read and write"
}

/** Codes of a server that have another name in the engine. */
const names: Readonly<Record<string, string>> = {
  SQLITE_UNKNOWN: "SQLITE_ERROR",
  SQL_INPUT_ERROR: "SQLITE_ERROR",
  SQL_MANY_STATEMENTS: "SEALANT_STATEMENT",
  SQL_NO_STATEMENT: "SEALANT_STATEMENT",
  ARGS_INVALID: "SEALANT_STATEMENT"
}

/**
 * Codes of a transaction that the server rolled back, because it or another one lasted too long. Nothing of it was
 * stored, so callers handle it like SQLITE_BUSY.
 */
const rolledBack = /^(TRANSACTION_TIMEOUT|TRANSACTION_BUSY|STREAM_EXPIRED)$/

/**
 * Converts an error to a `DriverError`. An error is reported as `SQLITE_BUSY` only if the server is known to have
 * stored nothing.
 */
export const remoteError = (error: unknown): DriverError => {
  if (error instanceof DriverError) return error
  // The client wraps an error that occurred before a request was sent.
  if (error instanceof Error && error.cause instanceof DriverError) return error.cause
  const code = codeOf(error)
  const message = messageOf(error, code)
  if (rolledBack.test(code)) return new DriverError(`SQLITE_BUSY_${code}`, "the server rolled the transaction back")
  if (code === "SQLITE_CONSTRAINT") return new DriverError(constraintOf(message), message)
  if (code === "PROXY_ERROR") return errorOfPrimary(message)
  // The message of this error contains the text of the statement.
  if (code === "SQL_PARSE_ERROR") {
    return message.startsWith("SQL string could not be parsed: syntax error")
      ? new DriverError("SQLITE_ERROR", syntaxErrorMessage)
      : new DriverError("SEALANT_STATEMENT", unsupportedMessage)
  }
  if (/^SQL(ITE)?_/.test(code) || code === "ARGS_INVALID") return new DriverError(names[code] ?? code, message)
  if (isRefusal(error)) return new DriverError(`SERVER_${code}`, "the server refused")
  const status = statusOf(error)
  if (status !== undefined)
    return new DriverError(`HTTP_${status}`, remedies[status] ?? `the server answered with status ${status}`)
  return new DriverError(transportCode(error, code), "the server cannot be reached, or its answer was lost")
}

/** Returns whether a transaction may still be open after a statement failed with this error. */
export const leavesTransaction = ({ code }: DriverError): boolean =>
  /^(SQLITE_(CONSTRAINT|ERROR|MISMATCH|TOOBIG|RANGE)|UNKNOWN_SQLITE_ERROR_3091|SEALANT_(STATEMENT|UNSUPPORTED_VALUE))/.test(
    code
  )

/** Returns whether it is unknown if the request was executed. */
export const isUnanswered = ({ code }: DriverError): boolean => code.startsWith("HRANA_")

const syntaxErrorMessage = "the server found a syntax error"

const unsupportedMessage = "the server does not accept this statement"

/** Returns whether the server refused to parse a statement of a request. It then has run no statement of it. */
export const isParseError = ({ message }: DriverError): boolean =>
  message === syntaxErrorMessage || message === unsupportedMessage

/** Returns whether the server was too busy to accept the request, or not ready. It then has run nothing of it. */
export const isTurnedAway = ({ code }: DriverError): boolean => code === "HTTP_429" || code === "HTTP_503"

const errorOfPrimary = (message: string): DriverError => {
  const text = message.replace(/^error executing a request on the primary: /, "")
  const code = ofPrimary.find(([pattern]) => pattern.test(text))?.[1]
  return code === undefined
    ? new DriverError("SERVER_PROXY_ERROR", "the replica could not execute the statement on its primary")
    : new DriverError(code, text)
}

const constraintOf = (message: string): string =>
  // Any other message is the text of a trigger's RAISE.
  constraints.find(([pattern]) => pattern.test(message))?.[1] ?? "SQLITE_CONSTRAINT_TRIGGER"

const messageOf = (error: unknown, code: string): string => {
  const message = error instanceof Error ? error.message : ""
  // In a batch the client may add the code twice.
  return (code === "" ? message : message.replaceAll(`${code}: `, ""))
    .replace(/^(SQLite error|SQL input error): /, "")
    .replace(/ \(at offset -?\d+\)$/, "")
}

/**
 * Returns whether the server itself refused, with a code that the engine does not have: `BLOCKED`,
 * `RESPONSE_TOO_LARGE`.
 */
const isRefusal = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === "ResponseError" || (error.cause instanceof Error && error.cause.name === "ResponseError"))

const statusOf = (error: unknown): number | undefined => {
  const cause = error instanceof Error ? error.cause : undefined
  for (const candidate of [error, cause]) {
    if (candidate instanceof Error && "status" in candidate && typeof candidate.status === "number")
      return candidate.status
  }
  return undefined
}

/** Returns `HRANA_` and the name that the network stack has for the error, if it has one: `HRANA_ECONNREFUSED`. */
const transportCode = (error: unknown, code: string): string => {
  if (/^HRANA_[A-Z_]+$/.test(code)) return code
  if (error instanceof Error && error.name === "TimeoutError") return "HRANA_TIMEOUT"
  const inner = codeOf(error instanceof Error ? error.cause : undefined)
  return `HRANA_${/^[A-Z_]+$/.test(inner) ? inner : "UNANSWERED"}`
}
