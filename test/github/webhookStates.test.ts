/**
 * Every state and its transitions, through the inbox and by direct SQL.
 */
import { SqlError } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, TestClock } from "effect"
import { Factories } from "@sealant/db/testing"
import {
  type GitHubWebhookDeliveryId,
  GitHubWebhookDeliveryStatus,
  gitHubWebhookDeliveryTransitions,
  type WebhookLease
} from "../../src/github/GitHubWebhookDelivery.js"
import {
  GitHubWebhookDeliveryRepo,
  type GitHubWebhookDeliveryService
} from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { shell } from "../support/lists.js"
import { tagOf } from "../support/refusals.js"
import { at, claimant, failure, layers, type Services } from "./webhookSupport.js"

const { make } = Factories

const statuses = GitHubWebhookDeliveryStatus.literals
type Status = (typeof statuses)[number]

const now = 1000

/** A delivery in each state: under its first lease, or after it; at the moment `now`. */
const states = {
  received: { status: "received", attemptCount: 1 },
  "received, for later": { status: "received", attemptCount: 1, availableAt: at(now + 1) },
  processing: { status: "processing", leaseExpiresAt: at(now + 1) },
  "processing, expired": { status: "processing", leaseExpiresAt: at(now) },
  "processing, expired, last attempt": { status: "processing", leaseExpiresAt: at(now), maxAttempts: 1 },
  processed: { status: "processed" },
  failed: { status: "failed" },
  ignored: { status: "ignored" }
} as const
type State = keyof typeof states

type Move = (
  inbox: GitHubWebhookDeliveryService,
  delivery: { readonly id: GitHubWebhookDeliveryId; readonly lease: WebhookLease }
) => Effect.Effect<unknown, { readonly _tag: string }>

const move = (run: Move) => run

/** Each method that changes a delivery, on the delivery and its last lease. */
const methods = {
  record: move((inbox, { id }) => inbox.record({ deliveryId: id, eventType: "push" })),
  claimNext: move((inbox) => inbox.claimNext(claimant)),
  heartbeat: move((inbox, { lease }) => inbox.heartbeat(lease, "1 minute")),
  markProcessed: move((inbox, { lease }) => inbox.markProcessed(lease)),
  markIgnored: move((inbox, { lease }) => inbox.markIgnored(lease, { reason: "a ping" })),
  markFailed: move((inbox, { lease }) => inbox.markFailed(lease, failure)),
  "markFailed for good": move((inbox, { lease }) => inbox.markFailed(lease, { ...failure, retryable: false })),
  release: move((inbox, { lease }) => inbox.release(lease)),
  redeliver: move((inbox, { id }) => inbox.redeliver(id)),
  reapExpired: move((inbox) => inbox.reapExpired(10))
}
type Method = keyof typeof methods

const nothing: Record<State, string> = {
  received: "same",
  "received, for later": "same",
  processing: "same",
  "processing, expired": "same",
  "processing, expired, last attempt": "same",
  processed: "same",
  failed: "same",
  ignored: "same"
}

/** A write under the last lease of the delivery. The other states record how that lease ended. */
const underLease = (
  to: Record<"processing" | "last", string>,
  repeatedIn: ReadonlyArray<Status>
): Record<State, string> => {
  const ended = (status: Status) => (repeatedIn.includes(status) ? "same" : "LeaseLost")
  return {
    received: ended("received"),
    "received, for later": ended("received"),
    processing: to.processing,
    "processing, expired": to.processing,
    "processing, expired, last attempt": to.last,
    processed: ended("processed"),
    failed: ended("failed"),
    ignored: ended("ignored")
  }
}

/** The result of each method in each state: the new status, `same` for no change, or the error. */
const expected: Readonly<Record<Method, Readonly<Record<State, string>>>> = {
  record: { ...nothing, failed: "received" },
  claimNext: {
    ...nothing,
    received: "processing",
    "processing, expired": "processing",
    "processing, expired, last attempt": "failed"
  },
  heartbeat: underLease({ processing: "processing", last: "processing" }, []),
  markProcessed: underLease({ processing: "processed", last: "processed" }, ["processed"]),
  markIgnored: underLease({ processing: "ignored", last: "ignored" }, ["ignored"]),
  markFailed: underLease({ processing: "received", last: "failed" }, ["received", "failed"]),
  "markFailed for good": underLease({ processing: "failed", last: "failed" }, ["received", "failed"]),
  release: underLease({ processing: "received", last: "received" }, []),
  redeliver: {
    received: "same",
    "received, for later": "same",
    processing: "InvalidTransition",
    "processing, expired": "InvalidTransition",
    "processing, expired, last attempt": "InvalidTransition",
    processed: "received",
    failed: "received",
    ignored: "received"
  },
  reapExpired: { ...nothing, "processing, expired": "received", "processing, expired, last attempt": "failed" }
}

const isMethod = (name: string): name is Method => name in methods
const isState = (name: string): name is State => name in states

/** The columns of a delivery that may change. */
const columns = [
  "status",
  "attempt_count",
  "available_at",
  "claimed_at",
  "lease_expires_at",
  "worker_id",
  "lease_token",
  "lease_outcome",
  "processed_at",
  "error_message"
].join(", ")

/** The result of a statement: `ok`, or the message of the database. */
const verdict = (text: string, ...params: ReadonlyArray<unknown>) =>
  Effect.match(shell(text, ...params), {
    onSuccess: () => "ok",
    onFailure: (error) =>
      error instanceof SqlError.SqlError && error.cause instanceof Error ? error.cause.message : String(error)
  })

/** Direct SQL on a delivery in a state, and the rule that rejects it. */
const attempts: ReadonlyArray<readonly [status: Status, set: string, rule: string]> = [
  ["received", "id = ''", "github_webhook_deliveries_id"],
  ["received", "status = 'done'", "invalid transition"],
  ["received", "delivery_id = ''", "github_webhook_deliveries_delivery_id"],
  ["received", "event_type = ''", "github_webhook_deliveries_event_type"],
  ["received", "payload = '{'", "github_webhook_deliveries_payload"],
  ["received", "payload = '[]'", "github_webhook_deliveries_payload"],
  ["received", "available_at = -1", "github_webhook_deliveries_timestamps"],
  ["received", "available_at = 'soon'", "cannot store TEXT value in INTEGER column"],
  ["received", "attempt_count = -1", "github_webhook_deliveries_attempts"],
  ["received", "max_attempts = 0", "github_webhook_deliveries_attempts"],
  ["received", "attempt_count = max_attempts", "github_webhook_deliveries_received"],
  ["received", "worker_id = 'w'", "github_webhook_deliveries_received"],
  ["received", "claimed_at = 1", "github_webhook_deliveries_received"],
  ["received", "lease_expires_at = 1", "github_webhook_deliveries_lease"],
  ["received", "lease_token = 1", "github_webhook_deliveries_lease_ended"],
  ["received", "lease_outcome = 'released'", "github_webhook_deliveries_lease_ended"],
  ["received", "processed_at = 1", "github_webhook_deliveries_finished"],
  ["received", "status = 'ignored', processed_at = 1", "invalid transition"],
  [
    "received",
    "status = 'processing', lease_expires_at = 9, worker_id = 'w', claimed_at = 1, attempt_count = 1",
    "a claim needs a new lease token"
  ],
  ["processing", "attempt_count = max_attempts + 1", "github_webhook_deliveries_attempts"],
  ["processing", "attempt_count = 0", "github_webhook_deliveries_processing"],
  ["processing", "lease_expires_at = NULL", "github_webhook_deliveries_lease"],
  ["processing", "lease_outcome = 'expired'", "github_webhook_deliveries_lease_ended"],
  ["processing", "worker_id = 'thief'", "a claim needs a new lease token"],
  ["processing", "worker_id = NULL", "a claim needs a new lease token"],
  ["processing", "claimed_at = 9", "a claim needs a new lease token"],
  ["processing", "lease_token = lease_token - 1", "a claim needs a new lease token"],
  ["processing", "status = 'received'", "github_webhook_deliveries_"],
  ["processing", "status = 'processed'", "github_webhook_deliveries_"],
  [
    "processing",
    "status = 'failed', processed_at = 2000, lease_expires_at = NULL, lease_outcome = 'failed'",
    "github_webhook_deliveries_failed"
  ],
  ["processed", "worker_id = ''", "github_webhook_deliveries_worker_id"],
  ["processed", "processed_at = NULL", "github_webhook_deliveries_finished"],
  ["processed", "lease_outcome = 'failed'", "the outcome of a lease stands"],
  ["processed", "lease_outcome = NULL", "the outcome of a lease stands"],
  ["processed", "lease_token = lease_token + 1, lease_outcome = 'lost'", "github_webhook_deliveries_lease_outcome"],
  ["processed", "lease_token = 0", "a claim needs a new lease token"],
  ["processed", "status = 'ignored'", "invalid transition"],
  ["ignored", "status = 'processed'", "invalid transition"],
  ["failed", "error_message = NULL", "github_webhook_deliveries_failed"],
  [
    "failed",
    "status = 'processing', lease_expires_at = 9, processed_at = NULL, lease_token = 2, lease_outcome = NULL",
    "invalid transition"
  ]
]

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`webhook delivery states (${name})`, () => {
    for (const method of Object.keys(methods).filter(isMethod)) {
      for (const state of Object.keys(states).filter(isState)) {
        const outcome = expected[method][state]
        it.effect(`${method} of a delivery that is ${state}: ${outcome}`, () =>
          Effect.gen(function* () {
            const inbox = yield* GitHubWebhookDeliveryRepo
            yield* TestClock.setTime(now)
            const before = yield* make.webhookDelivery({ leaseToken: 1, ...states[state] })
            const lease = { deliveryId: before.id, workerId: "worker", token: 1 }
            const answer = yield* tagOf(methods[method](inbox, { id: before.id, lease }))
            const after = yield* inbox.getById(before.id)
            const refused = outcome === "LeaseLost" || outcome === "InvalidTransition"
            expect(answer).toBe(refused ? outcome : "ok")
            if (refused || outcome === "same") expect(after).toEqual(before)
            else expect(after.status).toBe(outcome)
            expect(
              before.status === after.status || gitHubWebhookDeliveryTransitions.allows(before.status, after.status)
            ).toBe(true)
          }).pipe(Effect.provide(layer))
        )
      }
    }

    for (const from of statuses) {
      for (const to of statuses) {
        const allowed = from === to || gitHubWebhookDeliveryTransitions.allows(from, to)
        it.effect(`the database ${allowed ? "allows" : "rejects"} ${from} → ${to}`, () =>
          Effect.gen(function* () {
            const source = yield* make.webhookDelivery({ status: from })
            // All columns of a delivery in the new status, with a new token, so that only the transition can be invalid.
            const target = yield* make.webhookDelivery({
              status: to,
              attemptCount: 1,
              leaseToken: source.leaseToken + 1
            })
            const said = yield* verdict(
              `UPDATE github_webhook_deliveries SET (${columns}) = (SELECT ${columns} FROM github_webhook_deliveries WHERE id = ?) WHERE id = ?`,
              target.id,
              source.id
            )
            expect(said).toContain(allowed ? "ok" : "invalid transition: github_webhook_deliveries.status")
            expect((yield* (yield* GitHubWebhookDeliveryRepo).getById(source.id)).status).toBe(allowed ? to : from)
          }).pipe(Effect.provide(layer))
        )
      }
    }

    for (const [status, set, rule] of attempts) {
      it.effect(`the database rejects a ${status} delivery ${set}`, () =>
        Effect.gen(function* () {
          yield* TestClock.setTime(now)
          const delivery = yield* make.webhookDelivery({ status })
          expect(yield* verdict(`UPDATE github_webhook_deliveries SET ${set} WHERE id = ?`, delivery.id)).toContain(
            rule
          )
          expect(yield* (yield* GitHubWebhookDeliveryRepo).getById(delivery.id)).toEqual(delivery)
        }).pipe(Effect.provide(layer))
      )
    }

    // Checks that the triggers of an update would reject first.
    for (const [column, value, rule] of [
      ["status", "'done'", "github_webhook_deliveries_status"],
      ["lease_token", "-1", "github_webhook_deliveries_lease_token"]
    ]) {
      it.effect(`the database rejects a new delivery with ${column} ${value}`, () =>
        Effect.gen(function* () {
          const said = yield* verdict(`
            INSERT INTO github_webhook_deliveries (id, delivery_id, event_type, received_at, available_at, updated_at, ${column})
            VALUES ('row', 'guid', 'push', 0, 0, 0, ${value})`)
          expect(said).toContain(rule)
        }).pipe(Effect.provide(layer))
      )
    }
  })

suite("memory", layers.memory)
