/**
 * The handlers of the overview, the live stream and the search.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Clock, DateTime, Duration, Effect, Option, Record, Schema } from "effect"
import type { DeliverySummary } from "../../github/deliveryViews.js"
import type { JobView } from "../../build-job/JobViews.js"
import { WorkspaceBuildJobRepo } from "../../build-job/WorkspaceBuildJobRepo.js"
import { ControlPlaneEvents } from "../../events/ControlPlaneEvents.js"
import { GitHubWebhookDeliveryRepo } from "../../github/GitHubWebhookDeliveryRepo.js"
import * as Maintenance from "../../Maintenance.js"
import { pointsOf } from "../activity.js"
import { DashboardApi, type Overview, type Worker } from "../api/index.js"
import { type Place, streamResponse } from "../live.js"
import { pacedBy } from "../paced.js"
import { findById } from "../search.js"
import { given, Running } from "./running.js"

const timeOf = (at: Option.Option<DateTime.Utc>) => Option.getOrUndefined(Option.map(at, DateTime.formatIso))

/** Groups the leased jobs and deliveries by their worker. */
export const workersOf = (
  jobs: ReadonlyArray<JobView>,
  deliveries: ReadonlyArray<DeliverySummary>
): ReadonlyArray<Worker> => {
  const idOf = (worker: Option.Option<string>) => Option.getOrElse(worker, () => "unknown")
  const ids = [...jobs.map(({ job }) => idOf(job.workerId)), ...deliveries.map(({ workerId }) => idOf(workerId))]
  return [...new Set(ids)].toSorted().map((workerId) => ({
    workerId,
    jobs: jobs
      .filter(({ job }) => idOf(job.workerId) === workerId)
      .map(({ job, sandbox }) =>
        given({
          id: job.id,
          attemptCount: job.attemptCount,
          claimedAt: timeOf(job.claimedAt),
          leaseExpiresAt: timeOf(job.leaseExpiresAt),
          sandboxId: Option.getOrUndefined(Option.map(sandbox, ({ id }) => id)),
          sandboxName: Option.getOrUndefined(Option.map(sandbox, ({ name }) => name))
        })
      ),
    deliveries: deliveries
      .filter((delivery) => idOf(delivery.workerId) === workerId)
      .map(({ claimedAt, id, leaseExpiresAt }) =>
        given({ id, claimedAt: timeOf(claimedAt), leaseExpiresAt: timeOf(leaseExpiresAt) })
      )
  }))
}

/** The number of intervals of the activity. */
const intervals = 60

const noJobs = { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 }
const noDeliveries = { received: 0, processing: 0, processed: 0, ignored: 0, failed: 0 }
const noSandboxes = { queued: 0, running: 0, ready: 0, stopping: 0, stopped: 0, failed: 0, cancelled: 0 }

/** Converts counts by status to those of the known statuses. */
const countsOf = <S extends string>(none: Readonly<Record<S, number>>, counts: Readonly<Record<string, number>>) =>
  Record.map(none, (_, status) => counts[status] ?? 0)

const oldestOf = ({ oldestQueuedAge }: Maintenance.QueueDepth, now: number) =>
  Option.getOrUndefined(Option.map(oldestQueuedAge, (age) => new Date(now - Duration.toMillis(age)).toISOString()))

const overviewOf = (minutes: number) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const jobs = yield* WorkspaceBuildJobRepo
    const deliveries = yield* GitHubWebhookDeliveryRepo
    const journal = yield* ControlPlaneEvents
    const { end, epoch } = yield* journal.journal
    const { inbox, queue, sandboxes } = yield* Maintenance.depths
    const running = yield* jobs.list({ statuses: ["running"], limit: 500 })
    const processing = yield* deliveries.listSummaries({ statuses: ["processing"], limit: 500 })
    const intervalMs = Math.max(1000, Math.round((minutes * 60_000) / intervals))
    const since = DateTime.unsafeMake(Math.max(0, now - (intervals - 1) * intervalMs))
    const activity = yield* journal.activity({ subjectType: "job", since, intervalMs })
    const { fileBytes, walBytes } = yield* Maintenance.fileSizes
    const byStatus = countsOf(noJobs, queue.byStatus)
    const overview: Overview = given({
      now: new Date(now).toISOString(),
      queue: given({ byStatus, due: queue.due, oldestDueAt: oldestOf(queue, now) }),
      inbox: given({
        byStatus: countsOf(noDeliveries, inbox.byStatus),
        due: inbox.due,
        oldestDueAt: oldestOf(inbox, now)
      }),
      sandboxes: countsOf(noSandboxes, sandboxes),
      workers: workersOf(running.items, processing.items),
      activity: {
        from: DateTime.formatIso(activity.from),
        intervalMs,
        points: pointsOf(activity, intervalMs, now, byStatus)
      },
      fileBytes: Option.getOrUndefined(fileBytes),
      walBytes: Option.getOrUndefined(walBytes),
      journal: { epoch: String(epoch), end }
    })
    return overview
  })

/** The number of periods of the activity whose overview is kept. */
const keptOverviews = 8

const decodeMinutes = Schema.decodeUnknownOption(Schema.Number.pipe(Schema.between(5, 1440)))

/** The place from which a page continues: the id of the last message, or else the parameters. */
export const placeOf = (
  lastEventId: string | undefined,
  { after, epoch }: { readonly after?: number | undefined; readonly epoch?: string | undefined }
): Option.Option<Place> => {
  const match = /^([\w-]{1,100}):(\d{1,15})$/.exec(lastEventId ?? "")
  if (match !== null) return Option.some({ epoch: match[1] ?? "", after: Number(match[2]) })
  return epoch === undefined || after === undefined || !Number.isSafeInteger(after) || after < 0
    ? Option.none()
    : Option.some({ epoch, after })
}

export const overviewLive = HttpApiBuilder.group(DashboardApi, "overview", (handlers) =>
  Effect.sync(() => {
    const overview = pacedBy(keptOverviews, overviewOf)
    return handlers
      .handle("get", ({ urlParams: { minutes = 60 } }) =>
        Effect.map(overview(Option.getOrElse(decodeMinutes(minutes), () => 60)), ({ staleFor, value }) =>
          given({ ...value, staleFor })
        )
      )
      .handleRaw("live", ({ request, urlParams }) =>
        Effect.map(Running, ({ closing, live }) =>
          streamResponse(live.messages(placeOf(request.headers["last-event-id"], urlParams)), closing)
        )
      )
      .handle("search", ({ urlParams: { id } }) => findById(id))
  })
)
