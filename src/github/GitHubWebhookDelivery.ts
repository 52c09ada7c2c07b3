/**
 * A webhook delivery of GitHub: what happened there, and how far we are with it.
 */
import { Schema } from "effect"
import {
  Count,
  enumeration,
  idOf,
  JsonObject,
  Label,
  Name,
  optional,
  OptionalJson,
  OptionalTimestamp,
  Prose,
  ReportedProse,
  Timestamp
} from "../sql/columns.js"
import { table } from "../sql/table.js"
import type { LeaseStats } from "../leasing/leases.js"
import * as Model from "../sql/model.js"
import { stateMachine } from "../sql/transitions.js"

/** The id of a delivery's row, `delivery_` and a UUIDv7 when it is ours. GitHub's id of the delivery is `deliveryId`. */
export const GitHubWebhookDeliveryId = idOf("GitHubWebhookDeliveryId")
export type GitHubWebhookDeliveryId = typeof GitHubWebhookDeliveryId.Type

/**
 * `received`: waits until `availableAt`; `processing`: under a lease; `processed`, `failed`, `ignored`: ended, until
 * somebody redelivers it.
 */
export const GitHubWebhookDeliveryStatus = enumeration("received", "processing", "processed", "failed", "ignored")
export type GitHubWebhookDeliveryStatus = typeof GitHubWebhookDeliveryStatus.Type

/** Where a delivery can go: processing → received is a retry or a release, from the three ends it is a redelivery. */
export const gitHubWebhookDeliveryTransitions = stateMachine(GitHubWebhookDeliveryStatus.literals, {
  received: ["processing"],
  processing: ["processed", "ignored", "received", "failed"],
  processed: ["received"],
  failed: ["received"],
  ignored: ["received"]
})

/** How the last lease of a delivery ended. */
export const WebhookLeaseOutcome = enumeration("processed", "ignored", "failed", "retried", "released", "expired")
export type WebhookLeaseOutcome = typeof WebhookLeaseOutcome.Type

/** One row of `github_webhook_deliveries`. */
export class GitHubWebhookDelivery extends Model.Class<GitHubWebhookDelivery>("GitHubWebhookDelivery")({
  id: GitHubWebhookDeliveryId,
  /** GitHub's id of the delivery (`X-GitHub-Delivery`): the same each time that it is sent. */
  deliveryId: Name,
  /** `X-GitHub-Event`. */
  eventType: Name,
  action: optional(Label),
  /** GitHub's id of the installation, which may not be known here yet. */
  installationExternalId: optional(Name),
  payload: OptionalJson(JsonObject),
  receivedAt: Timestamp,
  /** When it ended, whichever way. */
  processedAt: OptionalTimestamp,
  status: GitHubWebhookDeliveryStatus,
  /** The last error, kept through retries until the delivery is processed or redelivered; or why it was ignored. */
  errorMessage: optional(Prose),
  /** How many leases were given and not released. */
  attemptCount: Count,
  maxAttempts: Count,
  /** Not handed out before. */
  availableAt: Timestamp,
  /** When the current lease was given. */
  claimedAt: OptionalTimestamp,
  leaseExpiresAt: OptionalTimestamp,
  workerId: optional(Name),
  /** The fence: the number of the last lease. It only grows. */
  leaseToken: Count,
  /** How the lease of that number ended; none while it is held. */
  leaseOutcome: optional(WebhookLeaseOutcome),
  updatedAt: Timestamp
}, table({
  name: "github_webhook_deliveries",
  service: "GitHubWebhookDeliveryRepo",
  purpose: "The inbox of webhook deliveries: each stored once, worked on under a lease, and kept with how it ended.",
  states: { status: gitHubWebhookDeliveryTransitions }
})) {}

/**
 * The right to work on a delivery, and the fence of every write under it: `token` is never given twice for a delivery.
 * `deliveryId` is the id of the row.
 */
export const WebhookLease = Schema.Struct({
  deliveryId: GitHubWebhookDeliveryId,
  workerId: Name,
  token: Schema.Positive.pipe(Schema.int())
})
export type WebhookLease = typeof WebhookLease.Type

/** A delivery that was claimed, and the lease on it. */
export interface ClaimedDelivery {
  readonly delivery: GitHubWebhookDelivery
  readonly lease: WebhookLease
}

/** How often a delivery is tried when nothing else is said. */
export const defaultDeliveryAttempts = 5

/** How long a payload may be, in bytes of JSON: what GitHub sends at most, 25 MB. */
export const maxPayloadBytes = 25 * 1024 * 1024

/** Counts of the inbox at one moment. */
export type InboxStats = LeaseStats<GitHubWebhookDeliveryStatus>

/**
 * A delivery as it came in. `deliveryId` and `eventType` are the headers `X-GitHub-Delivery` and `X-GitHub-Event`.
 * `installationExternalId` left out is `installation.id` of the payload, where it has one.
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

/** Why a delivery is of no interest here. It is stored: no secrets. */
export const IgnoredDelivery = Schema.Struct({ reason: Schema.optional(ReportedProse) })

/** What a worker tells of a delivery that failed. `retryable` left out means true. It is stored: no secrets. */
export const DeliveryFailure = Schema.Struct({
  errorMessage: ReportedProse,
  retryable: Schema.optionalWith(Schema.Boolean, { default: () => true })
})

/**
 * Which deliveries a list shows: those that match all that is given. An installation given as `undefined` is refused:
 * a list must not become everybody's because an id happened to be missing.
 */
export const DeliveryFilter = Schema.Struct({
  status: Schema.optional(GitHubWebhookDeliveryStatus),
  installationExternalId: Schema.optionalWith(Name, { exact: true })
})
