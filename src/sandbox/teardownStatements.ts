/**
 * The statements on `runtime_teardowns`, for `RuntimeTeardownRepo`, the lifecycle operations and deletions. They are
 * constant texts with numbered parameters.
 */
import { type LeasedTable, leaseTexts } from "../leasing/statements.js"
import { columnList } from "../sql/rows.js"
import { RuntimeTeardown } from "./RuntimeTeardown.js"

const table: LeasedTable = {
  name: "runtime_teardowns",
  waiting: "queued",
  held: "running",
  dueIndex: "runtime_teardowns_due_idx",
  leasesIndex: "runtime_teardowns_leases_idx",
  whenClaimed: [],
  maxDurationColumn: "max_duration_ms",
  whenReleased: [],
  failed: {
    at: ["finished_at", "?1"],
    exhausted: { error_code: "attempts-exhausted", error_message: "the last lease expired with no attempts left" },
    unreadable: { error_code: "unreadable-teardown", error_message: "the row of the teardown cannot be read" }
  }
}

/** The statements that all leased tables share, for the teardowns. */
export const teardownTexts = leaseTexts(table, columnList(RuntimeTeardown))

/** Ends a teardown as succeeded. */
export const succeedTeardownText = teardownTexts.underLease(`
  status = 'succeeded', lease_outcome = 'succeeded', lease_expires_at = NULL, finished_at = ?1,
  settled_at = coalesce(settled_at, ?1)`)

/** Queues a teardown for a retry, or fails it. ?7: error code, ?8: error message. */
export const failTeardownText = teardownTexts.fail("error_code = ?7", "error_message = ?8")

/**
 * Requests the teardown of the active runtimes of the attempts that `attempts` selects. A trigger may have requested it
 * with the reason `user`, in the same batch. ?2: now, ?3: stop reason.
 */
export const requestTeardownText = (attempts: string) => `
  INSERT INTO runtime_teardowns (
    id, run_id, adapter, resource_id, reference, stop_reason, available_at, created_at, updated_at)
  SELECT 'teardown_' || lower(hex(randomblob(16))), run_id, adapter, resource_id, reference, ?3, ?2, ?2, ?2
  FROM sandbox_runtime_instances WHERE run_id IN (${attempts}) AND +status IN ('pending', 'running')
  ON CONFLICT (run_id, coalesce(resource_id, '')) WHERE status IN ('queued', 'running')
  DO UPDATE SET stop_reason = excluded.stop_reason`

/** Requests the teardown of the runtime of attempt ?1. */
export const requestTeardownOfAttempt = requestTeardownText("?1")

/**
 * Records that the end of the runtime is known: ends a queued teardown as succeeded, and leaves one under a lease to its
 * worker. ?1: id, ?2: now.
 */
export const endTeardownText = `
  UPDATE runtime_teardowns SET
    status = iif(status = 'queued', 'succeeded', status), finished_at = iif(status = 'queued', ?2, finished_at),
    settled_at = coalesce(settled_at, ?2), updated_at = ?2
  WHERE id = ?1`

/** Records that the sandbox does not wait for the teardown any more. ?1: id, ?2: now. */
export const settleTeardownText = `
  UPDATE runtime_teardowns SET settled_at = ?2, updated_at = ?2 WHERE id = ?1 AND settled_at IS NULL
  RETURNING ${columnList(RuntimeTeardown)}`.trim()
