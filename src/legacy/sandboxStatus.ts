/**
 * The status of an imported sandbox. The predecessor derived it from the latest attempt, and never wrote its column, so
 * the column is `queued` for almost every sandbox.
 */

/**
 * The SQL of the status, with the values `$latest_run_id` and `$status` of the row. Attempts, jobs and runtimes are
 * imported before.
 *
 * - An active attempt with an active job continues: its sandbox is queued or running, as the attempt. Supervision ends it
 *   if its runtime has ended.
 * - An attempt that can no longer succeed ends its sandbox, so that it can be retried. Supervision ends the attempt.
 * - A succeeded attempt without a runtime has nothing that could be used: its sandbox is stopped.
 */
export const sandboxStatus = `coalesce(
  (SELECT CASE
    WHEN status = 'cancelled' THEN 'stopped'
    WHEN status = 'failed' OR job = 'failed' THEN 'failed'
    WHEN status = 'succeeded' THEN
      CASE runtime WHEN 'running' THEN 'ready' WHEN 'failed' THEN 'failed' WHEN 'pending' THEN 'failed' ELSE 'stopped' END
    WHEN job IS NOT 'queued' AND runtime = 'failed' THEN 'failed'
    WHEN job IS NOT 'queued' AND runtime = 'stopped' THEN 'stopped'
    ELSE status END
  FROM (
    SELECT a.status,
      (SELECT status FROM oci_image_build_jobs
       WHERE run_id = a.id ORDER BY created_at DESC, id DESC LIMIT 1) AS job,
      (SELECT status FROM sandbox_runtime_instances WHERE run_id = a.id) AS runtime
    FROM sandbox_attempts AS a WHERE a.id = $latest_run_id)),
  iif($status IN ('queued', 'running', 'ready'), 'failed', $status))`
