/**
 * The repository of GitHub App installations and of the grants of users to use them, over the tables
 * `github_app_installations` and `github_installation_user_grants`.
 *
 * Guarantees:
 * - A deleted installation stays deleted, also when out-of-order deliveries report an older status, until a caller
 *   reports a reinstallation.
 * - `suspendedAt` is set only while the installation is suspended.
 * - A revoked grant has no effect, and keeps the instant of its first revocation until it is granted again.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, DateTime, Effect, Layer, Option } from "effect"
import type {
  AlreadyExists,
  InvalidInput,
  InvalidTransition,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import { Name } from "../sql/columns.js"
import { canonicalJson } from "../sql/fingerprint.js"
import { idOrNew } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, givenColumns, rowsOf } from "../sql/rows.js"
import {
  GitHubInstallation,
  GitHubInstallationId,
  gitHubInstallationTransitions,
  GitHubInstallationUser,
  GitHubInstallationUserGrant,
  GrantGitHubInstallation,
  SetGitHubInstallationStatus,
  UpsertGitHubInstallation,
  type UserInstallationFilter
} from "./GitHubInstallation.js"
import { grantedInstallations } from "./grantedInstallations.js"

/**
 * Methods of `GitHubInstallationRepo`.
 *
 * Methods without `userId` are internal: not for request handlers. `grantToUser` and `revokeGrant` change the rights of
 * users: they are for code that has verified the grant with GitHub.
 */
export interface GitHubInstallationService {
  /**
   * Stores the current state of an installation: in the row with its `externalInstallationId`, or else in a new row,
   * with the id of the request if it has one. Absent fields stay unchanged; `null` clears a field. `installedAt` never
   * changes once it is set, not even to `null`.
   *
   * - A `status` in the request is stored. `suspendedAt` of a suspended installation is that of the request, by default
   *   the stored one, or now if it was not suspended before. For other statuses it is cleared.
   * - A deleted installation keeps its status unless `reinstalled` is true, which makes it active. The other fields are
   *   stored.
   *
   * Fails with `AlreadyExists` if another installation has the id, and with `InvalidInput` if a value is invalid.
   */
  readonly upsert: (
    installation: typeof UpsertGitHubInstallation.Encoded
  ) => Effect.Effect<GitHubInstallation, AlreadyExists | InvalidInput | PersistenceError>

  /** Returns the installation, if it exists. */
  readonly findById: (id: string) => Effect.Effect<Option.Option<GitHubInstallation>, PersistenceError>

  /** Returns the installation. Fails with `NotFound` if it does not exist. */
  readonly getById: (id: string) => Effect.Effect<GitHubInstallation, NotFound | PersistenceError>

  /** Returns the installation with GitHub's id, if it exists. Fails with `InvalidInput` if the id is invalid. */
  readonly findByExternalId: (
    externalInstallationId: string
  ) => Effect.Effect<Option.Option<GitHubInstallation>, InvalidInput | PersistenceError>

  /**
   * Lists the installations on which the user has a grant that is not revoked, last granted first; with `orderBy: "name"`,
   * by the login of the account. Suspended and deleted installations are included unless `statuses` excludes them; their
   * repositories cannot be used.
   *
   * Fails with `InvalidInput` if the cursor is malformed or of the other order, the limit is out of range or a status is
   * unknown.
   */
  readonly listForUser: (
    request: Page.PageRequest & typeof UserInstallationFilter.Encoded
  ) => Effect.Effect<Page.Page<GitHubInstallation>, InvalidInput | PersistenceError>

  /**
   * Lists the active installations, newest first. Fails with `InvalidInput` if the cursor is malformed or the limit is
   * out of range.
   */
  readonly listActive: (
    request: Page.PageRequest
  ) => Effect.Effect<Page.Page<GitHubInstallation>, InvalidInput | PersistenceError>

  /**
   * Changes the status of the installation, and with `lastSyncedAt` the instant of its last sync. `suspendedAt` is now
   * for `suspended`, and cleared for other statuses. Idempotent. deleted → active records a reinstallation.
   *
   * Fails with:
   * - `NotFound` if the installation does not exist;
   * - `InvalidTransition` if its status cannot change to the requested one;
   * - `InvalidInput` if the requested status is unknown, or the instant is invalid.
   */
  readonly setStatus: (
    request: typeof SetGitHubInstallationStatus.Encoded
  ) => Effect.Effect<GitHubInstallation, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Grants a user the use of an installation. Returns an active grant unchanged, and renews a revoked one.
   *
   * Fails with `ReferenceNotFound` (`installationId`, `userId`, `grantedByUserId`) if one of them does not exist, and
   * with `InvalidInput` if an id is invalid.
   */
  readonly grantToUser: (
    request: typeof GrantGitHubInstallation.Encoded
  ) => Effect.Effect<GitHubInstallationUserGrant, ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Revokes a grant. Idempotent. Fails with `NotFound` if the user never had one, and with `InvalidInput` if an id is
   * invalid.
   */
  readonly revokeGrant: (
    request: typeof GitHubInstallationUser.Encoded
  ) => Effect.Effect<GitHubInstallationUserGrant, NotFound | InvalidInput | PersistenceError>

  /**
   * Returns whether the user has a grant that is not revoked on the installation, and the installation is active. False
   * while it is suspended, and after it was deleted.
   *
   * Fails with `InvalidInput` if an id is invalid.
   */
  readonly userHasGrant: (
    request: typeof GitHubInstallationUser.Encoded
  ) => Effect.Effect<boolean, InvalidInput | PersistenceError>

  /**
   * Lists the grants on an installation, including revoked ones, last granted first. Returns an empty page if the
   * installation does not exist. Fails with `InvalidInput` if the cursor is malformed or the limit is out of range.
   */
  readonly listGrants: (
    request: Page.PageRequest & { readonly installationId: string }
  ) => Effect.Effect<Page.Page<GitHubInstallationUserGrant>, InvalidInput | PersistenceError>
}

const { decodeInput, onlyFields, orNotFound, traced, orInvalidTransition } = operations(
  "GitHubInstallationRepo",
  "GitHubInstallation"
)
const grant = operations("GitHubInstallationRepo", "GitHubInstallationUserGrant")

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(GitHubInstallation))
  const grantColumns = sql.literal(columnList(GitHubInstallationUserGrant))
  const installations = yield* rowsOf(GitHubInstallation)
  const grants = yield* rowsOf(GitHubInstallationUserGrant)
  const listForUser = yield* grantedInstallations

  const byId = (id: string) =>
    installations.findOne(sql`SELECT ${columns} FROM github_app_installations WHERE id = ${id}`)

  const getById = (id: string) => Effect.flatMap(byId(id), orNotFound(id))

  /** Inserts the installation, or updates its row. A deleted one keeps its status unless it is reinstalled. */
  const store = (request: typeof UpsertGitHubInstallation.Type) =>
    Effect.gen(function* () {
      const id = yield* idOrNew(request.id, "ghi", GitHubInstallationId.make)
      const now = yield* Clock.currentTimeMillis
      const fields = columnsOf(request)
      const requested = request.status ?? (request.reinstalled ? "active" : undefined)
      const status = sql`
        iif(status = 'deleted' AND NOT ${request.reinstalled}, status, coalesce(${requested ?? null}, status))`
      const suspendedAt = sql`CASE
        WHEN ${status} <> 'suspended' THEN NULL
        WHEN ${request.suspendedAt !== undefined} THEN ${millis(request.suspendedAt)}
        WHEN status = 'suspended' THEN suspended_at
        ELSE ${now} END`
      const differs = [
        ...Object.keys(fields).map((column) => sql.literal(`${column} IS NOT excluded.${column}`)),
        sql`status IS NOT ${status}`,
        sql`suspended_at IS NOT ${suspendedAt}`,
        sql`installed_at IS NOT coalesce(installed_at, ${millis(request.installedAt)})`
      ]
      return yield* installations.single(sql`
        INSERT INTO github_app_installations ${sql.insert({
          id,
          ...fields,
          status: requested ?? "active",
          installed_at: request.installedAt === undefined ? now : millis(request.installedAt),
          suspended_at:
            requested !== "suspended" ? null : request.suspendedAt === undefined ? now : millis(request.suspendedAt),
          ...(request.lastSyncedAt === undefined ? {} : { last_synced_at: millis(request.lastSyncedAt) }),
          created_at: now,
          updated_at: now
        })} ON CONFLICT (external_installation_id) DO UPDATE SET
          updated_at = iif(${sql.or(differs)}, excluded.updated_at, updated_at),
          ${sql.csv(Object.keys(fields).map((column) => sql.literal(`${column} = excluded.${column}`)))},
          status = ${status},
          suspended_at = ${suspendedAt},
          installed_at = coalesce(installed_at, ${millis(request.installedAt)}),
          last_synced_at = ${request.lastSyncedAt === undefined ? sql`last_synced_at` : sql`excluded.last_synced_at`}
        RETURNING ${columns}`)
    })

  const service: GitHubInstallationService = {
    upsert: (request) =>
      decodeInput(
        "upsert",
        UpsertGitHubInstallation
      )(request).pipe(Effect.flatMap(store), traced("upsert", ["AlreadyExists", "InvalidInput"])),

    findById: (id) => byId(id).pipe(traced("findById", { "installation.id": id })),

    getById: (id) => getById(id).pipe(traced("getById", { "installation.id": id })),

    findByExternalId: (externalInstallationId) =>
      decodeInput(
        "findByExternalId",
        Name
      )(externalInstallationId).pipe(
        Effect.flatMap((externalId) =>
          installations.findOne(sql`
          SELECT ${columns} FROM github_app_installations WHERE external_installation_id = ${externalId}`)
        ),
        traced("findByExternalId")
      ),

    listForUser: (request) => listForUser(request).pipe(traced("listForUser", { "user.id": request.userId })),

    listActive: (request) =>
      Effect.gen(function* () {
        yield* onlyFields("listActive", Page.fields)(request)
        const start = yield* Page.start("GitHubInstallationRepo.listActive", request)
        const found = yield* installations.findPage(sql`
          SELECT ${columns} FROM github_app_installations WHERE status = 'active' AND ${Page.afterCursor(sql, start)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(traced("listActive")),

    setStatus: (request) =>
      Effect.gen(function* () {
        const { id, lastSyncedAt, status: to } = yield* decodeInput("setStatus", SetGitHubInstallationStatus)(request)
        const now = yield* Clock.currentTimeMillis
        const moved = yield* installations.findOne(sql`
          UPDATE github_app_installations SET
            status = ${to}, suspended_at = iif(status = ${to}, suspended_at, ${to === "suspended" ? now : null}),
            updated_at = iif(status = ${to}, updated_at, ${now}),
            last_synced_at = ${lastSyncedAt === undefined ? sql`last_synced_at` : sql`${millis(lastSyncedAt)}`}
          WHERE id = ${id} AND (
            ${sql.in("status", gitHubInstallationTransitions.sources(to))}
            OR (status = ${to} AND ${lastSyncedAt !== undefined}))
          RETURNING ${columns}`)
        return Option.isSome(moved) ? moved.value : yield* Effect.flatMap(getById(id), orInvalidTransition(id, to))
      }).pipe(traced("setStatus", ["InvalidInput"], { "installation.id": request.id })),

    grantToUser: (request) =>
      Effect.gen(function* () {
        const { grantedByUserId, installationId, userId } = yield* grant.decodeInput(
          "grantToUser",
          GrantGitHubInstallation
        )(request)
        const now = yield* Clock.currentTimeMillis
        // An update without effect if the grant is not revoked, because DO NOTHING would not return the row.
        return yield* grants.single(sql`
          INSERT INTO github_installation_user_grants (installation_id, user_id, granted_by_user_id, granted_at)
          VALUES (${installationId}, ${userId}, ${grantedByUserId ?? null}, ${now})
          ON CONFLICT (installation_id, user_id) DO UPDATE SET
            granted_by_user_id = iif(revoked_at IS NULL, granted_by_user_id, excluded.granted_by_user_id),
            granted_at = iif(revoked_at IS NULL, granted_at, excluded.granted_at),
            revoked_at = NULL
          RETURNING ${grantColumns}`)
      }).pipe(
        grant.traced("grantToUser", ["ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            { field: "installationId", table: "github_app_installations", id: Option.some(request.installationId) },
            { field: "userId", table: "user", id: Option.some(request.userId) },
            { field: "grantedByUserId", table: "user", id: Option.fromNullable(request.grantedByUserId) }
          ])
        )
      ),

    revokeGrant: (request) =>
      Effect.gen(function* () {
        const { installationId, userId } = yield* grant.decodeInput("revokeGrant", GitHubInstallationUser)(request)
        const now = yield* Clock.currentTimeMillis
        return yield* grants
          .findOne(sql`
          UPDATE github_installation_user_grants SET revoked_at = coalesce(revoked_at, ${now})
          WHERE installation_id = ${installationId} AND user_id = ${userId}
          RETURNING ${grantColumns}`)
          .pipe(Effect.flatMap(grant.orNotFound(installationId)))
      }).pipe(grant.traced("revokeGrant")),

    userHasGrant: (request) =>
      grant
        .decodeInput(
          "userHasGrant",
          GitHubInstallationUser
        )(request)
        .pipe(
          Effect.flatMap(
            ({ installationId, userId }) => sql`
          SELECT 1 FROM github_installation_user_grants AS g
            CROSS JOIN github_app_installations AS i ON i.id = g.installation_id AND i.status = 'active'
          WHERE g.installation_id = ${installationId} AND g.user_id = ${userId} AND g.revoked_at IS NULL`
          ),
          Effect.map(({ length }) => length > 0),
          grant.traced("userHasGrant")
        ),

    listGrants: (request) =>
      Effect.gen(function* () {
        yield* grant.onlyFields("listGrants", ["installationId", ...Page.fields])(request)
        const start = yield* Page.start("GitHubInstallationRepo.listGrants", request)
        const found = yield* grants.findPage(sql`
          SELECT ${grantColumns} FROM github_installation_user_grants
          WHERE installation_id = ${request.installationId} AND ${Page.afterCursor(sql, start, "granted_at", "user_id")}
          ORDER BY granted_at DESC, user_id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ grantedAt, userId }) => [grantedAt, userId])
      }).pipe(grant.traced("listGrants", { "installation.id": request.installationId }))
  }
  return service
})

const millis = (instant: DateTime.Utc | null | undefined): number | null =>
  instant === null || instant === undefined ? null : DateTime.toEpochMillis(instant)

/** Returns the columns that the request sets, with null for cleared ones. */
const columnsOf = (request: typeof UpsertGitHubInstallation.Type): Readonly<Record<string, string | null>> =>
  givenColumns({
    provider: request.provider,
    external_installation_id: request.externalInstallationId,
    external_account_id: request.externalAccountId,
    account_login: request.accountLogin,
    account_type: request.accountType,
    target_type: request.targetType,
    permissions: request.permissions === undefined ? undefined : canonicalJson(request.permissions),
    repository_selection: request.repositorySelection
  })

/** Installations of the GitHub App, and the grants of users to use them. */
export class GitHubInstallationRepo extends Context.Tag("@sealant/db/GitHubInstallationRepo")<
  GitHubInstallationRepo,
  GitHubInstallationService
>() {
  /** Installations and grants over `SqlClient`. */
  static readonly layer: Layer.Layer<GitHubInstallationRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
