/**
 * The end of a runtime and its reason, and a status for owners that distinguishes a stopped sandbox from a cancelled one.
 *
 * The status is a new column: the CHECK of `derived_status` cannot be changed, and programs of the previous release fail
 * on a value that they do not know. `derived_status` follows the new column, with `cancelled` for `stopped`.
 */

/**
 * The status of a row of `sandboxes` as its owner sees it, from its latest attempt with the newest job and the runtime of
 * that. Only a sandbox that was ready has a succeeded attempt. It uses scalar subqueries, because for a join the planner
 * may scan a table that had few rows when its statistics were collected.
 */
const viewStatus = `coalesce(
    (SELECT CASE
      WHEN a.status IN ('cancelled', 'failed') THEN a.status
      WHEN a.stop_requested_at IS NOT NULL THEN iif(a.status = 'succeeded', 'stopped', 'cancelled')
      WHEN a.job = 'cancelled' THEN 'cancelled'
      WHEN a.job = 'failed' OR a.runtime = 'failed' THEN 'failed'
      WHEN a.runtime = 'stopped' THEN iif(a.status = 'succeeded', 'stopped', 'cancelled')
      WHEN a.status = 'succeeded' AND coalesce(a.job, 'succeeded') = 'succeeded' AND a.runtime = 'running' THEN 'ready'
      WHEN a.status = 'running' OR a.job = 'running' THEN 'running'
      ELSE 'queued'
    END
    FROM (
      SELECT status, stop_requested_at,
        (SELECT status FROM oci_image_build_jobs
         WHERE run_id = sandboxes.latest_run_id ORDER BY created_at DESC, id DESC LIMIT 1) AS job,
        (SELECT status FROM sandbox_runtime_instances WHERE run_id = sandboxes.latest_run_id) AS runtime
      FROM sandbox_attempts WHERE id = sandboxes.latest_run_id
    ) AS a),
    status)`

/** Derives the status of the sandboxes for which the condition holds, and writes it only when it has changed. */
const derive = (condition: string) => `
  UPDATE sandboxes SET view_status = ${viewStatus}
  WHERE ${condition} AND view_status IS NOT ${viewStatus};`

/** The value of `derived_status` for a value of `view_status`. */
const derivedStatus = (view: string) => `iif(${view} IN ('stopping', 'stopped'), 'cancelled', ${view})`

/** The triggers of 0013 that derive the status, and the sandboxes that each write concerns. */
const triggers = [
  {
    name: "sandbox_attempts_derived_status_insert",
    event: "AFTER INSERT ON sandbox_attempts",
    sandboxes: "latest_run_id = NEW.id"
  },
  {
    name: "sandbox_attempts_derived_status_update",
    event: "AFTER UPDATE OF status, stop_requested_at ON sandbox_attempts",
    sandboxes: "latest_run_id = NEW.id"
  },
  {
    name: "sandbox_attempts_derived_status_delete",
    event: "AFTER DELETE ON sandbox_attempts",
    sandboxes: "latest_run_id = OLD.id"
  },
  {
    name: "sandbox_runtime_instances_derived_status_insert",
    event: "AFTER INSERT ON sandbox_runtime_instances",
    sandboxes: "latest_run_id = NEW.run_id"
  },
  {
    name: "sandbox_runtime_instances_derived_status_update",
    event: `AFTER UPDATE OF status, run_id ON sandbox_runtime_instances
WHEN NEW.status <> OLD.status OR NEW.run_id <> OLD.run_id`,
    sandboxes: "latest_run_id IN (OLD.run_id, NEW.run_id)"
  },
  {
    name: "sandbox_runtime_instances_derived_status_delete",
    event: "AFTER DELETE ON sandbox_runtime_instances",
    sandboxes: "latest_run_id = OLD.run_id"
  },
  {
    name: "oci_image_build_jobs_derived_status_insert",
    event: `AFTER INSERT ON oci_image_build_jobs
WHEN NEW.run_id IS NOT NULL`,
    sandboxes: "latest_run_id = NEW.run_id"
  },
  {
    name: "oci_image_build_jobs_derived_status_update",
    event: `AFTER UPDATE OF status, run_id, created_at ON oci_image_build_jobs
WHEN NEW.status <> OLD.status OR NEW.run_id IS NOT OLD.run_id OR NEW.created_at <> OLD.created_at`,
    sandboxes: "latest_run_id IN (OLD.run_id, NEW.run_id)"
  },
  {
    name: "oci_image_build_jobs_derived_status_delete",
    event: `AFTER DELETE ON oci_image_build_jobs
WHEN OLD.run_id IS NOT NULL`,
    sandboxes: "latest_run_id = OLD.run_id"
  }
] as const

const replaced = triggers
  .map(
    ({ event, name, sandboxes }) => `
DROP TRIGGER ${name};
CREATE TRIGGER ${name} ${event}
BEGIN${derive(sandboxes)}
END;`
  )
  .join("\n")

export default `
ALTER TABLE sandbox_runtime_instances ADD COLUMN stop_reason TEXT
  CONSTRAINT sandbox_runtime_instances_stop_reason CHECK (
    stop_reason IN ('exited', 'crashed', 'out-of-memory', 'evicted', 'expired', 'idle', 'user', 'launch-failed')
  );

-- Only ended runtimes have a reason. A CHECK would refuse the relaunch of a runtime by a program that does not know the
-- column, so the reason is removed instead.
CREATE TRIGGER sandbox_runtime_instances_stop_reason_insert AFTER INSERT ON sandbox_runtime_instances
WHEN NEW.stop_reason IS NOT NULL AND NEW.status IN ('pending', 'running')
BEGIN
  UPDATE sandbox_runtime_instances SET stop_reason = NULL WHERE run_id = NEW.run_id;
END;

CREATE TRIGGER sandbox_runtime_instances_stop_reason_update AFTER UPDATE OF status, stop_reason ON sandbox_runtime_instances
WHEN NEW.stop_reason IS NOT NULL AND NEW.status IN ('pending', 'running')
BEGIN
  UPDATE sandbox_runtime_instances SET stop_reason = NULL WHERE run_id = NEW.run_id;
END;

-- 'stopping' is for a later release: a new value of a CHECK needs a new table.
ALTER TABLE sandboxes ADD COLUMN view_status TEXT CONSTRAINT sandboxes_view_status
  CHECK (view_status IN ('queued', 'running', 'ready', 'stopping', 'stopped', 'failed', 'cancelled'));

DROP TRIGGER sandboxes_derived_status_insert;
DROP TRIGGER sandboxes_derived_status_update;

UPDATE sandboxes SET view_status = ${viewStatus};
UPDATE sandboxes SET derived_status = ${derivedStatus("view_status")}
WHERE derived_status IS NOT ${derivedStatus("view_status")};

-- Lists of the previous release continue without it.
DROP INDEX sandboxes_owner_user_id_derived_status_created_at_idx;
CREATE INDEX sandboxes_owner_user_id_view_status_created_at_idx
  ON sandboxes (owner_user_id, view_status, created_at DESC, id DESC);

-- The sandboxes that have ended for their owner and not in their row, or are stopped in their row only. Supervision
-- reads them.
CREATE INDEX sandboxes_disagreeing_idx ON sandboxes (created_at, id)
  WHERE (status = 'stopped') <> (view_status IN ('failed', 'stopped', 'cancelled')) AND status <> 'failed';

CREATE TRIGGER sandboxes_view_status_insert AFTER INSERT ON sandboxes
BEGIN${derive("id = NEW.id")}
END;

-- Also for a status that another program writes: it is derived again.
CREATE TRIGGER sandboxes_view_status_update AFTER UPDATE OF status, latest_run_id, view_status ON sandboxes
WHEN NEW.status <> OLD.status OR NEW.latest_run_id IS NOT OLD.latest_run_id OR NEW.view_status IS NOT OLD.view_status
BEGIN${derive("id = NEW.id")}
END;

CREATE TRIGGER sandboxes_derived_status_update AFTER UPDATE OF view_status, derived_status ON sandboxes
WHEN NEW.derived_status IS NOT ${derivedStatus("NEW.view_status")}
BEGIN
  UPDATE sandboxes SET derived_status = ${derivedStatus("view_status")} WHERE id = NEW.id;
END;
${replaced}
`
