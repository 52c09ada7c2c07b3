/**
 * An error of the client itself, shaped like the engine's: a `code`, and a message without values.
 *
 * - `SQLITE_BUSY`: another process held the write lock for the whole busy timeout.
 * - `SEALANT_UNSUPPORTED_VALUE`: a parameter that SQLite would store as something else.
 * - `SEALANT_STATEMENT`: text that is not one statement of a kind that may run here.
 * - `SEALANT_TRANSACTION_OVER`: a statement on a transaction that has ended.
 * - `SEALANT_CLOSED`: the database was closed.
 * - `SEALANT_FILE_REPLACED`: the database file or its log was removed or replaced while it was open.
 */
export class DriverError extends Error {
  override readonly name = "DriverError"
  constructor(readonly code: string, message: string, options?: ErrorOptions) {
    super(message, options)
  }
}

/** The `code` of whatever the engine or the client threw, or an empty string. */
export const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : ""

/** SQLITE_BUSY and its extended codes (https://www.sqlite.org/rescode.html#busy). */
export const isBusy = (error: unknown): boolean => codeOf(error).startsWith("SQLITE_BUSY")
