/**
 * The newest job of an attempt, which determines the status of the attempt. Jobs are ordered by their creation, then by
 * their id.
 */

/** Builds the query for the id of the newest job of an attempt. `attempt` is a SQL expression of its id. */
export const newestJobOf = (attempt: string) =>
  `SELECT id FROM oci_image_build_jobs WHERE run_id = ${attempt} ORDER BY created_at DESC, id DESC LIMIT 1`

/**
 * Joins the newest job of an attempt as `j`. INDEXED BY names the primary key, because the planner scans a table that had
 * one row when its statistics were collected.
 */
export const joinNewestJob = (attempt: string) =>
  `LEFT JOIN oci_image_build_jobs AS j INDEXED BY sqlite_autoindex_oci_image_build_jobs_1 ON j.id = (
    ${newestJobOf(attempt)})`
