/**
 * Webhook deliveries: lists, one delivery and what it changed, and redelivery.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import { Schema } from "effect"
import { InvalidTransition, NotFound } from "../../Errors.js"
import { DeliveryChange, DeliveryDetail, DeliverySummary } from "../../github/deliveryViews.js"
import { ById, JournalEvent, jsonOf, List, Nothing, pageOf, pageParams } from "./common.js"
import { paths } from "./paths.js"

/** A delivery in a list, without its payload. */
export const Delivery = jsonOf(DeliverySummary.json)
export type Delivery = typeof Delivery.Type

/** A delivery without its payload, the rows that its payload names, and its redeliveries, oldest first. */
export const DeliveryPage = Schema.Struct({
  delivery: jsonOf(DeliveryDetail.json),
  changes: Schema.Array(jsonOf(DeliveryChange)),
  events: Schema.Array(JournalEvent)
})
export type DeliveryPage = typeof DeliveryPage.Type

/** Reads of deliveries. */
export const webhooks = HttpApiGroup.make("webhooks")
  .add(
    HttpApiEndpoint.get("list", paths.webhooks.list[1])
      .setUrlParams(
        Schema.Struct({
          statuses: Schema.optional(List),
          installationExternalId: Schema.optional(Schema.String),
          eventType: Schema.optional(Schema.String),
          ...pageParams
        })
      )
      .addSuccess(pageOf(Delivery))
  )
  .add(HttpApiEndpoint.get("get", paths.webhooks.get[1]).setPath(ById).addSuccess(DeliveryPage).addError(NotFound))

/** Actions on deliveries. */
export const webhookActions = HttpApiGroup.make("webhookActions").add(
  HttpApiEndpoint.post("redeliver", paths.webhookActions.redeliver[1])
    .setPath(ById)
    .setPayload(Nothing)
    .addSuccess(Schema.Struct({ id: Schema.String, status: Schema.String }))
    .addError(NotFound)
    .addError(InvalidTransition)
)
