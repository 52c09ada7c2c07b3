/**
 * The statements of workers on `oci_image_build_jobs`: claims, and writes under a lease.
 */
import { type LeasedTable, leaseTexts } from "../leasing/statements.js"
import { columnList } from "../sql/rows.js"
import { isClaimable, isNext } from "./claimOrder.js"
import { attemptsExhausted, unreadableJob, WorkspaceBuildJob } from "./WorkspaceBuildJob.js"

const table: LeasedTable = {
  name: "oci_image_build_jobs",
  waiting: "queued",
  held: "running",
  dueIndex: "oci_image_build_jobs_due_idx",
  leasesIndex: "oci_image_build_jobs_leases_idx",
  whenClaimed: ["started_at = coalesce(started_at, ?1)"],
  maxDurationColumn: "max_duration_ms",
  whenReleased: ["started_at = iif(attempt_count = 1, NULL, started_at)"],
  failed: {
    at: ["finished_at", "max(?1, started_at)"],
    // A published image is kept: only its runtime is missing.
    exhaustedStatus: "iif(published_reference IS NULL, 'failed', 'succeeded')",
    exhausted: { error_code: attemptsExhausted, error_message: "the last lease expired with no attempts left" },
    unreadable: { error_code: unreadableJob, error_message: "the row of the job cannot be read" }
  }
}

// Jobs are claimed in the order of `claimOrder.ts` instead.
const { claimDue: _claimDue, claimWhere, ...shared } = leaseTexts(table, columnList(WorkspaceBuildJob))

/** The statements of the queue. */
export const texts = {
  ...shared,

  /** Claims the next job, or fails it if it has no attempts left. ?4: the most urgent priority of the claim. */
  claimNext: claimWhere(isNext),

  /** Claims the job with id `?4`, if it is due and no limit or pause prevents it. */
  claimOne: claimWhere(isClaimable)
}

/** Ends a job as succeeded. ?5: executor id, ?6: result, ?7: reference, ?8: digest reference, ?9: digest. */
export const succeedText = texts.underLease(`
  status = 'succeeded', lease_outcome = 'succeeded', lease_expires_at = NULL, finished_at = max(?1, started_at),
  executor_id = ?5, result_payload = ?6, published_reference = ?7, published_digest_reference = ?8,
  published_digest = ?9, error_code = NULL, error_message = NULL`)

/** Stores the published image of a job, which stays under its lease. ?5 to ?9: as for `succeedText`. */
export const publishText = texts.underLease(`
  executor_id = ?5, result_payload = ?6, published_reference = ?7, published_digest_reference = ?8,
  published_digest = ?9`)

/** Queues a job for a retry, or fails it. ?7: error code, ?8: error message. */
export const failText = texts.fail("error_code = ?7", "error_message = ?8")
