/**
 * What processes deliveries of the webhook inbox, and how.
 */
import { Data } from "effect"
import type { Cause, Duration, Effect } from "effect"
import type { GitHubWebhookDelivery, WebhookLease } from "./GitHubWebhookDelivery.js"

/** What a handler made of a delivery. What it wrote stands either way. */
export type WebhookOutcome =
  | { readonly status: "processed" }
  | { readonly status: "ignored"; readonly reason?: string }

const processed: WebhookOutcome = { status: "processed" }

/** The outcomes, for handlers to return. */
export const WebhookOutcome = {
  processed,
  /** There is nothing to do for the delivery here. The reason is stored: no secrets. */
  ignored: (reason?: string): WebhookOutcome => reason === undefined ? { status: "ignored" } : { status: "ignored", reason }
} as const

/**
 * Why a handler could not process a delivery, in words of its own. `retryable` left out means true: the delivery is tried
 * again while it has attempts left. What stands here is stored: no secrets.
 */
export class WebhookFailure extends Data.TaggedError("WebhookFailure")<{
  readonly errorMessage: string
  readonly retryable?: boolean
}> {
  override get message() {
    return this.errorMessage
  }
}

/**
 * Processes one delivery. All that it writes, by services or by the `SqlClient` that it is given, is one transaction, which
 * begins with its first statement: what is slow belongs before that, for every other writer waits.
 *
 * It has as long as its lease, less a tenth of it (at most 10 seconds): then it is interrupted, and has failed. When it fails
 * or dies, nothing of what it wrote is kept, and the delivery is tried again after a pause, while attempts are left. Of a
 * `WebhookFailure` and of the errors of this package the message is stored with the delivery; of any other error the tag,
 * because its message may contain anything; of a defect nothing.
 */
export type WebhookHandler<E, R> = (delivery: GitHubWebhookDelivery) => Effect.Effect<WebhookOutcome, E, R>

/** The worker, and the duration of its lease. */
export interface ProcessOptions {
  /** Names the worker in leases: unique among those that run at the same time, such as host name and process id. */
  readonly workerId: string
  /** The duration of a lease, which bounds the handler, too. Default 1 minute. */
  readonly leaseDuration?: Duration.DurationInput
  /**
   * Receives the cause when a handler dies. It is neither stored nor logged elsewhere. Default of `run`:
   * `Effect.logError` with the cause; replace it when exceptions may contain secrets. Default of `process`: nothing.
   */
  readonly onDefect?: (cause: Cause.Cause<never>, lease: WebhookLease) => Effect.Effect<void>
}

/** How the loop works. */
export interface RunOptions extends ProcessOptions {
  /** How many deliveries it works on at the same time. 1 to 1,000, default 1. */
  readonly concurrency?: number
  /** The pause between two reads of an idle worker for deliveries that became due by the clock: retries, expired leases. Default 1 second. */
  readonly pollInterval?: Duration.DurationInput
  /** The time for which handlers may continue after the loop was interrupted; then they are interrupted, too. Default 10 seconds. */
  readonly drainTimeout?: Duration.DurationInput
  /** Runs `Supervisor` beside the loop, for the services that are provided. Default true. */
  readonly supervise?: boolean
}
