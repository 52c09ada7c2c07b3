/**
 * Helpers of the inbox tests: the inbox over each database, and deliveries in each state.
 */
import type { SqlClient } from "@effect/sql"
import { DateTime, Effect, Option } from "effect"
import {
  type ClaimedDelivery,
  GitHubWebhookDeliveryId,
  type WebhookLease
} from "../../src/github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { overDatabases } from "../support/database.js"

export { lossOf } from "../support/refusals.js"

export type Services = GitHubWebhookDeliveryRepo | SqlClient.SqlClient

/** The inbox over each database. */
export const layers = overDatabases(GitHubWebhookDeliveryRepo.layer)

export const gone = GitHubWebhookDeliveryId.make("gone")

export const at = (millis: number) => DateTime.unsafeMake(millis)

/** A delivery as GitHub sends it. */
export const delivery = {
  deliveryId: "guid",
  eventType: "installation",
  action: "created",
  installationExternalId: "42",
  payload: { action: "created", installation: { id: 42, account: { login: "acme" } } }
} as const

export const failure = { errorMessage: "the handler failed" } as const

/** One minute of worker one. */
export const claimant = { workerId: "one", leaseDuration: "1 minute" } as const

/** Records a delivery of this id, due now. */
export const record = (id: string, given: object = {}) =>
  Effect.flatMap(GitHubWebhookDeliveryRepo, (inbox) =>
    Effect.map(inbox.record({ ...delivery, id, deliveryId: id, ...given }), ({ delivery }) => delivery)
  )

/** Claims what is due next for a minute, and fails the test when nothing is. */
export const claim = (workerId = "one"): Effect.Effect<ClaimedDelivery, unknown, GitHubWebhookDeliveryRepo> =>
  Effect.flatMap(GitHubWebhookDeliveryRepo, (inbox) => Effect.flatten(inbox.claimNext({ ...claimant, workerId })))

/** A new delivery of this id under a lease; nothing else may be due. */
export const leased = (id: string, given: object = {}) => Effect.zipRight(record(id, given), claim())

/** All calls of a worker under a lease, by method name. */
export const underLease = (lease: WebhookLease) =>
  Effect.map(GitHubWebhookDeliveryRepo, (inbox) => ({
    getByLease: inbox.getByLease(lease),
    heartbeat: inbox.heartbeat(lease, "1 minute"),
    markProcessed: inbox.markProcessed(lease),
    markIgnored: inbox.markIgnored(lease),
    markFailed: inbox.markFailed(lease, failure),
    release: inbox.release(lease)
  }))

/** The id of the claimed delivery. */
export const idOf = Option.map(({ delivery }: ClaimedDelivery) => delivery.id)
