/**
 * The transitions of rows, as the journal records them.
 */
import { Option } from "effect"
import type { JobState } from "../build-job/WorkspaceBuildJob.js"
import type { IssueWorkflow } from "../issue-workflow/IssueWorkflow.js"
import type { IssueWorkflowExecution } from "../issue-workflow/IssueWorkflowExecution.js"
import type { Sandbox } from "../sandbox/Sandbox.js"
import type { SandboxAttempt } from "../sandbox/SandboxAttempt.js"
import type { SandboxRuntimeInstance } from "../sandbox/SandboxRuntimeInstance.js"
import type { Transition } from "./journal.js"

/** `details` are further facts of the payload. */
export const sandboxTransition = (
  { id, latestAttemptId, ownerUserId, status }: Pick<Sandbox, "id" | "latestAttemptId" | "ownerUserId" | "status">,
  details: Transition["payload"] = {}
): Transition => {
  const payload = { ...(Option.isSome(latestAttemptId) ? { attemptId: latestAttemptId.value } : {}), ...details }
  return {
    subjectType: "sandbox",
    subjectId: id,
    toState: status,
    ownerUserId,
    ...(Object.keys(payload).length > 0 ? { payload } : {})
  }
}

export const attemptTransition = ({
  id,
  ownerUserId,
  status
}: Pick<SandboxAttempt, "id" | "ownerUserId" | "status">): Transition => ({
  subjectType: "attempt",
  subjectId: id,
  toState: status,
  ownerUserId
})

type EndedRuntime = Pick<
  SandboxRuntimeInstance,
  "adapter" | "errorCode" | "reference" | "resourceId" | "status" | "stopReason"
>

/** Returns the facts of an ended runtime, for the payload of events. */
export const runtimeEndDetails = ({ adapter, errorCode, reference, resourceId, status, stopReason }: EndedRuntime) => ({
  runtimeStatus: status,
  ...(Option.isSome(stopReason) ? { stopReason: stopReason.value } : {}),
  ...(Option.isSome(errorCode) ? { errorCode: errorCode.value } : {}),
  ...(Option.isSome(adapter) ? { adapter: adapter.value } : {}),
  ...(Option.isSome(resourceId) ? { resourceId: resourceId.value } : {}),
  ...(Option.isSome(reference) ? { reference: reference.value } : {})
})

/**
 * The end of a runtime is an event of its attempt, with its resource for the program that tears it down. The state is
 * that of the attempt.
 */
export const runtimeEndTransition = (
  attempt: Pick<SandboxAttempt, "id" | "ownerUserId" | "status">,
  runtime: EndedRuntime
): Transition => ({ ...attemptTransition(attempt), always: true, payload: runtimeEndDetails(runtime) })

/**
 * The request to stop a runtime is an event of its attempt, with its resource for the program that tears it down. The
 * state is that of the attempt.
 */
export const runtimeStopTransition = (
  attempt: Pick<SandboxAttempt, "id" | "ownerUserId" | "status">,
  runtime: EndedRuntime
): Transition => ({
  ...attemptTransition(attempt),
  always: true,
  payload: { ...runtimeEndDetails(runtime), runtimeStatus: "stopping" }
})

type JobEvent = Pick<JobState, "attemptCount" | "attemptId" | "id" | "leaseToken" | "status"> &
  Partial<Pick<JobState, "errorCode" | "publishedDigest">>

/** Returns the facts of a job for the payload of events: the digest of its image, or its error if it has failed. */
const jobDetails = ({
  attemptCount,
  errorCode = Option.none(),
  leaseToken,
  publishedDigest = Option.none(),
  status
}: JobEvent) => ({
  attemptCount,
  leaseToken,
  ...(status === "succeeded" && Option.isSome(publishedDigest) ? { imageDigest: publishedDigest.value } : {}),
  // A job that is queued again keeps the error of its last attempt.
  ...((status === "failed" || status === "queued") && Option.isSome(errorCode) ? { errorCode: errorCode.value } : {})
})

/** With `evenIfSame`, a new lease under the same status is an event, too. */
export const jobTransition = (job: JobEvent, evenIfSame = false): Transition => ({
  subjectType: "job",
  subjectId: job.id,
  toState: job.status,
  evenIfSame,
  payload: jobDetails(job),
  ...(Option.isSome(job.attemptId) ? { attemptId: job.attemptId.value } : {})
})

export const workflowTransition = ({
  id,
  issueId,
  ownerUserId,
  status
}: Pick<IssueWorkflow, "id" | "issueId" | "ownerUserId" | "status">): Transition => ({
  subjectType: "workflow",
  subjectId: id,
  toState: status,
  payload: { issueId },
  ...(Option.isSome(ownerUserId) ? { ownerUserId: ownerUserId.value } : {})
})

export const executionTransition = ({
  id,
  issueWorkflowId,
  sandboxAttemptId,
  sandboxId,
  status
}: Pick<
  IssueWorkflowExecution,
  "id" | "issueWorkflowId" | "sandboxAttemptId" | "sandboxId" | "status"
>): Transition => ({
  subjectType: "execution",
  subjectId: id,
  toState: status,
  workflowId: issueWorkflowId,
  payload: {
    workflowId: issueWorkflowId,
    ...(Option.isSome(sandboxId) ? { sandboxId: sandboxId.value } : {}),
    ...(Option.isSome(sandboxAttemptId) ? { attemptId: sandboxAttemptId.value } : {})
  }
})
