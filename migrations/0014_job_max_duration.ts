/**
 * The longest time that a worker may take for a build job, counted from each claim.
 */
export default `
-- In milliseconds; NULL is without limit. A lease on the job never lasts longer, whatever heartbeats ask for.
ALTER TABLE oci_image_build_jobs ADD COLUMN max_duration_ms INTEGER
  CONSTRAINT oci_image_build_jobs_max_duration_ms CHECK (max_duration_ms >= 1);

-- second release: nothing goes, the next statement makes the view again with one column more.
DROP VIEW workspace_build_jobs;
CREATE VIEW workspace_build_jobs AS
SELECT
  id, run_id, status, registry_id, repository, tag, request_payload, request_fingerprint, idempotency_key,
  attempt_count, max_attempts, available_at, claimed_at, lease_expires_at, worker_id, lease_token, lease_outcome,
  started_at, finished_at, executor_id, result_payload, published_reference, published_digest_reference,
  published_digest, error_code, error_message, cancel_reason, run_settled_at, created_at, updated_at, max_duration_ms
FROM oci_image_build_jobs;
`
