/**
 * Results of the lists of webhook deliveries for operators, without their payloads, which may be confidential.
 */
import { Schema } from "effect"
import * as Model from "../sql/model.js"
import { GitHubWebhookDelivery } from "./GitHubWebhookDelivery.js"

const { fields } = GitHubWebhookDelivery

const summary = {
  id: fields.id,
  deliveryId: fields.deliveryId,
  eventType: fields.eventType,
  action: fields.action,
  installationExternalId: fields.installationExternalId,
  status: fields.status,
  attemptCount: fields.attemptCount,
  maxAttempts: fields.maxAttempts,
  receivedAt: fields.receivedAt,
  availableAt: fields.availableAt,
  claimedAt: fields.claimedAt,
  processedAt: fields.processedAt,
  leaseExpiresAt: fields.leaseExpiresAt,
  workerId: fields.workerId
}

/** A delivery in a list. */
export class DeliverySummary extends Model.Class<DeliverySummary>("DeliverySummary")(summary) {}

/** One delivery, with all its columns except the payload. */
export class DeliveryDetail extends Model.Class<DeliveryDetail>("DeliveryDetail")({
  ...summary,
  leaseToken: fields.leaseToken,
  leaseOutcome: fields.leaseOutcome,
  errorMessage: fields.errorMessage,
  updatedAt: fields.updatedAt
}) {}

/** A row that the payload of a delivery names. */
export const DeliveryChange = Schema.Struct({
  kind: Schema.Literal("installation", "repository", "issue", "pullRequest"),
  /** The id of the row. Absent if the database has no such row. */
  id: Schema.optional(Schema.String),
  /** The id at the provider. */
  externalId: Schema.String,
  /** Such as `acme/app`, or the title of an issue. */
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
