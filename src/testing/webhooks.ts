/**
 * Factories of webhook deliveries, in every status.
 */
import { DateTime, Effect, Option } from "effect"
import {
  type ClaimedDelivery,
  defaultDeliveryAttempts,
  GitHubWebhookDelivery,
  GitHubWebhookDeliveryId,
  type GitHubWebhookDeliveryStatus,
  type WebhookLeaseOutcome
} from "../github/GitHubWebhookDelivery.js"
import { idOrNew } from "../sql/ids.js"
import { defined, asId, factory, type Given, insert, type Made } from "./rows.js"

/**
 * Creates a delivery, by default `received` and due now.
 *
 * The lease of a delivery in status `processing` has the token `leaseToken`, belongs to `workerId`, and expires in a
 * minute. `attemptCount` defaults to 0 for a received delivery, and to 1 for all others; `leaseToken` defaults to
 * `attemptCount`.
 */
export const webhookDelivery = (given: Given<GitHubWebhookDelivery> = {}): Made<GitHubWebhookDelivery> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(GitHubWebhookDeliveryId, given.id), "delivery", GitHubWebhookDeliveryId.make)
    const now = given.receivedAt ?? (yield* DateTime.now)
    return yield* insert("github_webhook_deliveries", GitHubWebhookDelivery, {
      deliveryId: id,
      eventType: "installation",
      action: "created",
      payload: { action: "created" },
      receivedAt: now,
      availableAt: now,
      updatedAt: now,
      ...columnsOf(given, now),
      ...defined(given),
      id
    })
  }).pipe(factory("webhookDelivery"))

/** Creates a delivery in status `processing`, and returns it with its lease. */
export const claimedDelivery = (given: Omit<Given<GitHubWebhookDelivery>, "status"> = {}): Made<ClaimedDelivery> =>
  Effect.map(webhookDelivery({ ...given, status: "processing" }), (delivery) => ({
    delivery,
    lease: {
      deliveryId: delivery.id,
      workerId: Option.getOrElse(delivery.workerId, () => ""),
      token: delivery.leaseToken
    }
  }))

const leaseDuration = { minutes: 1 }

const outcomes: Readonly<Record<GitHubWebhookDeliveryStatus, WebhookLeaseOutcome | undefined>> = {
  received: "retried",
  processing: undefined,
  processed: "processed",
  failed: "failed",
  ignored: "ignored"
}

/** Builds the columns that depend on the status. */
const columnsOf = (given: Given<GitHubWebhookDelivery>, now: DateTime.Utc): Given<GitHubWebhookDelivery> => {
  const status = given.status ?? "received"
  const isReceived = status === "received"
  const attemptCount = given.attemptCount ?? (isReceived ? 0 : 1)
  const leaseToken = given.leaseToken ?? attemptCount
  const leaseOutcome = outcomes[status]
  return {
    status,
    attemptCount,
    maxAttempts: Math.max(defaultDeliveryAttempts, isReceived ? attemptCount + 1 : attemptCount),
    leaseToken,
    ...(leaseToken > 0 && leaseOutcome !== undefined ? { leaseOutcome } : {}),
    ...(leaseToken > 0 && !isReceived ? { workerId: "worker", claimedAt: now } : {}),
    ...(status === "processing" ? { leaseExpiresAt: DateTime.add(now, leaseDuration) } : {}),
    ...(status === "processed" || status === "failed" || status === "ignored" ? { processedAt: now } : {}),
    ...(status === "failed" ? { errorMessage: "the delivery failed" } : {})
  }
}
