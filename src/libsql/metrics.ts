/**
 * The metrics of the clients. Counting takes a few nanoseconds, whether or not the metrics are exported
 * (https://effect.website/docs/observability/metrics/).
 */
import { Metric, MetricBoundaries } from "effect"

/** The number of statements that shared one commit. */
export const commitBatchSize = Metric.histogram(
  "sealant_db_commit_batch_size",
  MetricBoundaries.exponential({ start: 1, factor: 2, count: 11 }),
  "Statements that shared one commit"
)

/**
 * The time for which a transaction held the write lock, in milliseconds: one of a caller, or one of shared
 * statements.
 */
export const transactionMillis = Metric.histogram(
  "sealant_db_transaction_milliseconds",
  MetricBoundaries.exponential({ start: 0.125, factor: 2, count: 16 }),
  "Milliseconds for which a transaction had the write lock"
)

/** The number of waits for a lock that another process held. */
export const busyWaits = Metric.counter("sealant_db_busy_waits", {
  incremental: true,
  description: "Waits for a lock that another process held"
})
