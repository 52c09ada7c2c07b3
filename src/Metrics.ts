/**
 * The metrics of this package, as metrics of Effect. A program that exports those, for instance with
 * `@effect/opentelemetry`, exports these, too; otherwise their cost is negligible.
 *
 * Commits, transactions, waits, claims, retries and lost leases are counted when they happen. The depths of the queue,
 * the inbox and the teardowns, and the lag of the event loop, are sampled by `layer`.
 */
import { Clock, type Duration, Effect, Layer, Metric, Option, Schedule, Schema } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { oldestDueAge, queueDepth } from "./build-job/jobMetrics.js"
import { makeQueueGauges } from "./build-job/queueMetrics.js"
import { BuildQueueRepo } from "./build-job/BuildQueueRepo.js"
import { WorkspaceBuildJobRepo } from "./build-job/WorkspaceBuildJobRepo.js"
import { GitHubWebhookDeliveryRepo } from "./github/GitHubWebhookDeliveryRepo.js"
import { inboxDepth, inboxOldestDueAge } from "./github/deliveryMetrics.js"
import { RuntimeTeardownRepo } from "./sandbox/RuntimeTeardownRepo.js"
import { teardownDepth, teardownOldestDueAge } from "./sandbox/teardownMetrics.js"
import type { InvalidInput } from "./Errors.js"
import { Pause } from "./sql/durations.js"
import { Limit } from "./sql/inputLimits.js"
import type { LeaseStats } from "./leasing/LeaseMethods.js"
import { operations, spanned } from "./sql/operations.js"

export { jobsClaimed, jobsRetried, oldestDueAge, queueDepth } from "./build-job/jobMetrics.js"
export { ownerJobs, ownerOldestDueAge, priorityOldestDueAge, queuedJobs } from "./build-job/queueMetrics.js"
export { deliveriesClaimed, deliveriesRetried, inboxDepth, inboxOldestDueAge } from "./github/deliveryMetrics.js"
export {
  teardownDepth,
  teardownOldestDueAge,
  teardownsClaimed,
  teardownsRetried
} from "./sandbox/teardownMetrics.js"
export { leasesLost } from "./leasing/leases.js"
export { busyWaits, commitBatchSize, transactionMillis } from "./libsql/metrics.js"

const Settings = Schema.Struct({ every: Pause, owners: Limit })

const { decodeInput } = operations("Metrics", "Metrics")

/** The longest delay of the event loop since the last sample, in milliseconds. */
export const eventLoopLag = Metric.gauge("sealant_db_event_loop_lag_milliseconds", {
  description: "Longest delay of the event loop since the last sample"
})

/**
 * Samples the queue, the inbox, the teardowns and the event loop at intervals, until the layer is closed. A sample counts
 * all jobs, deliveries and teardowns, so it takes longer the more there are: every few seconds is often enough. A sample
 * that fails is logged, and the next one is taken as usual.
 *
 * Also samples the load of the queue by priority, and by owner for the `owners` (1 to 1,000, default 20) with the most
 * queued jobs. A process has gauges of at most 200 different owners.
 *
 * Fails with `InvalidInput` if `every` is not from 1 ms to a year, or `owners` is out of range.
 */
export const layer = ({
  every = "10 seconds",
  owners = 20
}: {
  readonly every?: Duration.DurationInput | undefined
  readonly owners?: number | undefined
} = {}): Layer.Layer<
  never,
  InvalidInput,
  WorkspaceBuildJobRepo | BuildQueueRepo | GitHubWebhookDeliveryRepo | RuntimeTeardownRepo
> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const settings = yield* decodeInput("layer", Settings)({ every, owners })
      const jobs = yield* WorkspaceBuildJobRepo
      const deliveries = yield* GitHubWebhookDeliveryRepo
      const queue = yield* BuildQueueRepo
      const setQueueGauges = makeQueueGauges()
      const teardowns = yield* RuntimeTeardownRepo
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
        yield* setQueueGauges(yield* queue.summarize(settings.owners), yield* Clock.currentTimeMillis)
        yield* show(yield* teardowns.stats, teardownDepth, teardownOldestDueAge)
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
