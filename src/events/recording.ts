/**
 * Repositories for lifecycle operations: each write that changes a status records an event in the journal.
 */
import { Effect, Option } from "effect"
import type { JobState, WorkspaceBuildJob } from "../build-job/WorkspaceBuildJob.js"
import type { WorkspaceBuildJobRepo } from "../build-job/WorkspaceBuildJobRepo.js"
import type { IssueWorkflow } from "../issue-workflow/IssueWorkflow.js"
import type { IssueWorkflowExecution } from "../issue-workflow/IssueWorkflowExecution.js"
import type { IssueWorkflowExecutionRepo } from "../issue-workflow/IssueWorkflowExecutionRepo.js"
import type { IssueWorkflowRepo } from "../issue-workflow/IssueWorkflowRepo.js"
import type { Sandbox } from "../sandbox/Sandbox.js"
import type { SandboxAttempt } from "../sandbox/SandboxAttempt.js"
import type { SandboxAttemptRepo } from "../sandbox/SandboxAttemptRepo.js"
import type { SandboxRepo } from "../sandbox/SandboxRepo.js"
import type { SandboxRuntimeInstance } from "../sandbox/SandboxRuntimeInstance.js"
import { recordTransition } from "./journal.js"
import { attemptTransition, jobTransition, runtimeEndTransition, sandboxTransition } from "./transitions.js"

const recordSandbox = (row: Sandbox) => recordTransition(sandboxTransition(row))

const recordAttempt = (row: SandboxAttempt) => recordTransition(attemptTransition(row))

/** Records the end of a runtime as an event of its attempt. */
export const recordRuntimeEnd = (attempt: SandboxAttempt, runtime: SandboxRuntimeInstance) =>
  recordTransition(runtimeEndTransition(attempt, runtime))

/** Records the status of a job. With `evenIfSame`, a new lease under the same status is an event, too. */
export const recordJob = (job: JobState | WorkspaceBuildJob, evenIfSame = false) =>
  recordTransition(jobTransition(job, evenIfSame))

const recordWorkflow = ({ id, issueId, ownerUserId, status }: IssueWorkflow) =>
  recordTransition({
    subjectType: "workflow",
    subjectId: id,
    toState: status,
    payload: { issueId },
    ...(Option.isSome(ownerUserId) ? { ownerUserId: ownerUserId.value } : {})
  })

const recordExecution = ({ id, issueWorkflowId, sandboxAttemptId, sandboxId, status }: IssueWorkflowExecution) =>
  recordTransition({
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

/** Wraps a method so that the row that it returns is recorded. */
const recorded =
  <A>(record: (row: A) => Effect.Effect<void>) =>
  <Args extends ReadonlyArray<unknown>, E>(method: (...args: Args) => Effect.Effect<A, E>) =>
  (...args: Args): Effect.Effect<A, E> =>
    Effect.tap(method(...args), record)

interface SandboxRepositories {
  readonly sandboxes: SandboxRepo["Type"]
  readonly attempts: SandboxAttemptRepo["Type"]
  readonly jobs: WorkspaceBuildJobRepo["Type"]
  readonly executions: IssueWorkflowExecutionRepo["Type"]
}

/** Wraps the repositories of sandboxes, attempts, jobs and executions. */
export const recordingSandboxes = <R extends SandboxRepositories>(repositories: R): R => {
  const { attempts, executions, jobs, sandboxes } = repositories
  const sandbox = recorded(recordSandbox)
  const attempt = recorded(recordAttempt)
  const job = recorded((row: WorkspaceBuildJob) => recordJob(row))
  return {
    ...repositories,
    sandboxes: {
      ...sandboxes,
      // A new sandbox is recorded when its attempt is linked, in the same transaction, so that the event has its id.
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
      enqueue: (request) => Effect.tap(jobs.enqueue(request), ({ job }) => recordJob(job)),
      succeed: job(jobs.succeed),
      fail: job(jobs.fail),
      cancel: job(jobs.cancel),
      cancelLatestByAttemptId: (request) =>
        Effect.tap(jobs.cancelLatestByAttemptId(request), (latest) =>
          Option.isSome(latest) ? recordJob(latest.value) : Effect.void
        ),
      reapExpired: (limit) =>
        Effect.tap(jobs.reapExpired(limit), (reaped) =>
          Effect.forEach(reaped, (row) => recordJob(row), { discard: true })
        )
    } satisfies SandboxRepositories["jobs"],
    executions: recordingExecutions(executions)
  }
}

const recordingExecutions = (executions: SandboxRepositories["executions"]): SandboxRepositories["executions"] => {
  const execution = recorded(recordExecution)
  return {
    ...executions,
    create: execution(executions.create),
    start: execution(executions.start),
    succeed: execution(executions.succeed),
    fail: execution(executions.fail),
    cancel: execution(executions.cancel)
  }
}

interface WorkflowRepositories {
  readonly workflows: IssueWorkflowRepo["Type"]
  readonly executions: IssueWorkflowExecutionRepo["Type"]
}

/** Wraps the repositories of workflows and executions. */
export const recordingWorkflows = <R extends WorkflowRepositories>(repositories: R): R => {
  const { executions, workflows } = repositories
  const workflow = recorded(recordWorkflow)
  return {
    ...repositories,
    workflows: {
      ...workflows,
      create: workflow(workflows.create),
      succeed: workflow(workflows.succeed),
      fail: workflow(workflows.fail),
      cancel: workflow(workflows.cancel)
    },
    executions: recordingExecutions(executions)
  }
}
