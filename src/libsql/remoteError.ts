/**
 * What a libSQL server, its client and the network say, in the engine's own words: so that nothing above has to know where
 * an error comes from.
 *
 * A server gives the primary code and puts words around the engine's message
 * (https://github.com/tursodatabase/libsql/blob/main/libsql-server/src/hrana/stmt.rs), and the client puts the code
 * before it. Which constraint it was stands in the message only. What the network says stays here: it may name hosts.
 */
import { codeOf, DriverError } from "./DriverError.js"

/** Something that is known of an error by its message: the engine's code for it. */
const constraints: ReadonlyArray<readonly [RegExp, string]> = [
  [/^UNIQUE constraint failed/, "SQLITE_CONSTRAINT_UNIQUE"],
  [/^CHECK constraint failed/, "SQLITE_CONSTRAINT_CHECK"],
  [/^NOT NULL constraint failed/, "SQLITE_CONSTRAINT_NOTNULL"],
  [/^FOREIGN KEY constraint failed/, "SQLITE_CONSTRAINT_FOREIGNKEY"],
  [/^cannot store /, "UNKNOWN_SQLITE_ERROR_3091"]
]

/** The codes of a server that the engine has under another name. */
const names: Readonly<Record<string, string>> = {
  SQLITE_UNKNOWN: "SQLITE_ERROR",
  SQL_INPUT_ERROR: "SQLITE_ERROR",
  SQL_MANY_STATEMENTS: "SEALANT_STATEMENT",
  SQL_NO_STATEMENT: "SEALANT_STATEMENT",
  ARGS_INVALID: "SEALANT_STATEMENT"
}

/**
 * Taken back, because it or another one lasted too long. Nothing of it was stored, as after SQLITE_BUSY: to whoever asks,
 * it is the same.
 */
const takenBack = /^(TRANSACTION_TIMEOUT|TRANSACTION_BUSY|STREAM_EXPIRED)$/

/** The error as a `DriverError`. One that is known to have left the server is never `SQLITE_BUSY`, and the other way round. */
export const remoteError = (error: unknown): DriverError => {
  if (error instanceof DriverError) return error
  const code = codeOf(error)
  const message = messageOf(error, code)
  if (takenBack.test(code)) return new DriverError(`SQLITE_BUSY_${code}`, "the server took the transaction back")
  if (code === "SQLITE_CONSTRAINT") return new DriverError(constraintOf(message), message)
  // The message of a text that the server does not take is that text.
  if (code === "SQL_PARSE_ERROR") return new DriverError("SEALANT_STATEMENT", "the server does not take such a statement")
  if (/^SQL(ITE)?_/.test(code) || code === "ARGS_INVALID") return new DriverError(names[code] ?? code, message)
  if (isRefusal(error)) return new DriverError(`SERVER_${code}`, "the server refused")
  const status = statusOf(error)
  if (status !== undefined) return new DriverError(`HTTP_${status}`, `the server answered with status ${status}`)
  return new DriverError(transportCode(error, code), "the server cannot be reached, or its answer was lost")
}

/** Whether a transaction in which a statement failed like this may go on. */
export const leavesTransaction = ({ code }: DriverError): boolean =>
  /^(SQLITE_(CONSTRAINT|ERROR|MISMATCH|TOOBIG|RANGE)|UNKNOWN_SQLITE_ERROR_3091|SEALANT_(STATEMENT|UNSUPPORTED_VALUE))/.test(code)

/** Whether nobody can say if what was asked was done. */
export const isUnanswered = ({ code }: DriverError): boolean => code.startsWith("HRANA_")

const constraintOf = (message: string): string =>
  // What is left is the text of a trigger's RAISE.
  constraints.find(([pattern]) => pattern.test(message))?.[1] ?? "SQLITE_CONSTRAINT_TRIGGER"

const messageOf = (error: unknown, code: string): string => {
  const message = error instanceof Error ? error.message : ""
  // In a batch the client puts it before what has it already.
  return (code === "" ? message : message.replaceAll(`${code}: `, "")).replace(/^(SQLite error|SQL input error): /, "").replace(/ \(at offset -?\d+\)$/, "")
}

/** What the server said itself, with a code that the engine does not have: `BLOCKED`, `RESPONSE_TOO_LARGE`. */
const isRefusal = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof Error && error.cause.name === "ResponseError"

const statusOf = (error: unknown): number | undefined => {
  const cause = error instanceof Error ? error.cause : undefined
  for (const candidate of [error, cause]) {
    if (candidate instanceof Error && "status" in candidate && typeof candidate.status === "number") return candidate.status
  }
  return undefined
}

/** `HRANA_` with what the network stack calls it, where it has a name for it: `HRANA_ECONNREFUSED`. */
const transportCode = (error: unknown, code: string): string => {
  if (/^HRANA_[A-Z_]+$/.test(code)) return code
  if (error instanceof Error && error.name === "TimeoutError") return "HRANA_TIMEOUT"
  const inner = codeOf(error instanceof Error ? error.cause : undefined)
  return `HRANA_${/^[A-Z_]+$/.test(inner) ? inner : "UNANSWERED"}`
}
