/**
 * Lists that can be narrowed: along which index they are walked.
 *
 * A page is read off one index in the order of the page, so that it costs what it holds. Several statuses are several
 * such walks, merged. What no index holds beside the one that is walked is looked at on the way: written as `+column`,
 * so that the planner does not leave the order for it.
 */
import type { SqlClient, Statement } from "@effect/sql"
import * as Page from "./page.js"

export type Conditions = ReadonlyArray<Statement.Fragment>

/** Conditions of a list out of what its caller gave; what was not given is no condition. */
export const conditionsOf = (sql: SqlClient.SqlClient) => ({
  /** The column that leads the index. */
  along: (column: string, value: string | undefined): Conditions =>
    value === undefined ? [] : [sql`${sql.literal(column)} = ${value}`],

  /** A column that the index does not hold. */
  aside: (column: string, value: string | undefined): Conditions =>
    value === undefined ? [] : [sql`+${sql.literal(column)} = ${value}`],

  /** Several values of a column that the index does not hold. */
  asideIn: (column: string, values: ReadonlyArray<string> | undefined): Conditions =>
    values === undefined ? [] : [sql`+${sql.in(column, [...new Set(values)])}`]
})

/**
 * Builds one list of conditions for each status, for an index that continues with the status; one list for all rows without
 * `statuses`. `column` is the column of the status.
 */
export const walksByStatus = (
  sql: SqlClient.SqlClient,
  statuses: ReadonlyArray<string> | undefined,
  conditions: Conditions,
  column = "status"
): ReadonlyArray<Conditions> =>
  statuses === undefined ? [conditions] : [...new Set(statuses)].map((status) => [sql`${sql.literal(column)} = ${status}`, ...conditions])

/** The rows of a page, newest first: the engine merges the walks, each of which is in that order. */
export const walk = (
  sql: SqlClient.SqlClient,
  source: { readonly columns: Statement.Fragment; readonly table: string },
  walks: ReadonlyArray<Conditions>,
  start: Page.Start
) => {
  const branches = walks.map((conditions) =>
    sql`SELECT ${source.columns} FROM ${sql(source.table)} WHERE ${sql.and([...conditions, Page.below(sql, start)])}`)
  return sql`
    ${sql.join(" UNION ALL ", false)(branches)}
    ORDER BY "createdAt" DESC, id DESC LIMIT ${start.limit + 1}`
}
