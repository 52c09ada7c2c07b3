/**
 * What the queue counts.
 */
import { Metric } from "effect"

/** Leases that were given. */
export const jobsClaimed = Metric.counter("sealant_db_jobs_claimed", { incremental: true, description: "Leases that were given" })

/** Jobs that failed and went back to the queue. */
export const jobsRetried = Metric.counter("sealant_db_jobs_retried", {
  incremental: true,
  description: "Jobs that failed and went back to the queue"
})

/** How many jobs there are, by `status`. */
export const queueDepth = Metric.gauge("sealant_db_queue_depth", { description: "Jobs by status" })

/** How long the job that is due longest has been due, in milliseconds; 0 when none is. */
export const oldestDueAge = Metric.gauge("sealant_db_queue_oldest_due_milliseconds", {
  description: "Milliseconds since the job that is due longest became due"
})
