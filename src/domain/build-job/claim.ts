/**
 * The statements behind every claim. They are constant texts with numbered parameters, not templates: these are the
 * statements that run thousands of times a second, and building their text costs as much as running them.
 */
import { attemptsExhausted } from "./WorkspaceBuildJob.js"

/** How many exhausted jobs a claim fails on its way: enough to keep up, few enough not to be felt. */
const exhaustedPerClaim = 10

/** Queued and available, or running under a lease that has expired. ?1: now. */
export const dueCondition = `(status = 'queued' AND available_at <= ?1 OR status = 'running' AND lease_expires_at <= ?1)`

// Each branch reads a prefix of one partial index, so that the depth of the queue does not matter. Left to itself, the
// planner takes the index that begins with the status, and sorts the whole queue.
const dueJobs = `
  SELECT id FROM (
    SELECT id, due FROM (
      SELECT id, available_at AS due FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_due_idx
      WHERE status = 'queued' AND available_at <= ?1
      ORDER BY available_at, id LIMIT ?4)
    UNION ALL
    SELECT id, due FROM (
      SELECT id, lease_expires_at AS due FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_leases_idx
      WHERE status = 'running' AND lease_expires_at <= ?1 AND attempt_count < max_attempts
      ORDER BY lease_expires_at, id LIMIT ?4)
    ORDER BY due, id LIMIT ?4)
  UNION ALL
  SELECT id FROM (
    SELECT id FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_leases_idx
    WHERE status = 'running' AND lease_expires_at <= ?1 AND attempt_count >= max_attempts
    ORDER BY lease_expires_at, id LIMIT ${exhaustedPerClaim})`

const dueJob = `SELECT id FROM oci_image_build_jobs WHERE id = ?4 AND ${dueCondition}`

/** What a job gets that is failed because its last lease has expired, and keeps else. ?1: now. */
const failedWhenExhausted = `
    finished_at = iif(attempt_count < max_attempts, NULL, max(?1, started_at)),
    error_code = iif(attempt_count < max_attempts, error_code, '${attemptsExhausted}'),
    error_message = iif(attempt_count < max_attempts, error_message, 'the last lease expired with no attempts left'),
    updated_at = ?1`

/**
 * Hands out what is selected, and fails what has no attempts left, in one statement: what is chosen cannot change
 * between the choice and the write. ?1: now, ?2: worker, ?3: when the leases expire, ?4: as `candidates` says.
 */
const claim = (columns: string, candidates: string) => `
  UPDATE oci_image_build_jobs SET
    status = iif(attempt_count < max_attempts, 'running', 'failed'),
    attempt_count = attempt_count + (attempt_count < max_attempts),
    lease_token = lease_token + (attempt_count < max_attempts),
    lease_outcome = iif(attempt_count < max_attempts, NULL, 'expired'),
    worker_id = iif(attempt_count < max_attempts, ?2, worker_id),
    claimed_at = iif(attempt_count < max_attempts, ?1, claimed_at),
    lease_expires_at = iif(attempt_count < max_attempts, ?3, NULL),
    started_at = coalesce(started_at, ?1),
    ${failedWhenExhausted}
  WHERE id IN (${candidates})
  RETURNING ${columns}`

/** The `?4` jobs that have been due longest. */
export const claimDueText = (columns: string) => claim(columns, dueJobs)

/** The job of id `?4`, if it is due. */
export const claimByIdText = (columns: string) => claim(columns, dueJob)

/** Takes up to `?2` jobs from leases that have expired by `?1`. */
export const reapText = (columns: string) => `
  UPDATE oci_image_build_jobs SET
    status = iif(attempt_count < max_attempts, 'queued', 'failed'),
    lease_outcome = 'expired',
    lease_expires_at = NULL,
    worker_id = iif(attempt_count < max_attempts, NULL, worker_id),
    claimed_at = iif(attempt_count < max_attempts, NULL, claimed_at),
    available_at = iif(attempt_count < max_attempts, ?1, available_at),
    ${failedWhenExhausted}
  WHERE id IN (
    SELECT id FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_leases_idx
    WHERE status = 'running' AND lease_expires_at <= ?1
    ORDER BY lease_expires_at, id LIMIT ?2)
  RETURNING ${columns}`
