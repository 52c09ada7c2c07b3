/**
 * The handlers of the overview, the live stream and the search.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Clock, DateTime, Effect, Option, Schema } from "effect"
import type { DeliverySummary } from "../../github/deliveryViews.js"
import type { JobView } from "../../build-job/JobViews.js"
import { QueueStats } from "../../build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../build-job/WorkspaceBuildJobRepo.js"
import { ControlPlaneEvents } from "../../events/ControlPlaneEvents.js"
import { InboxStats } from "../../github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../github/GitHubWebhookDeliveryRepo.js"
import * as Maintenance from "../../Maintenance.js"
import { SandboxLifecycle } from "../../sandbox/SandboxLifecycle.js"
import { pointsOf } from "../activity.js"
import { DashboardApi, type Overview, type Worker } from "../api/index.js"
import { type Place, streamResponse } from "../live.js"
import { findById } from "../search.js"
import { given, jsonOf, Running } from "./running.js"

const queueJson = jsonOf(QueueStats)
const inboxJson = jsonOf(InboxStats)

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

const overviewOf = (minutes: number) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const jobs = yield* WorkspaceBuildJobRepo
    const deliveries = yield* GitHubWebhookDeliveryRepo
    const journal = yield* ControlPlaneEvents
    const { end, epoch } = yield* journal.journal
    const queue = yield* jobs.stats
    const sandboxes = yield* Effect.flatMap(SandboxLifecycle, ({ stats }) => stats)
    const running = yield* jobs.list({ statuses: ["running"], limit: 500 })
    const processing = yield* deliveries.listSummaries({ statuses: ["processing"], limit: 500 })
    const intervalMs = Math.max(1000, Math.round((minutes * 60_000) / intervals))
    const since = DateTime.unsafeMake(Math.max(0, now - (intervals - 1) * intervalMs))
    const activity = yield* journal.activity({ subjectType: "job", since, intervalMs })
    const { fileBytes, walBytes } = yield* Maintenance.fileSizes
    const overview: Overview = given({
      now: new Date(now).toISOString(),
      queue: queueJson(queue),
      inbox: inboxJson(yield* deliveries.stats),
      sandboxes: sandboxes.byStatus,
      workers: workersOf(running.items, processing.items),
      activity: {
        from: DateTime.formatIso(activity.from),
        intervalMs,
        points: pointsOf(activity, intervalMs, now, queue.byStatus)
      },
      fileBytes: Option.getOrUndefined(fileBytes),
      walBytes: Option.getOrUndefined(walBytes),
      journal: { epoch: String(epoch), end }
    })
    return overview
  })

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
  handlers
    .handle("get", ({ urlParams: { minutes = 60 } }) => overviewOf(Option.getOrElse(decodeMinutes(minutes), () => 60)))
    .handleRaw("live", ({ request, urlParams }) =>
      Effect.map(Running, ({ closing, live }) =>
        streamResponse(live.messages(placeOf(request.headers["last-event-id"], urlParams)), closing)
      )
    )
    .handle("search", ({ urlParams: { id } }) => findById(id))
)
