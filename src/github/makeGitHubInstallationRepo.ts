/**
 * The statements and rules of `GitHubInstallationRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect, Option } from "effect"
import { Name } from "../sql/columns.js"
import { canonicalJson } from "../sql/fingerprint.js"
import { idOrNew } from "../sql/ids.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, givenColumns, rowsOf } from "../sql/rows.js"
import {
  GitHubInstallation,
  GitHubInstallationId,
  GitHubInstallationStatus,
  gitHubInstallationTransitions,
  GitHubInstallationUser,
  GitHubInstallationUserGrant,
  GrantGitHubInstallation,
  UpsertGitHubInstallation
} from "./GitHubInstallation.js"
import type { GitHubInstallationService } from "./GitHubInstallationRepo.js"
import { grantedInstallations } from "./grantedInstallations.js"

const { input, present, read, unmoved, write } = operations("GitHubInstallationRepo", "GitHubInstallation")
const grant = operations("GitHubInstallationRepo", "GitHubInstallationUserGrant")

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(GitHubInstallation))
  const grantColumns = sql.literal(columnList(GitHubInstallationUserGrant))
  const installations = yield* rowsOf(GitHubInstallation)
  const grants = yield* rowsOf(GitHubInstallationUserGrant)
  const listForUser = yield* grantedInstallations

  const byId = (id: GitHubInstallationId) =>
    installations.first(sql`SELECT ${columns} FROM github_app_installations WHERE id = ${id}`)

  const getById = (id: GitHubInstallationId) => Effect.flatMap(byId(id), present(id))

  /** The row that is there takes what is given; its status and the instants that go with it, as they allow. */
  const store = (given: typeof UpsertGitHubInstallation.Type) =>
    Effect.gen(function*() {
      const id = yield* idOrNew(given.id, "ghi", GitHubInstallationId.make)
      const now = yield* Clock.currentTimeMillis
      const told = columnsOf(given)
      const asked = given.status ?? (given.reinstalled ? "active" : undefined)
      const status = sql`iif(status = 'deleted' AND NOT ${given.reinstalled}, status, coalesce(${asked ?? null}, status))`
      const suspendedAt = sql`CASE
        WHEN ${status} <> 'suspended' THEN NULL
        WHEN status = 'suspended' THEN coalesce(${millis(given.suspendedAt)}, suspended_at)
        ELSE ${millis(given.suspendedAt) ?? now} END`
      const differs = [
        ...Object.keys(told).map((column) => sql.literal(`${column} IS NOT excluded.${column}`)),
        sql`status IS NOT ${status}`,
        sql`suspended_at IS NOT ${suspendedAt}`,
        sql`installed_at IS NOT coalesce(installed_at, ${millis(given.installedAt)})`
      ]
      return yield* installations.one(sql`
        INSERT INTO github_app_installations ${
        sql.insert({
          id,
          ...told,
          status: asked ?? "active",
          installed_at: millis(given.installedAt) ?? now,
          suspended_at: asked === "suspended" ? millis(given.suspendedAt) ?? now : null,
          ...(given.lastSyncedAt === undefined ? {} : { last_synced_at: millis(given.lastSyncedAt) }),
          created_at: now,
          updated_at: now
        })
      } ON CONFLICT (external_installation_id) DO UPDATE SET
          updated_at = iif(${sql.or(differs)}, excluded.updated_at, updated_at),
          ${sql.csv(Object.keys(told).map((column) => sql.literal(`${column} = excluded.${column}`)))},
          status = ${status},
          suspended_at = ${suspendedAt},
          installed_at = coalesce(installed_at, ${millis(given.installedAt)}),
          last_synced_at = ${given.lastSyncedAt === undefined ? sql`last_synced_at` : sql`excluded.last_synced_at`}
        RETURNING ${columns}`)
    })

  const service: GitHubInstallationService = {
    upsert: (request) =>
      input("upsert", UpsertGitHubInstallation)(request).pipe(
        Effect.flatMap(store),
        write("upsert", ["AlreadyExists", "InvalidInput"])
      ),

    findById: (id) => byId(id).pipe(read("findById", { "installation.id": id })),

    getById: (id) => getById(id).pipe(read("getById", { "installation.id": id })),

    findByExternalId: (externalInstallationId) =>
      input("findByExternalId", Name)(externalInstallationId).pipe(
        Effect.flatMap((given) => installations.first(sql`
          SELECT ${columns} FROM github_app_installations WHERE external_installation_id = ${given}`)),
        read("findByExternalId")
      ),

    listForUser: (request) => listForUser(request).pipe(read("listForUser", { "user.id": request.userId })),

    listActive: (request) =>
      Effect.gen(function*() {
        const start = yield* Page.start("GitHubInstallationRepo.listActive", request)
        const rows = yield* installations.all(sql`
          SELECT ${columns} FROM github_app_installations WHERE status = 'active' AND ${Page.below(sql, start)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(read("listActive")),

    setStatus: ({ id, status }) =>
      Effect.gen(function*() {
        const to = yield* input("setStatus", GitHubInstallationStatus)(status)
        const now = yield* Clock.currentTimeMillis
        const moved = yield* installations.first(sql`
          UPDATE github_app_installations SET
            status = ${to}, suspended_at = ${to === "suspended" ? now : null}, updated_at = ${now}
          WHERE id = ${id} AND ${sql.in("status", gitHubInstallationTransitions.sources(to))}
          RETURNING ${columns}`)
        return Option.isSome(moved) ? moved.value : yield* Effect.flatMap(getById(id), unmoved(id, to))
      }).pipe(read("setStatus", { "installation.id": id })),

    grantToUser: (request) =>
      Effect.gen(function*() {
        const { grantedByUserId, installationId, userId } = yield* grant.input("grantToUser", GrantGitHubInstallation)(request)
        const now = yield* Clock.currentTimeMillis
        // DO NOTHING would give no row back: one that is not revoked is left as it is, and given.
        return yield* grants.one(sql`
          INSERT INTO github_installation_user_grants (installation_id, user_id, granted_by_user_id, granted_at)
          VALUES (${installationId}, ${userId}, ${grantedByUserId ?? null}, ${now})
          ON CONFLICT (installation_id, user_id) DO UPDATE SET
            granted_by_user_id = iif(revoked_at IS NULL, granted_by_user_id, excluded.granted_by_user_id),
            granted_at = iif(revoked_at IS NULL, granted_at, excluded.granted_at),
            revoked_at = NULL
          RETURNING ${grantColumns}`)
      }).pipe(
        grant.write("grantToUser", ["ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "installationId", table: "github_app_installations", id: Option.some(request.installationId) },
          { field: "userId", table: "user", id: Option.some(request.userId) },
          { field: "grantedByUserId", table: "user", id: Option.fromNullable(request.grantedByUserId) }
        ]))
      ),

    revokeGrant: (request) =>
      Effect.gen(function*() {
        const { installationId, userId } = yield* grant.input("revokeGrant", GitHubInstallationUser)(request)
        const now = yield* Clock.currentTimeMillis
        return yield* grants.first(sql`
          UPDATE github_installation_user_grants SET revoked_at = coalesce(revoked_at, ${now})
          WHERE installation_id = ${installationId} AND user_id = ${userId}
          RETURNING ${grantColumns}`).pipe(Effect.flatMap(grant.present(`${installationId}, ${userId}`)))
      }).pipe(grant.read("revokeGrant")),

    userHasGrant: (request) =>
      grant.input("userHasGrant", GitHubInstallationUser)(request).pipe(
        Effect.flatMap(({ installationId, userId }) => sql`
          SELECT 1 FROM github_installation_user_grants AS g
            CROSS JOIN github_app_installations AS i ON i.id = g.installation_id AND i.status = 'active'
          WHERE g.installation_id = ${installationId} AND g.user_id = ${userId} AND g.revoked_at IS NULL`),
        Effect.map(({ length }) => length > 0),
        grant.read("userHasGrant")
      ),

    listGrants: (request) =>
      Effect.gen(function*() {
        const start = yield* Page.start("GitHubInstallationRepo.listGrants", request)
        const rows = yield* grants.all(sql`
          SELECT ${grantColumns} FROM github_installation_user_grants
          WHERE installation_id = ${request.installationId} AND ${Page.below(sql, start, "granted_at", "user_id")}
          ORDER BY granted_at DESC, user_id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ grantedAt, userId }) => [grantedAt, userId])
      }).pipe(grant.read("listGrants", { "installation.id": request.installationId }))
  }
  return service
})

const millis = (instant: DateTime.Utc | null | undefined): number | null =>
  instant === null || instant === undefined ? null : DateTime.toEpochMillis(instant)

/** The columns that an installation takes as they are given, with null where one is cleared. */
const columnsOf = (given: typeof UpsertGitHubInstallation.Type): Readonly<Record<string, string | null>> =>
  givenColumns({
    provider: given.provider,
    external_installation_id: given.externalInstallationId,
    external_account_id: given.externalAccountId,
    account_login: given.accountLogin,
    account_type: given.accountType,
    target_type: given.targetType,
    permissions: given.permissions === undefined ? undefined : canonicalJson(given.permissions),
    repository_selection: given.repositorySelection
  })
