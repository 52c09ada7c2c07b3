/**
 * What the lists of sandboxes and attempts can be narrowed to, and along which index they are walked.
 *
 * A page is read off one index in the order of the page, so that it costs what it holds. Several statuses are several
 * such walks, merged. What no index holds beside the one that is walked is looked at on the way: written as `+column`,
 * so that the planner does not leave the order for it.
 */
import type { SqlClient, Statement } from "@effect/sql"
import { Schema } from "effect"
import * as Page from "../../internal/page.js"
import { UserId } from "../auth/User.js"
import { IssueId } from "../issue-workflow/Issue.js"
import { RepositoryId } from "../source/Repository.js"
import { SandboxId, SandboxStatus } from "./Sandbox.js"
import { SandboxAttemptStatus } from "./SandboxAttempt.js"

// Exact: a list must not become everybody's because an id happened to be `undefined`.
const owner = Schema.optionalWith(UserId, { exact: true })
const sandbox = Schema.optionalWith(SandboxId, { exact: true })

/**
 * Which sandboxes a list shows: those that match all that is given. Several statuses mean any of them, an empty list of
 * them none. `includeArchived` left out means false. An owner given as `undefined` is refused.
 */
export const SandboxFilter = Schema.Struct({
  ownerUserId: owner,
  repositoryId: Schema.optional(RepositoryId),
  statuses: Schema.optional(Schema.Array(SandboxStatus)),
  includeArchived: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/**
 * Which attempts a list shows: those that match all that is given. Several statuses mean any of them, an empty list of
 * them none. An owner or a sandbox given as `undefined` is refused.
 */
export const SandboxAttemptFilter = Schema.Struct({
  ownerUserId: owner,
  repositoryId: Schema.optional(RepositoryId),
  issueId: Schema.optional(IssueId),
  sandboxId: sandbox,
  statuses: Schema.optional(Schema.Array(SandboxAttemptStatus))
})

type Conditions = ReadonlyArray<Statement.Fragment>

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

/** A walk for each status, where the index goes on with the status; one for all where nothing was said of it. */
export const walksByStatus = (
  sql: SqlClient.SqlClient,
  statuses: ReadonlyArray<string> | undefined,
  conditions: Conditions
): ReadonlyArray<Conditions> =>
  statuses === undefined ? [conditions] : [...new Set(statuses)].map((status) => [sql`status = ${status}`, ...conditions])

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
