/**
 * The statements that sync the repositories of an installation, as a whole or by a change. A sync is one transaction,
 * with the same few statements for each piece of the repositories.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql"
import { Array as Arr, Clock, DateTime, Effect } from "effect"
import { type InvalidInput, NotFound } from "../Errors.js"
import { nextTurn } from "../libsql/eventLoop.js"
import {
  releaseNamesText,
  type RepositoryInput,
  storeText as storeRepositoriesText
} from "../source/repositoryIdentity.js"
import { batchOf } from "../sql/batch.js"
import type {
  ApplyInstallationChange,
  SyncInstallationRepositories,
  SyncResult
} from "./GitHubInstallationRepository.js"
import { newUuid } from "../sql/ids.js"

const table = "github_installation_repositories"

// ?1: the installation, ?2: GitHub's ids of its repositories, ?3: now.
const removeMissingText = `
  UPDATE ${table} SET removed_at = ?3, updated_at = ?3
  WHERE installation_id = ?1 AND removed_at IS NULL
    AND external_repository_id NOT IN (SELECT value FROM json_each(?2))
  RETURNING id`.trim()

// ?1: the installation, ?2: GitHub's ids, ?3: now, ?4: the instant of the change.
const removeText = `
  UPDATE ${table} SET removed_at = ?3, updated_at = ?3, last_synced_at = ?4
  WHERE installation_id = ?1 AND removed_at IS NULL AND external_repository_id IN (SELECT value FROM json_each(?2))
  RETURNING id`.trim()

// The repositories of the installation that were confirmed after a change.
// ?1: the installation, ?2: GitHub's ids, ?3: the instant of the change.
const confirmedLaterText = `
  SELECT external_repository_id AS id FROM ${table}
  WHERE installation_id = ?1 AND external_repository_id IN (SELECT value FROM json_each(?2)) AND last_synced_at > ?3`

/**
 * Appends ?3 to the names of renamed repositories, before any piece is stored. So no repository of a piece is found by
 * the former name of a repository of a later piece, and names can be swapped between pieces. ?1: the repositories, ?2:
 * now.
 */
const releaseRenamedText = `
  UPDATE repositories SET name = name || ?3, updated_at = ?2 WHERE id IN (
    SELECT r.id FROM json_each(?1) AS element
      CROSS JOIN repositories AS r ON r.provider = value ->> 'provider' AND r.external_id = value ->> 'externalId'
    WHERE r.owner <> value ->> 'owner' COLLATE NOCASE OR r.name <> value ->> 'name' COLLATE NOCASE)`.trim()

/**
 * Joins the batch with the rows of `repositories`, which exist by now, and with the previous rows of the installation.
 * CROSS JOIN makes the batch the outer loop.
 */
const joined = `
  FROM json_each(?2) AS element
    CROSS JOIN repositories AS r ON r.provider = value ->> 'provider' AND r.external_id = value ->> 'externalId'
    LEFT JOIN ${table} AS old ON old.installation_id = ?1 AND old.external_repository_id = value ->> 'externalId'`

/**
 * Marks a row as removed if its external id now belongs to another repository. Otherwise two rows could not swap their
 * repositories, because the unique index covers the rows that are not removed.
 */
const releaseText = `
  UPDATE ${table} SET removed_at = ?3
  WHERE id IN (SELECT old.id ${joined} WHERE old.removed_at IS NULL AND old.repository_id <> r.id)
  RETURNING id`.trim()

const columns = [
  "repository_id",
  "owner",
  "name",
  "full_name",
  "default_branch",
  "is_private",
  "is_archived",
  "pushed_at"
]

const values = [
  "r.id",
  "value ->> 'owner'",
  "value ->> 'name'",
  "value ->> 'fullName'",
  "coalesce(value ->> 'defaultBranch', old.default_branch, 'main')",
  "coalesce(value ->> 'isPrivate', old.is_private, 1)",
  "coalesce(value ->> 'isArchived', old.is_archived, 0)",
  "iif(json_type(value, '$.pushedAt') IS NULL, old.pushed_at, value ->> 'pushedAt')"
]

const storeText = (condition: string) =>
  `
  INSERT INTO ${table} (id, installation_id, external_repository_id, ${columns.join(", ")}, created_at, updated_at)
  SELECT value ->> 'cacheId', ?1, value ->> 'externalId', ${values.join(", ")}, ?3, ?3 ${joined}
  WHERE ${condition}
  ON CONFLICT (installation_id, external_repository_id) DO UPDATE SET
    ${columns.map((column) => `${column} = excluded.${column}`).join(", ")}, updated_at = excluded.updated_at, removed_at = NULL
  RETURNING id`.trim()

const updateText = storeText(`
  old.id IS NOT NULL AND old.removed_at IS NULL
    AND (${columns.map((column) => `old.${column}`).join(", ")}) IS NOT (${values.join(", ")})`)

const addText = storeText("old.id IS NULL OR old.removed_at IS NOT NULL")

// ?1: the installation, ?2: its repositories, ?3: the instant of the change.
const confirmText = `
  UPDATE ${table} SET last_synced_at = ?3
  WHERE installation_id = ?1 AND external_repository_id IN (SELECT value ->> 'externalId' FROM json_each(?2))`

// A sync also confirms which repositories the installation does not contain: an earlier addition must not restore them.
// ?1: the installation, ?2: now.
const confirmAllText = `UPDATE ${table} SET last_synced_at = ?2 WHERE installation_id = ?1`

// The current names of repositories whose row in `repositories` was confirmed after a change.
// ?1: the provider, ?2: GitHub's ids, ?3: the instant of the change.
const laterNamesText = `
  SELECT r.external_id AS id, r.owner, r.name
  FROM json_each(?2) AS element CROSS JOIN repositories AS r ON r.provider = ?1 AND r.external_id = value
  WHERE r.last_synced_at > ?3`

type Sync = typeof SyncInstallationRepositories.Type
type Change = typeof ApplyInstallationChange.Type

/**
 * A repository of a request. `cacheId`: the id of a new row. `isOutdated`: its row in `repositories` was confirmed after
 * the change.
 */
type RequestedRepository = Sync["repositories"][number] & {
  readonly cacheId?: string | undefined
  readonly isOutdated?: boolean
}

/** Builds the sync of repositories in pieces of this number. */
export const makeInstallationSync = (pieceSize: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    // A statement over thousands of rows blocks the thread for a while: heartbeats and reads run after each.
    const run = (text: string, params: ReadonlyArray<unknown>) => Effect.zipLeft(sql.unsafe(text, params), nextTurn)

    /**
     * Returns the provider of the installation. It is the first statement and a write, so that the transaction holds the
     * write lock from here on. `syncedAt` is null for a change, which is not a sync of the installation.
     */
    const lockInstallation = (installationId: string, syncedAt: number | null) =>
      Effect.flatMap(
        sql<{ readonly provider: string }>`
        UPDATE github_app_installations SET last_synced_at = coalesce(${syncedAt}, last_synced_at) WHERE id = ${installationId}
        RETURNING provider`,
        ([installation]) =>
          installation === undefined
            ? Effect.fail(new NotFound({ entity: "GitHubInstallation", id: installationId }))
            : Effect.succeed(installation.provider)
      )

    /** Runs a statement for each batch. Returns the number of rows that it returned. */
    const runEach = (batches: ReadonlyArray<string>, text: string, params: (batch: string) => ReadonlyArray<unknown>) =>
      Effect.map(
        Effect.forEach(batches, (batch) => run(text, params(batch))),
        (rows) => rows.reduce((sum, { length }) => sum + length, 0)
      )

    /**
     * Stores the batches. `remove` runs before their rows of the installation are stored, so that other repositories can
     * take over released names and external ids.
     */
    const store = <E>(
      installationId: string,
      batches: ReadonlyArray<string>,
      now: number,
      remove: Effect.Effect<ReadonlyArray<unknown>, E>
    ) =>
      Effect.gen(function* () {
        const suffix = `~${newUuid(now)}`
        const ofInstallation = (batch: string) => [installationId, batch, now]
        if (batches.length > 1) yield* runEach(batches, releaseRenamedText, (batch) => [batch, now, suffix])
        for (const batch of batches) {
          yield* run(releaseNamesText, [batch, now, suffix])
          yield* run(storeRepositoriesText, [batch, now])
        }
        const removed = yield* remove
        const released = yield* runEach(batches, releaseText, ofInstallation)
        const updated = yield* runEach(batches, updateText, ofInstallation)
        const added = yield* runEach(batches, addText, ofInstallation)
        // The released rows were added again: they count as updated.
        return { added: added - released, updated: updated + released, removed: removed.length }
      })

    /** Encodes the repositories in pieces. */
    const batchesOf = (method: string, field: string, repositories: ReadonlyArray<RequestedRepository>, row: ToRow) =>
      Effect.forEach(Arr.chunksOf(repositories, pieceSize), (piece) =>
        Effect.zipLeft(batchOf(`GitHubInstallationRepositoryRepo.${method}`, field, piece, row), nextTurn)
      )

    const sync = ({
      installationId,
      repositories
    }: Sync): Effect.Effect<SyncResult, NotFound | InvalidInput | SqlError.SqlError> =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const provider = yield* lockInstallation(installationId, now)
        const batches = yield* batchesOf("sync", "repositories", repositories, rowOf(provider, now, now))
        const ids = JSON.stringify(repositories.map(({ externalRepositoryId }) => externalRepositoryId))
        const result = yield* store(installationId, batches, now, run(removeMissingText, [installationId, ids, now]))
        yield* run(confirmAllText, [installationId, now])
        return result
      }).pipe(sql.withTransaction)

    const apply = ({
      added,
      at,
      installationId,
      removed
    }: Omit<Change, "added"> & { readonly added: ReadonlyArray<RequestedRepository> }): Effect.Effect<
      SyncResult,
      NotFound | InvalidInput | SqlError.SqlError
    > =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const changedAt = at === undefined ? now : DateTime.toEpochMillis(at)
        const provider = yield* lockInstallation(installationId, null)
        const ids = [...removed, ...added.map(({ externalRepositoryId }) => externalRepositoryId)]
        // These reads before the write are safe, because the transaction holds the write lock.
        const confirmedLater = yield* sql.unsafe<{ readonly id: string }>(confirmedLaterText, [
          installationId,
          JSON.stringify(ids),
          changedAt
        ])
        const ignored = new Set(confirmedLater.map(({ id }) => id))
        const additions = added.filter(({ externalRepositoryId }) => !ignored.has(externalRepositoryId))
        const laterNames = yield* sql.unsafe<CurrentName>(laterNamesText, [
          provider,
          JSON.stringify(additions.map(({ externalRepositoryId }) => externalRepositoryId)),
          changedAt
        ])
        const batches = yield* batchesOf(
          "apply",
          "added",
          withCurrentNames(additions, laterNames),
          rowOf(provider, changedAt, now)
        )
        const removals = JSON.stringify(removed.filter((id) => !ignored.has(id)))
        const remove = run(removeText, [installationId, removals, now, changedAt])
        const result = yield* store(installationId, batches, now, remove)
        yield* runEach(batches, confirmText, (batch) => [installationId, batch, changedAt])
        return result
      }).pipe(sql.withTransaction)

    return { apply, sync }
  })

/** The external id of a repository, and its current owner and name in `repositories`. */
interface CurrentName {
  readonly id: string
  readonly owner: string
  readonly name: string
}

/**
 * Replaces the names of outdated repositories with the current ones, and leaves out the fields that `repositories`
 * stores, so that they stay unchanged. A repository keeps the requested name if another repository of the change needs
 * the current one.
 */
const withCurrentNames = (
  repositories: ReadonlyArray<RequestedRepository>,
  currentNames: ReadonlyArray<CurrentName>
): ReadonlyArray<RequestedRepository> => {
  const current = new Map(currentNames.map((one) => [one.id, one]))
  const nameOf = ({ name, owner }: { readonly name: string; readonly owner: string }) =>
    `${owner}/${name}`.toLowerCase()
  const taken = new Set(
    repositories.filter(({ externalRepositoryId }) => !current.has(externalRepositoryId)).map(nameOf)
  )
  return repositories.map((repository) => {
    const known = current.get(repository.externalRepositoryId)
    if (known === undefined || taken.has(nameOf(known))) return repository
    const { cacheId, externalRepositoryId, isPrivate, pushedAt } = repository
    return {
      cacheId,
      externalRepositoryId,
      isPrivate,
      pushedAt,
      owner: known.owner,
      name: known.name,
      isOutdated: true
    }
  })
}

type ToRow = ReturnType<typeof rowOf>

/** Builds the element of the batch for a repository: the statements above and those of `repositories` read it. */
const rowOf =
  (provider: string, syncedAt: number, now: number) =>
  ({ cacheId, externalRepositoryId, fullName, isOutdated = false, pushedAt, ...repository }: RequestedRepository) => {
    const row: RepositoryInput & Readonly<Record<string, unknown>> = {
      ...repository,
      provider,
      externalId: externalRepositoryId,
      newId: `repo_${newUuid(now)}`,
      lastSyncedAt: isOutdated ? undefined : syncedAt,
      cacheId: cacheId ?? `ghr_${newUuid(now)}`,
      fullName: fullName ?? `${repository.owner}/${repository.name}`,
      pushedAt: pushedAt && DateTime.toEpochMillis(pushedAt)
    }
    return row
  }
