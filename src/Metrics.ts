/**
 * What the package counts, as metrics of Effect: whoever exports those, with `@effect/opentelemetry` for instance, has
 * ours among them; for everybody else they cost nothing to speak of.
 *
 * Commits, transactions, waits, claims, retries and lost leases are counted where they happen. The depth of the queue and of
 * the inbox, and the lag of the event loop, have to be looked at: `layer` does.
 */
import { Clock, type Duration, Effect, Layer, Metric, Option, Schedule, Schema } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { oldestDueAge, queueDepth } from "./build-job/jobMetrics.js"
import { WorkspaceBuildJobRepo } from "./build-job/WorkspaceBuildJobRepo.js"
import { GitHubWebhookDeliveryRepo } from "./github/GitHubWebhookDeliveryRepo.js"
import { inboxDepth, inboxOldestDueAge } from "./github/deliveryMetrics.js"
import type { InvalidInput } from "./Errors.js"
import { Pause } from "./sql/durations.js"
import type { LeaseStats } from "./leasing/leases.js"
import { operations, spanned } from "./sql/operations.js"

export { jobsClaimed, jobsRetried, oldestDueAge, queueDepth } from "./build-job/jobMetrics.js"
export { deliveriesClaimed, deliveriesRetried, inboxDepth, inboxOldestDueAge } from "./github/deliveryMetrics.js"
export { leasesLost } from "./leasing/leases.js"
export { busyWaits, commitBatchSize, transactionMillis } from "./libsql/metrics.js"

const Settings = Schema.Struct({ every: Pause })

const { input } = operations("Metrics", "Metrics")

/** The longest time for which the event loop was late since it was looked at last, in milliseconds. */
export const eventLoopLag = Metric.gauge("sealant_db_event_loop_lag_milliseconds", {
  description: "Longest delay of the event loop since the last look"
})

/**
 * Looks at the queue, the inbox and the event loop again and again, as long as the layer lives. A look counts all jobs and
 * deliveries, which takes as long as there are many: every few seconds is often enough. A store that cannot answer is asked
 * again the next time. Fails with `InvalidInput` for a pause that is not from 1 ms to a year.
 */
export const layer = (
  { every = "10 seconds" }: { readonly every?: Duration.DurationInput } = {}
): Layer.Layer<never, InvalidInput, WorkspaceBuildJobRepo | GitHubWebhookDeliveryRepo> =>
  Layer.scopedDiscard(
    Effect.gen(function*() {
      const settings = yield* input("layer", Settings)({ every })
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
      const look = Effect.gen(function*() {
        yield* Metric.set(eventLoopLag, delay.max / 1e6)
        delay.reset()
        yield* show(yield* jobs.stats, queueDepth, oldestDueAge)
        yield* show(yield* deliveries.stats, inboxDepth, inboxOldestDueAge)
        // A trace of its own: the layer lives for days, in whatever span it was built.
      }).pipe((whole) => spanned(whole, "Metrics.look", {}, true))
      yield* Effect.forkScoped(Effect.repeat(Effect.ignoreLogged(look), Schedule.spaced(settings.every)))
    })
  )

const show = ({ byStatus, oldestDueAt }: LeaseStats<string>, depth: Metric.Metric.Gauge<number>, oldest: Metric.Metric.Gauge<number>) =>
  Effect.gen(function*() {
    for (const [status, count] of Object.entries(byStatus)) yield* Metric.set(Metric.tagged(depth, "status", status), count)
    const now = yield* Clock.currentTimeMillis
    yield* Metric.set(oldest, Option.match(oldestDueAt, { onNone: () => 0, onSome: ({ epochMillis }) => now - epochMillis }))
  })
