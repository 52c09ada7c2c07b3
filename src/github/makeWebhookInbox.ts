/**
 * How a delivery is processed, once and in a loop.
 */
import { SqlClient } from "@effect/sql"
import { Cause, Data, Duration, Effect, Exit, Option, Predicate, Schema } from "effect"
import * as Database from "../Database.js"
import type { ClaimedDelivery, GitHubWebhookDelivery, WebhookLease } from "./GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "./GitHubWebhookDeliveryRepo.js"
import * as Errors from "../Errors.js"
import type { InvalidInput, LeaseLost, PersistenceError } from "../Errors.js"
import { isSqlError, persistenceErrorOf } from "../sql/engineError.js"
import { operations, spanned } from "../sql/operations.js"
import { isTaggedAs } from "../sql/tagged.js"
import type { WebhookFailure, WebhookHandler, WebhookOutcome } from "./WebhookHandler.js"
import { type HeldLease, holding, type Moment, moment } from "../leasing/heldLeases.js"
import { kindOf } from "../events/operation.js"
import { supervisionBesides } from "../supervision/supervisorLoop.js"
import type { WebhookInboxService } from "./WebhookInbox.js"
import { loop, type OnDefect, reportDefect, reporting, untilAnswered, workerSettings } from "../leasing/workerLoop.js"

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

  /** `died` receives the cause when the handler dies. */
  const handled = <E, R>(handler: WebhookHandler<E, R>, { delivery, lease }: ClaimedDelivery, died: (cause: Cause.Cause<never>) => void) =>
    Effect.suspend(() => handler(delivery)).pipe(
      Effect.tapErrorCause((cause) => Effect.sync(() => Option.map(Cause.keepDefects(cause), died))),
      Effect.mapError(failedBy),
      Effect.catchAllDefect(() => new HandlerFailed({ failure: handlerDied })),
      Effect.flatMap((outcome) => end(lease, outcome)),
      Database.transaction,
      Effect.provideService(SqlClient.SqlClient, sql)
    )

  /** Outside the transaction, which was rolled back. */
  const fail = (lease: WebhookLease, failure: Failure) =>
    deliveries.markFailed(lease, failure).pipe(
      // Too long, say. That it failed is known all the same.
      Effect.catchTag("InvalidInput", ({ message }) => deliveries.markFailed(lease, { ...failure, errorMessage: message })),
      // This lease has ended the delivery: the transaction stands, and only its answer was not heard.
      Effect.catchIf((error): error is LeaseLost => error._tag === "LeaseLost" && error.reason === "finished", (lost) =>
        Effect.flatMap(deliveries.findById(lease.deliveryId), Option.match({ onNone: () => Effect.fail(lost), onSome: Effect.succeed })))
    )

  /** A lock that cannot be acquired does not fail the handler: the attempt does not count. */
  const giveBack = (lease: WebhookLease, error: PersistenceError) =>
    Effect.zipRight(Effect.ignore(deliveries.release(lease)), Effect.fail(error))

  /** Decides about a delivery whose transaction was not committed, from the exit of the handler. */
  const afterwards = (lease: WebhookLease, error: LeaseLost | PersistenceError | InvalidInput | HandlerFailed, held: HeldLease, { report }: How) => {
    switch (error._tag) {
      case "LeaseLost":
        return Effect.fail(error)
      case "PersistenceError":
        return error.reason === "Busy" ? giveBack(lease, error) : report(held, fail(lease, { errorMessage: error.message }))
      // Not tried again: the handler would return the same invalid outcome.
      case "InvalidInput":
        return report(held, fail(lease, { errorMessage: error.message, retryable: false }))
      case "HandlerFailed":
        return report(held, fail(lease, error.failure))
    }
  }

  /** Works on a delivery under its lease. Interrupted, it releases the delivery after the handler has ended. */
  const attempt = <E, R>(handler: WebhookHandler<E, R>, claimed: ClaimedDelivery, held: HeldLease, how: How) =>
    Effect.gen(function*() {
      const { lease } = claimed
      let died: Cause.Cause<never> | undefined
      const ready = yield* Effect.exit(how.wait(held.ready))
      const { exit, interrupted, over } = Exit.isFailure(ready)
        ? { exit: Exit.failCause(ready.cause), interrupted: Exit.isInterrupted(ready), over: undefined }
        : yield* held.run(handled(handler, claimed, (cause) => { died = cause }), how.wait)
      if (Exit.isSuccess(exit)) return exit.value
      const failed = Cause.failureOption(exit.cause)
      const isOver = over !== undefined || interrupted
      yield* reportDefect(how.onDefect, isOver || Option.isSome(failed) ? died : Cause.stripFailures(exit.cause), lease, "webhook handler")
      if (over?._tag === "Lost") return yield* over.error
      if (interrupted) return yield* Effect.zipRight(Effect.ignore(deliveries.release(lease)), Effect.interrupt)
      const failure = over === undefined ? handlerDied : tookTooLong
      return yield* afterwards(lease, Option.getOrElse(failed, () => new HandlerFailed({ failure })), held, how)
    }).pipe(
      (whole) => spanned(whole, "WebhookInbox.attempt", { "delivery.id": claimed.lease.deliveryId, "lease.token": claimed.lease.token }),
      Effect.uninterruptible
    )

  /**
   * Holds the lease during an attempt. No heartbeats while the handler runs, which has as long as its lease: they would wait for
   * its transaction, and a server ends a transaction early when others wait for it.
   */
  const underLease = <E, R>(handler: WebhookHandler<E, R>, claimed: ClaimedDelivery, claimedAt: Moment, leaseDuration: Duration.DurationInput, how: How) => {
    const { deliveryId, workerId } = claimed.lease
    const terms = { noun: "delivery", id: deliveryId, workerId, claimedAt, leaseMs: Duration.toMillis(leaseDuration) }
    const heartbeat = Effect.catchTag(Effect.suspend(() => deliveries.heartbeat(claimed.lease, leaseDuration)), "InvalidInput", Effect.die)
    return holding(sql, terms, { heartbeat, beatsFrom: "end" }, (held) => attempt(handler, claimed, held, how))
  }

  const service: WebhookInboxService = {
    receive: (delivery) => deliveries.record(delivery).pipe(read("receive")),

    process: ({ onDefect = () => Effect.void, ...options }, handler) =>
      Effect.gen(function*() {
        const settings = yield* input("process", ProcessSettings)(options)
        return yield* Effect.uninterruptibleMask((restore) =>
          Effect.gen(function*() {
            const claimedAt = yield* moment
            const claimed = yield* deliveries.claimNext(settings)
            if (Option.isNone(claimed)) return Option.none<GitHubWebhookDelivery>()
            const report: How["report"] = (held, effect) => restore(Effect.raceFirst(untilAnswered(effect), held.runsOut.pipe(Effect.zipRight(effect))))
            return Option.some(yield* underLease(handler, claimed.value, claimedAt, settings.leaseDuration, { onDefect, wait: restore, report }))
          }))
      }).pipe(read("process")),

    run: ({ onDefect = logDefect, ...options }, handler) =>
      Effect.gen(function*() {
        const { supervise, ...settings } = yield* input("run", RunSettings)(options)
        const how: How = { onDefect, wait: Effect.interruptible, report: reporting }
        return yield* loop({
          ...settings,
          name: "WebhookInbox",
          claim: deliveries.claimNext(settings),
          work: (claimed, claimedAt) => told(claimed, underLease(handler, claimed, claimedAt, settings.leaseDuration, how), settings.pollInterval),
          supervision: supervise ? supervisionBesides({ leaseDuration: settings.leaseDuration, deliveries }) : Effect.never
        })
      }).pipe(Effect.scoped, Effect.provideService(SqlClient.SqlClient, sql))
  }
  return service
})

/** The differences between an attempt of `process` and one of `run`. */
interface How {
  readonly onDefect: OnDefect<WebhookLease>
  /** Makes a wait interruptible, where the caller may interrupt. */
  readonly wait: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  readonly report: <A, E extends LeaseLost | InvalidInput | PersistenceError>(held: HeldLease, effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

const logDefect: OnDefect<WebhookLease> = (cause, { deliveryId }) => Effect.logError(`delivery ${deliveryId}: the webhook handler died`, cause)

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
        error._tag === "PersistenceError" ? Effect.interruptible(Effect.sleep(pause)) : Effect.void
      )),
    // Only the kind of the defect: its message may contain secrets.
    Effect.catchAllDefect((defect) => Effect.logError(`delivery ${id} is left to its lease: ${kindOf(defect)}`)),
    Effect.asVoid
  )

const tookTooLong: Failure = { errorMessage: "the handler took longer than its lease" }

// Nothing of a defect is stored: `onDefect` receives it.
const handlerDied: Failure = { errorMessage: "the handler died" }

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

// Not by the tag: an error of the handler may have the same tag, and any message.
const isOurs = (error: unknown): error is InstanceType<(typeof ours)[number]> => ours.some((known) => error instanceof known)
const isPersistenceError = isTaggedAs<Errors.PersistenceError>("PersistenceError")
const isWebhookFailure = isTaggedAs<WebhookFailure>("WebhookFailure")
