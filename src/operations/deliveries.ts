/**
 * Webhook deliveries for operators, without their payloads, which may be confidential.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Option } from "effect"
import { DeliveryDetail, DeliverySummary } from "../github/deliveryViews.js"
import type { GitHubWebhookDeliveryStatus } from "../github/GitHubWebhookDelivery.js"
import { conditionsOf } from "../sql/filters.js"
import { operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { columnList, rowsOf } from "../sql/rows.js"

export { DeliveryDetail, DeliverySummary }

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

/** The received deliveries of one installation. */
export interface InstallationLoad {
  /** GitHub's id of the installation. Empty for deliveries without one. */
  readonly installation: string
  readonly received: number
  /** The due time of the first one. */
  readonly nextDueAt: number
}

/** Counts the received deliveries by installation, the most first. Reads all received deliveries in an index. */
export const receivedByInstallation = (limit: number) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<InstallationLoad>`
      SELECT coalesce(installation_external_id, '') AS installation, count(*) AS received,
        min(available_at) AS "nextDueAt"
      FROM github_webhook_deliveries INDEXED BY github_webhook_deliveries_flows_idx
      WHERE status = 'received' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${limit}`
  ).pipe(traced("receivedByInstallation"))
