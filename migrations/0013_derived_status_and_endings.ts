/**
 * The status of a sandbox as its owner sees it, stored so that lists can walk an index; and rows that lose what they
 * depend on end, whichever program deletes it.
 *
 * The triggers never refuse a write of the previous release.
 */

/**
 * The derived status of a row of `sandboxes`, from its latest attempt with the newest job and the runtime of that. Scalar
 * subqueries: of a join, the planner may scan a table that had few rows when its statistics were taken. A sandbox without
 * an attempt has its stored status, where stopped is shown as cancelled.
 */
const derivedStatus = `coalesce(
    (SELECT CASE
      WHEN a.status = 'cancelled' OR a.stop_requested_at IS NOT NULL OR a.job = 'cancelled' THEN 'cancelled'
      WHEN a.status = 'failed' OR a.job = 'failed' OR a.runtime = 'failed' THEN 'failed'
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
    iif(status = 'stopped', 'cancelled', status))`

/** Derives the status of the sandboxes for which the condition holds, and writes it only when it has changed. */
const derive = (condition: string) => `
  UPDATE sandboxes SET derived_status = ${derivedStatus}
  WHERE ${condition} AND derived_status IS NOT ${derivedStatus};`

/** `+status`: the key comes before the status, whatever the statistics are. */
const endExecution = (reason: string, condition: string) => `
  UPDATE issue_workflow_executions SET
    status = 'cancelled', cancel_reason = '${reason}', finished_at = max(updated_at, coalesce(started_at, 0)),
    duration_ms = max(updated_at, started_at) - started_at
  WHERE ${condition} AND +status IN ('queued', 'running');`

/** The condition on `issue_workflows` for those that block their issue although their owner is gone. */
const ownerWasDeleted = `owner_user_id IS NULL AND status = 'active' AND EXISTS (
    SELECT 1 FROM control_plane_events
    WHERE subject_type = 'workflow' AND subject_id = issue_workflows.id
      AND control_plane_events.owner_user_id IS NOT NULL)`

export default `
ALTER TABLE sandboxes ADD COLUMN derived_status TEXT CONSTRAINT sandboxes_derived_status
  CHECK (derived_status IN ('queued', 'running', 'ready', 'failed', 'cancelled'));

UPDATE sandboxes SET derived_status = ${derivedStatus};

CREATE INDEX sandboxes_owner_user_id_derived_status_created_at_idx
  ON sandboxes (owner_user_id, derived_status, created_at DESC, id DESC);

CREATE TRIGGER sandboxes_derived_status_insert AFTER INSERT ON sandboxes
BEGIN${derive("id = NEW.id")}
END;

-- Also for a derived status that another program writes: it is derived again.
CREATE TRIGGER sandboxes_derived_status_update AFTER UPDATE OF status, latest_run_id, derived_status ON sandboxes
WHEN NEW.status <> OLD.status OR NEW.latest_run_id IS NOT OLD.latest_run_id
  OR NEW.derived_status IS NOT OLD.derived_status
BEGIN${derive("id = NEW.id")}
END;

-- While foreign keys are off, a sandbox can name an attempt that is inserted later or was deleted.
CREATE TRIGGER sandbox_attempts_derived_status_insert AFTER INSERT ON sandbox_attempts
BEGIN${derive("latest_run_id = NEW.id")}
END;

CREATE TRIGGER sandbox_attempts_derived_status_update
AFTER UPDATE OF status, stop_requested_at ON sandbox_attempts
BEGIN${derive("latest_run_id = NEW.id")}
END;

CREATE TRIGGER sandbox_attempts_derived_status_delete AFTER DELETE ON sandbox_attempts
BEGIN${derive("latest_run_id = OLD.id")}
END;

CREATE TRIGGER sandbox_runtime_instances_derived_status_insert AFTER INSERT ON sandbox_runtime_instances
BEGIN${derive("latest_run_id = NEW.run_id")}
END;

CREATE TRIGGER sandbox_runtime_instances_derived_status_update
AFTER UPDATE OF status, run_id ON sandbox_runtime_instances
WHEN NEW.status <> OLD.status OR NEW.run_id <> OLD.run_id
BEGIN${derive("latest_run_id IN (OLD.run_id, NEW.run_id)")}
END;

CREATE TRIGGER sandbox_runtime_instances_derived_status_delete AFTER DELETE ON sandbox_runtime_instances
BEGIN${derive("latest_run_id = OLD.run_id")}
END;

CREATE TRIGGER oci_image_build_jobs_derived_status_insert AFTER INSERT ON oci_image_build_jobs
WHEN NEW.run_id IS NOT NULL
BEGIN${derive("latest_run_id = NEW.run_id")}
END;

CREATE TRIGGER oci_image_build_jobs_derived_status_update
AFTER UPDATE OF status, run_id, created_at ON oci_image_build_jobs
WHEN NEW.status <> OLD.status OR NEW.run_id IS NOT OLD.run_id OR NEW.created_at <> OLD.created_at
BEGIN${derive("latest_run_id IN (OLD.run_id, NEW.run_id)")}
END;

CREATE TRIGGER oci_image_build_jobs_derived_status_delete AFTER DELETE ON oci_image_build_jobs
WHEN OLD.run_id IS NOT NULL
BEGIN${derive("latest_run_id = OLD.run_id")}
END;

-- The operations of the program end dependants themselves, with events and with the time. These triggers are for every
-- other way to delete; without a clock they end a row at the time of its last change.

-- The links of a sandbox go with it: then no caller can stop its attempts.
CREATE TRIGGER sandbox_run_links_delete_ends AFTER DELETE ON sandbox_run_links
BEGIN${endExecution("the sandbox was deleted", "sandbox_attempt_id = OLD.run_id")}
  UPDATE oci_image_build_jobs SET
    status = 'cancelled', cancel_reason = 'the sandbox was deleted', lease_expires_at = NULL,
    lease_outcome = iif(status = 'running', 'cancelled', lease_outcome),
    finished_at = max(updated_at, coalesce(started_at, 0)), run_settled_at = max(updated_at, coalesce(started_at, 0))
  WHERE run_id = OLD.run_id AND +status IN ('queued', 'running');
  UPDATE sandbox_attempts SET
    stop_requested_at = coalesce(stop_requested_at, updated_at), status = 'cancelled',
    cancel_reason = 'the sandbox was deleted', finished_at = max(updated_at, coalesce(started_at, 0)),
    duration_ms = max(updated_at, started_at) - started_at
  WHERE id = OLD.run_id AND +status IN ('queued', 'running');
  UPDATE sandbox_attempts SET stop_requested_at = updated_at WHERE id = OLD.run_id AND stop_requested_at IS NULL;
  UPDATE sandbox_runtime_instances SET status = 'stopped', finished_at = max(updated_at, coalesce(launched_at, 0))
  WHERE run_id = OLD.run_id AND +status IN ('pending', 'running');
END;

CREATE TRIGGER issue_workflow_executions_sandbox_lost AFTER UPDATE OF sandbox_id ON issue_workflow_executions
WHEN NEW.sandbox_id IS NULL AND OLD.sandbox_id IS NOT NULL
BEGIN${endExecution("the sandbox was deleted", "id = NEW.id")}
END;

CREATE TRIGGER issue_workflow_executions_attempt_lost AFTER UPDATE OF sandbox_attempt_id ON issue_workflow_executions
WHEN NEW.sandbox_attempt_id IS NULL AND OLD.sandbox_attempt_id IS NOT NULL
BEGIN${endExecution("the attempt was deleted", "id = NEW.id")}
END;

-- An active workflow without its owner would block its issue for every other user.
CREATE TRIGGER issue_workflows_owner_lost AFTER UPDATE OF owner_user_id ON issue_workflows
WHEN NEW.owner_user_id IS NULL AND OLD.owner_user_id IS NOT NULL
BEGIN${endExecution("the owner was deleted", "issue_workflow_id = NEW.id")}
  UPDATE issue_workflows SET status = 'cancelled' WHERE id = NEW.id AND status = 'active';
END;

-- Earlier releases left the workflows of deleted users active. The journal records which of them had an owner.
${endExecution(
  "the owner was deleted",
  `issue_workflow_id IN (
    SELECT id FROM issue_workflows WHERE ${ownerWasDeleted})`
).trim()}
UPDATE issue_workflows SET status = 'cancelled' WHERE ${ownerWasDeleted};

CREATE TRIGGER sandboxes_attempt_lost AFTER UPDATE OF latest_run_id ON sandboxes
WHEN NEW.latest_run_id IS NULL AND OLD.latest_run_id IS NOT NULL
BEGIN
  UPDATE sandboxes SET status = 'stopped' WHERE id = NEW.id AND +status IN ('queued', 'running', 'ready');
END;
`
