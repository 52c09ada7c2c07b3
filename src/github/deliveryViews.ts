/**
 * Results of the lists of webhook deliveries for operators, without their payloads, which may be confidential.
 */
import { Schema } from "effect"
import { Count, Label, Name, optional, OptionalTimestamp, Prose, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { GitHubWebhookDeliveryId, GitHubWebhookDeliveryStatus, WebhookLeaseOutcome } from "./GitHubWebhookDelivery.js"

const summary = {
  id: GitHubWebhookDeliveryId,
  deliveryId: Name,
  eventType: Name,
  action: optional(Label),
  installationExternalId: optional(Name),
  status: GitHubWebhookDeliveryStatus,
  attemptCount: Count,
  maxAttempts: Count,
  receivedAt: Timestamp,
  availableAt: Timestamp,
  claimedAt: OptionalTimestamp,
  processedAt: OptionalTimestamp,
  leaseExpiresAt: OptionalTimestamp,
  workerId: optional(Name)
}

/** A delivery in a list. */
export class DeliverySummary extends Model.Class<DeliverySummary>("DeliverySummary")(summary) {}

/** One delivery, with all its columns except the payload. */
export class DeliveryDetail extends Model.Class<DeliveryDetail>("DeliveryDetail")({
  ...summary,
  leaseToken: Count,
  leaseOutcome: optional(WebhookLeaseOutcome),
  errorMessage: optional(Prose),
  updatedAt: Timestamp
}) {}

/**
 * Filter for listing deliveries without their payloads: those that match every field that is set. An empty list of
 * statuses matches no delivery.
 */
export const DeliverySummaryFilter = Schema.Struct({
  statuses: Schema.optional(Schema.Array(GitHubWebhookDeliveryStatus)),
  installationExternalId: Schema.optionalWith(Name, { exact: true }),
  /** `X-GitHub-Event`. */
  eventType: Schema.optional(Name)
})

/** A row that the payload of a delivery names. */
export const DeliveryChange = Schema.Struct({
  kind: Schema.Literal("installation", "repository", "issue", "pullRequest"),
  /** The id of the row. Absent if the database has no such row. */
  id: Schema.optional(Schema.String),
  /** The id at the provider. */
  externalId: Schema.String,
  /** A name such as `acme/app`, or the title of an issue. */
  name: Schema.optional(Schema.String),
  /**
   * - `changed`: last written while the delivery was processed;
   * - `changed-later`: written again since, so that it is unknown whether the delivery wrote it;
   * - `unchanged`: last written before;
   * - `missing`: the database has no such row.
   */
  outcome: Schema.Literal("changed", "changed-later", "unchanged", "missing"),
  updatedAt: Schema.optional(Schema.DateTimeUtc)
})
export interface DeliveryChange extends Schema.Schema.Type<typeof DeliveryChange> {}
