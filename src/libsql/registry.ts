/**
 * What our `SqlClient` can do beyond its interface, for those who hold one.
 */
import type { SqlError } from "@effect/sql"
import type { Effect } from "effect"
import { globalValue } from "effect/GlobalValue"
import type { Changes } from "./Changes.js"
import type { Row } from "./Connection.js"
import type { Statement } from "./SqlClient.js"

/** Where a database is. */
export type Place = { readonly kind: "file"; readonly path: string } | { readonly kind: "memory" } | { readonly kind: "server" }

export interface Abilities {
  readonly place: Place
  readonly changes: Changes
  /** Whether the caller is inside a transaction of this database. */
  readonly isInTransaction: Effect.Effect<boolean>
  /**
   * Runs one statement where a statement of the client would run, in the transaction that is open or by itself, without
   * the scope and the span that a statement makes for itself.
   */
  readonly execute: (text: string, values: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>
  /**
   * Runs statements in their order, in the transaction that is open, until one fails; on a server in one round trip. The
   * cause of the error is a `BatchFailure`, which says which one.
   */
  readonly executeAll: (statements: ReadonlyArray<Statement>) => Effect.Effect<void, SqlError.SqlError>
}

// One for all copies of this package in the process: a repository of one copy works on a client of another.
const clients = globalValue(Symbol.for("@sealant/db/libsql/clients"), () => new WeakMap<object, Abilities>())

export const register = (sql: object, abilities: Abilities): void => {
  clients.set(sql, abilities)
}

/** `undefined` for a client that is none of ours. */
export const abilitiesOf = (sql: object): Abilities | undefined => clients.get(sql)
