/**
 * Steps of decisions: they move an attempt, its job, its runtime and its sandbox in a draft. Pure: they read and write
 * the draft only.
 */
import { Option } from "effect"
import type { JobState } from "../../build-job/WorkspaceBuildJob.js"
import { storableProse } from "../../sql/columns.js"
import { isActive } from "../../sql/transitions.js"
import { hasEnded } from "../Sandbox.js"
import type { SandboxAttempt } from "../SandboxAttempt.js"
import { runtimeEndDetails } from "../../events/transitions.js"
import { isEnded, type SandboxStopReason } from "../SandboxRuntimeInstance.js"
import type { TeardownState } from "../RuntimeTeardown.js"
import type { AttemptView, Draft } from "./draft.js"

/** The cancel reason of an attempt after a stop request. */
export const stopRequested = "a stop was asked for"

/** The cancel reason of an attempt or job whose runtime has ended. */
const runtimeEnded = "its runtime has ended"

/** The cancel reason of a job whose attempt has ended. */
export const attemptEnded = "the attempt it was for has ended"

/** The cancel reason of the job of a sandbox whose row was set to failed. */
const sandboxFailed = "its sandbox has failed"

/** The end of a runtime that was not reported running within the deadline. */
const runtimeMissing = {
  status: "failed",
  stopReason: "launch-failed",
  errorCode: "runtime-missing",
  errorMessage: "no runtime was reported in time"
} as const

/** Returns whether the attempt is active and has no stop request. */
export const mayContinue = (attempt: Pick<SandboxAttempt, "status" | "stopRequestedAt">) =>
  isActive(attempt) && Option.isNone(attempt.stopRequestedAt)

/** Returns the sandbox if this is its latest attempt. An older attempt does not determine its state. */
export const sandboxOf = (draft: Draft, attempt: Pick<SandboxAttempt, "id">) =>
  Option.filter(draft.sandbox, ({ latestAttemptId }) => Option.contains(latestAttemptId, attempt.id))

/** Returns the attempt if this is its latest job. An older job does not determine its state. */
export const attemptOfLatestJob = ({ attempt, job: latest }: Draft, job: Pick<JobState, "id">) =>
  Option.filter(attempt, () => Option.exists(latest, ({ id }) => id === job.id))

/** Moves an attempt that may continue to running, and its queued sandbox with it. */
export const start = (draft: Draft, attempt: AttemptView): AttemptView => {
  const running = attempt.status === "queued" ? draft.moveAttempt(attempt, "running") : attempt
  const sandbox = sandboxOf(draft, attempt)
  if (Option.isSome(sandbox) && sandbox.value.status === "queued") draft.moveSandbox(sandbox.value, "running")
  return running
}

/**
 * Moves an attempt that may continue to the state that its job and runtime imply. It is running. Once its image is
 * built (or it has no job) and its runtime is running, it has succeeded, and its sandbox is ready.
 */
export const reconcile = (draft: Draft, attempt: AttemptView): void => {
  const running = start(draft, attempt)
  const { job, runtime } = draft
  const built = Option.isNone(job) || job.value.status === "succeeded"
  if (!built || !Option.exists(runtime, ({ status }) => status === "running")) return
  draft.moveAttempt(running, "succeeded")
  const sandbox = sandboxOf(draft, attempt)
  if (Option.isSome(sandbox) && sandbox.value.status === "running") draft.moveSandbox(sandbox.value, "ready")
  if (Option.isNone(job)) return
  // A reap that ends a job with a published image records no event.
  draft.recordJob(job.value)
  draft.settleJob(job.value)
}

/**
 * Ends the active attempt of an ended job, its runtime, and its sandbox if the attempt is the latest one. Leaves an
 * attempt with a newer job unchanged. If the attempt has failed or was cancelled already, ends only its sandbox.
 * Returns whether it ended an attempt.
 */
export const endAttemptOfJob = (draft: Draft, job: JobState): boolean => {
  const attempt = attemptOfLatestJob(draft, job)
  const active = Option.filter(attempt, isActive)
  // A claim that fails an exhausted job ends it without an event, and so may other programs.
  draft.recordJob(job)
  if (Option.isSome(active)) endAttempt(draft, active.value, job)
  else if (Option.isSome(attempt) && attempt.value.status !== "succeeded") {
    endSandbox(draft, attempt.value, attempt.value.status === "cancelled")
  }
  draft.settleJob(job)
  return Option.isSome(active)
}

const endAttempt = (draft: Draft, attempt: AttemptView, job: JobState): void => {
  const isCancelled = job.status === "cancelled" || Option.isSome(attempt.stopRequestedAt)
  const reason = Option.match(job.cancelReason, { onNone: () => stopRequested, onSome: storableProse })
  const ended = isCancelled ? draft.cancelAttempt(attempt, reason) : failAttempt(draft, attempt)
  stopRuntime(draft, ended, isCancelled ? "user" : undefined)
  endSandbox(draft, attempt, isCancelled)
}

/** Cancels an attempt unless it has ended, cancels its latest job, and requests the stop of its runtime. */
export const cancelAttempt = (
  draft: Draft,
  attempt: AttemptView,
  reason: string,
  stopReason: SandboxStopReason = "user"
): void => {
  const ended = isActive(attempt) ? draft.cancelAttempt(attempt, reason) : attempt
  endLatestJob(draft, reason)
  stopRuntime(draft, ended, stopReason)
}

/** Cancels the latest job unless it has ended, and settles it. */
export const endLatestJob = (draft: Draft, reason: string): void => {
  if (Option.isNone(draft.job)) return
  const job = draft.job.value
  if (isActive(job)) draft.cancelJob(job, reason)
  else draft.recordJob(job)
  draft.settleJob(job)
}

/** Fails an active attempt. A job may exceed its attempts before a build has begun. */
export const failAttempt = (draft: Draft, attempt: AttemptView): AttemptView => draft.moveAttempt(attempt, "failed")

/** Ends the attempt and the job of a sandbox whose row was set to failed, and requests the stop of its runtime. */
export const endFailedSandbox = (draft: Draft, attempt: AttemptView): void => {
  const ended = isActive(attempt) ? failAttempt(draft, attempt) : attempt
  endLatestJob(draft, sandboxFailed)
  stopRuntime(draft, ended)
  // A ready sandbox ends for its owner with the stop request.
  if (ended.status === "succeeded") draft.requestStop(ended)
}

const hasActiveRuntime = (draft: Draft) => Option.exists(draft.runtime, ({ status }) => !isEnded(status))

/**
 * Requests the stop of the active runtime of an attempt, which ends when its teardown has ended. Records its resource
 * for the program that tears it down.
 */
export const stopRuntime = (draft: Draft, attempt: AttemptView, stopReason?: SandboxStopReason): void => {
  if (!hasActiveRuntime(draft)) return
  draft.requestStop(attempt)
  if (draft.requestTeardown(attempt, stopReason)) draft.recordRuntimeStop(attempt, stopReason)
}

/** Ends the recorded runtime of an attempt because another one was launched, and requests its teardown. */
export const replaceRuntime = (draft: Draft, attempt: AttemptView): void => {
  draft.requestTeardown(attempt, undefined)
  draft.reportRuntime({ attemptId: attempt.id, status: "stopped" })
  draft.recordRuntimeEnd(attempt)
}

/** Fails the runtime of an attempt that was never reported running. Its resource may exist, and is torn down. */
export const failMissingRuntime = (draft: Draft, attempt: AttemptView): void => {
  if (hasActiveRuntime(draft)) draft.requestTeardown(attempt, runtimeMissing.stopReason)
  const hasEnded = Option.exists(draft.runtime, ({ status }) => isEnded(status))
  if (!hasEnded) draft.reportRuntime({ attemptId: attempt.id, ...runtimeMissing })
  draft.recordRuntimeEnd(attempt)
}

/**
 * Records the end of the runtime whose resource was torn down, and ends its attempt and sandbox. Changes nothing if the
 * attempt has another resource by now, or if the end is recorded already.
 */
export const endTornDownRuntime = (
  draft: Draft,
  { resourceId, stopReason }: Pick<TeardownState, "resourceId" | "stopReason">,
  problem: { readonly errorCode?: string; readonly errorMessage?: string } = {}
): void => {
  const { attempt, runtime } = draft
  if (Option.isNone(attempt) || !hasActiveRuntime(draft)) return
  const known = Option.flatMap(runtime, (current) => current.resourceId)
  if (Option.getOrNull(known) !== Option.getOrNull(resourceId)) return
  draft.reportRuntime({
    ...problem,
    attemptId: attempt.value.id,
    status: "stopped",
    stopReason: Option.getOrUndefined(stopReason)
  })
  draft.recordRuntimeEnd(endWithRuntime(draft, attempt.value))
}

/** Ends the sandbox of an ended attempt, which would otherwise wait for that attempt forever. */
export const endSandbox = (draft: Draft, attempt: AttemptView, isCancelled: boolean): void => {
  const sandbox = sandboxOf(draft, attempt)
  if (Option.isNone(sandbox) || hasEnded(sandbox.value.status)) return
  draft.moveSandbox(sandbox.value, isCancelled ? "stopped" : "failed")
}

/**
 * Ends the attempt and the sandbox of an ended runtime. An active attempt has failed with its runtime; if the runtime
 * stopped or a stop was requested, it is cancelled. A published image is kept: the job has succeeded. Another active job
 * is cancelled. Changes nothing if all of them have ended. Returns the attempt.
 */
export const endWithRuntime = (draft: Draft, attempt: AttemptView): AttemptView => {
  if (Option.isNone(draft.runtime) || !isEnded(draft.runtime.value.status)) return attempt
  const isStopped = draft.runtime.value.status === "stopped"
  const ended = isActive(attempt) ? endActiveAttempt(draft, attempt, isStopped) : attempt
  const sandbox = Option.filter(sandboxOf(draft, attempt), ({ status }) => !hasEnded(status))
  if (ended !== attempt || Option.isSome(sandbox)) draft.recordRuntimeEnd(ended)
  if (Option.isNone(sandbox)) return ended
  const isCancelled = ended.status === "succeeded" ? isStopped : ended.status === "cancelled"
  draft.moveSandbox(sandbox.value, isCancelled ? "stopped" : "failed", runtimeEndDetails(draft.runtime.value))
  return ended
}

const endActiveAttempt = (draft: Draft, attempt: AttemptView, isStopped: boolean): AttemptView => {
  const isAsked = Option.isSome(attempt.stopRequestedAt)
  if (Option.isSome(draft.job)) {
    const job = draft.job.value
    if (!isActive(job)) draft.recordJob(job)
    else if (job.status === "running" && Option.isSome(job.publishedReference)) draft.keepImage(job)
    else draft.cancelJob(job, runtimeEnded)
    draft.settleJob(job)
  }
  if (isAsked) return draft.cancelAttempt(attempt, stopRequested)
  return isStopped ? draft.cancelAttempt(attempt, runtimeEnded) : failAttempt(draft, attempt)
}
