/**
 * The decisions of supervision on sandboxes, attempts, jobs and runtimes: rows in, changes out. Pure, and so tested
 * without a database.
 */
import { Option } from "effect"
import type { JobState } from "../../build-job/WorkspaceBuildJob.js"
import { isActive } from "../../sql/transitions.js"
import { deadlineReasons, passedDeadline } from "./deadlines.js"
import { decideStop } from "./decisions.js"
import { Draft } from "./draft.js"
import type { AttemptState } from "./state.js"
import {
  attemptEnded,
  attemptOfLatestJob,
  cancelAttempt,
  endAttemptOfJob,
  endFailedSandbox,
  endLatestJob,
  endSandbox,
  endWithRuntime,
  failAttempt,
  failMissingRuntime,
  mayContinue,
  reconcile,
  stopRequested,
  stopRuntime
} from "./steps.js"

/** Stops a sandbox whose deadline has passed. */
export const decideDeadline = (state: AttemptState, now: number) => {
  const passed = passedDeadline(state, now)
  return passed === undefined ? undefined : { draft: decideStop(state, deadlineReasons[passed], passed), ended: true }
}

/** Ends the attempt of an ended job. An image that was built waits no longer for its runtime. */
export const decideEndedJob = (
  state: AttemptState,
  job: JobState
): { readonly draft: Draft; readonly ended: boolean } => {
  const draft = new Draft(state)
  if (job.status === "succeeded") {
    const waiting = () => Option.filter(attemptOfLatestJob(draft, job), mayContinue)
    Option.map(waiting(), (attempt) => reconcile(draft, attempt))
    Option.map(waiting(), (attempt) => failMissingRuntime(draft, attempt))
  }
  return { draft, ended: endAttemptOfJob(draft, job) }
}

/** Cancels an attempt with a stop request. Fails one without a job whose runtime was not reported running in time. */
export const decideLeftAttempt = (state: AttemptState) => {
  const draft = new Draft(state)
  const attempt = Option.filter(state.attempt, isActive)
  if (Option.isNone(attempt)) return undefined
  if (Option.isSome(attempt.value.stopRequestedAt)) {
    cancelAttempt(draft, attempt.value, stopRequested)
    endSandbox(draft, attempt.value, true)
    return { draft, ended: true }
  }
  reconcile(draft, attempt.value)
  const waiting = Option.filter(draft.attempt, isActive)
  if (Option.isNone(waiting)) return { draft, ended: false }
  const failed = failAttempt(draft, waiting.value)
  failMissingRuntime(draft, failed)
  endSandbox(draft, failed, false)
  return { draft, ended: true }
}

/** Fails a relaunched runtime that was never reported running. */
export const decideLeftRuntime = (state: AttemptState) => {
  const { attempt, runtime } = state
  if (Option.isNone(attempt) || Option.isSome(attempt.value.stopRequestedAt)) return undefined
  if (!Option.exists(runtime, ({ status }) => status === "pending")) return undefined
  const draft = new Draft(state)
  failMissingRuntime(draft, attempt.value)
  endWithRuntime(draft, attempt.value)
  return { draft, ended: true }
}

/**
 * Ends a sandbox that has ended for its owner but not in its row, because its runtime or attempt was ended outside the
 * lifecycle. Ends the rest of a sandbox that was set to stopped or failed.
 */
export const decideDisagreeing = (state: AttemptState) => {
  const { attempt, job, sandbox } = state
  if (Option.isNone(attempt) || Option.isNone(sandbox)) return undefined
  if (sandbox.value.status === "failed") {
    const draft = new Draft(state)
    endFailedSandbox(draft, attempt.value)
    return draft.changes.length === 0 ? undefined : { draft, ended: true }
  }
  if (sandbox.value.status === "stopped" || Option.isSome(attempt.value.stopRequestedAt)) {
    return { draft: decideStop(state, stopRequested), ended: true }
  }
  const draft = new Draft(state)
  endWithRuntime(draft, attempt.value)
  if (attempt.value.status === "failed" || attempt.value.status === "cancelled") {
    stopRuntime(draft, attempt.value)
    if (Option.exists(job, isActive)) endLatestJob(draft, attemptEnded)
    endSandbox(draft, attempt.value, attempt.value.status === "cancelled")
  }
  return draft.changes.length === 0 ? undefined : { draft, ended: true }
}

/** Ends a waiting sandbox whose latest attempt has ended, or that has no attempt. */
export const decideLeftSandbox = (state: AttemptState) => {
  const { attempt, sandbox } = state
  if (Option.isNone(sandbox)) return undefined
  const draft = new Draft(state)
  draft.moveSandbox(
    sandbox.value,
    Option.exists(attempt, ({ status }) => status === "cancelled") ? "stopped" : "failed"
  )
  return { draft, ended: true }
}
