/**
 * The parts of a joined row that views show of an attempt: its newest job and its runtime. Without the documents, which
 * can be megabytes long.
 */
import { Effect, Option } from "effect"
import { WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import { type CorruptRow, partColumnList, partOf } from "../../sql/rows.js"
import * as Model from "../../sql/model.js"
import type { SandboxAttempt } from "../SandboxAttempt.js"
import { SandboxRuntimeInstance, type SandboxRuntimeStatus } from "../SandboxRuntimeInstance.js"
import { type SandboxProblem, SandboxRuntimeSummary, type SandboxStatusView } from "../SandboxViews.js"

/** The outcome of a job. */
class JobOutcome extends Model.Class<JobOutcome>("JobOutcome")({
  status: WorkspaceBuildJob.fields.status,
  publishedReference: WorkspaceBuildJob.fields.publishedReference,
  errorCode: WorkspaceBuildJob.fields.errorCode,
  errorMessage: WorkspaceBuildJob.fields.errorMessage
}) {}

/** The error of a runtime. */
class RuntimeError extends Model.Class<RuntimeError>("RuntimeError")({
  errorCode: SandboxRuntimeInstance.fields.errorCode,
  errorMessage: SandboxRuntimeInstance.fields.errorMessage
}) {}

/** The columns of `outcomeOf`: `j` is the newest job of the attempt, `r` its runtime. */
export const outcomeColumns = [
  partColumnList(JobOutcome, "j"),
  partColumnList(SandboxRuntimeSummary, "r"),
  partColumnList(RuntimeError, "r")
].join(", ")

const jobPart = partOf(JobOutcome, "j")
const runtimePart = partOf(SandboxRuntimeSummary, "r")
const runtimeErrorPart = partOf(RuntimeError, "r")

type Failure = Pick<JobOutcome, "errorCode" | "errorMessage">

const problemOf = ({ errorCode: code, errorMessage: message }: Failure): Option.Option<SandboxProblem> =>
  Option.isNone(code) && Option.isNone(message) ? Option.none() : Option.some({ code, message })

/** Returns the error of the runtime, or else that of the job. A job that succeeds has none. */
export const errorOf = (job: Option.Option<Failure>, runtime: Option.Option<Failure>) =>
  Option.orElse(Option.flatMap(runtime, problemOf), () => Option.flatMap(job, problemOf))

/** Reads the outcome of an attempt, which views show besides its row. */
export const outcomeOf = (row: Readonly<Record<string, unknown>>) =>
  Effect.gen(function* () {
    const job = yield* jobPart(row)
    return {
      job,
      image: Option.flatMap(job, ({ publishedReference }) => publishedReference),
      runtime: yield* runtimePart(row),
      error: errorOf(job, yield* runtimeErrorPart(row))
    }
  }) satisfies Effect.Effect<object, CorruptRow>

/**
 * Returns the derived status of an attempt, by the rule of the triggers that store `view_status` for the newest attempt
 * of a sandbox.
 */
export const attemptStatusOf = (
  { status, stopRequestedAt }: Pick<SandboxAttempt, "status" | "stopRequestedAt">,
  job: Option.Option<Pick<JobOutcome, "status">>,
  runtime: Option.Option<{ readonly status: SandboxRuntimeStatus }>
): SandboxStatusView => {
  const jobStatus = Option.getOrUndefined(job)?.status
  const runtimeStatus = Option.getOrUndefined(runtime)?.status
  if (status === "failed") return status
  if (Option.isSome(stopRequestedAt) && (runtimeStatus === "pending" || runtimeStatus === "running")) return "stopping"
  const ended = status === "succeeded" ? "stopped" : "cancelled"
  if (status === "cancelled" || Option.isSome(stopRequestedAt)) return ended
  if (jobStatus === "cancelled") return "cancelled"
  if (jobStatus === "failed" || runtimeStatus === "failed") return "failed"
  if (runtimeStatus === "stopped") return ended
  const isBuilt = jobStatus === undefined || jobStatus === "succeeded"
  if (status === "succeeded" && isBuilt && runtimeStatus === "running") return "ready"
  return status === "running" || jobStatus === "running" ? "running" : "queued"
}
