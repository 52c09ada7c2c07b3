/**
 * The handlers of build jobs.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect, Option } from "effect"
import { JobAttempt, JobDetail, JobSandbox, JobView } from "../../build-job/JobViews.js"
import { WorkspaceBuildJobStatus } from "../../build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../build-job/WorkspaceBuildJobRepo.js"
import { ControlPlaneEvent } from "../../events/ControlPlaneEvent.js"
import { ControlPlaneEvents } from "../../events/ControlPlaneEvents.js"
import { Page } from "../../sql/pageSchemas.js"
import { DashboardApi } from "../api/index.js"
import { runsOf } from "../jobRuns.js"
import { asOperator, given, jsonOf, literalsOf, optionalTimeOf } from "./running.js"

interface FilterParameters {
  readonly statuses?: string | undefined
  readonly ownerUserId?: string | undefined
  readonly repositoryId?: string | undefined
  readonly workerId?: string | undefined
  readonly errorCode?: string | undefined
  readonly createdAfter?: string | undefined
  readonly createdBefore?: string | undefined
}

const filterOf = ({
  createdAfter,
  createdBefore,
  errorCode,
  ownerUserId,
  repositoryId,
  statuses,
  workerId
}: FilterParameters) =>
  Effect.map(
    Effect.all({
      statuses: literalsOf("statuses", WorkspaceBuildJobStatus, statuses),
      createdAfter: optionalTimeOf("createdAfter", createdAfter),
      createdBefore: optionalTimeOf("createdBefore", createdBefore)
    }),
    (decoded) => given({ ownerUserId, repositoryId, workerId, errorCode, ...decoded })
  )

const pageJson = jsonOf(Page(JobView))
const detailJson = jsonOf(JobDetail.json)
const attemptJson = jsonOf(JobAttempt.json)
const sandboxJson = jsonOf(JobSandbox.json)
const eventJson = jsonOf(ControlPlaneEvent.json)

/** The most events of a job on its page: a job has a few for each attempt. */
const mostEvents = 500

const detailOf = (id: string) =>
  Effect.gen(function* () {
    const { attempt, job, sandbox } = yield* Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => jobs.getDetail(id))
    const journal = yield* ControlPlaneEvents
    const events = yield* journal.list({ subjectType: "job", subjectId: job.id, limit: mostEvents })
    return given({
      job: detailJson(job),
      attempt: Option.getOrUndefined(Option.map(attempt, attemptJson)),
      sandbox: Option.getOrUndefined(Option.map(sandbox, sandboxJson)),
      runs: runsOf(events),
      events: events.map((event) => eventJson(event))
    })
  })

export const jobsLive = HttpApiBuilder.group(DashboardApi, "jobs", (handlers) =>
  handlers
    .handle("list", ({ urlParams: { cursor, limit, ...filter } }) =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        return pageJson(yield* jobs.list(given({ ...(yield* filterOf(filter)), cursor, limit })))
      })
    )
    .handle("count", ({ urlParams }) =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        return yield* jobs.count(yield* filterOf(urlParams))
      })
    )
    .handle("get", ({ path: { id } }) => detailOf(id))
)

const changed = ({ id, status }: { readonly id: string; readonly status: WorkspaceBuildJobStatus }) => ({ id, status })

export const jobActionsLive = HttpApiBuilder.group(DashboardApi, "jobActions", (handlers) =>
  Effect.map(WorkspaceBuildJobRepo, (jobs) =>
    handlers
      .handle("redrive", ({ path: { id } }) => Effect.map(asOperator(jobs.redrive(id)), changed))
      .handle("cancel", ({ path: { id }, payload: { reason } }) =>
        Effect.map(asOperator(jobs.cancel({ id, reason })), changed)
      )
      .handle("fail", ({ path: { id }, payload: { message } }) =>
        Effect.map(asOperator(jobs.failQueued({ id, errorMessage: message, errorCode: "operator" })), changed)
      )
      .handle("setPriority", ({ path: { id }, payload: { priority } }) =>
        Effect.map(asOperator(jobs.setPriority({ id, priority })), changed)
      )
      .handle("redriveMany", ({ payload: { limit, ...filter } }) =>
        Effect.flatMap(filterOf(filter), (decoded) => asOperator(jobs.redriveMany({ ...decoded, limit })))
      )
  )
)
