/**
 * Metrics of the teardowns of runtimes.
 */
import { Metric } from "effect"

/** Claimed leases of teardowns. */
export const teardownsClaimed = Metric.counter("sealant_db_teardowns_claimed", {
  incremental: true,
  description: "Claimed leases of teardowns"
})

/** Failed teardowns that were queued again. */
export const teardownsRetried = Metric.counter("sealant_db_teardowns_retried", {
  incremental: true,
  description: "Failed teardowns that were queued again"
})
