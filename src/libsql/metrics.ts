/**
 * What the local client counts. Counting is a few nanoseconds; nobody has to look (https://effect.website/docs/observability/metrics/).
 */
import { Metric, MetricBoundaries } from "effect"

/** How many statements shared one commit. */
export const commitBatchSize = Metric.histogram(
  "sealant_db_commit_batch_size",
  MetricBoundaries.exponential({ start: 1, factor: 2, count: 11 }),
  "Statements that shared one commit"
)

/** How long a transaction had the write lock, in milliseconds: one that a caller held, or one of shared statements. */
export const transactionMillis = Metric.histogram(
  "sealant_db_transaction_milliseconds",
  MetricBoundaries.exponential({ start: 0.125, factor: 2, count: 16 }),
  "Milliseconds for which a transaction had the write lock"
)

/** How often a lock that another process held was waited for. */
export const busyWaits = Metric.counter("sealant_db_busy_waits", {
  incremental: true,
  description: "Waits for a lock that another process held"
})
