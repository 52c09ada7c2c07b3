/**
 * Owner scope of methods that take the id of a row. The scope is a condition of the statement, not a separate read
 * before it.
 */
import type { SqlClient, Statement } from "@effect/sql"

/**
 * The id of a row, and its owner. Rows of other owners are treated as missing. Other fields are ignored, so that a stored
 * row can be passed. A misspelled owner is safe: without an owner, no row matches.
 */
export interface OwnedId {
  readonly id: string
  readonly ownerUserId: string
}

/**
 * The id of a row, with or without its owner. Internal: a call with the id alone reaches the rows of all owners and is
 * not for request handlers.
 */
export type ById = string | OwnedId

/** Builds the argument for a row: the id with its owner, or the id alone if `ownerUserId` is `undefined`. */
export const scoped = (id: string, ownerUserId: string | undefined): ById =>
  ownerUserId === undefined ? id : { id, ownerUserId }

/** The scope of a statement: any owner if `ownerUserId` is absent, no owner if it is null. */
export interface OwnerScope {
  readonly ownerUserId?: string | null | undefined
}

/** The id of a row, and the scope of the statement. */
export interface Target extends OwnerScope {
  readonly id: string
}

/**
 * Decodes the row argument of a method. An object without an owner matches no row. An untyped caller may pass an id that
 * is not a string: its text matches no row, and fits into `NotFound`.
 */
export const targetOf = (by: ById): Target =>
  typeof by === "object" && by !== null
    ? { id: String(by.id), ownerUserId: by.ownerUserId ?? null }
    : { id: String(by) }

/** Builds `AND <column> = <owner>` for the end of a WHERE clause; empty for any owner. */
export const ownerScope =
  (sql: SqlClient.SqlClient, column = "owner_user_id") =>
  ({ ownerUserId }: OwnerScope): Statement.Fragment =>
    ownerUserId === undefined ? sql`` : sql`AND ${sql.literal(column)} = ${ownerUserId}`
