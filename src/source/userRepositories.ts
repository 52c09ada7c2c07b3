/**
 * The statements that list the repositories that a user can see through all installations or through one.
 *
 * An installation may contain thousands of repositories, so sorting all of them for each page would be slow. The
 * statement steps from one repository id to the next lower one, with one index lookup for each installation. Without a
 * search, the cost of a page depends on its length and on the number of installations. The order of names has no index:
 * its cost grows with the number of repositories.
 */
import { GitHubInstallationRepository } from "../github/GitHubInstallationRepository.js"
import { columnList } from "../sql/rows.js"

// The first page starts above all ids: a blob sorts after every text
// (https://www.sqlite.org/datatype3.html#sort_order).
const start = "coalesce(?2, x'')"

const nextBelow = (last: string) => `
  (SELECT max((
    SELECT max(cached.repository_id) FROM github_installation_repositories AS cached
    WHERE cached.installation_id = open.installation_id AND cached.removed_at IS NULL AND cached.repository_id < ${last}
  )) FROM open)`

// The active installations of a user, or the one of them with the id ?5.
const open = `open AS MATERIALIZED (
    SELECT g.installation_id FROM github_installation_user_grants AS g
      CROSS JOIN github_app_installations AS i ON i.id = g.installation_id
    WHERE g.user_id = ?1 AND g.revoked_at IS NULL AND i.status = 'active' AND (?5 IS NULL OR i.id = ?5)
  )`

/**
 * ?1: the user, ?2: the last repository of the previous page, or null, ?3: the LIKE pattern of a search, or null, ?4:
 * the number of rows, ?5: an installation, or null.
 *
 * There is no ORDER BY, because a sort would step through all repositories. The rows are in the order of the steps,
 * because the CROSS JOIN makes `steps` the outer loop.
 */
export const userRepositoriesText = `
  WITH RECURSIVE ${open}, steps (step) AS (
    SELECT ${nextBelow(start)}
    UNION ALL
    SELECT ${nextBelow("steps.step")} FROM steps WHERE steps.step IS NOT NULL
  )
  SELECT ${columnList(GitHubInstallationRepository)} FROM steps
    CROSS JOIN github_installation_repositories AS shown ON shown.id = (
      SELECT seen.id FROM github_installation_repositories AS seen
      WHERE seen.repository_id = steps.step AND seen.removed_at IS NULL
        AND seen.installation_id IN (SELECT installation_id FROM open)
        AND (?3 IS NULL OR seen.full_name LIKE ?3 ESCAPE '\\')
      ORDER BY seen.created_at DESC, seen.id DESC LIMIT 1)
  LIMIT ?4`.trim()

/**
 * The same in the order of names. ?1: the user, ?2: the last name of the previous page, or an empty text, ?3: the LIKE
 * pattern of a search, or null, ?4: the number of rows, ?5: an installation, or null, ?6: the last repository of the
 * previous page, or an empty text.
 */
export const userRepositoriesByNameText = `
  WITH ${open}, seen AS (
    SELECT cached.*, row_number() OVER (PARTITION BY repository_id ORDER BY created_at DESC, id DESC) AS place
    FROM open CROSS JOIN github_installation_repositories AS cached
      ON cached.installation_id = open.installation_id AND cached.removed_at IS NULL
    WHERE ?3 IS NULL OR cached.full_name LIKE ?3 ESCAPE '\\'
  )
  SELECT ${columnList(GitHubInstallationRepository)} FROM seen
  WHERE place = 1 AND (full_name COLLATE NOCASE, repository_id) > (?2, ?6)
  ORDER BY full_name COLLATE NOCASE, repository_id LIMIT ?4`.trim()
