/**
 * SQL conditions for sandboxes, attempts and runtimes that no worker will move on. Supervision acts on them, and
 * `sealant-db doctor` counts them. `?1` is the instant before which a row must have begun to wait.
 */

/** The job has ended, and its attempt has not been updated yet. */
export const jobIsUnsettled = "finished_at IS NOT NULL AND run_id IS NOT NULL AND run_settled_at IS NULL"

/** The attempt has no job that is queued, running, or about to end it. */
const hasNoJob = `NOT EXISTS (
  SELECT 1 FROM oci_image_build_jobs AS j
  WHERE j.run_id = a.id AND (j.status IN ('queued', 'running') OR j.run_settled_at IS NULL))`

/** The instant at which the attempt `a` began to wait. */
export const attemptWaitsSince = "coalesce(a.started_at, a.queued_at)"

/** The active attempt `a` has no job and waits for a runtime. */
const attemptWithoutJob = `(${attemptWaitsSince} < ?1 AND ${hasNoJob})`

/** The active attempt `a` has a stop request, or has no job and waits for a runtime. */
export const attemptIsLeft = `(a.stop_requested_at IS NOT NULL OR ${attemptWithoutJob})`

/**
 * The pending runtime `r` belongs to an ended attempt, for example after a relaunch that was never reported running.
 */
export const runtimeIsLeft = `(r.updated_at < ?1 AND EXISTS (
  SELECT 1 FROM sandbox_attempts AS a
  WHERE a.id = r.run_id AND a.status NOT IN ('queued', 'running') AND a.stop_requested_at IS NULL))`

/** The end of the runtime of the unsettled teardown `t` is not recorded: it has failed, or its sandbox waits too long. */
export const teardownIsLeft = "(t.status = 'failed' OR t.created_at < ?1)"

/**
 * The sandbox `s` has ended for its owner and not in its row, or has ended in its row only: its runtime or attempt was
 * ended, or its row was set, outside the lifecycle. The text is that of the index `sandboxes_disagreeing_idx`.
 */
export const sandboxDisagrees =
  "(s.status IN ('failed', 'stopped')) <> (s.view_status IN ('failed', 'stopping', 'stopped', 'cancelled'))"

/** The sandbox `s` has not ended, and has a deadline. The text is that of the index `sandboxes_expires_at_idx`. */
export const sandboxMayExpire = "s.expires_at IS NOT NULL AND s.status IN ('queued', 'running', 'ready')"

/** The sandbox `s` is ready, and has an idle timeout. The text is that of the index `sandboxes_idle_idx`. */
export const sandboxMayIdle = "s.idle_timeout_ms IS NOT NULL AND s.status = 'ready'"

/** The earliest instant at which the sandbox `s` may be idle. The text is that of the index `sandboxes_idle_idx`. */
export const mayIdleAt = "coalesce(s.last_active_at, s.created_at) + s.idle_timeout_ms"

/** The ready sandbox `s` is idle at ?1: the time counts from the last activity, or else from when it was ready. */
export const sandboxIsIdle = `max(coalesce(s.last_active_at, s.created_at), coalesce((
  SELECT a.finished_at FROM sandbox_attempts AS a WHERE a.id = s.latest_run_id), s.created_at)) + s.idle_timeout_ms <= ?1`

/** The waiting sandbox `s` has a latest attempt that failed or was cancelled, or has no attempt. */
export const sandboxIsLeft = `(CASE WHEN s.latest_run_id IS NULL THEN s.updated_at < ?1 ELSE EXISTS (
  SELECT 1 FROM sandbox_attempts AS a
  WHERE a.id = s.latest_run_id AND a.status IN ('failed', 'cancelled') AND ${hasNoJob}) END)`
