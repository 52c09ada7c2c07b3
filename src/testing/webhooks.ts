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
import { asId, factory, type Given, insert, type Made } from "./rows.js"

/**
 * A delivery in the status that is given, `received` and due now if none is.
 *
 * One that is processing is under lease number `leaseToken` of `workerId` for another minute. One that has ended was tried
 * once; a received one never, unless `attemptCount` or `leaseToken` says so.
 */
export const webhookDelivery = (given: Given<GitHubWebhookDelivery> = {}): Made<GitHubWebhookDelivery> =>
  Effect.gen(function*() {
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
      ...given,
      id
    })
  }).pipe(factory("webhookDelivery"))

/** A delivery that is processing, and the lease that it is under. */
export const claimedDelivery = (given: Omit<Given<GitHubWebhookDelivery>, "status"> = {}): Made<ClaimedDelivery> =>
  Effect.map(webhookDelivery({ ...given, status: "processing" }), (delivery) => ({
    delivery,
    lease: { deliveryId: delivery.id, workerId: Option.getOrElse(delivery.workerId, () => ""), token: delivery.leaseToken }
  }))

const minutePerLease = { minutes: 1 }

const outcomes: Readonly<Record<GitHubWebhookDeliveryStatus, WebhookLeaseOutcome | undefined>> = {
  received: "retried",
  processing: undefined,
  processed: "processed",
  failed: "failed",
  ignored: "ignored"
}

/** What the status asks of the other columns. */
const columnsOf = (given: Given<GitHubWebhookDelivery>, now: DateTime.Utc): Given<GitHubWebhookDelivery> => {
  const status = given.status ?? "received"
  const waits = status === "received"
  const attemptCount = given.attemptCount ?? (waits ? 0 : 1)
  const leaseToken = given.leaseToken ?? attemptCount
  const leaseOutcome = outcomes[status]
  return {
    status,
    attemptCount,
    maxAttempts: Math.max(defaultDeliveryAttempts, waits ? attemptCount + 1 : attemptCount),
    leaseToken,
    ...(leaseToken > 0 && leaseOutcome !== undefined ? { leaseOutcome } : {}),
    ...(leaseToken > 0 && !waits ? { workerId: "worker", claimedAt: now } : {}),
    ...(status === "processing" ? { leaseExpiresAt: DateTime.add(now, minutePerLease) } : {}),
    ...(status === "processed" || status === "failed" || status === "ignored" ? { processedAt: now } : {}),
    ...(status === "failed" ? { errorMessage: "the delivery failed" } : {})
  }
}
