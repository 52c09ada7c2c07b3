/**
 * A run that is deleted, as with its owner, takes its jobs along.
 */
export default `
-- Left in the queue as a job of no run, it would be built, by the document of somebody who is gone. The reference itself
-- cannot be changed without a new table, and a release that is at work while this is applied needs the old one.
CREATE TRIGGER sandbox_attempts_delete_jobs BEFORE DELETE ON sandbox_attempts
BEGIN
  DELETE FROM oci_image_build_jobs WHERE run_id = OLD.id;
END;
`
