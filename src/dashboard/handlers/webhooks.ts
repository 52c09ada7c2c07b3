/**
 * The handlers of webhook deliveries.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { ControlPlaneEvent } from "../../events/ControlPlaneEvent.js"
import { ControlPlaneEvents } from "../../events/ControlPlaneEvents.js"
import { DeliveryChange, DeliveryDetail, DeliverySummary } from "../../github/deliveryViews.js"
import { GitHubWebhookDeliveryStatus } from "../../github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../github/GitHubWebhookDeliveryRepo.js"
import { Row } from "../../sql/model.js"
import { Page } from "../../sql/pageSchemas.js"
import { DashboardApi } from "../api/index.js"
import { asOperator, given, jsonOf, literalsOf } from "./running.js"

const pageJson = jsonOf(Page(Row(DeliverySummary)))
const detailJson = jsonOf(DeliveryDetail.json)
const changeJson = jsonOf(DeliveryChange)
const eventJson = jsonOf(ControlPlaneEvent.json)

/** The most redeliveries of a delivery on its page. */
const mostEvents = 100

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
          const journal = yield* ControlPlaneEvents
          const events = yield* journal.list({ subjectType: "delivery", subjectId: delivery.id, limit: mostEvents })
          return {
            delivery: detailJson(delivery),
            changes: changes.map((change) => changeJson(change)),
            events: events.map((event) => eventJson(event))
          }
        })
      )
  )
)

export const webhookActionsLive = HttpApiBuilder.group(DashboardApi, "webhookActions", (handlers) =>
  handlers.handle("redeliver", ({ path: { id } }) =>
    Effect.gen(function* () {
      const deliveries = yield* GitHubWebhookDeliveryRepo
      const delivery = yield* asOperator(deliveries.redeliver(id))
      return { id: delivery.id, status: delivery.status }
    })
  )
)
