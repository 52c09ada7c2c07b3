/**
 * The rows behind the order of deliveries. Triggers maintain them; only their repair writes them.
 */
import { Schema } from "effect"
import { Count, OptionalTimestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"

/** A row of `webhook_inbox_flows`. */
export class WebhookInboxFlow extends Model.Class<WebhookInboxFlow>("WebhookInboxFlow")(
  {
    /** GitHub's id of the installation. Empty for deliveries without one. */
    installation: Schema.String,
    /** The turns of the installation. The open flow with the lowest number is next. */
    virtualTime: Count,
    /** The due time of the first received delivery. */
    nextAt: OptionalTimestamp,
    /** 1 if the first delivery is due. */
    isOpen: Count
  },
  table({
    name: "webhook_inbox_flows",
    service: "GitHubWebhookDeliveryRepo",
    purpose: "The turn of each installation with stored deliveries. Maintained by triggers on the deliveries."
  })
) {}
