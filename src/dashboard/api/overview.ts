/**
 * The overview, the live stream of all pages, and the search by id.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import { Schema } from "effect"
import { QueueStats, WorkspaceBuildJobStatus } from "../../build-job/WorkspaceBuildJob.js"
import { JournalReset } from "../../Errors.js"
import { InboxStats } from "../../github/GitHubWebhookDelivery.js"
import { SandboxStatusView } from "../../sandbox/SandboxViews.js"
import { JournalEvent, jsonOf, ServerSentEvents, Time } from "./common.js"
import { paths } from "./paths.js"

const Counts = <Status extends string>(status: Schema.Schema<Status>) =>
  Schema.Record({ key: status, value: Schema.Number })

/** A worker with a lease, and the jobs and deliveries that it holds. */
export const Worker = Schema.Struct({
  workerId: Schema.String,
  jobs: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      attemptCount: Schema.Number,
      claimedAt: Schema.optional(Time),
      /** In the past: the lease has expired, and another worker can claim the job. */
      leaseExpiresAt: Schema.optional(Time),
      sandboxId: Schema.optional(Schema.String),
      sandboxName: Schema.optional(Schema.String)
    })
  ),
  deliveries: Schema.Array(
    Schema.Struct({ id: Schema.String, claimedAt: Schema.optional(Time), leaseExpiresAt: Schema.optional(Time) })
  )
})
export type Worker = typeof Worker.Type

/** The changes of jobs in one interval, and the depth of the queue at its end. */
export const ActivityPoint = Schema.Struct({
  at: Time,
  /** The jobs that began, ended, or were queued again after a failure or a lost lease in the interval. */
  started: Schema.Number,
  succeeded: Schema.Number,
  failed: Schema.Number,
  cancelled: Schema.Number,
  retried: Schema.Number,
  /** The jobs in each state at the end of the interval, by the journal. */
  depth: Counts(Schema.Literal(...WorkspaceBuildJobStatus.literals))
})
export type ActivityPoint = typeof ActivityPoint.Type

/** The state of the control plane. */
export const Overview = Schema.Struct({
  /** The time of the counts. */
  now: Time,
  /** The milliseconds until the counts can be read again. Present if something was committed since. */
  staleFor: Schema.optional(Schema.Number),
  queue: jsonOf(QueueStats),
  inbox: jsonOf(InboxStats),
  /** Sandboxes that are not archived, by derived status. */
  sandboxes: Counts(Schema.Literal(...SandboxStatusView.literals)),
  workers: Schema.Array(Worker),
  activity: Schema.Struct({
    /** The start of the first interval. Later than requested if the journal has too many events since then. */
    from: Time,
    intervalMs: Schema.Number,
    points: Schema.Array(ActivityPoint)
  }),
  /** Sizes of a local file. */
  fileBytes: Schema.optional(Schema.Number),
  walBytes: Schema.optional(Schema.Number),
  /** The last findings of `database.doctor`, if it has run. */
  problems: Schema.optional(Schema.Number),
  journal: Schema.Struct({ epoch: Schema.String, end: Schema.Number })
})
export type Overview = typeof Overview.Type

/**
 * The events of `live`, by their name. Each message arrives at most every 200 ms, and at once after a pause.
 *
 * - `journal`: new events of the journal in the order of their positions, up to 500, with the number of those that were
 *   left out because they came too fast. The id of the message is `<epoch>:<position>`, from which a reconnected
 *   `EventSource` continues.
 * - `changed`: something was committed that is not in the journal, such as a claim or a delivery.
 * - `reset`: the database was restored, or the server has left the reader behind; the page reads everything again.
 */
export const LiveEvents = {
  journal: Schema.Struct({ events: Schema.Array(JournalEvent), skipped: Schema.Number }),
  changed: Schema.Struct({ at: Time }),
  reset: Schema.Struct({ epoch: Schema.String, end: Schema.Number })
}
export type LiveEvents = { [Name in keyof typeof LiveEvents]: (typeof LiveEvents)[Name]["Type"] }

/** A row that the search has found. */
export const Hit = Schema.Struct({
  kind: Schema.Literal("job", "sandbox", "attempt", "workflow", "execution", "issue", "delivery", "user", "event"),
  id: Schema.String,
  /** A name for people: that of a sandbox or a user, the title of an issue, the type of a delivery. */
  label: Schema.optional(Schema.String),
  /** The id of the row on whose page it is shown: the sandbox of an attempt, the workflow of an issue. */
  pageId: Schema.optional(Schema.String)
})
export type Hit = typeof Hit.Type

/** Reads of the whole control plane. */
export const overview = HttpApiGroup.make("overview")
  .add(
    HttpApiEndpoint.get("get", paths.overview.get[1])
      // The length of the activity, 5 to 1,440 minutes, default 60.
      .setUrlParams(Schema.Struct({ minutes: Schema.optional(Schema.NumberFromString) }))
      .addSuccess(Overview)
  )
  .add(
    HttpApiEndpoint.get("live", paths.overview.live[1])
      // After this position of this epoch. Default: from now on. The header `Last-Event-ID` goes before.
      .setUrlParams(
        Schema.Struct({ epoch: Schema.optional(Schema.String), after: Schema.optional(Schema.NumberFromString) })
      )
      .addSuccess(ServerSentEvents)
      .addError(JournalReset)
  )
  .add(
    HttpApiEndpoint.get("search", paths.overview.search[1])
      // A whole id, without regard to surrounding spaces.
      .setUrlParams(Schema.Struct({ id: Schema.String }))
      .addSuccess(Schema.Array(Hit))
  )
