/**
 * The statements and rules of `GitHubWebhookDeliveryRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option, Schema } from "effect"
import { AlreadyExists, InvalidInput } from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import { leasesOn } from "../leasing/leases.js"
import { type LeasedTable, leaseTexts } from "../leasing/statements.js"
import { conditionsOf } from "../sql/filters.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import {
  type ClaimedDelivery,
  DeliveryFailure,
  DeliveryFilter,
  GitHubWebhookDelivery,
  GitHubWebhookDeliveryId,
  IgnoredDelivery,
  maxPayloadBytes,
  RecordDelivery,
  type WebhookLease
} from "./GitHubWebhookDelivery.js"
import { deliveriesClaimed, deliveriesRetried } from "./deliveryMetrics.js"
import type { GitHubWebhookDeliveryService } from "./GitHubWebhookDeliveryRepo.js"

const name = "GitHubWebhookDeliveryRepo"
const entity = "GitHubWebhookDelivery"
const own = operations(name, entity)
const { input, present, read, unmoved, write } = own

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

const processedText = texts.underLease(
  "status = 'processed', lease_outcome = 'processed', lease_expires_at = NULL, processed_at = ?1, error_message = NULL"
)

/** ?5: the reason. */
const ignoredText = texts.underLease(
  "status = 'ignored', lease_outcome = 'ignored', lease_expires_at = NULL, processed_at = ?1, error_message = ?5"
)

/** ?7: error message. */
const failedText = texts.fail("error_message = ?7")

type Recorded = typeof RecordDelivery.Type

const tooLong = new InvalidInput({ operation: `${name}.record`, issues: [`payload: must be at most ${maxPayloadBytes} bytes of JSON`] })

/** A payload as it is stored. */
const jsonOf = (payload: Recorded["payload"]): Effect.Effect<string | null, InvalidInput> => {
  if (payload === undefined) return Effect.succeed(null)
  // Of what is JSON, only a text that is longer than any string throws.
  return Effect.try({ try: () => JSON.stringify(payload), catch: () => tooLong }).pipe(
    Effect.filterOrFail((text) => Buffer.byteLength(text) <= maxPayloadBytes, () => tooLong)
  )
}

const decodeInstallation = Schema.decodeUnknownOption(Schema.Struct({ installation: Schema.Struct({ id: Schema.Int.pipe(Schema.positive()) }) }))

/** GitHub's id of the installation, as it is given or as the payload has it: what comes late is told by it. */
const installationOf = ({ installationExternalId, payload }: Recorded) =>
  installationExternalId ?? Option.match(decodeInstallation(payload), { onNone: () => null, onSome: ({ installation }) => String(installation.id) })

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(GitHubWebhookDelivery))
  const deliveries = yield* rowsOf(GitHubWebhookDelivery)
  const { along, aside } = conditionsOf(sql)

  const leases = leasesOn<GitHubWebhookDelivery, ClaimedDelivery>(sql, deliveries, own, {
    service: name,
    none: { received: 0, processing: 0, processed: 0, failed: 0, ignored: 0 },
    waiting: "received",
    held: "processing",
    noun: "delivery",
    texts,
    claimed: (delivery, workerId) => ({ delivery, lease: { deliveryId: delivery.id, workerId, token: delivery.leaseToken } }),
    rowOf: ({ delivery }) => delivery,
    claims: deliveriesClaimed,
    retries: deliveriesRetried
  })

  const byId = (id: string) => deliveries.first(sql.unsafe(texts.byId, [id]))
  const getById = (id: GitHubWebhookDeliveryId) => Effect.flatMap(byId(id), present(id))

  const byDeliveryId = (deliveryId: string) =>
    deliveries.first(sql`SELECT ${columns} FROM github_webhook_deliveries WHERE delivery_id = ${deliveryId}`)

  const insert = (given: Recorded, payload: string | null) =>
    Effect.gen(function*() {
      const { action = null, deliveryId, eventType, maxAttempts } = given
      const id = yield* idOrNew(given.id, "delivery", GitHubWebhookDeliveryId.make)
      const now = yield* Clock.currentTimeMillis
      const inserted = yield* deliveries.first(sql`
        INSERT INTO github_webhook_deliveries (id, delivery_id, event_type, action, installation_external_id, payload,
          received_at, max_attempts, available_at, updated_at)
        VALUES (${id}, ${deliveryId}, ${eventType}, ${action}, ${installationOf(given)}, ${payload},
          ${now}, ${maxAttempts}, ${now}, ${now})
        ON CONFLICT DO NOTHING
        RETURNING ${columns}`)
      if (Option.isSome(inserted)) return { delivery: inserted.value, created: true }

      const first = yield* byDeliveryId(deliveryId)
      return Option.isSome(first)
        ? { delivery: first.value, created: false }
        : yield* new AlreadyExists({ entity, constraint: "github_webhook_deliveries.id" })
    })

  const list: GitHubWebhookDeliveryService["list"] = (request = {}) =>
    Effect.gen(function*() {
      const { installationExternalId, status } = yield* input("list", DeliveryFilter)(request)
      const start = yield* Page.start(`${name}.list`, request)
      const ofInstallation = along("installation_external_id", installationExternalId)
      const inStatus = ofInstallation.length === 0 ? along("status", status) : aside("status", status)
      const rows = yield* deliveries.all(sql`
        SELECT ${columns} FROM github_webhook_deliveries
        WHERE ${sql.and([...ofInstallation, ...inStatus, Page.below(sql, start, "received_at")])}
        ORDER BY received_at DESC, id DESC LIMIT ${start.limit + 1}`)
      return Page.make(rows, start, ({ id, receivedAt }) => [receivedAt, id])
    }).pipe(read("list"))

  const service: GitHubWebhookDeliveryService = {
    record: (request) =>
      Effect.gen(function*() {
        const given = yield* input("record", RecordDelivery)(request)
        const recorded = yield* insert(given, yield* jsonOf(given.payload))
        yield* Effect.annotateCurrentSpan("delivery.id", recorded.delivery.id)
        return recorded
      }).pipe(write("record", ["AlreadyExists", "InvalidInput"])),

    claimNext: (request) => leases.claimNext(request).pipe(read("claimNext")),

    heartbeat: (lease, duration) => leases.heartbeat(heldBy(lease), duration).pipe(read("heartbeat", attributesOf(lease))),

    markProcessed: (lease) =>
      leases.underLease(heldBy(lease), processedText, ["processed"], []).pipe(read("markProcessed", attributesOf(lease))),

    markIgnored: (lease, ignored = {}) =>
      input("markIgnored", IgnoredDelivery)(ignored).pipe(
        Effect.flatMap(({ reason = null }) => leases.underLease(heldBy(lease), ignoredText, ["ignored"], [reason])),
        read("markIgnored", attributesOf(lease))
      ),

    markFailed: (lease, failure) =>
      input("markFailed", DeliveryFailure)(failure).pipe(
        Effect.flatMap(({ errorMessage, retryable }) => leases.fail(heldBy(lease), failedText, retryable, [errorMessage])),
        read("markFailed", attributesOf(lease))
      ),

    release: (lease) => leases.release(heldBy(lease)).pipe(read("release", attributesOf(lease))),

    getByLease: (lease) => leases.getByLease(heldBy(lease)).pipe(read("getByLease", attributesOf(lease))),

    redeliver: (id) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        // processing → received is a retry or a release, which belong to the lease: not for redeliver.
        const received = yield* deliveries.first(sql`
          UPDATE github_webhook_deliveries SET
            status = 'received', attempt_count = 0, available_at = ${now}, claimed_at = NULL, worker_id = NULL,
            processed_at = NULL, error_message = NULL, updated_at = ${now}
          WHERE id = ${id} AND status IN ('processed', 'failed', 'ignored')
          RETURNING ${columns}`)
        return Option.isSome(received) ? received.value : yield* Effect.flatMap(getById(id), unmoved(id, "received"))
      }).pipe(read("redeliver", { "delivery.id": id })),

    reapExpired: (limit) => leases.reapExpired(limit).pipe(read("reapExpired")),

    findById: (id) => byId(id).pipe(read("findById", { "delivery.id": id })),

    getById: (id) => getById(id).pipe(read("getById", { "delivery.id": id })),

    findByDeliveryId: (deliveryId) => byDeliveryId(deliveryId).pipe(read("findByDeliveryId")),

    list,

    stats: leases.stats.pipe(read("stats")),

    stream: (filter = {}) => Page.stream((page) => list({ ...filter, ...page }))
  }
  return service
})

const heldBy = ({ deliveryId, token, workerId }: WebhookLease) => ({ id: deliveryId, token, workerId })

const attributesOf = ({ deliveryId }: WebhookLease) => ({ "delivery.id": deliveryId })
