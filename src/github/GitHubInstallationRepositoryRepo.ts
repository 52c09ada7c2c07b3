/**
 * The repositories that each installation of the GitHub App contains, over the table
 * `github_installation_repositories`.
 *
 * Guarantees:
 * - After a sync, the installation contains exactly the requested set, also under concurrent syncs.
 * - A repository keeps its ids through renames, transfers, removal and return.
 * - Each repository has a row in `repositories`, found or created by the rules of `RepositoryRepo` in the same
 *   transaction.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Context, Effect, Layer, type Option, Schema } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import { RepositoryAccess, repositoryAccess } from "../source/RepositoryAccess.js"
import { userRepositoriesByNameText, userRepositoriesText } from "../source/userRepositories.js"
import { operations } from "../sql/operations.js"
import { searchPattern } from "../sql/filters.js"
import * as Page from "../sql/page.js"
import { columnList, rowsOf } from "../sql/rows.js"
import {
  ApplyInstallationChange,
  DeletedInstallationRepository,
  GitHubInstallationRepository,
  InstallationRepositoryByExternalId,
  InstallationRepositoryByRepository,
  InstallationRepositoryFilter,
  InstallationRepositoryUser,
  RepositoryUser,
  SyncInstallationRepositories,
  type SyncResult,
  UpdateInstallationRepository,
  UpsertInstallationRepository,
  UserRepositoryFilter
} from "./GitHubInstallationRepository.js"
import { makeInstallationReports } from "./installationReports.js"
import { makeInstallationSync } from "./installationSync.js"

/**
 * Methods of `GitHubInstallationRepositoryRepo`.
 *
 * Methods without `userId` are internal: not for request handlers.
 */
export interface GitHubInstallationRepositoryService {
  /**
   * Replaces the repositories of an installation with the requested set, in one transaction, and sets the
   * installation's `lastSyncedAt` to now. Repositories that are missing from the set are removed. Removed ones that are
   * in the set return with the same ids.
   *
   * Rows of `repositories` are found by the external id, else by owner and name, unless the row has the external id of
   * another repository of the set. They are updated, too; other rows that hold a needed name release it as in
   * `RepositoryRepo`.
   *
   * Returns the numbers of added, updated and removed repositories. Takes up to 100,000 repositories, in a constant
   * number of statements for each 2,000 of them. Other fibers run between the statements.
   *
   * Fails with `NotFound` if the installation does not exist. Fails with `InvalidInput` if the set contains an id or a
   * name twice, or contains an invalid value.
   */
  readonly sync: (
    request: typeof SyncInstallationRepositories.Encoded
  ) => Effect.Effect<SyncResult, NotFound | InvalidInput | PersistenceError>

  /**
   * Adds repositories to an installation and removes others, by the rules of `sync`. The rest stays unchanged.
   *
   * The change is ignored for repositories of the installation that were confirmed at an instant after `at`, so that an
   * out-of-order delivery undoes neither a later change nor a later sync. If the row in `repositories` was confirmed
   * after `at`, the repository is added under the name in that row. The removal of a repository that the installation
   * never contained is not recorded, and does not prevent its addition.
   *
   * Returns the numbers of added, updated and removed repositories.
   *
   * Fails with `NotFound` if the installation does not exist. Fails with `InvalidInput` if a repository is added
   * twice or is both added and removed, or a value is invalid.
   */
  readonly apply: (
    request: typeof ApplyInstallationChange.Encoded
  ) => Effect.Effect<SyncResult, NotFound | InvalidInput | PersistenceError>

  /**
   * Adds a repository to an installation, or updates it, by the rules of `apply`. Returns its row, with the id of the
   * request if it is a new one.
   *
   * Fails with `NotFound` if the installation does not exist, with `AlreadyExists` if another row has the id, and with
   * `InvalidInput` if a value is invalid.
   */
  readonly upsert: (
    repository: typeof UpsertInstallationRepository.Encoded
  ) => Effect.Effect<GitHubInstallationRepository, NotFound | AlreadyExists | InvalidInput | PersistenceError>

  /**
   * Stores a new name, visibility or other field of a repository in its rows of all installations, removed or not.
   * Returns the number of changed rows. The row in `repositories` stays unchanged. Fails with `InvalidInput` if a value
   * is invalid.
   */
  readonly update: (
    repository: typeof UpdateInstallationRepository.Encoded
  ) => Effect.Effect<number, InvalidInput | PersistenceError>

  /**
   * Removes a repository that was deleted at GitHub from all installations. Additions from before `at` do not restore
   * it. Returns the number of changed rows. Idempotent. Fails with `InvalidInput` if the id is invalid.
   */
  readonly markDeleted: (
    request: typeof DeletedInstallationRepository.Encoded
  ) => Effect.Effect<number, InvalidInput | PersistenceError>

  /**
   * Lists the repositories of an installation, newest first; with `includeRemoved`, also the removed ones. `search`
   * matches a part of `owner/name` literally, ignoring the case of the letters A to Z. Returns an empty page if the
   * installation does not exist.
   *
   * Fails with `InvalidInput` if the cursor is malformed, the limit is out of range, or `search` has more than 1,000
   * characters.
   */
  readonly listForInstallation: (
    request: Page.PageRequest & typeof InstallationRepositoryFilter.Encoded
  ) => Effect.Effect<Page.Page<GitHubInstallationRepository>, InvalidInput | PersistenceError>

  /**
   * Lists the repositories that a user can see: those that an active installation contains on which the user has a
   * grant that is not revoked. If several installations contain a repository, the newest of their rows is returned.
   * `search` as in `listForInstallation`.
   *
   * The order is descending by `repositoryId`, which is newest first for generated ids. So a repository is listed
   * exactly once, also when it moves from one installation to another between two pages. With `orderBy: "name"`, the order
   * is that of `owner/name`, and each page sorts all repositories that the user can see.
   *
   * `installationId` lists only the repositories of that installation, and none if the user may not use it.
   *
   * Fails with `InvalidInput` if the cursor is malformed or of the other order, the limit is out of range, or `search` has
   * more than 1,000 characters.
   */
  readonly listForUser: (
    request: Page.PageRequest & typeof UserRepositoryFilter.Encoded
  ) => Effect.Effect<Page.Page<GitHubInstallationRepository>, InvalidInput | PersistenceError>

  /**
   * Returns whether the user may use the repository. True in two cases:
   *
   * - The user has a grant that is not revoked on an active installation that contains the repository now.
   * - The repository is marked `openToAll`, and no installation contains it or ever contained it.
   *
   * False for a repository or a user that does not exist. With `RepositoryAccess.layer("open")`, true for every user
   * and every repository that exists. `IssueWorkflowLifecycle` and `SandboxLifecycle` apply the same rule in their
   * transactions.
   *
   * With `installationRepositoryId`, returns whether the user may use the repository through that installation: it is
   * active, contains the repository now, and the user has a grant on it that is not revoked. With
   * `RepositoryAccess.layer("open")`, no grant is needed.
   *
   * Fails with `InvalidInput` if an id is invalid, or not exactly one of `repositoryId` and `installationRepositoryId`
   * is present.
   */
  readonly mayUse: (
    request: typeof RepositoryUser.Encoded | typeof InstallationRepositoryUser.Encoded
  ) => Effect.Effect<boolean, InvalidInput | PersistenceError>

  /** Returns the row, removed or not, if it exists. */
  readonly findById: (id: string) => Effect.Effect<Option.Option<GitHubInstallationRepository>, PersistenceError>

  /**
   * Returns the row with GitHub's id of the repository, removed or not, if it exists. Fails with `InvalidInput` if an
   * id is invalid.
   */
  readonly findByExternalId: (
    request: typeof InstallationRepositoryByExternalId.Encoded
  ) => Effect.Effect<Option.Option<GitHubInstallationRepository>, InvalidInput | PersistenceError>

  /**
   * Returns the row of the repository, if it exists. If all its rows are removed, returns the newest. Fails with
   * `InvalidInput` if an id is invalid.
   */
  readonly findByRepositoryId: (
    request: typeof InstallationRepositoryByRepository.Encoded
  ) => Effect.Effect<Option.Option<GitHubInstallationRepository>, InvalidInput | PersistenceError>
}

const { decodeFilter, decodeInput, traced } = operations(
  "GitHubInstallationRepositoryRepo",
  "GitHubInstallationRepository"
)

// A piece is shorter than the longest value that a server accepts, and blocks the event loop for a short time only.
const pieceSize = 2000

const MayUse = Schema.Union(RepositoryUser, InstallationRepositoryUser)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(GitHubInstallationRepository))
  const repositories = yield* rowsOf(GitHubInstallationRepository)
  const { apply, sync } = yield* makeInstallationSync(pieceSize)
  const { markDeleted, update } = makeInstallationReports(sql)
  const mayUse = yield* repositoryAccess
  const access = yield* RepositoryAccess

  const byExternalId = (request: typeof InstallationRepositoryByExternalId.Type) => sql`
    SELECT ${columns} FROM github_installation_repositories
    WHERE installation_id = ${request.installationId} AND external_repository_id = ${request.externalRepositoryId}`

  /** Selects a row if the user may use the repository through its installation. */
  const throughInstallation = ({ installationRepositoryId, userId }: typeof InstallationRepositoryUser.Type) => sql`
    SELECT 1 FROM github_installation_repositories AS seen
      CROSS JOIN github_app_installations AS i ON i.id = seen.installation_id AND i.status = 'active'
    WHERE seen.id = ${installationRepositoryId} AND seen.removed_at IS NULL
      AND (${access === "open"} OR EXISTS (
        SELECT 1 FROM github_installation_user_grants AS g
        WHERE g.installation_id = seen.installation_id AND g.user_id = ${userId} AND g.revoked_at IS NULL))`

  const service: GitHubInstallationRepositoryService = {
    sync: (request) =>
      decodeInput(
        "sync",
        SyncInstallationRepositories
      )(request).pipe(
        Effect.flatMap(sync),
        traced("sync", ["InvalidInput"], { "installation.id": request.installationId })
      ),

    apply: (request) =>
      decodeInput(
        "apply",
        ApplyInstallationChange
      )(request).pipe(
        Effect.flatMap(apply),
        traced("apply", ["InvalidInput"], { "installation.id": request.installationId })
      ),

    upsert: (request) =>
      Effect.flatMap(
        decodeInput("upsert", UpsertInstallationRepository)(request),
        ({ at, id, installationId, ...repository }) =>
          sql.withTransaction(
            Effect.zipRight(
              apply({ installationId, added: [{ ...repository, cacheId: id }], removed: [], at }),
              repositories.single(byExternalId({ installationId, ...repository }))
            )
          )
      ).pipe(traced("upsert", ["AlreadyExists", "InvalidInput"], { "installation.id": request.installationId })),

    update: (request) =>
      decodeInput(
        "update",
        UpdateInstallationRepository
      )(request).pipe(
        Effect.flatMap(update),
        traced("update", ["InvalidInput"], { "repository.id": request.repositoryId })
      ),

    markDeleted: (request) =>
      decodeInput(
        "markDeleted",
        DeletedInstallationRepository
      )(request).pipe(
        Effect.flatMap(markDeleted),
        traced("markDeleted", ["InvalidInput"], { "repository.id": request.repositoryId })
      ),

    listForInstallation: (request) =>
      Effect.gen(function* () {
        const { includeRemoved, installationId, search } = yield* decodeFilter(
          "listForInstallation",
          InstallationRepositoryFilter
        )(request)
        const start = yield* Page.start("GitHubInstallationRepositoryRepo.listForInstallation", request)
        const pattern = searchPattern(search)
        const conditions = [
          sql`installation_id = ${installationId}`,
          ...(includeRemoved ? [] : [sql`+removed_at IS NULL`]),
          ...(pattern === null ? [] : [sql`full_name LIKE ${pattern} ESCAPE '\\'`]),
          Page.afterCursor(sql, start)
        ]
        const found = yield* repositories.findPage(sql`
          SELECT ${columns} FROM github_installation_repositories WHERE ${sql.and(conditions)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(traced("listForInstallation", { "installation.id": request.installationId })),

    listForUser: (request) =>
      Effect.gen(function* () {
        const filter = yield* decodeFilter("listForUser", UserRepositoryFilter)(request)
        const { installationId = null, orderBy, userId } = filter
        const pattern = searchPattern(filter.search)
        if (orderBy === "name") {
          const start = yield* Page.startByName("GitHubInstallationRepositoryRepo.listForUser", request)
          const found = yield* repositories.findPage(
            sql.unsafe(userRepositoriesByNameText, [
              userId,
              start.name,
              pattern,
              start.limit + 1,
              installationId,
              start.id
            ])
          )
          return Page.makeByName(found, start, ({ fullName, repositoryId }) => [fullName, repositoryId])
        }
        const start = yield* Page.start("GitHubInstallationRepositoryRepo.listForUser", request)
        const last = request.cursor === undefined ? null : start.id
        const found = yield* repositories.findPage(
          sql.unsafe(userRepositoriesText, [userId, last, pattern, start.limit + 1, installationId])
        )
        return Page.make(found, start, ({ createdAt, repositoryId }) => [createdAt, repositoryId])
      }).pipe(traced("listForUser", { "user.id": request.userId })),

    mayUse: (request) =>
      decodeInput(
        "mayUse",
        MayUse
      )(request).pipe(
        Effect.flatMap((target) =>
          "repositoryId" in target
            ? sql`SELECT 1 WHERE ${mayUse(target.userId, sql`${target.repositoryId}`)}`
            : throughInstallation(target)
        ),
        Effect.map(({ length }) => length > 0),
        traced("mayUse", { "user.id": request.userId })
      ),

    findById: (id) =>
      repositories
        .findOne(sql`SELECT ${columns} FROM github_installation_repositories WHERE id = ${id}`)
        .pipe(traced("findById", { "installation_repository.id": id })),

    findByExternalId: (request) =>
      decodeInput(
        "findByExternalId",
        InstallationRepositoryByExternalId
      )(request).pipe(
        Effect.flatMap((request) => repositories.findOne(byExternalId(request))),
        traced("findByExternalId", { "installation.id": request.installationId })
      ),

    findByRepositoryId: (request) =>
      decodeInput(
        "findByRepositoryId",
        InstallationRepositoryByRepository
      )(request).pipe(
        Effect.flatMap(({ installationId, repositoryId }) =>
          repositories.findOne(sql`
          SELECT ${columns} FROM github_installation_repositories WHERE id = coalesce(
            (SELECT id FROM github_installation_repositories
             WHERE installation_id = ${installationId} AND repository_id = ${repositoryId} AND removed_at IS NULL),
            (SELECT id FROM github_installation_repositories
             WHERE +installation_id = ${installationId} AND repository_id = ${repositoryId}
             ORDER BY created_at DESC, id DESC LIMIT 1))`)
        ),
        traced("findByRepositoryId", { "installation.id": request.installationId })
      )
  }
  return service
})

/** The repositories that each installation of the GitHub App contains. */
export class GitHubInstallationRepositoryRepo extends Context.Tag("@sealant/db/GitHubInstallationRepositoryRepo")<
  GitHubInstallationRepositoryRepo,
  GitHubInstallationRepositoryService
>() {
  /** The repositories of installations over `SqlClient`. */
  static readonly layer: Layer.Layer<GitHubInstallationRepositoryRepo, never, SqlClient.SqlClient> = Layer.effect(
    this,
    make
  )
}
