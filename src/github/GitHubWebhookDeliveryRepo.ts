/**
 * The inbox of webhook deliveries, over the table `github_webhook_deliveries`.
 *
 * What it guarantees:
 * - A delivery is stored once, however often and from how many sides at once it is sent.
 * - It is handed to one lease at a time. Every write of a worker carries its lease's token, and the database takes it only
 *   while that token is the delivery's last: a worker that lost its lease cannot write, however late it wakes up.
 * - It is tried at most `maxAttempts` times. A lease that expires counts as a try, one that is released does not.
 * - A claim costs the same at any depth of the inbox: it walks the first entries of partial indexes.
 * - What has ended stays as it is until somebody redelivers it.
 * - A payload is given to who asks for the delivery. It reaches no error, no log and no span.
 *
 * It does not keep the order in which things happened: GitHub may send an older event after a newer one, and a retry comes
 * after what was received meanwhile. Who processes deliveries compares what they say of the time.
 *
 * `LeaseLost` has the id of the delivery's row in its field `jobId`.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Duration, Effect, Option, Stream } from "effect"
import type { AlreadyExists, InvalidInput, InvalidTransition, LeaseLost, NotFound, PersistenceError } from "../Errors.js"
import type { ClaimRequest } from "../leasing/leases.js"
import type { Page, PageRequest } from "../sql/page.js"
import type {
  ClaimedDelivery,
  DeliveryFailure,
  DeliveryFilter,
  GitHubWebhookDelivery,
  GitHubWebhookDeliveryId,
  IgnoredDelivery,
  InboxStats,
  RecordDelivery,
  WebhookLease
} from "./GitHubWebhookDelivery.js"
import { make } from "./makeGitHubWebhookDeliveryRepo.js"

/**
 * Methods of `GitHubWebhookDeliveryRepo`.
 *
 * Internal: for the inbox and operators, not for request handlers.
 */
export interface GitHubWebhookDeliveryService {
  /**
   * Puts a delivery into the inbox, due now. One that was recorded before under the same `deliveryId` is returned as it
   * is now, with `created: false`, whatever else the second says: GitHub sends a delivery again under the same id. To work
   * on it anew, `redeliver` it.
   *
   * Fails with `AlreadyExists` when the given id is another delivery's, with `InvalidInput` for a field out of shape or a
   * payload of more than 25 MB (`maxPayloadBytes`, in bytes of JSON).
   */
  readonly record: (
    delivery: typeof RecordDelivery.Encoded
  ) => Effect.Effect<
    { readonly delivery: GitHubWebhookDelivery; readonly created: boolean },
    AlreadyExists | InvalidInput | PersistenceError
  >

  /**
   * Gives the delivery that has been due longest: received and available, or processing under a lease that has expired.
   * None when nothing is due. A due delivery with no attempts left is failed and never handed out; so is one whose row
   * cannot be read.
   *
   * Fails with `InvalidInput` for an empty worker id or a lease that is shorter than 1 ms or longer than 100 years.
   */
  readonly claimNext: (
    request: ClaimRequest
  ) => Effect.Effect<Option.Option<ClaimedDelivery>, InvalidInput | PersistenceError>

  /**
   * Lets the lease expire `duration` from now. A lease that has expired is still the current one until the delivery is
   * given to another or reaped.
   *
   * Fails with `LeaseLost` when the lease is not the current one: the work must stop.
   */
  readonly heartbeat: (
    lease: WebhookLease,
    duration: Duration.DurationInput
  ) => Effect.Effect<GitHubWebhookDelivery, LeaseLost | InvalidInput | PersistenceError>

  /**
   * processing → processed. A repeat by the same lease returns the delivery as it is. Fails with `LeaseLost` when the lease
   * is not the current one.
   */
  readonly markProcessed: (lease: WebhookLease) => Effect.Effect<GitHubWebhookDelivery, LeaseLost | PersistenceError>

  /**
   * processing → ignored: there is nothing to do for it here. The reason stands in `errorMessage`. A repeat by the same
   * lease returns the delivery as it is.
   *
   * Fails with `LeaseLost` when the lease is not the current one, with `InvalidInput` for a reason out of shape.
   */
  readonly markIgnored: (
    lease: WebhookLease,
    ignored?: typeof IgnoredDelivery.Encoded
  ) => Effect.Effect<GitHubWebhookDelivery, LeaseLost | InvalidInput | PersistenceError>

  /**
   * processing → received while it is retryable and attempts are left, available after a pause that doubles with each
   * attempt (1 s at first, 5 min at most, half of it random); else processing → failed. A repeat by the same lease returns
   * the delivery as it is.
   *
   * Fails with `LeaseLost` when the lease is not the current one, with `InvalidInput` for an error out of shape.
   */
  readonly markFailed: (
    lease: WebhookLease,
    failure: typeof DeliveryFailure.Encoded
  ) => Effect.Effect<GitHubWebhookDelivery, LeaseLost | InvalidInput | PersistenceError>

  /**
   * Gives the delivery back, as if it had not been claimed: the attempt does not count. A repeat by the same lease returns
   * the delivery as it is. Fails with `LeaseLost` when the lease is not the current one.
   */
  readonly release: (lease: WebhookLease) => Effect.Effect<GitHubWebhookDelivery, LeaseLost | PersistenceError>

  /** The delivery, while the lease on it is the current one. Fails with `LeaseLost` when it is not. */
  readonly getByLease: (lease: WebhookLease) => Effect.Effect<GitHubWebhookDelivery, LeaseLost | PersistenceError>

  /**
   * processed, failed or ignored → received, available now, with all its attempts again. A received delivery is returned
   * as it is. Fails with `NotFound`, or with `InvalidTransition` while somebody works on it.
   */
  readonly redeliver: (
    id: GitHubWebhookDeliveryId
  ) => Effect.Effect<GitHubWebhookDelivery, NotFound | InvalidTransition | PersistenceError>

  /**
   * Takes up to `limit` (1 to 1,000) deliveries from leases that have expired, longest first: back to received while
   * attempts are left, else failed. Returns those that can be read, as they are now.
   */
  readonly reapExpired: (
    limit: number
  ) => Effect.Effect<ReadonlyArray<GitHubWebhookDelivery>, InvalidInput | PersistenceError>

  /** The delivery, if it is there. */
  readonly findById: (
    id: GitHubWebhookDeliveryId
  ) => Effect.Effect<Option.Option<GitHubWebhookDelivery>, PersistenceError>

  /** The delivery. Fails with `NotFound`. */
  readonly getById: (
    id: GitHubWebhookDeliveryId
  ) => Effect.Effect<GitHubWebhookDelivery, NotFound | PersistenceError>

  /** The delivery of this id of GitHub's, if it was recorded. */
  readonly findByDeliveryId: (deliveryId: string) => Effect.Effect<Option.Option<GitHubWebhookDelivery>, PersistenceError>

  /**
   * The deliveries that match what is given, newest first. Fails with `InvalidInput` for a status that is none, an
   * installation that is `undefined`, a foreign cursor or a limit out of range.
   */
  readonly list: (
    request?: PageRequest & typeof DeliveryFilter.Encoded
  ) => Effect.Effect<Page<GitHubWebhookDelivery>, InvalidInput | PersistenceError>

  /** As `list`, all of them, page by page. */
  readonly stream: (
    filter?: typeof DeliveryFilter.Encoded
  ) => Stream.Stream<GitHubWebhookDelivery, InvalidInput | PersistenceError>

  /** How many deliveries are in each state, how many are due, and since when the oldest of those. Counts every one: for people. */
  readonly stats: Effect.Effect<InboxStats, PersistenceError>
}

export class GitHubWebhookDeliveryRepo extends Context.Tag("@sealant/db/GitHubWebhookDeliveryRepo")<
  GitHubWebhookDeliveryRepo,
  GitHubWebhookDeliveryService
>() {
  /** The inbox over `SqlClient`. */
  static readonly layer: Layer.Layer<GitHubWebhookDeliveryRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
