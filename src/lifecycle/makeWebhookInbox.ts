/**
 * How a delivery is processed, once and in a loop.
 */
import { SqlClient } from "@effect/sql"
import { Cause, Data, type Duration, Effect, Exit, Option, Predicate, Schema } from "effect"
import * as Database from "../Database.js"
import type { ClaimedDelivery, GitHubWebhookDelivery, WebhookLease } from "../domain/source/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../domain/source/GitHubWebhookDeliveryRepo.js"
import * as Errors from "../Errors.js"
import type { InvalidInput, LeaseLost, PersistenceError } from "../Errors.js"
import { isSqlError, persistenceErrorOf } from "../internal/engineError.js"
import { operations, spanned } from "../internal/query.js"
import { isTaggedAs } from "../internal/tagged.js"
import { type WebhookFailure, type WebhookHandler, type WebhookOutcome } from "./WebhookHandler.js"
import type { WebhookInboxService } from "./WebhookInbox.js"
import { loop, patiently, supervisedAtOnce, workerSettings } from "./working.js"

const { input, read } = operations("WebhookInbox", "GitHubWebhookDelivery")

const { leaseDuration, workerId } = workerSettings
const ProcessSettings = Schema.Struct({ leaseDuration, workerId })
const RunSettings = Schema.Struct(workerSettings)

interface Failure {
  readonly errorMessage: string
  readonly retryable?: boolean
}

/** The handler failed: what is kept of it. The error itself goes no further, because it may hold anything. */
class HandlerFailed extends Data.TaggedError("HandlerFailed")<{ readonly failure: Failure }> {}

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const deliveries = yield* GitHubWebhookDeliveryRepo

  /** The last write of the transaction, and its fence: without the lease nothing of it stands. */
  const end = (lease: WebhookLease, outcome: WebhookOutcome) =>
    outcome.status === "processed" ? deliveries.markProcessed(lease) : deliveries.markIgnored(lease, { reason: outcome.reason })

  const handled = <E, R>(handler: WebhookHandler<E, R>, { delivery, lease }: ClaimedDelivery) =>
    Effect.suspend(() => handler(delivery)).pipe(
      Effect.mapError(failedBy),
      Effect.catchAllDefect((defect) => new HandlerFailed({ failure: diedOf(defect) })),
      Effect.flatMap((outcome) => end(lease, outcome)),
      Database.transaction,
      Effect.provideService(SqlClient.SqlClient, sql)
    )

  /** Outside the transaction, which was rolled back. */
  const fail = (lease: WebhookLease, failure: Failure) =>
    deliveries.markFailed(lease, failure).pipe(
      // Too long, say. That it failed is known all the same.
      Effect.catchTag("InvalidInput", ({ message }) => deliveries.markFailed(lease, { ...failure, errorMessage: message })),
      patiently,
      // This lease has ended the delivery: the transaction stands, and only its answer was not heard.
      Effect.catchIf((error): error is LeaseLost => error._tag === "LeaseLost" && error.reason === "finished", (lost) =>
        Effect.flatMap(deliveries.findById(lease.deliveryId), Option.match({ onNone: () => Effect.fail(lost), onSome: Effect.succeed })))
    )

  /** A lock that could not be had is nobody's failure: the attempt does not count. */
  const giveBack = (lease: WebhookLease, error: PersistenceError) =>
    Effect.zipRight(Effect.ignore(patiently(deliveries.release(lease))), Effect.fail(error))

  const attempt = <E, R>(handler: WebhookHandler<E, R>, claimed: ClaimedDelivery, limit: Duration.DurationInput) =>
    Effect.gen(function*() {
      const { lease } = claimed
      const outcome = yield* handled(handler, claimed).pipe(
        Effect.timeoutFail({ duration: limit, onTimeout: () => new HandlerFailed({ failure: tookTooLong }) }),
        Effect.exit
      )
      if (Exit.isSuccess(outcome)) return outcome.value
      const error = Option.getOrElse(Cause.failureOption(outcome.cause), () => new HandlerFailed({ failure: diedOf(undefined) }))
      switch (error._tag) {
        case "LeaseLost":
          return yield* error
        case "PersistenceError":
          return yield* error.reason === "Busy" ? giveBack(lease, error) : fail(lease, { errorMessage: error.message })
        // The handler gave what is no outcome. It would give the same again.
        case "InvalidInput":
          return yield* fail(lease, { errorMessage: error.message, retryable: false })
        case "HandlerFailed":
          return yield* fail(lease, error.failure)
      }
    }).pipe((whole) => spanned(whole, "WebhookInbox.attempt", { "delivery.id": claimed.lease.deliveryId, "lease.token": claimed.lease.token }))

  // What comes before it may be interrupted as `restore` says; then the delivery is given back.
  const work = <A, E, R>(lease: WebhookLease, restored: Effect.Effect<A, E, R>) =>
    Effect.onInterrupt(restored, () => Effect.ignore(deliveries.release(lease)))

  const service: WebhookInboxService = {
    receive: (delivery) => deliveries.record(delivery).pipe(read("receive")),

    process: (options, handler) =>
      Effect.gen(function*() {
        const settings = yield* input("process", ProcessSettings)(options)
        return yield* Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(deliveries.claimNext(settings), Option.match({
            onNone: () => Effect.succeedNone,
            onSome: (claimed) => Effect.asSome(work(claimed.lease, restore(attempt(handler, claimed, settings.leaseDuration))))
          })))
      }).pipe(read("process")),

    run: (options, handler) =>
      Effect.gen(function*() {
        const settings = yield* input("run", RunSettings)(options)
        return yield* loop({
          ...settings,
          name: "WebhookInbox",
          claim: deliveries.claimNext(settings),
          work: (claimed) =>
            work(claimed.lease, Effect.interruptible(told(claimed, attempt(handler, claimed, settings.leaseDuration), settings.pollInterval))).pipe(
              Effect.uninterruptible
            ),
          supervise: Effect.asVoid(deliveries.reapExpired(supervisedAtOnce))
        })
      }).pipe(Effect.scoped, Effect.provideService(SqlClient.SqlClient, sql))
  }
  return service
})

/** For the loop, which goes on whatever became of one delivery: what nobody else would hear of is logged. */
const told = <E extends LeaseLost | InvalidInput | PersistenceError, R>(
  { delivery: { id } }: ClaimedDelivery,
  attempt: Effect.Effect<GitHubWebhookDelivery, E, R>,
  pause: Duration.DurationInput
) =>
  attempt.pipe(
    Effect.tap(({ status }) =>
      status === "received" || status === "failed"
        ? Effect.logWarning(`delivery ${id} ${status === "failed" ? "has failed" : "will be tried again"}`)
        : Effect.void),
    Effect.catchAll((error) =>
      Effect.zipRight(
        Effect.logWarning(`delivery ${id}: ${error.message}`),
        error._tag === "PersistenceError" ? Effect.sleep(pause) : Effect.void
      )),
    Effect.catchAllDefect((defect) => Effect.logError(`delivery ${id} is left to its lease`, defect)),
    Effect.asVoid
  )

const tookTooLong: Failure = { errorMessage: "the handler took longer than its lease" }

/** Of a defect only the name: what it says may hold anything, and is the handler's to log. */
const diedOf = (defect: unknown): Failure => ({
  errorMessage: defect instanceof Error ? `the handler died (${defect.name})` : "the handler died"
})

/** A lock that the handler could not have, or what may be kept of its failure. */
const failedBy = (failed: unknown): HandlerFailed | PersistenceError => {
  const error = isSqlError(failed) ? persistenceErrorOf("WebhookInbox.process", failed) : failed
  return isPersistenceError(error) && error.reason === "Busy" ? error : new HandlerFailed({ failure: failureOf(error) })
}

/** The words of our own errors, which never hold values, and the tag of any other. */
const failureOf = (error: unknown): Failure => {
  if (isWebhookFailure(error)) {
    const { errorMessage, retryable = true } = error
    return { errorMessage, retryable }
  }
  if (isOurs(error)) return { errorMessage: error.message }
  return { errorMessage: Predicate.hasProperty(error, "_tag") ? `the handler failed (${String(error._tag)})` : "the handler failed" }
}

const ours = [
  Errors.AlreadyExists,
  Errors.Forbidden,
  Errors.IdempotencyConflict,
  Errors.InvalidInput,
  Errors.InvalidTransition,
  Errors.LeaseLost,
  Errors.NotFound,
  Errors.PersistenceError,
  Errors.ReferenceNotFound,
  Errors.SequenceConflict
]

// Not by the tag: an error of the handler may have the same tag, and any words.
const isOurs = (error: unknown): error is InstanceType<(typeof ours)[number]> => ours.some((known) => error instanceof known)
const isPersistenceError = isTaggedAs<Errors.PersistenceError>("PersistenceError")
const isWebhookFailure = isTaggedAs<WebhookFailure>("WebhookFailure")
