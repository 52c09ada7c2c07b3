/**
 * Webhook deliveries of GitHub: the reported events, and the state of their processing.
 */
import { Schema } from "effect"
import {
  Count,
  enumeration,
  existing,
  idOf,
  Label,
  Name,
  optional,
  OptionalTimestamp,
  Prose,
  ReportedProse,
  Timestamp
} from "../sql/columns.js"
import { JsonObject, OptionalJson } from "../sql/json.js"
import { table } from "../sql/table.js"
import { LeaseStats } from "../leasing/LeaseMethods.js"
import * as Model from "../sql/model.js"
import { stateMachine } from "../sql/transitions.js"

/** The id of a delivery's row: `delivery_` and a UUIDv7 if this package generated it. GitHub's id is `deliveryId`. */
export const GitHubWebhookDeliveryId = idOf("GitHubWebhookDeliveryId")
export type GitHubWebhookDeliveryId = typeof GitHubWebhookDeliveryId.Type

/**
 * `received`: waits until `availableAt`; `processing`: under a lease; `processed`, `failed`, `ignored`: ended, until a
 * redelivery.
 */
export const GitHubWebhookDeliveryStatus = enumeration("received", "processing", "processed", "failed", "ignored")
export type GitHubWebhookDeliveryStatus = typeof GitHubWebhookDeliveryStatus.Type

/** The transitions of a delivery. processing → received is a retry or a release; ended → received is a redelivery. */
export const gitHubWebhookDeliveryTransitions = stateMachine(
  GitHubWebhookDeliveryStatus.literals,
  {
    received: ["processing"],
    processing: ["processed", "ignored", "received", "failed"],
    processed: ["received"],
    failed: ["received"],
    ignored: ["received"]
  },
  {
    received: [
      {
        by: "the worker that claims it",
        noDeadline: "the inbox may be long; `doctor` reports deliveries due for 15 minutes"
      }
    ],
    processing: [
      {
        by: "its worker, under a lease",
        deadline: "the lease",
        after: "a claim or `reapExpired`: `received`, or `failed` without attempts left"
      }
    ],
    processed: [{ by: "a redelivery", noDeadline: "it has ended" }],
    failed: [{ by: "a redelivery", noDeadline: "it has ended" }],
    ignored: [{ by: "a redelivery", noDeadline: "it has ended" }]
  }
)

/** The outcome of a lease on a delivery. */
export const WebhookLeaseOutcome = enumeration("processed", "ignored", "failed", "retried", "released", "expired")
export type WebhookLeaseOutcome = typeof WebhookLeaseOutcome.Type

/** One row of `github_webhook_deliveries`. */
export class GitHubWebhookDelivery extends Model.Class<GitHubWebhookDelivery>("GitHubWebhookDelivery")(
  {
    id: GitHubWebhookDeliveryId,
    /** GitHub's id of the delivery (`X-GitHub-Delivery`). GitHub sends a delivery again under the same id. */
    deliveryId: Name,
    /** `X-GitHub-Event`. */
    eventType: Name,
    action: optional(Label),
    /** GitHub's id of the installation, which may not be stored yet. */
    installationExternalId: optional(Name),
    payload: OptionalJson(JsonObject),
    receivedAt: Timestamp,
    /** The instant at which it was processed, failed or ignored. */
    processedAt: OptionalTimestamp,
    status: GitHubWebhookDeliveryStatus,
    /** The last error, until the delivery is processed or redelivered; or the reason for ignoring it. */
    errorMessage: optional(Prose),
    /** The number of leases that were not released. */
    attemptCount: Count,
    maxAttempts: Count,
    /** The earliest instant of the next claim. */
    availableAt: Timestamp,
    /** The instant of the current lease's claim. */
    claimedAt: OptionalTimestamp,
    leaseExpiresAt: OptionalTimestamp,
    workerId: optional(Name),
    /** The fencing token: the number of the last lease. It only grows. */
    leaseToken: Count,
    /** The outcome of the last lease. Absent while it is held. */
    leaseOutcome: optional(WebhookLeaseOutcome),
    updatedAt: Timestamp
  },
  table({
    name: "github_webhook_deliveries",
    service: "GitHubWebhookDeliveryRepo",
    purpose:
      "The inbox of webhook deliveries: each is stored once, processed under a lease, and kept with its outcome.",
    states: { status: gitHubWebhookDeliveryTransitions }
  })
) {}

/**
 * The lease on a delivery, with the fencing token of every write under it. Each lease on a delivery has another
 * `token`. `deliveryId` is the id of the row.
 */
export const WebhookLease = Schema.Struct({
  deliveryId: existing(GitHubWebhookDeliveryId),
  workerId: Name,
  token: Schema.Positive.pipe(Schema.int())
})
export type WebhookLease = typeof WebhookLease.Type

/** A claimed delivery, and the lease on it. */
export const ClaimedDelivery = Schema.Struct({ delivery: Model.Row(GitHubWebhookDelivery), lease: WebhookLease })
export interface ClaimedDelivery extends Schema.Schema.Type<typeof ClaimedDelivery> {}

/** The result of recording a delivery. */
export const RecordedDelivery = Schema.Struct({
  delivery: Model.Row(GitHubWebhookDelivery),
  /** False if the delivery was recorded before. */
  created: Schema.Boolean
})
export interface RecordedDelivery extends Schema.Schema.Type<typeof RecordedDelivery> {}

/** The default number of attempts of a delivery. */
export const defaultDeliveryAttempts = 5

/**
 * The maximum length of a payload in bytes of JSON. It is GitHub's own limit, 25 MB
 * (https://docs.github.com/en/webhooks/webhook-events-and-payloads).
 */
export const maxPayloadBytes = 25 * 1024 * 1024

/** Counts of the inbox, by status and of due deliveries. */
export const InboxStats = LeaseStats(GitHubWebhookDeliveryStatus)
export interface InboxStats extends Schema.Schema.Type<typeof InboxStats> {}

/**
 * A received delivery. `deliveryId` and `eventType` are the headers `X-GitHub-Delivery` and `X-GitHub-Event`.
 * `installationExternalId` is by default the payload's `installation.id`, if it has one.
 */
export const RecordDelivery = Schema.Struct({
  id: Schema.optional(GitHubWebhookDeliveryId),
  deliveryId: Name,
  eventType: Name,
  action: Schema.optional(Label),
  installationExternalId: Schema.optional(Name),
  payload: Schema.optional(JsonObject),
  maxAttempts: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 1000)), { default: () => defaultDeliveryAttempts })
})

/** The reason for ignoring a delivery. It is stored, so it must not contain secrets. */
export const IgnoredDelivery = Schema.Struct({ reason: Schema.optional(ReportedProse) })

/** The failure of a delivery. `retryable` is true by default. The message is stored, so it must not contain secrets. */
export const DeliveryFailure = Schema.Struct({
  errorMessage: ReportedProse,
  retryable: Schema.optionalWith(Schema.Boolean, { default: () => true })
})

/**
 * Filter for listing deliveries: those that match all fields. An explicit `installationExternalId: undefined` is
 * refused, so that a missing id does not widen the list to all installations.
 */
export const DeliveryFilter = Schema.Struct({
  status: Schema.optional(GitHubWebhookDeliveryStatus),
  installationExternalId: Schema.optionalWith(Name, { exact: true })
})
