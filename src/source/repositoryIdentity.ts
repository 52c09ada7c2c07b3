/**
 * Which row a repository is stored in, and which rows give way to it.
 *
 * The statements take repositories as one JSON array, ?1, so that one repository and thousands are the same text. All
 * are of one provider if they are several, and none is in it twice. `fresh` is the id of the row if there is none yet.
 * What is absent from a repository stays as it is.
 */

/** A repository as the statements take it. */
export interface GivenRepository {
  readonly fresh: string
  readonly id?: string | undefined
  readonly provider?: string | undefined
  readonly externalId?: string | null | undefined
  readonly owner: string
  readonly name: string
  readonly defaultBranch?: string | undefined
  readonly url?: string | null | undefined
  readonly isArchived?: boolean | undefined
  readonly openToAll?: boolean | undefined
  readonly lastSyncedAt?: number | null | undefined
}

/**
 * The rows as they are to be. Rows are found by all their identities before any of them changes, so that repositories of
 * one array can swap names. A row whose external id is in the array is not to be had by its name: it is another's.
 */
const wanted = `
  WITH named AS MATERIALIZED (
    SELECT value AS given, value ->> 'id' AS id, value ->> 'externalId' AS external_id, value ->> 'owner' AS owner,
      value ->> 'name' AS name,
      coalesce(value ->> 'provider', (SELECT provider FROM repositories WHERE id = value ->> 'id'), 'generic') AS provider
    FROM json_each(?1)
  ), found AS MATERIALIZED (
    SELECT named.*, coalesce(
      (SELECT r.id FROM repositories AS r WHERE r.id = named.id),
      (SELECT r.id FROM repositories AS r WHERE r.provider = named.provider AND r.external_id = named.external_id),
      (SELECT r.id FROM repositories AS r
       WHERE r.provider = named.provider AND r.owner = named.owner COLLATE NOCASE AND r.name = named.name COLLATE NOCASE
         AND (r.external_id IS NULL
           OR r.external_id NOT IN (SELECT external_id FROM named WHERE external_id IS NOT NULL)))
    ) AS row_id FROM named
  ), wanted AS MATERIALIZED (
    SELECT coalesce(found.row_id, given ->> 'fresh') AS id, found.provider,
      iif(json_type(given, '$.externalId') IS NULL, old.external_id, found.external_id) AS external_id,
      found.owner, found.name,
      coalesce(given ->> 'defaultBranch', old.default_branch, 'main') AS default_branch,
      iif(json_type(given, '$.url') IS NULL, old.url, given ->> 'url') AS url,
      coalesce(given ->> 'isArchived', old.is_archived, 0) AS is_archived,
      coalesce(given ->> 'openToAll', old.open_to_all, 0) AS open_to_all,
      iif(json_type(given, '$.lastSyncedAt') IS NULL, old.last_synced_at, given ->> 'lastSyncedAt') AS last_synced_at
    FROM found LEFT JOIN repositories AS old ON old.id = found.row_id
  )`

// What moves updated_at.
const told = ["provider", "external_id", "owner", "name", "default_branch", "url", "is_archived", "open_to_all"]

/**
 * Stores the repositories, ?1, at the moment ?2. Breaks a constraint when another row holds what one of them is now
 * called: then that row has to give way first.
 */
export const storeText = `
  INSERT INTO repositories (id, ${told.join(", ")}, last_synced_at, created_at, updated_at)
  ${wanted}
  SELECT id, ${told.join(", ")}, last_synced_at, ?2, ?2 FROM wanted WHERE true
  ON CONFLICT (id) DO UPDATE SET
    updated_at = iif(
      (${told.map((column) => `repositories.${column}`).join(", ")}) IS (${told.map((column) => `excluded.${column}`).join(", ")}),
      repositories.updated_at, excluded.updated_at),
    ${told.map((column) => `${column} = excluded.${column}`).join(", ")}, last_synced_at = excluded.last_synced_at`.trim()

/**
 * Rows that hold a name which one of the repositories, ?1, now has, let go of it: ?3 is put behind it, at the moment ?2.
 * Also a row that is to get another name in a moment, so that names can be swapped.
 */
export const giveUpNamesText = `
  UPDATE repositories SET name = name || ?3, updated_at = ?2 WHERE id IN (
    ${wanted}
    SELECT holder.id FROM wanted CROSS JOIN repositories AS holder
      ON holder.provider = wanted.provider AND holder.owner = wanted.owner COLLATE NOCASE
        AND holder.name = wanted.name COLLATE NOCASE
    WHERE holder.id <> wanted.id)`.trim()

/** Rows that hold the external id of one of the repositories, ?1, let go of it, at the moment ?2. */
export const giveUpExternalIdsText = `
  UPDATE repositories SET external_id = NULL, updated_at = ?2 WHERE id IN (
    ${wanted}
    SELECT holder.id FROM wanted CROSS JOIN repositories AS holder
      ON holder.provider = wanted.provider AND holder.external_id = wanted.external_id
    WHERE holder.id <> wanted.id)`.trim()
