/**
 * The metrics of the webhook inbox.
 */
import { Metric } from "effect"

/** Counts claimed deliveries. */
export const deliveriesClaimed = Metric.counter("sealant_db_deliveries_claimed", {
  incremental: true,
  description: "Claims of webhook deliveries"
})

/** Counts failed deliveries that will be retried. */
export const deliveriesRetried = Metric.counter("sealant_db_deliveries_retried", {
  incremental: true,
  description: "Failed webhook deliveries that will be retried"
})

/** The number of deliveries, tagged with `status`. */
export const inboxDepth = Metric.gauge("sealant_db_inbox_depth", { description: "Webhook deliveries by status" })

/** Milliseconds since the oldest due delivery became due; 0 if none is due. */
export const inboxOldestDueAge = Metric.gauge("sealant_db_inbox_oldest_due_milliseconds", {
  description: "Milliseconds since the oldest due webhook delivery became due"
})
