/**
 * The metrics of this package, as metrics of Effect. A program that exports those, for instance with
 * `@effect/opentelemetry`, exports these, too; otherwise their cost is negligible.
 *
 * Commits, transactions, waits, claims, retries and lost leases are counted when they happen. The depths of the queue
 * and the inbox, and the lag of the event loop, are sampled by `layer`.
 */
import { Clock, type Duration, Effect, Layer, Metric, Option, Schedule, Schema } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { oldestDueAge, queueDepth } from "./build-job/jobMetrics.js"
import { WorkspaceBuildJobRepo } from "./build-job/WorkspaceBuildJobRepo.js"
import { GitHubWebhookDeliveryRepo } from "./github/GitHubWebhookDeliveryRepo.js"
import { inboxDepth, inboxOldestDueAge } from "./github/deliveryMetrics.js"
import type { InvalidInput } from "./Errors.js"
import { Pause } from "./sql/durations.js"
import type { LeaseStats } from "./leasing/LeaseMethods.js"
import { operations, spanned } from "./sql/operations.js"

export { jobsClaimed, jobsRetried, oldestDueAge, queueDepth } from "./build-job/jobMetrics.js"
export { deliveriesClaimed, deliveriesRetried, inboxDepth, inboxOldestDueAge } from "./github/deliveryMetrics.js"
export { teardownsClaimed, teardownsRetried } from "./sandbox/teardownMetrics.js"
export { leasesLost } from "./leasing/leases.js"
export { busyWaits, commitBatchSize, transactionMillis } from "./libsql/metrics.js"

const Settings = Schema.Struct({ every: Pause })

const { decodeInput } = operations("Metrics", "Metrics")

/** The longest delay of the event loop since the last sample, in milliseconds. */
export const eventLoopLag = Metric.gauge("sealant_db_event_loop_lag_milliseconds", {
  description: "Longest delay of the event loop since the last sample"
})

/**
 * Samples the queue, the inbox and the event loop at intervals, until the layer is closed. A sample counts all jobs
 * and deliveries, so it takes longer the more there are: every few seconds is often enough. A sample that fails is
 * logged, and the next one is taken as usual. Fails with `InvalidInput` if `every` is not from 1 ms to a year.
 */
export const layer = ({
  every = "10 seconds"
}: {
  readonly every?: Duration.DurationInput | undefined
} = {}): Layer.Layer<never, InvalidInput, WorkspaceBuildJobRepo | GitHubWebhookDeliveryRepo> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const settings = yield* decodeInput("layer", Settings)({ every })
      const jobs = yield* WorkspaceBuildJobRepo
      const deliveries = yield* GitHubWebhookDeliveryRepo
      const delay = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const histogram = monitorEventLoopDelay({ resolution: 10 })
          histogram.enable()
          return histogram
        }),
        (histogram) => Effect.sync(() => histogram.disable())
      )
      const sample = Effect.gen(function* () {
        yield* Metric.set(eventLoopLag, delay.max / 1e6)
        delay.reset()
        yield* show(yield* jobs.stats, queueDepth, oldestDueAge)
        yield* show(yield* deliveries.stats, inboxDepth, inboxOldestDueAge)
        // A trace of its own, because the layer stays open for days, in whatever span it was built.
      }).pipe((whole) => spanned(whole, "Metrics.look", {}, true))
      yield* Effect.forkScoped(Effect.repeat(Effect.ignoreLogged(sample), Schedule.spaced(settings.every)))
    })
  )

const show = (
  { byStatus, oldestDueAt }: LeaseStats<string>,
  depth: Metric.Metric.Gauge<number>,
  oldest: Metric.Metric.Gauge<number>
) =>
  Effect.gen(function* () {
    for (const [status, count] of Object.entries(byStatus))
      yield* Metric.set(Metric.tagged(depth, "status", status), count)
    const now = yield* Clock.currentTimeMillis
    yield* Metric.set(
      oldest,
      Option.match(oldestDueAt, { onNone: () => 0, onSome: ({ epochMillis }) => now - epochMillis })
    )
  })
