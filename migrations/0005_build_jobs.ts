/**
 * The queue of workspace builds: one table under its two names.
 *
 * A claim touches three indexes (due, leases, status) and the row, and nothing else: look here before adding one.
 */
export default `
CREATE TABLE oci_image_build_jobs (
  id TEXT PRIMARY KEY NOT NULL CONSTRAINT oci_image_build_jobs_id CHECK (id <> ''),
  run_id TEXT REFERENCES sandbox_attempts (id) ON DELETE SET NULL,
  status TEXT NOT NULL DEFAULT 'queued' CONSTRAINT oci_image_build_jobs_status
    CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  registry_id TEXT NOT NULL CONSTRAINT oci_image_build_jobs_registry_id CHECK (registry_id <> ''),
  repository TEXT NOT NULL CONSTRAINT oci_image_build_jobs_repository CHECK (repository <> ''),
  tag TEXT NOT NULL CONSTRAINT oci_image_build_jobs_tag CHECK (tag <> ''),
  request_payload TEXT NOT NULL CONSTRAINT oci_image_build_jobs_request_payload
    CHECK (json_valid(request_payload) AND json_type(request_payload) = 'object'),
  -- What the request was, to tell a replay of its key from another request under the same key.
  request_fingerprint TEXT
    CONSTRAINT oci_image_build_jobs_request_fingerprint CHECK (request_fingerprint <> ''),
  idempotency_key TEXT CONSTRAINT oci_image_build_jobs_idempotency_key CHECK (idempotency_key <> ''),
  attempt_count INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL DEFAULT 3,
  available_at INTEGER NOT NULL,
  claimed_at INTEGER,
  lease_expires_at INTEGER,
  worker_id TEXT CONSTRAINT oci_image_build_jobs_worker_id CHECK (worker_id <> ''),
  -- The fence. Apart from attempt_count, which a release and a redrive take back.
  lease_token INTEGER NOT NULL DEFAULT 0 CONSTRAINT oci_image_build_jobs_lease_token CHECK (lease_token >= 0),
  lease_outcome TEXT CONSTRAINT oci_image_build_jobs_lease_outcome
    CHECK (lease_outcome IN ('succeeded', 'failed', 'retried', 'released', 'expired', 'cancelled')),
  started_at INTEGER,
  finished_at INTEGER,
  executor_id TEXT CONSTRAINT oci_image_build_jobs_executor_id CHECK (executor_id <> ''),
  result_payload TEXT CONSTRAINT oci_image_build_jobs_result_payload
    CHECK (result_payload IS NULL OR json_valid(result_payload) AND json_type(result_payload) = 'object'),
  published_reference TEXT,
  published_digest_reference TEXT,
  published_digest TEXT,
  error_code TEXT,
  error_message TEXT,
  cancel_reason TEXT,
  -- When the run took note of the end of its job; until then it is somebody's work to end the run, too.
  run_settled_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT oci_image_build_jobs_timestamps CHECK (
    available_at >= 0 AND claimed_at >= 0 AND lease_expires_at >= 0 AND started_at >= 0 AND finished_at >= 0
    AND run_settled_at >= 0 AND created_at >= 0 AND updated_at >= 0
  ),
  CONSTRAINT oci_image_build_jobs_finished_after_started CHECK (finished_at >= started_at),
  CONSTRAINT oci_image_build_jobs_attempts CHECK (
    attempt_count >= 0 AND max_attempts >= 1 AND attempt_count <= max_attempts
  ),
  CONSTRAINT oci_image_build_jobs_lease CHECK ((status = 'running') = (lease_expires_at IS NOT NULL)),
  CONSTRAINT oci_image_build_jobs_queued CHECK (
    status <> 'queued' OR (attempt_count < max_attempts AND worker_id IS NULL AND claimed_at IS NULL)
  ),
  CONSTRAINT oci_image_build_jobs_running CHECK (
    status <> 'running' OR (
      worker_id IS NOT NULL AND claimed_at IS NOT NULL AND started_at IS NOT NULL AND attempt_count >= 1
      AND lease_token >= 1
    )
  ),
  CONSTRAINT oci_image_build_jobs_finished CHECK (
    (status IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)
  ),
  CONSTRAINT oci_image_build_jobs_succeeded CHECK (
    status <> 'succeeded' OR (
      executor_id IS NOT NULL AND published_reference IS NOT NULL AND published_digest_reference IS NOT NULL
      AND published_digest IS NOT NULL
    )
  ),
  CONSTRAINT oci_image_build_jobs_failed CHECK (status <> 'failed' OR error_message IS NOT NULL),
  CONSTRAINT oci_image_build_jobs_settled CHECK (run_settled_at IS NULL OR finished_at IS NOT NULL),
  CONSTRAINT oci_image_build_jobs_cancelled CHECK ((status = 'cancelled') = (cancel_reason IS NOT NULL)),
  -- How the lease numbered lease_token ended; nothing while it is held, or before the first.
  CONSTRAINT oci_image_build_jobs_lease_ended CHECK (
    (lease_outcome IS NULL) = (status = 'running' OR lease_token = 0)
  )
) STRICT;

-- status stands in front although it is constant here: without it the planner takes the index of the list below,
-- and sorts the whole queue at each claim.
CREATE INDEX oci_image_build_jobs_due_idx
  ON oci_image_build_jobs (status, available_at, id) WHERE status = 'queued';
CREATE INDEX oci_image_build_jobs_leases_idx
  ON oci_image_build_jobs (status, lease_expires_at, id) WHERE status = 'running';
CREATE INDEX oci_image_build_jobs_unsettled_idx ON oci_image_build_jobs (finished_at, id)
  WHERE finished_at IS NOT NULL AND run_id IS NOT NULL AND run_settled_at IS NULL;
CREATE INDEX oci_image_build_jobs_status_created_at_idx
  ON oci_image_build_jobs (status, created_at DESC, id DESC);
CREATE INDEX oci_image_build_jobs_run_id_created_at_idx
  ON oci_image_build_jobs (run_id, created_at DESC, id DESC) WHERE run_id IS NOT NULL;
-- ON CONFLICT must repeat the WHERE.
CREATE UNIQUE INDEX oci_image_build_jobs_idempotency_key_idx
  ON oci_image_build_jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TRIGGER oci_image_build_jobs_status_transition BEFORE UPDATE OF status ON oci_image_build_jobs
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'queued' AND NEW.status IN ('running', 'cancelled'))
  OR (OLD.status = 'running' AND NEW.status IN ('queued', 'succeeded', 'failed', 'cancelled'))
  OR (OLD.status IN ('failed', 'cancelled') AND NEW.status = 'queued')
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: oci_image_build_jobs.status');
END;

-- A token is never given twice. claimed_at counts too, or a worker could claim again what it lost.
CREATE TRIGGER oci_image_build_jobs_lease_fence
BEFORE UPDATE OF status, worker_id, claimed_at, lease_token ON oci_image_build_jobs
WHEN NEW.lease_token < OLD.lease_token
  OR (NEW.status = 'running' AND NEW.lease_token = OLD.lease_token AND (
    OLD.status <> 'running' OR NEW.worker_id IS NOT OLD.worker_id OR NEW.claimed_at IS NOT OLD.claimed_at
  ))
BEGIN
  SELECT RAISE(ABORT, 'oci_image_build_jobs: a claim needs a new lease token');
END;

CREATE TRIGGER oci_image_build_jobs_lease_outcome_stands BEFORE UPDATE OF lease_outcome ON oci_image_build_jobs
WHEN OLD.lease_outcome IS NOT NULL AND NEW.lease_token = OLD.lease_token
  AND NEW.lease_outcome IS NOT OLD.lease_outcome
BEGIN
  SELECT RAISE(ABORT, 'oci_image_build_jobs: the outcome of a lease stands');
END;

CREATE VIEW workspace_build_jobs AS
SELECT
  id, run_id, status, registry_id, repository, tag, request_payload, request_fingerprint, idempotency_key,
  attempt_count, max_attempts, available_at, claimed_at, lease_expires_at, worker_id, lease_token, lease_outcome,
  started_at, finished_at, executor_id, result_payload, published_reference, published_digest_reference,
  published_digest, error_code, error_message, cancel_reason, run_settled_at, created_at, updated_at
FROM oci_image_build_jobs;
`
