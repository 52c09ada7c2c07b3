/**
 * The repositories as lifecycle operations have them: each write that moves a row is noted for the journal.
 */
import { Effect, Option } from "effect"
import type { JobState, WorkspaceBuildJob } from "../build-job/WorkspaceBuildJob.js"
import type { Sandbox } from "../sandbox/Sandbox.js"
import type { SandboxAttempt } from "../sandbox/SandboxAttempt.js"
import type { SandboxRuntimeInstance } from "../sandbox/SandboxRuntimeInstance.js"
import type { IssueWorkflow } from "../issue-workflow/IssueWorkflow.js"
import type { IssueWorkflowExecution } from "../issue-workflow/IssueWorkflowExecution.js"
import { note } from "./journal.js"
import type { WorkflowRepositories } from "../issue-workflow/makeIssueWorkflowLifecycle.js"
import type { Repositories } from "../sandbox/makeSandboxLifecycle.js"

const noteSandbox = ({ id, latestRunId, ownerUserId, status }: Sandbox) =>
  note({
    subjectType: "sandbox",
    subjectId: id,
    toState: status,
    ownerUserId,
    ...(Option.isSome(latestRunId) ? { payload: { attemptId: latestRunId.value } } : {})
  })

const noteAttempt = ({ id, ownerUserId, status }: SandboxAttempt) =>
  note({ subjectType: "attempt", subjectId: id, toState: status, ownerUserId })

/**
 * Records the end of a runtime as an event of its attempt, with its resource for the program that tears it down. The state
 * is that of the attempt.
 */
export const noteRuntimeEnd = (attempt: SandboxAttempt, { adapter, reference, resourceId, status }: SandboxRuntimeInstance) =>
  note({
    subjectType: "attempt",
    subjectId: attempt.id,
    toState: attempt.status,
    ownerUserId: attempt.ownerUserId,
    always: true,
    payload: {
      runtimeStatus: status,
      ...(Option.isSome(adapter) ? { adapter: adapter.value } : {}),
      ...(Option.isSome(resourceId) ? { resourceId: resourceId.value } : {}),
      ...(Option.isSome(reference) ? { reference: reference.value } : {})
    }
  })

/** A job goes to another lease without another status: that is told, too. */
export const noteJob = (job: JobState | WorkspaceBuildJob, evenIfSame = false) =>
  note({
    subjectType: "job",
    subjectId: job.id,
    toState: job.status,
    evenIfSame,
    payload: { attemptCount: job.attemptCount, leaseToken: job.leaseToken },
    ...(Option.isSome(job.runId) ? { runId: job.runId.value } : {})
  })

const noteWorkflow = ({ id, issueId, ownerUserId, status }: IssueWorkflow) =>
  note({
    subjectType: "workflow",
    subjectId: id,
    toState: status,
    payload: { issueId },
    ...(Option.isSome(ownerUserId) ? { ownerUserId: ownerUserId.value } : {})
  })

const noteExecution = ({ id, issueWorkflowId, sandboxAttemptId, sandboxId, status }: IssueWorkflowExecution) =>
  note({
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

const noting = <A>(write: (row: A) => Effect.Effect<void>) =>
<Args extends ReadonlyArray<unknown>, E>(method: (...args: Args) => Effect.Effect<A, E>) =>
(...args: Args): Effect.Effect<A, E> => Effect.tap(method(...args), write)

export const recording = (repositories: Repositories): Repositories => {
  const { attempts, executions, jobs, sandboxes } = repositories
  const sandbox = noting(noteSandbox)
  const attempt = noting(noteAttempt)
  const job = noting((row: WorkspaceBuildJob) => noteJob(row))
  return {
    ...repositories,
    sandboxes: {
      ...sandboxes,
      // A new sandbox is noted when its attempt is linked, in the same transaction: then it is known which that is.
      linkAttempt: sandbox(sandboxes.linkAttempt),
      setStatus: sandbox(sandboxes.setStatus)
    },
    attempts: {
      ...attempts,
      createQueued: attempt(attempts.createQueued),
      markRunning: attempt(attempts.markRunning),
      markSucceeded: attempt(attempts.markSucceeded),
      markFailed: attempt(attempts.markFailed),
      markCancelled: attempt(attempts.markCancelled)
    },
    jobs: {
      ...jobs,
      enqueue: (request) => Effect.tap(jobs.enqueue(request), ({ job }) => noteJob(job)),
      succeed: job(jobs.succeed),
      fail: job(jobs.fail),
      cancel: job(jobs.cancel),
      cancelLatestByRunId: (request) => Effect.tap(jobs.cancelLatestByRunId(request), (latest) => Option.isSome(latest) ? noteJob(latest.value) : Effect.void),
      reapExpired: (limit) =>
        Effect.tap(jobs.reapExpired(limit), (reaped) => Effect.forEach(reaped, (row) => noteJob(row), { discard: true }))
    },
    executions: recordingExecutions(executions)
  }
}

const recordingExecutions = (executions: Repositories["executions"]): Repositories["executions"] => {
  const execution = noting(noteExecution)
  return {
    ...executions,
    create: execution(executions.create),
    start: execution(executions.start),
    succeed: execution(executions.succeed),
    fail: execution(executions.fail),
    cancel: execution(executions.cancel)
  }
}

export const recordingWorkflows = (repositories: WorkflowRepositories): WorkflowRepositories => {
  const { executions, workflows } = repositories
  const workflow = noting(noteWorkflow)
  return {
    ...repositories,
    workflows: {
      ...workflows,
      create: workflow(workflows.create),
      complete: workflow(workflows.complete),
      fail: workflow(workflows.fail),
      cancel: workflow(workflows.cancel)
    },
    executions: recordingExecutions(executions)
  }
}
