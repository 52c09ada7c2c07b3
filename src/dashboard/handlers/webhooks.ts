/**
 * The handlers of webhook deliveries.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { DeliveryChange, DeliveryDetail, DeliverySummary } from "../../github/deliveryViews.js"
import { GitHubWebhookDeliveryStatus } from "../../github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../github/GitHubWebhookDeliveryRepo.js"
import { Row } from "../../sql/model.js"
import { Page } from "../../sql/pageSchemas.js"
import { DashboardApi } from "../api/index.js"
import { given, jsonOf, literalsOf, Running } from "./running.js"

const pageJson = jsonOf(Page(Row(DeliverySummary)))
const detailJson = jsonOf(DeliveryDetail.json)
const changeJson = jsonOf(DeliveryChange)

export const webhooksLive = HttpApiBuilder.group(DashboardApi, "webhooks", (handlers) =>
  Effect.map(GitHubWebhookDeliveryRepo, (deliveries) =>
    handlers
      .handle("list", ({ urlParams: { statuses, ...rest } }) =>
        Effect.gen(function* () {
          const decoded = yield* literalsOf("statuses", GitHubWebhookDeliveryStatus, statuses)
          return pageJson(yield* deliveries.listSummaries(given({ statuses: decoded, ...rest })))
        })
      )
      .handle("get", ({ path: { id } }) =>
        Effect.gen(function* () {
          const delivery = yield* deliveries.getDetail(id)
          const changes = yield* deliveries.listChanges(delivery.id)
          return { delivery: detailJson(delivery), changes: changes.map((change) => changeJson(change)) }
        })
      )
  )
)

export const webhookActionsLive = HttpApiBuilder.group(DashboardApi, "webhookActions", (handlers) =>
  handlers.handle("redeliver", ({ path: { id } }) =>
    Effect.gen(function* () {
      const { settings } = yield* Running
      const deliveries = yield* GitHubWebhookDeliveryRepo
      const delivery = yield* deliveries.redeliver(id)
      // The journal has no events of deliveries.
      yield* Effect.logInfo(`operator:${settings.actor} has redelivered ${delivery.id}`)
      return { id: delivery.id, status: delivery.status }
    })
  )
)
