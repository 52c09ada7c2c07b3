/**
 * The transitions of rows, as the journal records them.
 */
import { Option } from "effect"
import type { JobState } from "../build-job/WorkspaceBuildJob.js"
import type { Sandbox } from "../sandbox/Sandbox.js"
import type { SandboxAttempt } from "../sandbox/SandboxAttempt.js"
import type { SandboxRuntimeInstance } from "../sandbox/SandboxRuntimeInstance.js"
import type { Transition } from "./journal.js"

export const sandboxTransition = ({
  id,
  latestAttemptId,
  ownerUserId,
  status
}: Pick<Sandbox, "id" | "latestAttemptId" | "ownerUserId" | "status">): Transition => ({
  subjectType: "sandbox",
  subjectId: id,
  toState: status,
  ownerUserId,
  ...(Option.isSome(latestAttemptId) ? { payload: { attemptId: latestAttemptId.value } } : {})
})

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

/**
 * The end of a runtime is an event of its attempt, with its resource for the program that tears it down. The state is
 * that of the attempt.
 */
export const runtimeEndTransition = (
  attempt: Pick<SandboxAttempt, "id" | "ownerUserId" | "status">,
  {
    adapter,
    reference,
    resourceId,
    status
  }: Pick<SandboxRuntimeInstance, "adapter" | "reference" | "resourceId" | "status">
): Transition => ({
  ...attemptTransition(attempt),
  always: true,
  payload: {
    runtimeStatus: status,
    ...(Option.isSome(adapter) ? { adapter: adapter.value } : {}),
    ...(Option.isSome(resourceId) ? { resourceId: resourceId.value } : {}),
    ...(Option.isSome(reference) ? { reference: reference.value } : {})
  }
})

/** With `evenIfSame`, a new lease under the same status is an event, too. */
export const jobTransition = (
  job: Pick<JobState, "attemptCount" | "attemptId" | "id" | "leaseToken" | "status">,
  evenIfSame = false
): Transition => ({
  subjectType: "job",
  subjectId: job.id,
  toState: job.status,
  evenIfSame,
  payload: { attemptCount: job.attemptCount, leaseToken: job.leaseToken },
  ...(Option.isSome(job.attemptId) ? { attemptId: job.attemptId.value } : {})
})
