/**
 * A process that processes webhooks. It is killed by SIGKILL: by itself at the requested point, or by its parent in the
 * middle of a transaction.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Layer } from "effect"
import * as Database from "../../src/Database.js"
import type { GitHubWebhookDelivery } from "../../src/github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { WebhookOutcome } from "../../src/github/WebhookHandler.js"
import { WebhookInbox } from "../../src/github/WebhookInbox.js"
import { writeReport } from "../support/children.js"
import { tomorrow } from "../support/clock.js"
import { type Death, dieAt } from "./killPoints.js"
import type { ProcessOptions, Report } from "./webhookProtocol.js"

const options: ProcessOptions = JSON.parse(process.argv[2] ?? "{}")
const { filePath, task, workerId } = options

// Longer than any test. With a clock that is a day ahead, the leases of a killed process have expired.
const leaseDuration = "10 minutes"

/** Two writes that must happen together and once. */
const count = ({ deliveryId }: GitHubWebhookDelivery) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`UPDATE counter SET n = n + 1`
    yield* sql`INSERT INTO effects (delivery, worker) VALUES (${deliveryId}, ${workerId})`
    return WebhookOutcome.processed
  })

const processOne = (death: Death) =>
  Effect.gen(function* () {
    const inbox = yield* WebhookInbox
    const done = dieAt(death)
    yield* inbox.process({ workerId, leaseDuration }, count)
    writeReport<Report>({ type: "counted", ...done })
  })

const processAll = (holdAfter: number | undefined) =>
  Effect.gen(function* () {
    const inbox = yield* WebhookInbox
    const sql = yield* SqlClient.SqlClient
    let handled = 0
    const handler = (delivery: GitHubWebhookDelivery) =>
      Effect.gen(function* () {
        const outcome = yield* count(delivery)
        handled += 1
        if (handled !== holdAfter) return outcome
        writeReport<Report>({ type: "holding", deliveryId: delivery.deliveryId })
        return yield* Effect.never
      })
    const allProcessed = Effect.gen(function* () {
      while (true) {
        const seen = yield* Database.version
        const left =
          yield* sql`SELECT 1 FROM github_webhook_deliveries WHERE status IN ('received', 'processing') LIMIT 1`
        if (left.length === 0) return
        yield* Database.changedSince(seen)
      }
    })
    writeReport<Report>({ type: "ready" })
    const loop = inbox.run({ workerId, leaseDuration, concurrency: 4, pollInterval: "50 millis" }, handler)
    yield* Effect.raceFirst(loop, allProcessed)
    writeReport<Report>({ type: "done" })
  })

const layer = WebhookInbox.layer.pipe(
  Layer.provideMerge(GitHubWebhookDeliveryRepo.layer),
  Layer.provideMerge(Database.layer({ filePath, synchronous: "normal", busyTimeoutMs: 60_000 }))
)

const program: Effect.Effect<void, unknown, WebhookInbox | SqlClient.SqlClient> =
  task.do === "one" ? processOne(task.death) : processAll(task.holdAfter)

Effect.runPromise(Effect.provide(options.tomorrow === true ? tomorrow(program) : program, layer)).catch(
  (error: unknown) => {
    process.stderr.write(String(error))
    process.exitCode = 1
  }
)
