/**
 * Rows by id, either of one owner or of any owner. The scope is a condition of the statement, never a read before it.
 */
import type { SqlClient, Statement } from "@effect/sql"

/** A row of one owner. The method treats rows of other owners as missing. */
export interface OwnedId {
  readonly id: string
  readonly ownerUserId: string
}

/**
 * A row by its id alone, or by its id and its owner. Internal: a call with the id alone reaches the row of any owner and
 * is not for request handlers.
 */
export type ById = string | OwnedId

/** Builds the argument for a row: its id, in the scope of the owner if `ownerUserId` is set. */
export const scoped = (id: string, ownerUserId: string | undefined): ById => ownerUserId === undefined ? id : { id, ownerUserId }

/** The scope of a statement: any owner if `ownerUserId` is absent, no owner if it is null. */
export interface OwnerScope {
  readonly ownerUserId?: string | null | undefined
}

/** The row of a statement, and its scope. */
export interface Target extends OwnerScope {
  readonly id: string
}

/** Decodes the row argument of a method. An object always has a scope: without an owner it matches no row. */
export const targetOf = (by: ById): Target =>
  typeof by === "object" && by !== null ? { id: by.id, ownerUserId: by.ownerUserId ?? null } : { id: by }

/** Builds `AND <column> = <owner>` for the end of a WHERE clause; empty for any owner. */
export const ownerScope = (sql: SqlClient.SqlClient, column = "owner_user_id") => ({ ownerUserId }: OwnerScope): Statement.Fragment =>
  ownerUserId === undefined ? sql`` : sql`AND ${sql.literal(column)} = ${ownerUserId}`
