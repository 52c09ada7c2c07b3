/**
 * The inbox of webhook deliveries, over the table `github_webhook_deliveries`.
 *
 * Guarantees:
 * - A delivery is stored once, however often it is sent, also under concurrent calls.
 * - At most one lease on a delivery is current. Each write of a worker carries the token of its lease, and succeeds
 *   only while the token is the delivery's last. So a worker that lost its lease cannot write.
 * - A delivery is attempted at most `maxAttempts` times. A lease that expires counts as an attempt, a released one does
 *   not.
 * - Installations take turns: the deliveries of one do not delay those of the others. Within an installation, deliveries
 *   are claimed in the order of their due times.
 * - The cost of a claim does not depend on the number of deliveries or installations: it reads the first entries of
 *   indexes.
 * - A delivery that has ended does not change until it is redelivered.
 * - Payloads never appear in errors, logs or spans.
 *
 * Deliveries are not ordered: GitHub may send an older event after a newer one, and retries run after deliveries that
 * were received meanwhile. Handlers must compare the timestamps in the payloads.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Statement } from "@effect/sql"
import { Clock, Context, Effect, Layer, Option, Schema, type Stream } from "effect"
import { AlreadyExists, InvalidInput } from "../Errors.js"
import type { InvalidTransition, LeaseLost, NotFound, PersistenceError } from "../Errors.js"
import { redelivered } from "../events/adminEvents.js"
import type { ClaimRequest, LeaseMethods } from "../leasing/LeaseMethods.js"
import { makeClaimInTurn } from "../leasing/claimInTurn.js"
import { leasesOn } from "../leasing/leases.js"
import { type LeasedTable, leaseTexts } from "../leasing/statements.js"
import { conditionsOf } from "../sql/filters.js"
import { idOrNew } from "../sql/ids.js"
import { annotated, operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { columnList, rowReader, rowsOf } from "../sql/rows.js"
import { toWrite, writeAll } from "../sql/writeAll.js"
import { deliveriesClaimed, deliveriesRetried } from "./deliveryMetrics.js"
import { type DeliveryListMethods, makeDeliveryLists } from "./deliveryLists.js"
import { isNext } from "./deliveryOrder.js"
import {
  type ClaimedDelivery,
  DeliveryFailure,
  DeliveryFilter,
  GitHubWebhookDelivery,
  GitHubWebhookDeliveryId,
  IgnoredDelivery,
  type InboxStats,
  maxPayloadBytes,
  RecordDelivery,
  type RecordedDelivery,
  type WebhookLease
} from "./GitHubWebhookDelivery.js"

/**
 * Methods of `GitHubWebhookDeliveryRepo`.
 *
 * Internal: for the inbox and operators, not for request handlers.
 */
export interface GitHubWebhookDeliveryService
  extends LeaseMethods<WebhookLease, GitHubWebhookDelivery, ClaimedDelivery, InboxStats>,
    DeliveryListMethods {
  /**
   * Stores a received delivery, available now. If its `deliveryId` is already stored, returns the stored delivery with
   * `created: false`, because GitHub sends a delivery again under the same id. It is unchanged unless it has failed:
   * then it is received again, as after `redeliver`, so that GitHub's redelivery takes effect after the cause is fixed.
   *
   * Fails with `AlreadyExists` if another delivery has the id of the row. Fails with `InvalidInput` if a field is
   * invalid or the payload has more than 25 MB (`maxPayloadBytes`, in bytes of JSON).
   */
  readonly record: (
    delivery: typeof RecordDelivery.Encoded
  ) => Effect.Effect<RecordedDelivery, AlreadyExists | InvalidInput | PersistenceError>

  /**
   * Claims one delivery if it is due, otherwise as `claimNext`. Returns `None` if the delivery is not due, is under a
   * lease, has ended or does not exist.
   */
  readonly claimById: (
    request: ClaimRequest & { readonly id: string }
  ) => Effect.Effect<Option.Option<ClaimedDelivery>, InvalidInput | PersistenceError>

  /**
   * processing → processed. Idempotent for the same lease. Fails with `LeaseLost` if the lease is not the current one.
   */
  readonly markProcessed: (lease: WebhookLease) => Effect.Effect<GitHubWebhookDelivery, LeaseLost | PersistenceError>

  /**
   * processing → ignored, for a delivery that needs no processing. Stores the reason in `errorMessage`. Idempotent for
   * the same lease.
   *
   * Fails with `LeaseLost` if the lease is not the current one, and with `InvalidInput` if the reason is invalid.
   */
  readonly markIgnored: (
    lease: WebhookLease,
    ignored?: typeof IgnoredDelivery.Encoded
  ) => Effect.Effect<GitHubWebhookDelivery, LeaseLost | InvalidInput | PersistenceError>

  /**
   * processing → received if the failure is retryable and attempts are left, otherwise processing → failed. A retry is
   * available after a pause that doubles with each attempt: 1 s at first, 5 min at most, half of it random. Idempotent
   * for the same lease.
   *
   * Fails with `LeaseLost` if the lease is not the current one, and with `InvalidInput` if the error is invalid.
   */
  readonly markFailed: (
    lease: WebhookLease,
    failure: typeof DeliveryFailure.Encoded
  ) => Effect.Effect<GitHubWebhookDelivery, LeaseLost | InvalidInput | PersistenceError>

  /**
   * processed, failed or ignored → received, available now, with all attempts again. Idempotent. The journal records the
   * change with the current actor. Fails with `NotFound` if the delivery does not exist, and with `InvalidTransition`
   * while it is processing.
   */
  readonly redeliver: (
    id: string
  ) => Effect.Effect<GitHubWebhookDelivery, NotFound | InvalidTransition | PersistenceError>

  /** Returns the delivery, if it exists. */
  readonly findById: (id: string) => Effect.Effect<Option.Option<GitHubWebhookDelivery>, PersistenceError>

  /** Returns the delivery. Fails with `NotFound` if it does not exist. */
  readonly getById: (id: string) => Effect.Effect<GitHubWebhookDelivery, NotFound | PersistenceError>

  /** Returns the delivery with GitHub's id, if it exists. */
  readonly findByDeliveryId: (
    deliveryId: string
  ) => Effect.Effect<Option.Option<GitHubWebhookDelivery>, PersistenceError>

  /**
   * Lists the deliveries that match the filter, newest first. Fails with `InvalidInput` if the status is unknown,
   * `installationExternalId` is invalid or an explicit `undefined`, the cursor is malformed or the limit is out of
   * range.
   */
  readonly list: (
    request?: Page.PageRequest & typeof DeliveryFilter.Encoded
  ) => Effect.Effect<Page.Page<GitHubWebhookDelivery>, InvalidInput | PersistenceError>

  /** Streams all deliveries that match the filter, page by page. Fails as `list` does. */
  readonly stream: (
    filter?: typeof DeliveryFilter.Encoded
  ) => Stream.Stream<GitHubWebhookDelivery, InvalidInput | PersistenceError>
}

const name = "GitHubWebhookDeliveryRepo"
const entity = "GitHubWebhookDelivery"
const own = operations(name, entity)
const { decodeFilter, decodeInput, orNotFound, traced, orInvalidTransition } = own

const table: LeasedTable = {
  name: "github_webhook_deliveries",
  waiting: "received",
  held: "processing",
  dueIndex: "github_webhook_deliveries_due_idx",
  leasesIndex: "github_webhook_deliveries_leases_idx",
  whenClaimed: [],
  whenReleased: [],
  failed: {
    at: ["processed_at", "?1"],
    exhausted: { error_message: "the last lease expired with no attempts left" },
    unreadable: { error_message: "the row of the delivery cannot be read" }
  }
}

const texts = leaseTexts(table, columnList(GitHubWebhookDelivery))

const claimText = texts.claimWhere(isNext)

const readDelivery = rowReader(GitHubWebhookDelivery)

const processedText = texts.underLease(
  "status = 'processed', lease_outcome = 'processed', lease_expires_at = NULL, processed_at = ?1, error_message = NULL"
)

// ?5: the reason.
const ignoredText = texts.underLease(
  "status = 'ignored', lease_outcome = 'ignored', lease_expires_at = NULL, processed_at = ?1, error_message = ?5"
)

// ?7: the error message.
const failedText = texts.fail("error_message = ?7")

type Recorded = typeof RecordDelivery.Type

const tooLong = new InvalidInput({
  operation: `${name}.record`,
  issues: [`payload: must be at most ${maxPayloadBytes} bytes of JSON`]
})

/** Encodes a payload for its column. */
const jsonOf = (payload: Recorded["payload"]): Effect.Effect<string | null, InvalidInput> => {
  if (payload === undefined) return Effect.succeed(null)
  // The payload is decoded JSON, so `stringify` throws only if the text is longer than the longest string of
  // JavaScript.
  return Effect.try({ try: () => JSON.stringify(payload), catch: () => tooLong }).pipe(
    Effect.filterOrFail(
      (text) => Buffer.byteLength(text) <= maxPayloadBytes,
      () => tooLong
    )
  )
}

const decodeInstallation = Schema.decodeUnknownOption(
  Schema.Struct({ installation: Schema.Struct({ id: Schema.Int.pipe(Schema.positive()) }) })
)

/**
 * Returns GitHub's id of the installation, from the request or the payload. Out-of-order deliveries are found by it.
 */
const installationOf = ({ installationExternalId, payload }: Recorded) =>
  installationExternalId ??
  Option.match(decodeInstallation(payload), {
    onNone: () => null,
    onSome: ({ installation }) => String(installation.id)
  })

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(GitHubWebhookDelivery))
  const deliveries = yield* rowsOf(GitHubWebhookDelivery)
  const { indexedBy, unindexed } = conditionsOf(sql)

  const leases = leasesOn<GitHubWebhookDelivery, ClaimedDelivery>(sql, deliveries, own, {
    service: name,
    entity,
    none: { received: 0, processing: 0, processed: 0, failed: 0, ignored: 0 },
    waiting: "received",
    held: "processing",
    noun: "delivery",
    texts,
    claimDue: makeClaimInTurn(sql, deliveries, GitHubWebhookDelivery, { text: claimText, held: "processing" }),
    claimed: (delivery, workerId) => ({
      delivery,
      lease: { deliveryId: delivery.id, workerId, token: delivery.leaseToken }
    }),
    rowOf: ({ delivery }) => delivery,
    claims: deliveriesClaimed,
    retries: deliveriesRetried
  })

  const byId = (id: string) => deliveries.findOne(sql.unsafe(texts.byId, [id]))
  const getById = (id: string) => Effect.flatMap(byId(id), orNotFound(id))

  const byDeliveryId = (deliveryId: string) =>
    deliveries.findOne(sql`SELECT ${columns} FROM github_webhook_deliveries WHERE delivery_id = ${deliveryId}`)

  /** The statement that receives an ended delivery again, with all attempts. */
  const receiveAgain = (condition: Statement.Fragment, now: number) =>
    sql`
      UPDATE github_webhook_deliveries SET
        status = 'received', attempt_count = 0, available_at = ${now}, claimed_at = NULL, worker_id = NULL,
        processed_at = NULL, error_message = NULL, updated_at = ${now}
      WHERE ${condition}
      RETURNING ${columns}`

  const insert = (request: Recorded, payload: string | null) =>
    Effect.gen(function* () {
      const { action = null, deliveryId, eventType, maxAttempts } = request
      const id = yield* idOrNew(request.id, "delivery", GitHubWebhookDeliveryId.make)
      const now = yield* Clock.currentTimeMillis
      const inserted = yield* deliveries.findOne(sql`
        INSERT INTO github_webhook_deliveries (id, delivery_id, event_type, action, installation_external_id, payload,
          received_at, max_attempts, available_at, updated_at)
        VALUES (${id}, ${deliveryId}, ${eventType}, ${action}, ${installationOf(request)}, ${payload},
          ${now}, ${maxAttempts}, ${now}, ${now})
        ON CONFLICT DO NOTHING
        RETURNING ${columns}`)
      if (Option.isSome(inserted)) return { delivery: inserted.value, created: true }

      const again = yield* deliveries.findOne(receiveAgain(sql`delivery_id = ${deliveryId} AND status = 'failed'`, now))
      const first = Option.isSome(again) ? again : yield* byDeliveryId(deliveryId)
      return Option.isSome(first)
        ? { delivery: first.value, created: false }
        : yield* new AlreadyExists({ entity, constraint: "github_webhook_deliveries.id" })
    })

  const list: GitHubWebhookDeliveryService["list"] = (request = {}) =>
    Effect.gen(function* () {
      const { installationExternalId, status } = yield* decodeFilter("list", DeliveryFilter)(request)
      const start = yield* Page.start(`${name}.list`, request)
      const ofInstallation = indexedBy("installation_external_id", installationExternalId)
      const inStatus = ofInstallation.length === 0 ? indexedBy("status", status) : unindexed("status", status)
      const found = yield* deliveries.findPage(sql`
        SELECT ${columns} FROM github_webhook_deliveries
        WHERE ${sql.and([...ofInstallation, ...inStatus, Page.afterCursor(sql, start, "received_at")])}
        ORDER BY received_at DESC, id DESC LIMIT ${start.limit + 1}`)
      return Page.make(found, start, ({ id, receivedAt }) => [receivedAt, id])
    }).pipe(traced("list"))

  const service: GitHubWebhookDeliveryService = {
    ...(yield* makeDeliveryLists),

    record: (request) =>
      Effect.gen(function* () {
        const delivery = yield* decodeInput("record", RecordDelivery)(request)
        const recorded = yield* insert(delivery, yield* jsonOf(delivery.payload))
        yield* annotated("delivery.id", recorded.delivery.id)
        return recorded
      }).pipe(traced("record", ["AlreadyExists", "InvalidInput"])),

    claimNext: (request) => leases.claimNext(request).pipe(traced("claimNext")),

    claimById: (request) => leases.claimById(request).pipe(traced("claimById", { "delivery.id": request.id })),

    heartbeat: (lease, duration) =>
      leases.heartbeat(heldBy(lease), duration).pipe(traced("heartbeat", attributesOf(lease))),

    markProcessed: (lease) =>
      leases
        .underLease(heldBy(lease), processedText, ["processed"], [])
        .pipe(traced("markProcessed", attributesOf(lease))),

    markIgnored: (lease, ignored = {}) =>
      decodeInput(
        "markIgnored",
        IgnoredDelivery
      )(ignored).pipe(
        Effect.flatMap(({ reason = null }) => leases.underLease(heldBy(lease), ignoredText, ["ignored"], [reason])),
        traced("markIgnored", attributesOf(lease))
      ),

    markFailed: (lease, failure) =>
      decodeInput(
        "markFailed",
        DeliveryFailure
      )(failure).pipe(
        Effect.flatMap(({ errorMessage, retryable }) =>
          leases.fail(heldBy(lease), failedText, retryable, [errorMessage])
        ),
        traced("markFailed", attributesOf(lease))
      ),

    release: (lease) => leases.release(heldBy(lease)).pipe(traced("release", attributesOf(lease))),

    getByLease: (lease) => leases.getByLease(heldBy(lease)).pipe(traced("getByLease", attributesOf(lease))),

    redeliver: (id) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        // Not from `processing`: processing → received is a retry or a release under the lease.
        const [, [received] = []] = yield* writeAll(sql, [
          yield* redelivered(id, now),
          toWrite(receiveAgain(sql`id = ${id} AND status IN ('processed', 'failed', 'ignored')`, now))
        ])
        return received !== undefined
          ? yield* readDelivery(received)
          : yield* Effect.flatMap(getById(id), orInvalidTransition(id, "received"))
      }).pipe(traced("redeliver", { "delivery.id": id })),

    reapExpired: (limit) => leases.reapExpired(limit).pipe(traced("reapExpired")),

    findById: (id) => byId(id).pipe(traced("findById", { "delivery.id": id })),

    getById: (id) => getById(id).pipe(traced("getById", { "delivery.id": id })),

    findByDeliveryId: (deliveryId) => byDeliveryId(deliveryId).pipe(traced("findByDeliveryId")),

    list,

    stats: leases.stats.pipe(traced("stats")),

    stream: (filter = {}) => Page.stream((page) => list({ ...filter, ...page }))
  }
  return service
})

const heldBy = ({ deliveryId, token, workerId }: WebhookLease) => ({ id: deliveryId, token, workerId })

const attributesOf = ({ deliveryId }: WebhookLease) => ({ "delivery.id": deliveryId })

/** The inbox of webhook deliveries: their leases, retries and states. */
export class GitHubWebhookDeliveryRepo extends Context.Tag("@sealant/db/GitHubWebhookDeliveryRepo")<
  GitHubWebhookDeliveryRepo,
  GitHubWebhookDeliveryService
>() {
  /** The inbox over `SqlClient`. */
  static readonly layer: Layer.Layer<GitHubWebhookDeliveryRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
