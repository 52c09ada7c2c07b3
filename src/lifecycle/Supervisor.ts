/**
 * Moves on the rows that nobody else moves on: one loop for sandboxes, issue workflows and the webhook inbox.
 *
 * Each round calls `SandboxLifecycle.supervise`, `IssueWorkflowLifecycle.supervise` and
 * `GitHubWebhookDeliveryRepo.reapExpired`, 100 rows at a time. One that fails is logged and keeps none of the others from
 * running. Any number of processes may supervise one database at the same time.
 *
 * `BuildWorker.run` and `WebhookInbox.run` start it by default, for those of the three services that the program provides. A
 * program without workers, or whose workers provide only some of the services, runs this.
 */
import type { SqlClient } from "@effect/sql"
import { Duration, Effect, Layer, Schema } from "effect"
import type { GitHubWebhookDeliveryRepo } from "../domain/source/GitHubWebhookDeliveryRepo.js"
import type { InvalidInput } from "../Errors.js"
import { Pause, Wait } from "../internal/durations.js"
import { operations } from "../internal/query.js"
import type { IssueWorkflowLifecycle } from "./IssueWorkflowLifecycle.js"
import type { SandboxLifecycle } from "./SandboxLifecycle.js"
import { defaultEvery, defaultRuntimeDeadline, supervisedIn, supervision } from "./supervisorLoop.js"

/** How often it supervises, and by which deadlines. */
export interface Options {
  /** The pause between two rounds. 1 ms to a year, default 15 seconds. */
  readonly every?: Duration.DurationInput
  /** How long a run may wait for its runtime after its image was built. Default 15 minutes. */
  readonly runtimeDeadline?: Duration.DurationInput
}

/** The services that it supervises. */
export type Supervised = SandboxLifecycle | IssueWorkflowLifecycle | GitHubWebhookDeliveryRepo

const Settings = Schema.Struct({
  every: Schema.optionalWith(Pause, { default: () => defaultEvery }),
  runtimeDeadline: Schema.optionalWith(Wait, { default: () => defaultRuntimeDeadline as Duration.DurationInput })
})

const { input } = operations("Supervisor", "Supervisor")

/**
 * Supervises until it is interrupted: at once, then after each pause. A store that cannot answer does not end it. Fails with
 * `InvalidInput` for options out of range.
 */
export const run = (options: Options = {}): Effect.Effect<never, InvalidInput, Supervised | SqlClient.SqlClient> =>
  Effect.flatMap(input("run", Settings)(options), ({ every, runtimeDeadline }) =>
    Effect.flatMap(supervisedIn, (supervised) => supervision(supervised, { every: Duration.decode(every), runtimeDeadline })))

/** Supervises in the background for as long as the layer lives. */
export const layer = (options: Options = {}): Layer.Layer<never, InvalidInput, Supervised | SqlClient.SqlClient> =>
  Layer.scopedDiscard(
    Effect.flatMap(input("layer", Settings)(options), (settings) => Effect.forkScoped(Effect.orDie(run(settings))))
  )
