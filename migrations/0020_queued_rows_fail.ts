/**
 * A queued attempt and a queued job can fail, without a worker that began them.
 */
export default `
DROP TRIGGER sandbox_attempts_status_transition;
CREATE TRIGGER sandbox_attempts_status_transition BEFORE UPDATE OF status ON sandbox_attempts
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'queued' AND NEW.status IN ('running', 'failed', 'cancelled'))
  OR (OLD.status = 'running' AND NEW.status IN ('succeeded', 'failed', 'cancelled'))
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: sandbox_attempts.status');
END;

DROP TRIGGER oci_image_build_jobs_status_transition;
CREATE TRIGGER oci_image_build_jobs_status_transition BEFORE UPDATE OF status ON oci_image_build_jobs
WHEN OLD.status <> NEW.status AND NOT (
  (OLD.status = 'queued' AND NEW.status IN ('running', 'failed', 'cancelled'))
  OR (OLD.status = 'running' AND NEW.status IN ('queued', 'succeeded', 'failed', 'cancelled'))
  OR (OLD.status IN ('failed', 'cancelled') AND NEW.status = 'queued')
)
BEGIN
  SELECT RAISE(ABORT, 'invalid transition: oci_image_build_jobs.status');
END;
`
