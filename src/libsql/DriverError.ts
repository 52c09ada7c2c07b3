/**
 * An error of the client itself, in the form of the engine's errors: a `code`, and a message without values.
 *
 * - `SQLITE_BUSY`: another process held the write lock for the whole busy timeout.
 * - `SEALANT_UNSUPPORTED_VALUE`: a parameter that SQLite would store as another value.
 * - `SEALANT_STATEMENT`: text that is not a single statement, or a statement of a refused kind.
 * - `SEALANT_TOO_LARGE`: a value beyond the limit of a server.
 * - `SEALANT_TRANSACTION_OVER`: a statement on a transaction that has ended.
 * - `SEALANT_CLOSED`: the database was closed.
 * - `SEALANT_FILE_REPLACED`: the database file or its log was removed or replaced while it was open.
 * - `SEALANT_PRAGMA`: a setting of a connection did not take effect.
 * - `SEALANT_URL`: an invalid URL of a server.
 * - `SEALANT_REPLICA`: a replica file that cannot be used.
 */
export class DriverError extends Error {
  override readonly name = "DriverError"
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions
  ) {
    super(message, options)
  }
}

/** Returns the `code` of an error of the engine or the client, or an empty string. */
export const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : ""

/**
 * Returns whether an error is SQLITE_BUSY or has one of its extended codes
 * (https://www.sqlite.org/rescode.html#busy).
 */
export const isBusy = (error: unknown): boolean => codeOf(error).startsWith("SQLITE_BUSY")

/** Returns whether a driver could not be created because of its replica. */
export const isReplicaError = (error: unknown): boolean =>
  error instanceof DriverError && error.code === "SEALANT_REPLICA"
