/**
 * A model of the inbox in plain TypeScript, for the property test.
 */
import type { GitHubWebhookDeliveryStatus, WebhookLease } from "../../src/github/GitHubWebhookDelivery.js"
import { LeaseModel, type ModelRow } from "../support/leaseModel.js"

/** A command. Deliveries and leases are numbered in the order of their creation. */
export type Command =
  | { readonly type: "record"; readonly guid: number; readonly maxAttempts: number }
  | { readonly type: "claimNext"; readonly worker: string; readonly duration: number }
  | { readonly type: "heartbeat"; readonly lease: number; readonly duration: number }
  | { readonly type: "markProcessed" | "markIgnored" | "release"; readonly lease: number }
  | { readonly type: "markFailed"; readonly lease: number; readonly retryable: boolean; readonly random: number }
  | { readonly type: "redeliver"; readonly delivery: number }
  | { readonly type: "reap"; readonly limit: number }
  | { readonly type: "wait"; readonly millis: number }

/** The state of a delivery. */
export interface ModelDelivery extends ModelRow<GitHubWebhookDeliveryStatus> {
  readonly guid: string
}

/** The state of the inbox. */
export class ModelInbox extends LeaseModel<GitHubWebhookDeliveryStatus, ModelDelivery, WebhookLease> {
  constructor() {
    super({ prefix: "row", waiting: "received", held: "processing", failed: "failed" }, ({ deliveryId }) => deliveryId)
  }

  record(guid: string, maxAttempts: number): { readonly id: string; readonly created: boolean } {
    const known = this.rows.find((delivery) => delivery.guid === guid)
    if (known !== undefined) {
      if (known.status === "failed") this.redeliver(known)
      return { id: known.id, created: false }
    }
    const delivery = { ...this.fresh(maxAttempts, this.now), guid }
    this.rows.push(delivery)
    return { id: delivery.id, created: true }
  }

  redeliver(delivery: ModelDelivery): string {
    return this.again(delivery, ["failed", "ignored", "processed"])
  }
}
