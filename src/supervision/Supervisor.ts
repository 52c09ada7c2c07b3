/**
 * The loop that ends or requeues rows of sandboxes, issue workflows and the webhook inbox whose worker, runtime or
 * caller is gone. docs/supervision.md has the rules.
 *
 * Each round calls `SandboxLifecycle.supervise`, `IssueWorkflowLifecycle.supervise` and
 * `GitHubWebhookDeliveryRepo.reapExpired`, each with a limit of 100 rows. `SandboxLifecycle.supervise` applies the
 * limit to each kind of rows and each of their states. A round also compares the counters of the build queue with the jobs
 * of 100 owners. A failure of one call is logged, and the others run regardless.
 * Any number of processes may supervise one database at the same time.
 *
 * `BuildWorker.run` and `WebhookInbox.run` start supervision by default, for those of the three services that the
 * program provides. Use `run` or `layer` in a program without workers, or whose workers provide only some of the
 * services.
 */
import type { SqlClient } from "@effect/sql"
import { Duration, Effect, Layer, Schema } from "effect"
import type { GitHubWebhookDeliveryRepo } from "../github/GitHubWebhookDeliveryRepo.js"
import type { InvalidInput } from "../Errors.js"
import { Pause, Wait } from "../sql/durations.js"
import { operations } from "../sql/operations.js"
import type { IssueWorkflowLifecycle } from "../issue-workflow/IssueWorkflowLifecycle.js"
import type { SandboxLifecycle } from "../sandbox/SandboxLifecycle.js"
import { defaultEvery, defaultRuntimeDeadline, supervisedIn, supervision } from "./supervisorLoop.js"

/** The interval and the deadline of supervision. */
export interface Options {
  /** The pause between two rounds. 1 ms to a year, default 15 seconds. */
  readonly every?: Duration.DurationInput | undefined
  /** The longest wait of an attempt for its runtime after its image was built. Default 15 minutes. */
  readonly runtimeDeadline?: Duration.DurationInput | undefined
}

/** The services whose rows are supervised. */
export type Supervised = SandboxLifecycle | IssueWorkflowLifecycle | GitHubWebhookDeliveryRepo

const Settings = Schema.Struct({
  every: Schema.optionalWith(Pause, { default: () => defaultEvery }),
  runtimeDeadline: Schema.optionalWith(Wait, { default: () => defaultRuntimeDeadline })
})

const { decodeInput } = operations("Supervisor", "Supervisor")

const superviseWith = ({ every, runtimeDeadline }: typeof Settings.Type) =>
  Effect.flatMap(supervisedIn, (supervised) =>
    supervision(supervised, { every: Duration.decode(every), runtimeDeadline })
  )

/**
 * Supervises until it is interrupted: at once, then after each pause. Continues while the database cannot answer. Fails
 * with `InvalidInput` if an option is out of range.
 */
export const run = (options: Options = {}): Effect.Effect<never, InvalidInput, Supervised | SqlClient.SqlClient> =>
  Effect.flatMap(decodeInput("run", Settings)(options), superviseWith)

/**
 * Supervises in the background until the scope of the layer is closed. Fails with `InvalidInput` if an option is out of
 * range.
 */
export const layer = (options: Options = {}): Layer.Layer<never, InvalidInput, Supervised | SqlClient.SqlClient> =>
  Layer.scopedDiscard(
    Effect.flatMap(decodeInput("layer", Settings)(options), (settings) => Effect.forkScoped(superviseWith(settings)))
  )
