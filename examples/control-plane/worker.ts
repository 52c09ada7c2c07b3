/**
 * The worker process. It builds images, processes webhook deliveries and runs supervision.
 *
 * The first argument is its name; the environment contains the database and the keys. On SIGTERM it finishes its jobs
 * within five seconds and releases the rest.
 */
import { NodeRuntime } from "@effect/platform-node"
import { BuildWorker, ControlPlane, GitHubWebhooks, WebhookInbox } from "@sealant/db"
import { Effect } from "effect"
import { handler } from "./builder.js"

const workerId = process.argv[2] ?? `worker-${process.pid}`

const webhooks = Effect.flatMap(WebhookInbox, (inbox) =>
  inbox.run({ workerId, supervise: false }, GitHubWebhooks.handler)
)

const builds = BuildWorker.run(handler, {
  workerId,
  concurrency: 4,
  leaseDuration: "2 seconds",
  drainTimeout: "5 seconds"
})

NodeRuntime.runMain(
  Effect.all([builds, webhooks], { concurrency: "unbounded", discard: true }).pipe(
    Effect.provide(ControlPlane.layerConfig)
  )
)
