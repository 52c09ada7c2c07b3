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

/** The number of teardowns, by `status`. */
export const teardownDepth = Metric.gauge("sealant_db_teardown_depth", { description: "Teardowns by status" })

/** The time for which the oldest due teardown has been due, in milliseconds. 0 if no teardown is due. */
export const teardownOldestDueAge = Metric.gauge("sealant_db_teardown_oldest_due_milliseconds", {
  description: "Milliseconds since the oldest due teardown became due"
})
