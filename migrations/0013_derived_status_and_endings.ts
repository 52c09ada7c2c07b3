/**
 * The status of a sandbox as its owner sees it, stored so that lists can walk an index; and rows that lose what they
 * depend on end, whichever program deletes it.
 *
 * The triggers never refuse a write of the previous release.
 */

/** The derived status of a sandbox (`sandboxes`) with an attempt `a`, the newest job `j` and the runtime `r` of that. */
const derivedStatus = `CASE
    WHEN a.status = 'cancelled' OR a.stop_requested_at IS NOT NULL OR j.status = 'cancelled' THEN 'cancelled'
    WHEN a.status = 'failed' OR j.status = 'failed' OR r.status = 'failed' THEN 'failed'
    WHEN a.status = 'succeeded' AND (j.id IS NULL OR j.status = 'succeeded') AND r.status = 'running' THEN 'ready'
    WHEN a.status = 'running' OR j.status = 'running' THEN 'running'
    ELSE 'queued'
  END`

const attempts = `sandbox_attempts AS a
  LEFT JOIN oci_image_build_jobs AS j ON j.id = (
    SELECT id FROM oci_image_build_jobs WHERE run_id = a.id ORDER BY created_at DESC, id DESC LIMIT 1)
  LEFT JOIN sandbox_runtime_instances AS r ON r.run_id = a.id`

/** Without an attempt it is the stored status, where stopped is shown as cancelled. */
const withoutAttempt = `iif(status = 'stopped', 'cancelled', status)`

/** Derives the status of the sandbox whose latest attempt is `attempt`, and writes it only when it has changed. */
const derive = (attempt: string) => `
  UPDATE sandboxes SET derived_status = ${derivedStatus}
  FROM ${attempts}
  WHERE a.id = ${attempt} AND sandboxes.latest_run_id = a.id AND sandboxes.derived_status IS NOT ${derivedStatus};`

const endExecution = (reason: string, condition: string) => `
  UPDATE issue_workflow_executions SET
    status = 'cancelled', cancel_reason = '${reason}', finished_at = max(updated_at, coalesce(started_at, 0)),
    duration_ms = max(updated_at, started_at) - started_at
  WHERE ${condition} AND status IN ('queued', 'running');`

export default `
ALTER TABLE sandboxes ADD COLUMN derived_status TEXT CONSTRAINT sandboxes_derived_status
  CHECK (derived_status IN ('queued', 'running', 'ready', 'failed', 'cancelled'));

UPDATE sandboxes SET derived_status = ${withoutAttempt} WHERE latest_run_id IS NULL;
UPDATE sandboxes SET derived_status = ${derivedStatus}
FROM ${attempts}
WHERE sandboxes.latest_run_id = a.id;

CREATE INDEX sandboxes_owner_user_id_derived_status_created_at_idx
  ON sandboxes (owner_user_id, derived_status, created_at DESC, id DESC);

CREATE TRIGGER sandboxes_derived_status_insert AFTER INSERT ON sandboxes
BEGIN
  UPDATE sandboxes SET derived_status = ${withoutAttempt} WHERE id = NEW.id AND latest_run_id IS NULL;${derive("NEW.latest_run_id")}
END;

CREATE TRIGGER sandboxes_derived_status_update AFTER UPDATE OF status, latest_run_id ON sandboxes
WHEN NEW.status <> OLD.status OR NEW.latest_run_id IS NOT OLD.latest_run_id
BEGIN
  UPDATE sandboxes SET derived_status = ${withoutAttempt} WHERE id = NEW.id AND latest_run_id IS NULL;${derive("NEW.latest_run_id")}
END;

CREATE TRIGGER sandbox_attempts_derived_status AFTER UPDATE OF status, stop_requested_at ON sandbox_attempts
BEGIN${derive("NEW.id")}
END;

CREATE TRIGGER sandbox_runtime_instances_derived_status_insert AFTER INSERT ON sandbox_runtime_instances
BEGIN${derive("NEW.run_id")}
END;

CREATE TRIGGER sandbox_runtime_instances_derived_status_update AFTER UPDATE OF status ON sandbox_runtime_instances
WHEN NEW.status <> OLD.status
BEGIN${derive("NEW.run_id")}
END;

CREATE TRIGGER sandbox_runtime_instances_derived_status_delete AFTER DELETE ON sandbox_runtime_instances
BEGIN${derive("OLD.run_id")}
END;

CREATE TRIGGER oci_image_build_jobs_derived_status_insert AFTER INSERT ON oci_image_build_jobs
WHEN NEW.run_id IS NOT NULL
BEGIN${derive("NEW.run_id")}
END;

CREATE TRIGGER oci_image_build_jobs_derived_status_update
AFTER UPDATE OF status, run_id, created_at ON oci_image_build_jobs
WHEN NEW.run_id IS NOT NULL
  AND (NEW.status <> OLD.status OR NEW.run_id IS NOT OLD.run_id OR NEW.created_at <> OLD.created_at)
BEGIN${derive("NEW.run_id")}
END;

CREATE TRIGGER oci_image_build_jobs_derived_status_leave AFTER UPDATE OF run_id ON oci_image_build_jobs
WHEN OLD.run_id IS NOT NULL AND OLD.run_id IS NOT NEW.run_id
BEGIN${derive("OLD.run_id")}
END;

CREATE TRIGGER oci_image_build_jobs_derived_status_delete AFTER DELETE ON oci_image_build_jobs
WHEN OLD.run_id IS NOT NULL
BEGIN${derive("OLD.run_id")}
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
  WHERE run_id = OLD.run_id AND status IN ('queued', 'running');
  UPDATE sandbox_attempts SET
    stop_requested_at = coalesce(stop_requested_at, updated_at), status = 'cancelled',
    cancel_reason = 'the sandbox was deleted', finished_at = max(updated_at, coalesce(started_at, 0)),
    duration_ms = max(updated_at, started_at) - started_at
  WHERE id = OLD.run_id AND status IN ('queued', 'running');
  UPDATE sandbox_attempts SET stop_requested_at = updated_at WHERE id = OLD.run_id AND stop_requested_at IS NULL;
  UPDATE sandbox_runtime_instances SET status = 'stopped', finished_at = max(updated_at, coalesce(launched_at, 0))
  WHERE run_id = OLD.run_id AND status IN ('pending', 'running');
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

CREATE TRIGGER sandboxes_attempt_lost AFTER UPDATE OF latest_run_id ON sandboxes
WHEN NEW.latest_run_id IS NULL AND OLD.latest_run_id IS NOT NULL
BEGIN
  UPDATE sandboxes SET status = 'stopped' WHERE id = NEW.id AND status IN ('queued', 'running', 'ready');
END;
`
