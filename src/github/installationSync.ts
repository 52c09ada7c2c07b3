/**
 * The sync of what an installation sees, whole or by what changed: one transaction, the same few statements for any number
 * of repositories.
 */
import { SqlClient, type SqlError } from "@effect/sql"
import { Clock, DateTime, Effect } from "effect"
import { v7 } from "uuid"
import { type InvalidInput, NotFound } from "../Errors.js"
import { batchOf } from "../sql/batch.js"
import { nextTurn } from "../libsql/eventLoop.js"
import type { ApplyInstallationChange, SyncInstallationRepositories, SyncResult } from "./GitHubInstallationRepository.js"
import { giveUpNamesText, type GivenRepository, storeText as storeRepositoriesText } from "../source/repositoryIdentity.js"

const table = "github_installation_repositories"

// ?1: the installation, ?2: its repositories, ?3: now.

const removeText = `
  UPDATE ${table} SET removed_at = ?3, updated_at = ?3
  WHERE installation_id = ?1 AND removed_at IS NULL
    AND external_repository_id NOT IN (SELECT value ->> 'externalId' FROM json_each(?2))
  RETURNING id`.trim()

// ?1: the installation, ?2: GitHub's ids, ?3: now, ?4: since when they are removed.
const removeGivenText = `
  UPDATE ${table} SET removed_at = ?3, updated_at = ?3, last_synced_at = ?4
  WHERE installation_id = ?1 AND removed_at IS NULL AND external_repository_id IN (SELECT value FROM json_each(?2))
  RETURNING id`.trim()

// ?1: the installation, ?2: GitHub's ids, ?3: when something else is told of them. What is known since later.
const toldLaterText = `
  SELECT external_repository_id AS id FROM ${table}
  WHERE installation_id = ?1 AND external_repository_id IN (SELECT value FROM json_each(?2)) AND last_synced_at > ?3`

/**
 * The repositories with what is known of them. They have their rows by now: each is the one with its external id. CROSS
 * JOIN, so that the batch comes first.
 */
const known = `
  FROM json_each(?2) AS given
    CROSS JOIN repositories AS r ON r.provider = value ->> 'provider' AND r.external_id = value ->> 'externalId'
    LEFT JOIN ${table} AS old ON old.installation_id = ?1 AND old.external_repository_id = value ->> 'externalId'`

/**
 * A row whose external id has come to another repository steps aside, or two that take each other's could not be stored
 * one after the other: what is removed holds no repository.
 */
const stepAsideText = `
  UPDATE ${table} SET removed_at = ?3
  WHERE id IN (SELECT old.id ${known} WHERE old.removed_at IS NULL AND old.repository_id <> r.id)
  RETURNING id`.trim()

const columns = ["repository_id", "owner", "name", "full_name", "default_branch", "is_private", "is_archived", "pushed_at"]

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

const storeText = (condition: string) => `
  INSERT INTO ${table} (id, installation_id, external_repository_id, ${columns.join(", ")}, created_at, updated_at)
  SELECT value ->> 'cacheId', ?1, value ->> 'externalId', ${values.join(", ")}, ?3, ?3 ${known}
  WHERE ${condition}
  ON CONFLICT (installation_id, external_repository_id) DO UPDATE SET
    ${columns.map((column) => `${column} = excluded.${column}`).join(", ")}, updated_at = excluded.updated_at, removed_at = NULL
  RETURNING id`.trim()

const updateText = storeText(`
  old.id IS NOT NULL AND old.removed_at IS NULL
    AND (${columns.map((column) => `old.${column}`).join(", ")}) IS NOT (${values.join(", ")})`)

const addText = storeText("old.id IS NULL OR old.removed_at IS NOT NULL")

// ?1: the installation, ?2: its repositories, ?3: when they were told of.
const confirmGivenText = `
  UPDATE ${table} SET last_synced_at = ?3
  WHERE installation_id = ?1 AND external_repository_id IN (SELECT value ->> 'externalId' FROM json_each(?2))`

// A sync tells of the whole, so of what it does not see, too: an addition from before it adds nothing of that again.
const confirmText = `UPDATE ${table} SET last_synced_at = ?2 WHERE installation_id = ?1`

// ?1: the provider, ?2: GitHub's ids, ?3: when something else is told of them. What they are called since later.
const calledLaterText = `
  SELECT r.external_id AS id, r.owner, r.name
  FROM json_each(?2) AS given CROSS JOIN repositories AS r ON r.provider = ?1 AND r.external_id = value
  WHERE r.last_synced_at > ?3`

type Sync = typeof SyncInstallationRepositories.Type
type Change = typeof ApplyInstallationChange.Type

/** A repository as it is given; of one that `isLate`, something later is known. */
type Given = Sync["repositories"][number] & { readonly isLate?: boolean }

export const makeSyncs = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  // A statement over thousands of rows holds the thread for a while: heartbeats and reads get their turn after each.
  const run = (text: string, params: ReadonlyArray<unknown>) => Effect.zipLeft(sql.unsafe(text, params), nextTurn)

  /** Takes the write lock with its first statement. Only the whole of what it sees is a sync of an installation. */
  const providerOf = (installationId: string, syncedAt: number | null) =>
    Effect.flatMap(
      sql<{ readonly provider: string }>`
        UPDATE github_app_installations SET last_synced_at = coalesce(${syncedAt}, last_synced_at) WHERE id = ${installationId}
        RETURNING provider`,
      ([installation]) =>
        installation === undefined
          ? Effect.fail(new NotFound({ entity: "GitHubInstallation", id: installationId }))
          : Effect.succeed(installation.provider)
    )

  /** Stores what is seen, after `remove` has taken what is not: a name or an external id that is free again can be another's. */
  const store = <E>(installationId: string, batch: string, now: number, remove: Effect.Effect<ReadonlyArray<unknown>, E>) =>
    Effect.gen(function*() {
      yield* run(giveUpNamesText, [batch, now, `~${v7()}`])
      yield* run(storeRepositoriesText, [batch, now])
      const removed = yield* remove
      const aside = yield* run(stepAsideText, [installationId, batch, now])
      const updated = yield* run(updateText, [installationId, batch, now])
      const added = yield* run(addText, [installationId, batch, now])
      return { added: added.length - aside.length, updated: updated.length + aside.length, removed: removed.length }
    })

  const sync = ({ installationId, repositories }: Sync): Effect.Effect<SyncResult, NotFound | InvalidInput | SqlError.SqlError> =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const provider = yield* providerOf(installationId, now)
      const batch = yield* batchOf("GitHubInstallationRepositoryRepo.sync", "repositories", repositories, rowOf(provider, now))
      const result = yield* store(installationId, batch, now, run(removeText, [installationId, batch, now]))
      yield* run(confirmText, [installationId, now])
      return result
    }).pipe(sql.withTransaction)

  const apply = ({ added, at, installationId, removed }: Change): Effect.Effect<SyncResult, NotFound | InvalidInput | SqlError.SqlError> =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const told = at === undefined ? now : DateTime.toEpochMillis(at)
      const provider = yield* providerOf(installationId, null)
      const ids = [...removed, ...added.map(({ externalRepositoryId }) => externalRepositoryId)]
      // A read before the write, and safe: the transaction has the write lock.
      const later = yield* sql.unsafe<{ readonly id: string }>(toldLaterText, [installationId, JSON.stringify(ids), told])
      const stale = new Set(later.map(({ id }) => id))
      const news = added.filter(({ externalRepositoryId }) => !stale.has(externalRepositoryId))
      const called = yield* sql.unsafe<Called>(calledLaterText, [
        provider,
        JSON.stringify(news.map(({ externalRepositoryId }) => externalRepositoryId)),
        told
      ])
      const batch = yield* batchOf("GitHubInstallationRepositoryRepo.apply", "added", kept(news, called), rowOf(provider, told))
      const left = JSON.stringify(removed.filter((id) => !stale.has(id)))
      const result = yield* store(installationId, batch, now, run(removeGivenText, [installationId, left, now, told]))
      yield* run(confirmGivenText, [installationId, batch, told])
      return result
    }).pipe(sql.withTransaction)

  return { apply, sync }
})

interface Called {
  readonly id: string
  readonly owner: string
  readonly name: string
}

/**
 * Of what something later is known, that stays: its name, unless another of them has it, and whatever else `repositories`
 * has of it.
 */
const kept = (repositories: ReadonlyArray<Given>, called: ReadonlyArray<Called>): ReadonlyArray<Given> => {
  const later = new Map(called.map((one) => [one.id, one]))
  const nameOf = ({ name, owner }: { readonly name: string; readonly owner: string }) => `${owner}/${name}`.toLowerCase()
  const taken = new Set(repositories.filter(({ externalRepositoryId }) => !later.has(externalRepositoryId)).map(nameOf))
  return repositories.map((repository) => {
    const known = later.get(repository.externalRepositoryId)
    if (known === undefined || taken.has(nameOf(known))) return repository
    const { externalRepositoryId, isPrivate, pushedAt } = repository
    return { externalRepositoryId, isPrivate, pushedAt, owner: known.owner, name: known.name, isLate: true }
  })
}

/** A repository as the statements here and those of `repositories` take it. */
const rowOf = (provider: string, told: number) => ({ externalRepositoryId, fullName, isLate = false, pushedAt, ...repository }: Given) => {
  const row: GivenRepository & Readonly<Record<string, unknown>> = {
    ...repository,
    provider,
    externalId: externalRepositoryId,
    fresh: `repo_${v7()}`,
    lastSyncedAt: isLate ? undefined : told,
    cacheId: `ghr_${v7()}`,
    fullName: fullName ?? `${repository.owner}/${repository.name}`,
    pushedAt: pushedAt && DateTime.toEpochMillis(pushedAt)
  }
  return row
}
