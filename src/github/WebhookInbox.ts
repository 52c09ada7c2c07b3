/**
 * Webhooks from their arrival to their effects.
 *
 * What it guarantees: a delivery takes effect on our tables exactly once, however often it is sent, whoever dies meanwhile,
 * and however many work on the inbox. The handler writes in the one transaction that ends the delivery, and that
 * transaction stands only while its lease is the current one. So what a handler wrote and that it was processed are both
 * there, or neither. What it does elsewhere, a request to GitHub say, can happen again.
 *
 * It does not order deliveries: an older event may come after a newer one, and one that was retried after both. A handler
 * compares what the payload says of the time with what it finds.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { GitHubWebhookDelivery, RecordDelivery } from "./GitHubWebhookDelivery.js"
import type { GitHubWebhookDeliveryRepo } from "./GitHubWebhookDeliveryRepo.js"
import type { AlreadyExists, InvalidInput, LeaseLost, PersistenceError } from "../Errors.js"
import { make } from "./makeWebhookInbox.js"
import type { ProcessOptions, RunOptions, WebhookHandler } from "./WebhookHandler.js"

/**
 * Methods of `WebhookInbox`.
 *
 * Internal: for the endpoint that receives verified deliveries and for workers, not for request handlers of users.
 */
export interface WebhookInboxService {
  /**
   * Takes a delivery in, to be processed later: answer the sender when it is done. One that is there already is returned as
   * it is now, with `created: false`: a sender may repeat itself.
   *
   * Fails with `AlreadyExists` when the given id is another delivery's, with `InvalidInput` for a field out of shape or a
   * payload of more than 25 MB.
   */
  readonly receive: (
    delivery: typeof RecordDelivery.Encoded
  ) => Effect.Effect<
    { readonly delivery: GitHubWebhookDelivery; readonly created: boolean },
    AlreadyExists | InvalidInput | PersistenceError
  >

  /**
   * Processes the delivery that has been due longest, and returns it as it is then: `processed`, `ignored`, or after a
   * failure `received` (to be tried again) or `failed`. None when nothing is due. Interrupted, it gives the delivery back.
   *
   * Fails with `LeaseLost` when the delivery became another's meanwhile; nothing of what the handler wrote stays then. Fails
   * with `PersistenceError` when the store cannot answer, as in every method, and with `InvalidInput` for options out of
   * range. It never fails as the handler does.
   */
  readonly process: <E, R>(
    options: ProcessOptions,
    handler: WebhookHandler<E, R>
  ) => Effect.Effect<
    Option.Option<GitHubWebhookDelivery>,
    LeaseLost | InvalidInput | PersistenceError,
    Exclude<R, SqlClient.SqlClient>
  >

  /**
   * Processes deliveries until it is interrupted. One that comes in through this process wakes it at once, one through
   * another process within some 10 ms on a local file. Takes back what others left under expired leases. Interrupting it
   * lets the handlers finish (`drainTimeout`), and gives back what they could not.
   *
   * A store that cannot answer does not end it: it tries again. Fails with `InvalidInput` for options out of range.
   */
  readonly run: <E, R>(
    options: RunOptions,
    handler: WebhookHandler<E, R>
  ) => Effect.Effect<never, InvalidInput, Exclude<R, SqlClient.SqlClient>>
}

/**
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { SandboxRepo, WebhookInbox, WebhookOutcome } from "@sealant/db"
 *
 * const worker = Effect.gen(function*() {
 *   const inbox = yield* WebhookInbox
 *   const sandboxes = yield* SandboxRepo
 *   return yield* inbox.run({ workerId: "api-1", concurrency: 4 }, ({ deliveryId, eventType }) =>
 *     Effect.gen(function*() {
 *       if (eventType !== "push") return WebhookOutcome.ignored("not a push")
 *       yield* sandboxes.create({ name: deliveryId, ownerUserId: "ada" })
 *       return WebhookOutcome.processed
 *     }))
 * })
 * ```
 */
export class WebhookInbox extends Context.Tag("@sealant/db/WebhookInbox")<WebhookInbox, WebhookInboxService>() {
  /** The inbox over its repository. */
  static readonly layer: Layer.Layer<WebhookInbox, never, GitHubWebhookDeliveryRepo | SqlClient.SqlClient> = Layer.effect(this, make)
}
