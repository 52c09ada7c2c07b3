/**
 * The teardown of runtimes: the queue of resources whose stop was requested, and the status `stopping` of a sandbox whose
 * runtime has not ended yet.
 *
 * Triggers request the teardown, so that it exists whichever program stops or deletes: also the previous release, which
 * records the end of a runtime together with the request.
 */

/** 0017 has the same rule without `stopping`. */
const viewStatus = `coalesce(
    (SELECT CASE
      WHEN a.status = 'failed' THEN 'failed'
      WHEN a.stop_requested_at IS NOT NULL AND a.runtime IN ('pending', 'running') THEN 'stopping'
      WHEN a.status = 'cancelled' THEN 'cancelled'
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

/** The triggers of 0017 that derive the status, and the sandboxes that each write concerns. */
const triggers = [
  {
    name: "sandboxes_view_status_insert",
    event: "AFTER INSERT ON sandboxes",
    sandboxes: "id = NEW.id"
  },
  {
    name: "sandboxes_view_status_update",
    event: `AFTER UPDATE OF status, latest_run_id, view_status ON sandboxes
WHEN NEW.status <> OLD.status OR NEW.latest_run_id IS NOT OLD.latest_run_id OR NEW.view_status IS NOT OLD.view_status`,
    sandboxes: "id = NEW.id"
  },
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

/** Requests the teardown of the active runtimes `r` for which the condition holds, unless it is requested already. */
const requestTeardown = (attempt: string, at: string, condition: string) => `
  INSERT INTO runtime_teardowns (
    id, run_id, adapter, resource_id, reference, stop_reason, available_at, created_at, updated_at)
  SELECT 'teardown_' || lower(hex(randomblob(16))), ${attempt}, r.adapter, r.resource_id, r.reference, 'user',
    ${at}, ${at}, ${at}
  FROM sandbox_runtime_instances AS r
  WHERE ${condition} AND +r.status IN ('pending', 'running') AND NOT EXISTS (
    SELECT 1 FROM runtime_teardowns AS t
    WHERE t.run_id = r.run_id AND coalesce(t.resource_id, '') = coalesce(r.resource_id, '')
      AND t.status IN ('queued', 'running'));`

export default `
CREATE TABLE runtime_teardowns (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT runtime_teardowns_id CHECK (id <> ''),
  -- NULL after the attempt was deleted: the resource must be torn down nevertheless.
  run_id TEXT REFERENCES sandbox_attempts (id) ON DELETE SET NULL,
  status TEXT NOT NULL DEFAULT 'queued' CONSTRAINT runtime_teardowns_status
    CHECK (status IN ('queued', 'running', 'succeeded', 'failed')),
  adapter TEXT CONSTRAINT runtime_teardowns_adapter CHECK (adapter IN ('docker', 'k8s', 'k3s')),
  resource_id TEXT,
  reference TEXT,
  -- The reason that the end of the runtime will have. NULL after a failed build.
  stop_reason TEXT CONSTRAINT runtime_teardowns_stop_reason CHECK (
    stop_reason IN ('exited', 'crashed', 'out-of-memory', 'evicted', 'expired', 'idle', 'user', 'launch-failed')
  ),
  attempt_count INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL DEFAULT 20,
  max_duration_ms INTEGER NOT NULL DEFAULT 600000
    CONSTRAINT runtime_teardowns_max_duration_ms CHECK (max_duration_ms >= 1),
  available_at INTEGER NOT NULL,
  claimed_at INTEGER,
  lease_expires_at INTEGER,
  worker_id TEXT CONSTRAINT runtime_teardowns_worker_id CHECK (worker_id <> ''),
  lease_token INTEGER NOT NULL DEFAULT 0 CONSTRAINT runtime_teardowns_lease_token CHECK (lease_token >= 0),
  lease_outcome TEXT CONSTRAINT runtime_teardowns_lease_outcome
    CHECK (lease_outcome IN ('succeeded', 'failed', 'retried', 'released', 'expired')),
  error_code TEXT,
  error_message TEXT,
  finished_at INTEGER,
  -- The time when the end of the runtime was recorded, or the deadline for it has passed.
  settled_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT runtime_teardowns_timestamps CHECK (
    available_at >= 0 AND claimed_at >= 0 AND lease_expires_at >= 0 AND finished_at >= 0 AND settled_at >= 0
    AND created_at >= 0 AND updated_at >= 0
  ),
  CONSTRAINT runtime_teardowns_attempts CHECK (
    attempt_count >= 0 AND max_attempts >= 1 AND attempt_count <= max_attempts
  ),
  CONSTRAINT runtime_teardowns_lease CHECK ((status = 'running') = (lease_expires_at IS NOT NULL)),
  CONSTRAINT runtime_teardowns_queued CHECK (
    status <> 'queued' OR (attempt_count < max_attempts AND worker_id IS NULL AND claimed_at IS NULL)
  ),
  CONSTRAINT runtime_teardowns_running CHECK (
    status <> 'running' OR (
      worker_id IS NOT NULL AND claimed_at IS NOT NULL AND attempt_count >= 1 AND lease_token >= 1
    )
  ),
  CONSTRAINT runtime_teardowns_finished CHECK ((status IN ('succeeded', 'failed')) = (finished_at IS NOT NULL)),
  CONSTRAINT runtime_teardowns_succeeded CHECK (status <> 'succeeded' OR settled_at IS NOT NULL),
  CONSTRAINT runtime_teardowns_failed CHECK (status <> 'failed' OR error_message IS NOT NULL),
  CONSTRAINT runtime_teardowns_lease_ended CHECK (
    (lease_outcome IS NULL) = (status = 'running' OR lease_token = 0)
  )
) STRICT;

CREATE INDEX runtime_teardowns_due_idx ON runtime_teardowns (status, available_at, id) WHERE status = 'queued';
CREATE INDEX runtime_teardowns_leases_idx ON runtime_teardowns (status, lease_expires_at, id) WHERE status = 'running';
CREATE INDEX runtime_teardowns_status_created_at_idx ON runtime_teardowns (status, created_at DESC, id DESC);
CREATE INDEX runtime_teardowns_unsettled_idx ON runtime_teardowns (created_at, id) WHERE settled_at IS NULL;
CREATE INDEX runtime_teardowns_run_id_idx ON runtime_teardowns (run_id) WHERE run_id IS NOT NULL;
-- At most one teardown of a resource is active.
CREATE UNIQUE INDEX runtime_teardowns_active_idx ON runtime_teardowns (run_id, coalesce(resource_id, ''))
  WHERE status IN ('queued', 'running');

CREATE TRIGGER runtime_teardowns_status_transition BEFORE UPDATE OF status ON runtime_teardowns
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'queued' AND NEW.status IN ('running', 'succeeded'))
  OR (OLD.status = 'running' AND NEW.status IN ('queued', 'succeeded', 'failed'))
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: runtime_teardowns.status');
END;

CREATE TRIGGER runtime_teardowns_lease_fence
BEFORE UPDATE OF status, worker_id, claimed_at, lease_token ON runtime_teardowns
WHEN NEW.lease_token < OLD.lease_token
  OR (NEW.status = 'running' AND NEW.lease_token = OLD.lease_token AND (
    OLD.status <> 'running' OR NEW.worker_id IS NOT OLD.worker_id OR NEW.claimed_at IS NOT OLD.claimed_at
  ))
BEGIN
  SELECT RAISE(ABORT, 'runtime_teardowns: a claim needs a new lease token');
END;

CREATE TRIGGER runtime_teardowns_lease_outcome_stands BEFORE UPDATE OF lease_outcome ON runtime_teardowns
WHEN OLD.lease_outcome IS NOT NULL AND NEW.lease_token = OLD.lease_token
  AND NEW.lease_outcome IS NOT OLD.lease_outcome
BEGIN
  SELECT RAISE(ABORT, 'runtime_teardowns: the outcome of a lease stands');
END;

-- Without its teardown, a runtime whose stop was requested would have no deadline.
CREATE TRIGGER runtime_teardowns_delete BEFORE DELETE ON runtime_teardowns
WHEN OLD.settled_at IS NULL AND EXISTS (
  SELECT 1 FROM sandbox_runtime_instances
  WHERE run_id = OLD.run_id AND coalesce(resource_id, '') = coalesce(OLD.resource_id, '')
    AND +status IN ('pending', 'running')
)
BEGIN
  SELECT RAISE(ABORT, 'runtime_teardowns: a runtime waits for its end');
END;

CREATE TRIGGER sandbox_attempts_stop_requests_teardown AFTER UPDATE OF stop_requested_at ON sandbox_attempts
WHEN NEW.stop_requested_at IS NOT NULL AND OLD.stop_requested_at IS NULL
BEGIN${requestTeardown("r.run_id", "NEW.stop_requested_at", "r.run_id = NEW.id")}
END;

-- Without a clock, the request has the time of the last change.
CREATE TRIGGER sandbox_attempts_delete_requests_teardown BEFORE DELETE ON sandbox_attempts
BEGIN${requestTeardown("NULL", "r.updated_at", "r.run_id = OLD.id")}
END;

-- As in 0013, except that the runtime ends when its teardown has ended.
DROP TRIGGER sandbox_run_links_delete_ends;
CREATE TRIGGER sandbox_run_links_delete_ends AFTER DELETE ON sandbox_run_links
BEGIN
  UPDATE issue_workflow_executions SET
    status = 'cancelled', cancel_reason = 'the sandbox was deleted', finished_at = max(updated_at, coalesce(started_at, 0)),
    duration_ms = max(updated_at, started_at) - started_at
  WHERE sandbox_attempt_id = OLD.run_id AND +status IN ('queued', 'running');
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
END;
${replaced}

-- A sandbox that is stopping is stopped in its row. A row that was set to failed disagrees, too.
DROP INDEX sandboxes_disagreeing_idx;
CREATE INDEX sandboxes_disagreeing_idx ON sandboxes (created_at, id)
  WHERE (status IN ('failed', 'stopped')) <> (view_status IN ('failed', 'stopping', 'stopped', 'cancelled'));

-- Runtimes whose stop was requested before this migration.
${requestTeardown(
  "r.run_id",
  "(SELECT stop_requested_at FROM sandbox_attempts WHERE id = r.run_id)",
  "r.run_id IN (SELECT id FROM sandbox_attempts WHERE stop_requested_at IS NOT NULL)"
).trim()}
${derive("latest_run_id IN (SELECT run_id FROM runtime_teardowns)").trim()}

-- Workers inspect running runtimes; each claims those that were not inspected for an interval.
ALTER TABLE sandbox_runtime_instances ADD COLUMN inspected_at INTEGER;
CREATE INDEX sandbox_runtime_instances_inspection_idx ON sandbox_runtime_instances (coalesce(inspected_at, 0), run_id)
  WHERE status = 'running';
`
