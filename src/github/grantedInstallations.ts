/**
 * The list of the installations on which a user has a grant, in the order of the grants or of their names.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Statement } from "@effect/sql"
import { Effect } from "effect"
import * as Page from "../sql/page.js"
import { joinedPage, partColumnList, partOf, requiredPart } from "../sql/rows.js"
import { operations } from "../sql/operations.js"
import { GitHubInstallation, GitHubInstallationUserGrant, UserInstallationFilter } from "./GitHubInstallation.js"

const { decodeFilter } = operations("GitHubInstallationRepo", "GitHubInstallation")

const name = "GitHubInstallationRepo.listForUser"

const grantPart = partOf(GitHubInstallationUserGrant, "g")
const installationPart = partOf(GitHubInstallation, "i")

export const grantedInstallations = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const select = yield* joinedPage
  const columns = sql.literal(
    `${partColumnList(GitHubInstallationUserGrant, "g")}, ${partColumnList(GitHubInstallation, "i")}`
  )

  /** Selects the grants of a user with their installations, after a cursor and in its order. */
  const granted = ({ statuses, userId }: typeof UserInstallationFilter.Type, after: Statement.Fragment) =>
    select(
      sql`
        SELECT ${columns} FROM github_installation_user_grants AS g
          CROSS JOIN github_app_installations AS i ON i.id = g.installation_id
        WHERE g.user_id = ${userId} AND g.revoked_at IS NULL
          AND (${statuses === undefined} OR i.status IN (SELECT value FROM json_each(${JSON.stringify(statuses ?? [])})))
          AND ${after}`,
      (row) =>
        Effect.zip(
          requiredPart(grantPart(row), "GitHubInstallation"),
          requiredPart(installationPart(row), "GitHubInstallation")
        )
    )

  const newest = (filter: typeof UserInstallationFilter.Type, request: Page.PageRequest) =>
    Effect.gen(function* () {
      const start = yield* Page.start(name, request)
      const found = yield* granted(
        filter,
        sql`${Page.afterCursor(sql, start, "g.granted_at", "g.installation_id")}
        ORDER BY g.granted_at DESC, g.installation_id DESC LIMIT ${start.limit + 1}`
      )
      return Page.make(found, start, ([{ grantedAt, installationId }]) => [grantedAt, installationId])
    })

  // A user has few installations, so they are sorted for each page.
  const byName = (filter: typeof UserInstallationFilter.Type, request: Page.PageRequest) =>
    Effect.gen(function* () {
      const start = yield* Page.startByName(name, request)
      const found = yield* granted(
        filter,
        sql`(i.account_login COLLATE NOCASE, i.id) > (${start.name}, ${start.id})
        ORDER BY i.account_login COLLATE NOCASE, i.id LIMIT ${start.limit + 1}`
      )
      return Page.makeByName(found, start, ([, { accountLogin, id }]) => [accountLogin, id])
    })

  return (request: Page.PageRequest & typeof UserInstallationFilter.Encoded) =>
    Effect.gen(function* () {
      const filter = yield* decodeFilter("listForUser", UserInstallationFilter)(request)
      const { items, nextCursor } = yield* (filter.orderBy === "name" ? byName : newest)(filter, request)
      return { items: items.map(([, installation]) => installation), nextCursor }
    })
})
