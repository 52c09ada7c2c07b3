/**
 * Filters of lists, and the index that each list reads.
 *
 * A page reads one index in the order of the page, so its cost depends only on the length of the page. A filter on
 * several statuses reads one range of the index for each status and merges them. Conditions on columns outside the
 * index are written as `+column`, so that the planner does not choose another index for them
 * (https://www.sqlite.org/optoverview.html, "Disqualifying WHERE Clause Terms using Unary-+").
 */
import type { SqlClient, Statement } from "@effect/sql"
import * as Page from "./page.js"

export type Conditions = ReadonlyArray<Statement.Fragment>

/** Builds the conditions of a list from its filter. A field that is `undefined` has no condition. */
export const conditionsOf = (sql: SqlClient.SqlClient) => ({
  /** Builds the condition on the leading column of the index. */
  indexedBy: (column: string, value: string | undefined): Conditions =>
    value === undefined ? [] : [sql`${sql.literal(column)} = ${value}`],

  /** Builds the condition on a column outside the index. */
  unindexed: (column: string, value: string | undefined): Conditions =>
    value === undefined ? [] : [sql`+${sql.literal(column)} = ${value}`],

  /** Builds the condition that a column outside the index has one of several values. */
  unindexedIn: (column: string, values: ReadonlyArray<string> | undefined): Conditions =>
    values === undefined ? [] : [sql`+${sql.in(column, [...new Set(values)])}`]
})

/** Builds the LIKE pattern of a search for a part of a text; null without a search. */
export const searchPattern = (search: string | undefined): string | null =>
  search === undefined || search === "" ? null : `%${search.replace(/[\\%_]/g, "\\$&")}%`

/**
 * Builds one list of conditions for each status, for an index that continues with the status. Without `statuses`,
 * builds one list for all rows. `column` is the name of the status column.
 */
export const unionByStatus = (
  sql: SqlClient.SqlClient,
  statuses: ReadonlyArray<string> | undefined,
  conditions: Conditions,
  column = "status"
): ReadonlyArray<Conditions> =>
  statuses === undefined
    ? [conditions]
    : [...new Set(statuses)].map((status) => [sql`${sql.literal(column)} = ${status}`, ...conditions])

/**
 * Builds the statement of a page, newest first. Each list of conditions becomes one branch, read in the order of its
 * index; the engine merges the branches.
 */
export const keysetQuery = (
  sql: SqlClient.SqlClient,
  source: { readonly columns: Statement.Fragment; readonly table: string },
  alternatives: ReadonlyArray<Conditions>,
  start: Page.Start
) => {
  const branches = alternatives.map(
    (conditions) =>
      sql`SELECT ${source.columns} FROM ${sql(source.table)} WHERE ${sql.and([...conditions, Page.afterCursor(sql, start)])}`
  )
  return sql`
    ${sql.join(" UNION ALL ", false)(branches)}
    ORDER BY "createdAt" DESC, id DESC LIMIT ${start.limit + 1}`
}
