/**
 * The worker process. It builds images, tears down runtimes, processes webhook deliveries and runs supervision.
 *
 * The first argument is its name; the environment contains the database and the keys. On SIGTERM it finishes its jobs
 * within five seconds and releases the rest.
 */
import { NodeRuntime } from "@effect/platform-node"
import { BuildWorker, ControlPlane, GitHubWebhooks, RuntimeWorker, WebhookInbox } from "@sealant/db"
import { Config, Duration, Effect } from "effect"
import { handler } from "./builder.js"

const workerId = process.argv[2] ?? `worker-${process.pid}`

const webhooks = Effect.flatMap(WebhookInbox, (inbox) =>
  inbox.run({ workerId, supervise: false }, GitHubWebhooks.handler)
)

// Short, so that the demo need not wait for the lease of a killed worker.
const leaseDuration = Config.withDefault(Config.duration("LEASE_DURATION"), Duration.seconds(2))

const builds = Effect.flatMap(leaseDuration, (leaseDuration) =>
  BuildWorker.run(handler, { workerId, concurrency: 4, leaseDuration, drainTimeout: "5 seconds" })
)

/** Simulates the removal of a container. */
const adapter: RuntimeWorker.Adapter<never> = { stop: () => Effect.sleep("200 millis") }

const teardowns = Effect.flatMap(leaseDuration, (leaseDuration) =>
  RuntimeWorker.run(adapter, {
    workerId,
    concurrency: 4,
    leaseDuration,
    drainTimeout: "5 seconds",
    supervise: false
  })
)

NodeRuntime.runMain(
  Effect.all([builds, teardowns, webhooks], { concurrency: "unbounded", discard: true }).pipe(
    Effect.provide(ControlPlane.layerConfig)
  )
)
