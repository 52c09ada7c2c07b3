/**
 * Webhook deliveries for operators, without their payloads, which may be confidential.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import {
  GitHubWebhookDeliveryId,
  GitHubWebhookDeliveryStatus,
  WebhookLeaseOutcome
} from "../github/GitHubWebhookDelivery.js"
import { Count, Label, Name, optional, OptionalTimestamp, Prose, Timestamp } from "../sql/columns.js"
import { conditionsOf } from "../sql/filters.js"
import * as Model from "../sql/model.js"
import { operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { columnList, rowsOf } from "../sql/rows.js"

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
  processedAt: OptionalTimestamp,
  leaseExpiresAt: OptionalTimestamp,
  workerId: optional(Name)
}

/** A delivery in a list. */
export class DeliverySummary extends Model.Class<DeliverySummary>("DeliverySummary")(summary) {}

/** One delivery, with all its columns except the payload. */
export class DeliveryDetail extends Model.Class<DeliveryDetail>("DeliveryDetail")({
  ...summary,
  claimedAt: OptionalTimestamp,
  leaseToken: Count,
  leaseOutcome: optional(WebhookLeaseOutcome),
  errorMessage: optional(Prose),
  updatedAt: Timestamp
}) {}

const { orNotFound, traced } = operations("Deliveries", "GitHubWebhookDelivery")

/** Lists the newest deliveries, in one state or in any. Fails with `InvalidInput` if the limit is out of range. */
export const listDeliveries = (limit: number, status: Option.Option<GitHubWebhookDeliveryStatus>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const deliveries = yield* rowsOf(DeliverySummary)
    const start = yield* Page.start("Deliveries.list", { limit })
    const columns = sql.literal(columnList(DeliverySummary))
    const inStatus = conditionsOf(sql).indexedBy("status", Option.getOrUndefined(status))
    return yield* deliveries.findAll(sql`
      SELECT ${columns} FROM github_webhook_deliveries
      WHERE ${sql.and([...inStatus, Page.afterCursor(sql, start, "received_at")])}
      ORDER BY received_at DESC, id DESC LIMIT ${limit}`)
  }).pipe(traced("list"))

/** Returns one delivery. Fails with `NotFound` if it does not exist. */
export const showDelivery = (id: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const deliveries = yield* rowsOf(DeliveryDetail)
    const found = yield* deliveries.findOne(
      sql`SELECT ${sql.literal(columnList(DeliveryDetail))} FROM github_webhook_deliveries WHERE id = ${id}`
    )
    return yield* orNotFound(id)(found)
  }).pipe(traced("show"))
