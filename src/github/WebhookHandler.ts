/**
 * Handlers of webhook deliveries, and the options of the workers that run them.
 */
import { Data } from "effect"
import type { Cause, Duration, Effect } from "effect"
import type { GitHubWebhookDelivery, WebhookLease } from "./GitHubWebhookDelivery.js"

/** The outcome of a handler. Both outcomes commit its writes. */
export type WebhookOutcome = { readonly status: "processed" } | { readonly status: "ignored"; readonly reason?: string }

const processed: WebhookOutcome = { status: "processed" }

/** Constructors of outcomes. */
export const WebhookOutcome = {
  processed,
  /** The delivery needs no processing. The reason is stored, so it must not contain secrets. */
  ignored: (reason?: string): WebhookOutcome =>
    reason === undefined ? { status: "ignored" } : { status: "ignored", reason }
} as const

/**
 * A failure of a handler with a message of its own. If `retryable` is true (default), the delivery is retried while it
 * has attempts left. The message is stored, so it must not contain secrets.
 */
export class WebhookFailure extends Data.TaggedError("WebhookFailure")<{
  readonly errorMessage: string
  readonly retryable?: boolean | undefined
}> {
  override get message() {
    return this.errorMessage
  }
}

/**
 * Processes one delivery. All its writes, by services or by the `SqlClient` of its context, are one transaction. The
 * transaction begins with its first statement and blocks all other writers, so slow work belongs before it.
 *
 * The handler is interrupted shortly before its lease expires: after the lease duration minus a tenth of it, at most 10
 * seconds. It has then failed. If a handler fails or dies, its writes are rolled back, and the delivery is retried
 * after a pause while attempts are left.
 *
 * A failure is stored with the delivery:
 * - of a `WebhookFailure` and of the errors of this package, the message;
 * - of other errors, only the tag, because the message may contain secrets;
 * - of a defect, nothing but the fact.
 */
export type WebhookHandler<E, R> = (delivery: GitHubWebhookDelivery) => Effect.Effect<WebhookOutcome, E, R>

/** Options of a worker that processes a delivery. */
export interface ProcessOptions {
  /** Identifies the worker in leases. Must be unique among running workers, such as host name and process id. */
  readonly workerId: string
  /** The duration of a lease, which also limits the handler. Default 1 minute. */
  readonly leaseDuration?: Duration.DurationInput | undefined
  /**
   * Receives the cause when a handler dies. It is neither stored nor logged elsewhere. Default of `run`:
   * `Effect.logError` with the cause; replace it when exceptions may contain secrets. Default of `process`: nothing.
   */
  readonly onDefect?: ((cause: Cause.Cause<never>, lease: WebhookLease) => Effect.Effect<void>) | undefined
}

/** Options of a worker that processes deliveries in a loop. */
export interface RunOptions extends ProcessOptions {
  /** The number of deliveries that are processed at the same time. 1 to 1,000, default 1. */
  readonly concurrency?: number | undefined
  /**
   * The pause between two polls of an idle worker for deliveries that became due by time: retries and expired leases.
   * Default 1 second.
   */
  readonly pollInterval?: Duration.DurationInput | undefined
  /**
   * The time that handlers have to finish after the loop is interrupted. Then they are interrupted. Default 10 seconds.
   */
  readonly drainTimeout?: Duration.DurationInput | undefined
  /** Whether to run `Supervisor` beside the loop, for the services in the context. Default true. */
  readonly supervise?: boolean | undefined
}
