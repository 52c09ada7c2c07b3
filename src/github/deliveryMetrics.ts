/**
 * What the inbox of webhooks counts.
 */
import { Metric } from "effect"

/** Leases of deliveries that were given. */
export const deliveriesClaimed = Metric.counter("sealant_db_deliveries_claimed", {
  incremental: true,
  description: "Leases of deliveries that were given"
})

/** Deliveries that failed and went back to the inbox. */
export const deliveriesRetried = Metric.counter("sealant_db_deliveries_retried", {
  incremental: true,
  description: "Deliveries that failed and went back to the inbox"
})

/** How many deliveries there are, by `status`. */
export const inboxDepth = Metric.gauge("sealant_db_inbox_depth", { description: "Deliveries by status" })

/** How long the delivery that is due longest has been due, in milliseconds; 0 when none is. */
export const inboxOldestDueAge = Metric.gauge("sealant_db_inbox_oldest_due_milliseconds", {
  description: "Milliseconds since the delivery that is due longest became due"
})
