/**
 * Build jobs: lists, one job with its timeline, and actions.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import { Schema } from "effect"
import { InvalidTransition, NotFound } from "../../Errors.js"
import { JobAttempt, JobCount, JobDetail, JobSandbox, JobView, RedrivenJobs } from "../../build-job/JobViews.js"
import { WorkspaceBuildJobStatus } from "../../build-job/WorkspaceBuildJob.js"
import { ById, JournalEvent, jsonOf, List, Nothing, pageOf, pageParams, Time } from "./common.js"
import { paths } from "./paths.js"

/** A job in a list, with its attempt and its sandbox. */
export const Job = jsonOf(JobView)
export type Job = typeof Job.Type

/** Filter of jobs: those that match every field. `statuses` is a list; `createdAfter` and `createdBefore` are times. */
const filterParams = {
  statuses: Schema.optional(List),
  ownerUserId: Schema.optional(Schema.String),
  repositoryId: Schema.optional(Schema.String),
  workerId: Schema.optional(Schema.String),
  errorCode: Schema.optional(Schema.String),
  createdAfter: Schema.optional(Time),
  createdBefore: Schema.optional(Time)
}

/**
 * One attempt of a job, from its claim to its end, for a timeline. Derived from the events of the journal, which records
 * claims when the build begins; a claim without one is missing.
 */
export const JobRun = Schema.Struct({
  /** The number of the lease. */
  leaseToken: Schema.optional(Schema.Number),
  workerId: Schema.optional(Schema.String),
  startedAt: Time,
  /** Absent while the job is under this lease. */
  endedAt: Schema.optional(Time),
  /** The state of the job after this attempt: `queued` after a retry, a release or a lost lease. */
  endState: Schema.optional(Schema.String),
  /** The operation that ended it: `failBuild`, `supervise`. */
  endedBy: Schema.optional(Schema.String),
  errorCode: Schema.optional(Schema.String)
})
export type JobRun = typeof JobRun.Type

/** A job without its documents, its attempts, and its events, oldest first. */
export const JobPage = Schema.Struct({
  job: jsonOf(JobDetail.json),
  attempt: Schema.optional(jsonOf(JobAttempt.json)),
  sandbox: Schema.optional(jsonOf(JobSandbox.json)),
  runs: Schema.Array(JobRun),
  events: Schema.Array(JournalEvent)
})
export type JobPage = typeof JobPage.Type

/** Reads of build jobs. */
export const jobs = HttpApiGroup.make("jobs")
  .add(
    HttpApiEndpoint.get("list", paths.jobs.list[1])
      .setUrlParams(Schema.Struct({ ...filterParams, ...pageParams }))
      .addSuccess(pageOf(Job))
  )
  .add(
    HttpApiEndpoint.get("count", paths.jobs.count[1])
      .setUrlParams(Schema.Struct(filterParams))
      .addSuccess(jsonOf(JobCount))
  )
  .add(HttpApiEndpoint.get("get", paths.jobs.get[1]).setPath(ById).addSuccess(JobPage).addError(NotFound))

/** The text that an action stores with the job, shown to its owner: up to 1,000 characters. */
const Reason = Schema.String.pipe(Schema.maxLength(1000))

/** The job after an action. */
const Changed = Schema.Struct({ id: Schema.String, status: Schema.Literal(...WorkspaceBuildJobStatus.literals) })

/** Actions on build jobs. Each is in the journal. */
export const jobActions = HttpApiGroup.make("jobActions")
  .add(
    HttpApiEndpoint.post("redrive", paths.jobActions.redrive[1])
      .setPath(ById)
      .setPayload(Nothing)
      .addSuccess(Changed)
      .addError(NotFound)
      .addError(InvalidTransition)
  )
  .add(
    HttpApiEndpoint.post("cancel", paths.jobActions.cancel[1])
      .setPath(ById)
      .setPayload(Schema.Struct({ reason: Reason }))
      .addSuccess(Changed)
      .addError(NotFound)
      .addError(InvalidTransition)
  )
  .add(
    HttpApiEndpoint.post("fail", paths.jobActions.fail[1])
      .setPath(ById)
      .setPayload(Schema.Struct({ message: Reason }))
      .addSuccess(Changed)
      .addError(NotFound)
      .addError(InvalidTransition)
  )
  .add(
    HttpApiEndpoint.post("setPriority", paths.jobActions.setPriority[1])
      .setPath(ById)
      .setPayload(Schema.Struct({ /** 0 (most urgent) to 9. */ priority: Schema.Int.pipe(Schema.between(0, 9)) }))
      .addSuccess(Changed)
      .addError(NotFound)
      .addError(InvalidTransition)
  )
  .add(
    HttpApiEndpoint.post("redriveMany", paths.jobActions.redriveMany[1])
      .setPayload(Schema.Struct({ ...filterParams, /** The most jobs to redrive: 1 to 1,000. */ limit: Schema.Number }))
      .addSuccess(jsonOf(RedrivenJobs))
  )
