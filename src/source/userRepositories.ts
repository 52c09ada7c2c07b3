/**
 * The repositories that a user can see, through whichever installations.
 *
 * An installation sees thousands, a user sees through some of them: sorting all that for each page would cost what the
 * user can see, not what the page holds. So the list steps from repository to repository: the next one is the first that
 * any of the installations has below the last one, which is one look into an index for each of them.
 */
import { columnList } from "../sql/rows.js"
import { GitHubInstallationRepository } from "../github/GitHubInstallationRepository.js"

// Every text is less than a blob (https://www.sqlite.org/datatype3.html#sort_order): it starts the first page.
const above = "coalesce(?2, x'')"

const nextBelow = (last: string) => `
  (SELECT max((
    SELECT max(cached.repository_id) FROM github_installation_repositories AS cached
    WHERE cached.installation_id = open.installation_id AND cached.removed_at IS NULL AND cached.repository_id < ${last}
  )) FROM open)`

/**
 * ?1: the user, ?2: the repository that ended the page before, or null, ?3: the pattern of a search, or null, ?4: how
 * many rows. They come in the order of the steps, as the walk is the outer loop; a sort would walk to the end.
 */
export const userRepositoriesText = `
  WITH RECURSIVE open AS MATERIALIZED (
    SELECT g.installation_id FROM github_installation_user_grants AS g
      CROSS JOIN github_app_installations AS i ON i.id = g.installation_id
    WHERE g.user_id = ?1 AND g.revoked_at IS NULL AND i.status = 'active'
  ), walk (step) AS (
    SELECT ${nextBelow(above)}
    UNION ALL
    SELECT ${nextBelow("walk.step")} FROM walk WHERE walk.step IS NOT NULL
  )
  SELECT ${columnList(GitHubInstallationRepository)} FROM walk
    CROSS JOIN github_installation_repositories AS shown ON shown.id = (
      SELECT seen.id FROM github_installation_repositories AS seen
      WHERE seen.repository_id = walk.step AND seen.removed_at IS NULL
        AND seen.installation_id IN (SELECT installation_id FROM open)
        AND (?3 IS NULL OR seen.full_name LIKE ?3 ESCAPE '\\')
      ORDER BY seen.created_at DESC, seen.id DESC LIMIT 1)
  LIMIT ?4`.trim()
