/**
 * The statements that store repositories: they find the row of each one, and release names and external ids of other
 * rows.
 *
 * ?1 is a JSON array of `RepositoryInput`, so that the text is the same for one repository and for thousands. If the
 * array has several elements, all have the same provider, and each repository occurs once.
 */

/** An element of the JSON array. Absent fields stay unchanged. */
export interface RepositoryInput {
  /** The id of the row if it is a new one. */
  readonly newId: string
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
 * The rows after the write. All rows are found before any of them changes, so that repositories of one array can swap
 * names. A row whose external id is in the array is not found by its name, because it belongs to another element.
 */
const wanted = `
  WITH named AS MATERIALIZED (
    SELECT value AS element, value ->> 'id' AS id, value ->> 'externalId' AS external_id, value ->> 'owner' AS owner,
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
    SELECT coalesce(found.row_id, element ->> 'newId') AS id, found.provider,
      iif(json_type(element, '$.externalId') IS NULL, old.external_id, found.external_id) AS external_id,
      found.owner, found.name,
      coalesce(element ->> 'defaultBranch', old.default_branch, 'main') AS default_branch,
      iif(json_type(element, '$.url') IS NULL, old.url, element ->> 'url') AS url,
      coalesce(element ->> 'isArchived', old.is_archived, 0) AS is_archived,
      coalesce(element ->> 'openToAll', old.open_to_all, 0) AS open_to_all,
      iif(json_type(element, '$.lastSyncedAt') IS NULL, old.last_synced_at, element ->> 'lastSyncedAt') AS last_synced_at
    FROM found LEFT JOIN repositories AS old ON old.id = found.row_id
  )`

/** The columns whose changes update `updated_at`. */
const tracked = ["provider", "external_id", "owner", "name", "default_branch", "url", "is_archived", "open_to_all"]

/**
 * Stores the repositories. ?1: the repositories, ?2: now. Violates a UNIQUE constraint when another row holds an
 * external id, or an owner and name, of one of them: then the other row must release it first.
 */
export const storeText = `
  INSERT INTO repositories (id, ${tracked.join(", ")}, last_synced_at, created_at, updated_at)
  ${wanted}
  SELECT id, ${tracked.join(", ")}, last_synced_at, ?2, ?2 FROM wanted WHERE true
  ON CONFLICT (id) DO UPDATE SET
    updated_at = iif(
      (${tracked.map((column) => `repositories.${column}`).join(", ")}) IS (${tracked.map((column) => `excluded.${column}`).join(", ")}),
      repositories.updated_at, excluded.updated_at),
    ${tracked.map((column) => `${column} = excluded.${column}`).join(", ")}, last_synced_at = excluded.last_synced_at`.trim()

/**
 * Appends ?3 to the name of each row that holds the owner and name of another repository of ?1. ?2: now. Includes rows
 * that get another name in the same write, so that names can be swapped.
 */
export const releaseNamesText = `
  UPDATE repositories SET name = name || ?3, updated_at = ?2 WHERE id IN (
    ${wanted}
    SELECT holder.id FROM wanted CROSS JOIN repositories AS holder
      ON holder.provider = wanted.provider AND holder.owner = wanted.owner COLLATE NOCASE
        AND holder.name = wanted.name COLLATE NOCASE
    WHERE holder.id <> wanted.id)`.trim()

/** Clears the external id of each row that holds the external id of another repository of ?1. ?2: now. */
export const releaseExternalIdsText = `
  UPDATE repositories SET external_id = NULL, updated_at = ?2 WHERE id IN (
    ${wanted}
    SELECT holder.id FROM wanted CROSS JOIN repositories AS holder
      ON holder.provider = wanted.provider AND holder.external_id = wanted.external_id
    WHERE holder.id <> wanted.id)`.trim()
