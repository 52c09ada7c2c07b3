/**
 * The registry of this package's clients, with their operations beyond the interface of `SqlClient`.
 */
import type { SqlError } from "@effect/sql"
import type { Effect } from "effect"
import { globalValue } from "effect/GlobalValue"
import type { Changes } from "./Changes.js"
import type { Row } from "./prepared.js"

/** One of several statements that run together. */
export interface Statement {
  readonly sql: string
  readonly values: ReadonlyArray<unknown>
  /** Permits to drop all rows but the first, which halves the cost on a file. */
  readonly firstOnly?: boolean
}

/** The location of a database. */
export type Place =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "memory" }
  | { readonly kind: "server" }

/** The rows of a page. If `isCut` is true, the last row is not part of the page, and shows that there is a next one. */
export interface FoundRows {
  readonly rows: ReadonlyArray<Row>
  readonly isCut: boolean
}

/** The operations of a client beyond the interface of `SqlClient`. */
export interface ClientInternals {
  readonly place: Place
  readonly changes: Changes
  /** Returns whether the caller is inside a transaction of this database. */
  readonly isInTransaction: Effect.Effect<boolean>
  /** Returns whether the caller is inside a transaction that has run a statement. Until then it holds no lock. */
  readonly hasBegun: Effect.Effect<boolean>
  /**
   * Runs an effect whose reads decide something: outside a transaction they are executed by the primary of a server,
   * not by a replica, which may be behind.
   */
  readonly onPrimary: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * Runs one statement in the open transaction, or by itself when there is none. Makes no scope and no span for it,
   * unlike a statement of the client.
   */
  readonly execute: (
    text: string,
    values: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>
  /** Runs one statement as `execute` does, and may return the first row only. */
  readonly executeFirst: ClientInternals["execute"]
  /** Runs one read as `execute` does, and may end it early when its rows are long. */
  readonly executePage: (text: string, values: ReadonlyArray<unknown>) => Effect.Effect<FoundRows, SqlError.SqlError>
  /**
   * Runs statements in order in the open transaction, until one fails; on a server in one round trip. The cause of
   * the error is a `BatchFailure`, with the position of the failed statement.
   */
  readonly executeAll: (statements: ReadonlyArray<Statement>) => Effect.Effect<void, SqlError.SqlError>
  /**
   * Runs statements in order, and returns the rows of each. All of them take effect, or none: in the open transaction,
   * or in one of their own when there is none. On a server this is one round trip. The cause of the error is a
   * `BatchFailure` when a statement failed.
   */
  readonly writeAll: (
    statements: ReadonlyArray<Statement>
  ) => Effect.Effect<ReadonlyArray<ReadonlyArray<Row>>, SqlError.SqlError>
}

// One registry for all copies of this package in the process: a repository of one copy works on a client of another.
const clients = globalValue(Symbol.for("@sealant/db/libsql/clients"), () => new WeakMap<object, ClientInternals>())

/** Registers the internals of a client. */
export const register = (sql: object, internals: ClientInternals): void => {
  clients.set(sql, internals)
}

/** Returns the internals of a client, or `undefined` for a client that this package did not make. */
export const clientInternals = (sql: object): ClientInternals | undefined => clients.get(sql)
