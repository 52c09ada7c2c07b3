/**
 * Metrics of the build queue.
 */
import { Metric } from "effect"

/** Claimed leases. */
export const jobsClaimed = Metric.counter("sealant_db_jobs_claimed", {
  incremental: true,
  description: "Claimed leases"
})

/** Failed jobs that were queued again. */
export const jobsRetried = Metric.counter("sealant_db_jobs_retried", {
  incremental: true,
  description: "Failed jobs that were queued again"
})

/** The number of jobs, by `status`. */
export const queueDepth = Metric.gauge("sealant_db_queue_depth", { description: "Jobs by status" })

/** The time for which the oldest due job has been due, in milliseconds. 0 if no job is due. */
export const oldestDueAge = Metric.gauge("sealant_db_queue_oldest_due_milliseconds", {
  description: "Milliseconds since the oldest due job became due"
})
