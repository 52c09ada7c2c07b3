/**
 * The processing of webhook deliveries, from their receipt to their effects.
 *
 * Guarantee: each delivery takes effect on the database exactly once, however often it is sent, with any number of
 * workers and after any crash. The handler writes in the transaction that ends the delivery, and the transaction is
 * committed only while the lease is the current one. Effects outside the database, such as requests to GitHub, can be
 * repeated.
 *
 * Deliveries are not ordered: an older event may come after a newer one, and a retry after both. Handlers must compare
 * the timestamps in the payload with the stored ones.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Cause, Context, Data, Duration, Effect, Either, Exit, Layer, Option, Predicate, Schema } from "effect"
import * as Database from "../Database.js"
import * as Errors from "../Errors.js"
import type { AlreadyExists, InvalidInput, LeaseLost, PersistenceError } from "../Errors.js"
import { clientInternals } from "../libsql/registry.js"
import { kindOf } from "../sql/tagged.js"
import { type HeldLease, holding, type Moment, moment, type Terms } from "../leasing/heldLeases.js"
import { loop, type OnDefect, reportDefect, reporting, untilAnswered, workerSettings } from "../leasing/workerLoop.js"
import { isSqlError, persistenceErrorOf } from "../sql/engineError.js"
import { operations, spanned } from "../sql/operations.js"
import { isTaggedAs } from "../sql/tagged.js"
import { supervisionBesides } from "../supervision/supervisorLoop.js"
import type {
  ClaimedDelivery,
  GitHubWebhookDelivery,
  RecordDelivery,
  RecordedDelivery,
  WebhookLease
} from "./GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "./GitHubWebhookDeliveryRepo.js"
import type { ProcessOptions, RunOptions, WebhookFailure, WebhookHandler, WebhookOutcome } from "./WebhookHandler.js"

/**
 * Methods of `WebhookInbox`.
 *
 * Internal: for the endpoint that receives verified deliveries and for workers, not for request handlers of users.
 */
export interface WebhookInboxService {
  /**
   * Stores a received delivery for later processing. Respond to the sender after it has succeeded. If the delivery is
   * already stored, returns it with `created: false`, because senders may repeat deliveries. It is unchanged unless it
   * has failed: then it is processed again.
   *
   * Fails with `AlreadyExists` if another delivery has the id of the row. Fails with `InvalidInput` if a field is
   * invalid or the payload has more than 25 MB.
   */
  readonly receive: (
    delivery: typeof RecordDelivery.Encoded
  ) => Effect.Effect<RecordedDelivery, AlreadyExists | InvalidInput | PersistenceError>

  /**
   * Processes the delivery that is next in the order of `docs/webhooks.md`, and returns it: `processed` or `ignored`, or
   * after a failure `received` (it will be retried) or `failed`. Returns `None` if no delivery is due. If interrupted, releases the
   * delivery. Never fails with the errors of the handler.
   *
   * Fails with:
   * - `LeaseLost` if another worker claimed the delivery meanwhile; the handler's writes are rolled back;
   * - `PersistenceError` if the database cannot answer;
   * - `InvalidInput` if an option is out of range.
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
   * Processes deliveries until it is interrupted. A delivery that this process receives wakes it at once; one that
   * another process receives, within about 10 ms on a local file. Expired leases of other workers are reaped. When
   * interrupted, it lets handlers finish for `drainTimeout`, and releases the deliveries of the others.
   *
   * Retries while the database cannot answer. Fails with `InvalidInput` if an option is out of range.
   */
  readonly run: <E, R>(
    options: RunOptions,
    handler: WebhookHandler<E, R>
  ) => Effect.Effect<never, InvalidInput, Exclude<R, SqlClient.SqlClient>>
}

const { decodeInput, traced } = operations("WebhookInbox", "GitHubWebhookDelivery")

const { leaseDuration, workerId } = workerSettings
const ProcessSettings = Schema.Struct({ leaseDuration, workerId })
const RunSettings = Schema.Struct(workerSettings)

interface Failure {
  readonly errorMessage: string
  readonly retryable?: boolean
}

/** The failure of a handler, with the part of the error that is stored. The error itself may contain secrets. */
class HandlerFailed extends Data.TaggedError("HandlerFailed")<{ readonly failure: Failure }> {}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const deliveries = yield* GitHubWebhookDeliveryRepo
  const hasBegun = clientInternals(sql)?.hasBegun ?? Effect.succeed(true)

  /**
   * Ends the delivery, as the last write of the transaction. It fails without the lease, which rolls back all writes.
   */
  const end = (lease: WebhookLease, outcome: WebhookOutcome) =>
    outcome.status === "processed"
      ? deliveries.markProcessed(lease)
      : deliveries.markIgnored(lease, { reason: outcome.reason })

  /** Ends the delivery in the transaction, unless the handler ran no statement in it. Then returns the outcome. */
  const endInTransaction = (
    lease: WebhookLease,
    outcome: WebhookOutcome
  ): Effect.Effect<Either.Either<GitHubWebhookDelivery, WebhookOutcome>, Effect.Effect.Error<ReturnType<typeof end>>> =>
    Effect.gen(function* () {
      return (yield* hasBegun) ? Either.right(yield* end(lease, outcome)) : Either.left(outcome)
    })

  /** Runs the handler and ends the delivery in one transaction. `died` receives the cause when the handler dies. */
  const handled = <E, R>(
    handler: WebhookHandler<E, R>,
    { delivery, lease }: ClaimedDelivery,
    died: (cause: Cause.Cause<never>) => void
  ) =>
    Effect.suspend(() => handler(delivery)).pipe(
      Effect.tapErrorCause((cause) => Effect.sync(() => Option.map(Cause.keepDefects(cause), died))),
      Effect.mapError(handlerErrorOf),
      Effect.catchAllDefect(() => new HandlerFailed({ failure: handlerDied })),
      Effect.flatMap((outcome) => endInTransaction(lease, outcome)),
      Database.transaction,
      // Outside a transaction the end is one request on a server.
      Effect.flatMap(Either.match({ onLeft: (outcome) => end(lease, outcome), onRight: Effect.succeed })),
      Effect.provideService(SqlClient.SqlClient, sql)
    )

  /** Fails the delivery, after its transaction was rolled back. */
  const fail = (lease: WebhookLease, failure: Failure) =>
    deliveries.markFailed(lease, failure).pipe(
      // The handler's message is invalid, for example too long: stores the rule that it breaks instead.
      Effect.catchTag("InvalidInput", ({ message }) =>
        deliveries.markFailed(lease, { ...failure, errorMessage: message })
      ),
      // This lease has ended the delivery: the transaction was committed, and only the response was lost.
      Effect.catchIf(
        (error): error is LeaseLost => error._tag === "LeaseLost" && error.reason === "finished",
        (lost) =>
          Effect.flatMap(
            deliveries.findById(lease.deliveryId),
            Option.match({ onNone: () => Effect.fail(lost), onSome: Effect.succeed })
          )
      )
    )

  /** Releases the delivery when the write lock could not be acquired: the attempt does not count. */
  const releaseAndFail = (lease: WebhookLease, error: PersistenceError) =>
    Effect.zipRight(Effect.ignore(deliveries.release(lease)), Effect.fail(error))

  /** Records the failure of a delivery whose transaction was not committed. */
  const recordFailure = (
    lease: WebhookLease,
    error: LeaseLost | PersistenceError | InvalidInput | HandlerFailed,
    held: HeldLease,
    { report }: Mode
  ) => {
    switch (error._tag) {
      case "LeaseLost":
        return Effect.fail(error)
      case "PersistenceError":
        return error.reason === "Busy"
          ? releaseAndFail(lease, error)
          : report(held, fail(lease, { errorMessage: error.message }))
      // Not retried, because the handler would return the same invalid outcome.
      case "InvalidInput":
        return report(held, fail(lease, { errorMessage: error.message, retryable: false }))
      case "HandlerFailed":
        return report(held, fail(lease, error.failure))
    }
  }

  /** Processes a delivery under its lease. If interrupted, releases the delivery after the handler has ended. */
  const attempt = <E, R>(handler: WebhookHandler<E, R>, claimed: ClaimedDelivery, held: HeldLease, mode: Mode) =>
    Effect.gen(function* () {
      const { lease } = claimed
      let died: Cause.Cause<never> | undefined
      const ready = yield* Effect.exit(mode.wait(held.ready))
      const { exit, interrupted, over } = Exit.isFailure(ready)
        ? { exit: Exit.failCause(ready.cause), interrupted: Exit.isInterrupted(ready), over: undefined }
        : yield* held.run(
            handled(handler, claimed, (cause) => {
              died = cause
            }),
            mode.wait
          )
      if (Exit.isSuccess(exit)) return exit.value
      const failed = Cause.failureOption(exit.cause)
      const isOver = over !== undefined || interrupted
      const defect = isOver || Option.isSome(failed) ? died : Cause.stripFailures(exit.cause)
      yield* reportDefect(mode.onDefect, defect, lease, "webhook handler")
      if (over?._tag === "Lost") return yield* over.error
      if (interrupted) return yield* Effect.zipRight(Effect.ignore(deliveries.release(lease)), Effect.interrupt)
      const failure = over === undefined ? handlerDied : tookTooLong
      return yield* recordFailure(
        lease,
        Option.getOrElse(failed, () => new HandlerFailed({ failure })),
        held,
        mode
      )
    }).pipe(
      (whole) =>
        spanned(whole, "WebhookInbox.attempt", {
          "delivery.id": claimed.lease.deliveryId,
          "lease.token": claimed.lease.token
        }),
      Effect.uninterruptible
    )

  /**
   * Holds the lease during an attempt, without heartbeats while the handler runs. They would wait for its transaction,
   * and a server ends a transaction early when others wait for it. So the handler has to end within its lease.
   */
  const underLease = <E, R>(
    handler: WebhookHandler<E, R>,
    claimed: ClaimedDelivery,
    claimedAt: Moment,
    leaseDuration: Duration.DurationInput,
    mode: Mode
  ) => {
    const { deliveryId, workerId } = claimed.lease
    const terms: Terms = {
      entity: "GitHubWebhookDelivery",
      noun: "delivery",
      id: deliveryId,
      workerId,
      claimedAt,
      leaseMs: Duration.toMillis(leaseDuration)
    }
    const heartbeat = Effect.catchTag(
      Effect.suspend(() => deliveries.heartbeat(claimed.lease, leaseDuration)),
      "InvalidInput",
      Effect.die
    )
    return holding(sql, terms, { heartbeat, beatsFrom: "end" }, (held) => attempt(handler, claimed, held, mode))
  }

  const service: WebhookInboxService = {
    receive: (delivery) => deliveries.record(delivery).pipe(traced("receive")),

    process: ({ onDefect = () => Effect.void, ...options }, handler) =>
      Effect.gen(function* () {
        const { leaseDuration, workerId } = yield* decodeInput("process", ProcessSettings)(options)
        return yield* Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            const claimedAt = yield* moment
            const claimed = yield* deliveries.claimNext({ workerId, leaseDuration })
            if (Option.isNone(claimed)) return Option.none<GitHubWebhookDelivery>()
            const report: Mode["report"] = (held, effect) =>
              restore(Effect.raceFirst(untilAnswered(effect), held.runsOut.pipe(Effect.zipRight(effect))))
            const mode: Mode = { onDefect, wait: restore, report }
            return Option.some(yield* underLease(handler, claimed.value, claimedAt, leaseDuration, mode))
          })
        )
      }).pipe(traced("process")),

    run: ({ onDefect = logDefect, ...options }, handler) =>
      Effect.gen(function* () {
        const { supervise, ...settings } = yield* decodeInput("run", RunSettings)(options)
        const mode: Mode = { onDefect, wait: Effect.interruptible, report: reporting }
        return yield* loop({
          ...settings,
          name: "WebhookInbox",
          claim: deliveries.claimNext({ workerId: settings.workerId, leaseDuration: settings.leaseDuration }),
          work: (claimed, claimedAt) =>
            logged(
              claimed,
              underLease(handler, claimed, claimedAt, settings.leaseDuration, mode),
              settings.pollInterval
            ),
          besides: supervise ? supervisionBesides({ leaseDuration: settings.leaseDuration, deliveries }) : Effect.never
        })
      }).pipe(Effect.scoped, Effect.provideService(SqlClient.SqlClient, sql))
  }
  return service
})

/** The differences between an attempt of `process` and one of `run`. */
interface Mode {
  readonly onDefect: OnDefect<WebhookLease>
  /** Makes a wait interruptible, unless the caller made it uninterruptible. */
  readonly wait: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Repeats the report of an outcome while the database cannot answer. */
  readonly report: <A, E extends LeaseLost | InvalidInput | PersistenceError>(
    held: HeldLease,
    effect: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
}

const logDefect: OnDefect<WebhookLease> = (cause, { deliveryId }) =>
  Effect.logError(`delivery ${deliveryId}: the webhook handler died`, cause)

/** Logs the failure of an attempt in the loop, which continues after every outcome. */
const logged = <E extends LeaseLost | InvalidInput | PersistenceError, R>(
  { delivery: { id } }: ClaimedDelivery,
  attempt: Effect.Effect<GitHubWebhookDelivery, E, R>,
  pause: Duration.DurationInput
) =>
  attempt.pipe(
    Effect.tap(({ status }) =>
      status === "received" || status === "failed"
        ? Effect.logWarning(`delivery ${id} ${status === "failed" ? "has failed" : "will be tried again"}`)
        : Effect.void
    ),
    Effect.catchAll((error) =>
      Effect.zipRight(
        Effect.logWarning(`delivery ${id}: ${error.message}`),
        error._tag === "PersistenceError" ? Effect.interruptible(Effect.sleep(pause)) : Effect.void
      )
    ),
    // Only the kind of the defect: its message may contain secrets.
    Effect.catchAllDefect((defect) =>
      Effect.logError(`delivery ${id}: its fiber died (${kindOf(defect)}); it is retried after its lease expires`)
    ),
    Effect.asVoid
  )

const tookTooLong: Failure = { errorMessage: "the handler took longer than its lease" }

// The defect itself is not stored: `onDefect` receives it.
const handlerDied: Failure = { errorMessage: "the handler died" }

/** Returns `Busy` if the handler could not acquire the write lock, else the part of its error that may be stored. */
const handlerErrorOf = (failed: unknown): HandlerFailed | PersistenceError => {
  const error = isSqlError(failed) ? persistenceErrorOf("WebhookInbox.process", failed) : failed
  return isPersistenceError(error) && error.reason === "Busy" ? error : new HandlerFailed({ failure: failureOf(error) })
}

/** Returns the message of this package's errors, which never contain values, and only the tag of other errors. */
const failureOf = (error: unknown): Failure => {
  if (isWebhookFailure(error)) {
    const { errorMessage, retryable = true } = error
    return { errorMessage, retryable }
  }
  if (isPackageError(error)) return { errorMessage: error.message }
  return {
    errorMessage: Predicate.hasProperty(error, "_tag")
      ? `the handler failed (${String(error._tag)})`
      : "the handler failed"
  }
}

const packageErrors = [
  Errors.AlreadyExists,
  Errors.IdempotencyConflict,
  Errors.InvalidInput,
  Errors.InvalidTransition,
  Errors.LeaseLost,
  Errors.NotFound,
  Errors.PersistenceError,
  Errors.ReferenceNotFound,
  Errors.SequenceConflict
]

// Not by tag: an error of the handler may have the same tag and a message with secrets.
const isPackageError = (error: unknown): error is InstanceType<(typeof packageErrors)[number]> =>
  packageErrors.some((known) => error instanceof known)
const isPersistenceError = isTaggedAs<Errors.PersistenceError>("PersistenceError")
const isWebhookFailure = isTaggedAs<WebhookFailure>("WebhookFailure")

/**
 * The receipt and the processing of webhook deliveries, each exactly once.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { SandboxRepo, WebhookInbox } from "@sealant/db"
 * import { WebhookOutcome } from "@sealant/db/github"
 *
 * export const worker = Effect.gen(function* () {
 *   const inbox = yield* WebhookInbox
 *   const sandboxes = yield* SandboxRepo
 *   return yield* inbox.run({ workerId: "api-1", concurrency: 4 }, ({ deliveryId, eventType }) =>
 *     Effect.gen(function* () {
 *       if (eventType !== "push") return WebhookOutcome.ignored("not a push")
 *       yield* sandboxes.create({ name: deliveryId, ownerUserId: "ada" })
 *       return WebhookOutcome.processed
 *     }))
 * })
 * ```
 */
export class WebhookInbox extends Context.Tag("@sealant/db/WebhookInbox")<WebhookInbox, WebhookInboxService>() {
  /** The inbox over its repository. */
  static readonly layer: Layer.Layer<WebhookInbox, never, GitHubWebhookDeliveryRepo | SqlClient.SqlClient> =
    Layer.effect(this, make)
}
