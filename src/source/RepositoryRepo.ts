/**
 * Repositories of source code, over the table `repositories`.
 *
 * Sandboxes, issues and profiles refer to a row by its id, which never changes. `upsert` finds the row of a repository
 * by its id, else by the provider's id (`externalId`), else by owner and name, ignoring case as the providers do. So a
 * rename or a transfer changes the row. A repository that was deleted and created again under its name keeps its row,
 * although the provider's id is new.
 *
 * Guarantees, for each provider, also under concurrent writes:
 * - An external id belongs to at most one row.
 * - An owner and name belong to at most one row.
 *
 * If another row holds the owner and name of the written repository, that row is out of date. The write appends `~` and
 * a UUID, which no provider allows in a name, to its name. The other row keeps its id, its external id and all
 * references to it. It gets its current name when the provider reports its external id again.
 *
 * If a caller stores a repository by id with an external id that another row holds, the other row's external id is
 * cleared.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, DateTime, Effect, Layer, Option } from "effect"
import type { InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import { endWithRepository } from "../events/deletions.js"
import { isTaken } from "../sql/engineError.js"
import { idOrNew, newUuid } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { toWrite } from "../sql/writeAll.js"
import { Repository, RepositoryByExternalId, RepositoryByName, RepositoryId, UpsertRepository } from "./Repository.js"
import { releaseExternalIdsText, releaseNamesText, type RepositoryInput, storeText } from "./repositoryIdentity.js"

/**
 * Methods of `RepositoryRepo`.
 *
 * Internal: repositories are shared, and no method checks that a user may use one. Not for request handlers, unless
 * `GitHubInstallationRepositoryRepo.mayUse` returned true for the repository.
 */
export interface RepositoryService {
  /**
   * Stores the current state of a repository: in the row with its id, else with its external id, else with its owner
   * and name, else in a new row, with the id of the request if it has one. Absent fields stay unchanged; `null` clears
   * a field. `updatedAt` changes only if a field other than `lastSyncedAt` changes.
   *
   * `openToAll: true` lets every user open workflows and launch sandboxes on the repository, as long as no installation
   * of the GitHub App contains it; see `RepositoryAccess`.
   *
   * Fails with `InvalidInput` if a value is invalid.
   */
  readonly upsert: (
    repository: typeof UpsertRepository.Encoded
  ) => Effect.Effect<Repository, InvalidInput | PersistenceError>

  /** Returns the repository, if it exists. */
  readonly findById: (id: string) => Effect.Effect<Option.Option<Repository>, PersistenceError>

  /** Returns the repository. Fails with `NotFound` if it does not exist. */
  readonly getById: (id: string) => Effect.Effect<Repository, NotFound | PersistenceError>

  /**
   * Returns the repository with the provider's id, if it exists. Fails with `InvalidInput` if the id is invalid or the
   * provider is unknown.
   */
  readonly findByExternalId: (
    request: typeof RepositoryByExternalId.Encoded
  ) => Effect.Effect<Option.Option<Repository>, InvalidInput | PersistenceError>

  /**
   * Returns the repository with the owner and name, ignoring case, if it exists. Fails with `InvalidInput` if the owner
   * or the name is invalid, or the provider is unknown.
   */
  readonly findByOwnerAndName: (
    request: typeof RepositoryByName.Encoded
  ) => Effect.Effect<Option.Option<Repository>, InvalidInput | PersistenceError>

  /**
   * Lists all repositories, newest first. Fails with `InvalidInput` if the cursor is malformed or the limit is out of
   * range.
   */
  readonly list: (request: Page.PageRequest) => Effect.Effect<Page.Page<Repository>, InvalidInput | PersistenceError>

  /**
   * Deletes the repository with its issues, pull requests, workflows and profiles, and its rows in installations. The
   * journal records the end of active workflows and executions. Sandboxes and attempts stay, without a repository.
   *
   * Fails with `NotFound` if the repository does not exist.
   */
  readonly delete: (id: string) => Effect.Effect<void, NotFound | PersistenceError>
}

const { decodeInput, onlyFields, orNotFound, traced } = operations("RepositoryRepo", "Repository")

const storeOneText = `${storeText} RETURNING ${columnList(Repository)}`

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Repository))
  const repositories = yield* rowsOf(Repository)

  const byId = (id: string) => repositories.findOne(sql`SELECT ${columns} FROM repositories WHERE id = ${id}`)

  const store = ({ lastSyncedAt, ...repository }: typeof UpsertRepository.Type) =>
    Effect.gen(function* () {
      const newId = yield* idOrNew(repository.id, "repo", RepositoryId.make)
      const now = yield* Clock.currentTimeMillis
      const row: RepositoryInput = {
        ...repository,
        newId,
        lastSyncedAt: lastSyncedAt && DateTime.toEpochMillis(lastSyncedAt)
      }
      const batch = JSON.stringify([row])
      const stored = repositories.single(sql.unsafe(storeOneText, [batch, now]))
      const release = Effect.zipRight(
        sql.unsafe(releaseExternalIdsText, [batch, now]),
        sql.unsafe(releaseNamesText, [batch, now, `~${newUuid(now)}`])
      )
      // Conflicts are rare: nearly every call is one statement.
      return yield* Effect.catchIf(stored, isTaken, () => sql.withTransaction(Effect.zipRight(release, stored)))
    })

  const service: RepositoryService = {
    upsert: (request) =>
      decodeInput("upsert", UpsertRepository)(request).pipe(Effect.flatMap(store), traced("upsert", ["InvalidInput"])),

    findById: (id) => byId(id).pipe(traced("findById", { "repository.id": id })),

    getById: (id) => Effect.flatMap(byId(id), orNotFound(id)).pipe(traced("getById", { "repository.id": id })),

    findByExternalId: (request) =>
      decodeInput(
        "findByExternalId",
        RepositoryByExternalId
      )(request).pipe(
        Effect.flatMap(({ externalId, provider }) =>
          repositories.findOne(sql`
          SELECT ${columns} FROM repositories WHERE provider = ${provider} AND external_id = ${externalId}`)
        ),
        traced("findByExternalId")
      ),

    findByOwnerAndName: (request) =>
      decodeInput(
        "findByOwnerAndName",
        RepositoryByName
      )(request).pipe(
        Effect.flatMap(({ name, owner, provider }) =>
          repositories.findOne(sql`
          SELECT ${columns} FROM repositories
          WHERE provider = ${provider} AND owner = ${owner} COLLATE NOCASE AND name = ${name} COLLATE NOCASE`)
        ),
        traced("findByOwnerAndName")
      ),

    list: (request) =>
      Effect.gen(function* () {
        yield* onlyFields("list", Page.fields)(request)
        const start = yield* Page.start("RepositoryRepo.list", request)
        const found = yield* repositories.findPage(sql`
          SELECT ${columns} FROM repositories WHERE ${Page.afterCursor(sql, start)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(traced("list")),

    delete: (id) =>
      endWithRepository(sql, id, {
        deletion: toWrite(sql`DELETE FROM repositories WHERE id = ${id} RETURNING id`)
      }).pipe(
        Effect.flatMap(([deleted]) => orNotFound(id)(Option.fromNullable(deleted))),
        Effect.asVoid,
        traced("delete", { "repository.id": id })
      )
  }
  return service
})

/** Repositories of source code. */
export class RepositoryRepo extends Context.Tag("@sealant/db/RepositoryRepo")<RepositoryRepo, RepositoryService>() {
  /** Repositories over `SqlClient`. */
  static readonly layer: Layer.Layer<RepositoryRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
