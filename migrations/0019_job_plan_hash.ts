/**
 * The hash of the plan of an image, by which a later launch finds an image to reuse.
 */
export default `
ALTER TABLE oci_image_build_jobs ADD COLUMN plan_hash TEXT
  CONSTRAINT oci_image_build_jobs_plan_hash CHECK (plan_hash <> '');

-- Only succeeded jobs have an entry, so claims and retries do not write to it.
CREATE INDEX oci_image_build_jobs_plan_hash_idx
  ON oci_image_build_jobs (registry_id, plan_hash, finished_at DESC, id DESC)
  WHERE status = 'succeeded' AND plan_hash IS NOT NULL;

-- second release: the next statement recreates the view with one more column.
DROP VIEW workspace_build_jobs;
CREATE VIEW workspace_build_jobs AS
SELECT
  id, run_id, status, registry_id, repository, tag, request_payload, request_fingerprint, idempotency_key,
  attempt_count, max_attempts, available_at, claimed_at, lease_expires_at, worker_id, lease_token, lease_outcome,
  started_at, finished_at, executor_id, result_payload, published_reference, published_digest_reference,
  published_digest, error_code, error_message, cancel_reason, run_settled_at, created_at, updated_at, max_duration_ms,
  plan_hash
FROM oci_image_build_jobs;
`
