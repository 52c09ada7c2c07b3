/**
 * The loop of `Supervisor`. A failure in one service does not affect the supervision of the others.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Context, Duration, Effect, Option } from "effect"
import { makeQueueCounters } from "../build-job/queueCounters.js"
import { GitHubWebhookDeliveryRepo } from "../github/GitHubWebhookDeliveryRepo.js"
import { makeInboxFlows } from "../github/inboxFlows.js"
import { nextTurn } from "../libsql/eventLoop.js"
import { spanned } from "../sql/operations.js"
import { noneOverdue } from "../leasing/heldLeases.js"
import { IssueWorkflowLifecycle } from "../issue-workflow/IssueWorkflowLifecycle.js"
import { kindOf } from "../sql/tagged.js"
import { SandboxLifecycle } from "../sandbox/SandboxLifecycle.js"
import { forever } from "../leasing/workerLoop.js"

/** The limit of each service in a round. `SandboxLifecycle` applies it to each kind of rows and each state. */
const limit = 100

/** The expired leases that one statement reaps. It returns the deliveries with their payloads, so they are few. */
const reapBatchSize = 10

export const defaultRuntimeDeadline = "15 minutes" as const
export const defaultEvery = Duration.seconds(15)

interface Settings {
  readonly every: Duration.Duration
  readonly runtimeDeadline: Duration.DurationInput
}

/** The supervised services. A program may provide only some of them. */
interface Supervised {
  readonly sandboxes: Option.Option<SandboxLifecycle["Type"]>
  readonly workflows: Option.Option<IssueWorkflowLifecycle["Type"]>
  readonly deliveries: Option.Option<GitHubWebhookDeliveryRepo["Type"]>
}

/** Returns the supervised services in the context. */
export const supervisedIn: Effect.Effect<Supervised> = Effect.contextWith((context: Context.Context<never>) => ({
  sandboxes: Context.getOption(context, SandboxLifecycle),
  workflows: Context.getOption(context, IssueWorkflowLifecycle),
  deliveries: Context.getOption(context, GitHubWebhookDeliveryRepo)
}))

/** Supervises the rows of one service, if the service is provided. Failures are logged with the name of the rows. */
const call = <Service, E extends { readonly message: string }>(
  rows: string,
  service: Option.Option<Service>,
  supervise: (service: Service) => Effect.Effect<unknown, E>
): Effect.Effect<void> =>
  Option.match(service, {
    onNone: () => Effect.void,
    onSome: (provided) =>
      Effect.suspend(() => supervise(provided)).pipe(
        Effect.asVoid,
        Effect.catchAll((error) => Effect.logWarning(`supervising ${rows}: ${error.message}`)),
        Effect.catchAllDefect((defect) => Effect.logError(`supervising ${rows}: ${kindOf(defect)}`))
      )
  })

/** Reaps up to `limit` expired leases, with turns of the event loop between two batches. */
const reapDeliveries = ({ reapExpired }: GitHubWebhookDeliveryRepo["Type"]) =>
  Effect.gen(function* () {
    for (let reaped = 0; reaped < limit; reaped += reapBatchSize) {
      if ((yield* reapExpired(reapBatchSize)).length < reapBatchSize) return
      yield* nextTurn
    }
  })

/** Supervises forever: once at the start, then after each pause. */
export const supervision = (
  { deliveries, sandboxes, workflows }: Supervised,
  { every, runtimeDeadline }: Settings
): Effect.Effect<never, never, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const queue = Option.some(makeQueueCounters(sql))
    const inbox = Option.some(makeInboxFlows(sql))
    const once = Effect.all(
      [
        call("the build queue", queue, ({ supervise }) => supervise),
        call("sandboxes", sandboxes, ({ supervise }) => supervise({ limit, runtimeDeadline })),
        call("issue workflows", workflows, ({ supervise }) => supervise({ limit })),
        call("the webhook inbox", inbox, ({ supervise }) => supervise),
        call("webhook deliveries", deliveries, reapDeliveries)
      ],
      { discard: true }
    )
    // Overdue leases come first: a round reaps expired leases, and must not reap one whose handler still runs in this
    // process. One trace for each round: a span of the whole loop would last for days.
    const round = Effect.zipRight(noneOverdue(sql), spanned(once, "Supervisor.supervise", {}, true))
    return yield* forever(Effect.zipRight(round, Effect.sleep(every)), "supervising", every)
  })

/**
 * Supervises concurrently with a worker, for the services that the program provides. `deliveries` replaces the provided
 * repository. The pause is 15 seconds, or one lease if that is shorter.
 */
export const supervisionBesides = ({
  deliveries,
  leaseDuration,
  runtimeDeadline = defaultRuntimeDeadline
}: {
  readonly leaseDuration: Duration.DurationInput
  readonly runtimeDeadline?: Duration.DurationInput
  readonly deliveries?: GitHubWebhookDeliveryRepo["Type"]
}): Effect.Effect<never, never, SqlClient.SqlClient> =>
  Effect.flatMap(supervisedIn, (supervised) =>
    supervision(deliveries === undefined ? supervised : { ...supervised, deliveries: Option.some(deliveries) }, {
      every: Duration.min(leaseDuration, defaultEvery),
      runtimeDeadline
    })
  )
