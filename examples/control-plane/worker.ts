/**
 * The worker process: builds, does what follows from webhooks, and ends executions that nobody else ends.
 *
 * Its name is the first argument; the database and the keys are in its environment. SIGTERM lets it finish what it has
 * begun, within some seconds, and gives back the rest.
 */
import { NodeRuntime } from "@effect/platform-node"
import { BuildWorker, ControlPlane, GitHubWebhooks, IssueWorkflowLifecycle, WebhookInbox } from "@sealant/db"
import { Effect, Schedule } from "effect"
import { handler } from "./builder.js"

const workerId = process.argv[2] ?? `worker-${process.pid}`

const supervision = Effect.flatMap(IssueWorkflowLifecycle, (lifecycle) => lifecycle.supervise({ limit: 100 })).pipe(
  Effect.catchAll(({ message }) => Effect.logWarning(`supervision: ${message}`)),
  Effect.repeat(Schedule.spaced("5 seconds"))
)

const webhooks = Effect.flatMap(WebhookInbox, (inbox) => inbox.run({ workerId }, GitHubWebhooks.handler))

const builds = BuildWorker.run(handler, { workerId, concurrency: 4, leaseDuration: "2 seconds", drainTimeout: "5 seconds" })

NodeRuntime.runMain(
  Effect.all([builds, webhooks, supervision], { concurrency: "unbounded", discard: true }).pipe(Effect.provide(ControlPlane.layerConfig))
)
