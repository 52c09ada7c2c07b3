/**
 * The loop of `Supervisor`. A failure of one supervision does not affect the others.
 */
import { SqlClient } from "@effect/sql"
import { Context, Duration, Effect, Option } from "effect"
import { GitHubWebhookDeliveryRepo } from "../github/GitHubWebhookDeliveryRepo.js"
import { spanned } from "../sql/operations.js"
import { noneOverdue } from "../leasing/heldLeases.js"
import { IssueWorkflowLifecycle } from "../issue-workflow/IssueWorkflowLifecycle.js"
import { kindOf } from "../events/operation.js"
import { SandboxLifecycle } from "../sandbox/SandboxLifecycle.js"
import { forever } from "../leasing/workerLoop.js"

/** The number of rows that each supervision takes at a time. */
const limit = 100

export const defaultRuntimeDeadline = "15 minutes" as const
export const defaultEvery = Duration.seconds(15)

interface Settings {
  readonly every: Duration.Duration
  readonly runtimeDeadline: Duration.DurationInput
}

/** The supervised services: those that the program provides. */
interface Supervised {
  readonly sandboxes: Option.Option<SandboxLifecycle["Type"]>
  readonly workflows: Option.Option<IssueWorkflowLifecycle["Type"]>
  readonly deliveries: Option.Option<GitHubWebhookDeliveryRepo["Type"]>
}

/** The supervised services in the context. */
export const supervisedIn: Effect.Effect<Supervised> = Effect.contextWith((context: Context.Context<never>) => ({
  sandboxes: Context.getOption(context, SandboxLifecycle),
  workflows: Context.getOption(context, IssueWorkflowLifecycle),
  deliveries: Context.getOption(context, GitHubWebhookDeliveryRepo)
}))

/** Calls one supervision, if its service is provided. Its failure is logged. */
const call = <Service, E extends { readonly message: string }>(
  what: string,
  service: Option.Option<Service>,
  supervise: (service: Service) => Effect.Effect<unknown, E>
): Effect.Effect<void> =>
  Option.match(service, {
    onNone: () => Effect.void,
    onSome: (provided) =>
      Effect.suspend(() => supervise(provided)).pipe(
        Effect.asVoid,
        Effect.catchAll((error) => Effect.logWarning(`supervising ${what}: ${error.message}`)),
        Effect.catchAllDefect((defect) => Effect.logError(`supervising ${what}: ${kindOf(defect)}`))
      )
  })

/** Supervises for ever: once at the start, then after each pause. */
export const supervision = (
  { deliveries, sandboxes, workflows }: Supervised,
  { every, runtimeDeadline }: Settings
): Effect.Effect<never, never, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const once = Effect.all([
      call("sandboxes", sandboxes, ({ supervise }) => supervise({ limit, runtimeDeadline })),
      call("issue workflows", workflows, ({ supervise }) => supervise({ limit })),
      call("webhook deliveries", deliveries, ({ reapExpired }) => reapExpired(limit))
    ], { discard: true })
    // Waits for overdue leases first, because it reaps expired ones. A trace for each round: one for the loop would last for days.
    const round = Effect.zipRight(noneOverdue(sql), spanned(once, "Supervisor.supervise", {}, true))
    return yield* forever(Effect.zipRight(round, Effect.sleep(every)), "supervising", every)
  })

/** The supervision beside a worker, for the services that the program provides; the pause is at most one lease. */
export const supervisionBesides = ({ deliveries, leaseDuration, runtimeDeadline = defaultRuntimeDeadline }: {
  readonly leaseDuration: Duration.DurationInput
  readonly runtimeDeadline?: Duration.DurationInput
  readonly deliveries?: GitHubWebhookDeliveryRepo["Type"]
}): Effect.Effect<never, never, SqlClient.SqlClient> =>
  Effect.flatMap(supervisedIn, (supervised) =>
    supervision(
      deliveries === undefined ? supervised : { ...supervised, deliveries: Option.some(deliveries) },
      { every: Duration.min(leaseDuration, defaultEvery), runtimeDeadline }
    ))
