/**
 * Helpers of the tests of `WebhookInbox`: the inbox over each database, and a table for the effects of handlers.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Layer, Option } from "effect"
import { UserRepo } from "../../src/auth/UserRepo.js"
import type { GitHubWebhookDelivery } from "../../src/github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { WebhookOutcome } from "../../src/github/WebhookHandler.js"
import { WebhookInbox } from "../../src/github/WebhookInbox.js"
import { overDatabases } from "../support/database.js"
import { shell } from "../support/lists.js"

export type Services = GitHubWebhookDeliveryRepo | WebhookInbox | UserRepo | SqlClient.SqlClient

const effectsTable = Layer.effectDiscard(
  Effect.orDie(shell("CREATE TABLE effects (delivery TEXT NOT NULL, attempt INTEGER NOT NULL)"))
)

export const layers = overDatabases(
  Layer.provideMerge(Layer.mergeAll(WebhookInbox.layer, UserRepo.layer, effectsTable), GitHubWebhookDeliveryRepo.layer)
)

export const worker = { workerId: "worker", leaseDuration: "1 minute" } as const

/** Takes a delivery in under this id. */
export const receive = (deliveryId: string, given: object = {}) =>
  Effect.flatMap(WebhookInbox, (inbox) =>
    Effect.map(inbox.receive({ id: deliveryId, deliveryId, eventType: "push", ...given }), ({ delivery }) => delivery)
  )

/** Leaves a mark of the delivery: what a handler does. */
export const leaveMark = ({ attemptCount, deliveryId }: GitHubWebhookDelivery) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`INSERT INTO effects (delivery, attempt) VALUES (${deliveryId}, ${attemptCount})`
  )

/** Leaves a mark, and has processed. */
export const marking = (delivery: GitHubWebhookDelivery) => Effect.as(leaveMark(delivery), WebhookOutcome.processed)

/** The marks that stay, as `delivery attempt`, in order. */
export const marks = Effect.map(
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly mark: string }>`
    SELECT delivery || ' ' || attempt AS mark FROM effects ORDER BY delivery, attempt`
  ),
  (rows) => rows.map(({ mark }) => mark)
)

/** The delivery that was taken in under this id. */
export const stored = (deliveryId: string) =>
  Effect.flatMap(GitHubWebhookDeliveryRepo, (deliveries) => Effect.flatten(deliveries.findByDeliveryId(deliveryId)))

/** Lets somebody else take over what is under a lease now. */
export const takeOver = Effect.gen(function* () {
  const deliveries = yield* GitHubWebhookDeliveryRepo
  yield* shell("UPDATE github_webhook_deliveries SET lease_expires_at = 0 WHERE status = 'processing'")
  return Option.getOrThrow(yield* deliveries.claimNext({ workerId: "another", leaseDuration: "1 minute" })).lease
})
