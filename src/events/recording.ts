/**
 * Repositories for lifecycle operations: each write that changes a status records an event in the journal.
 */
import { Effect, Option } from "effect"
import type { WorkspaceBuildJob } from "../build-job/WorkspaceBuildJob.js"
import type { WorkspaceBuildJobRepo } from "../build-job/WorkspaceBuildJobRepo.js"
import type { IssueWorkflow } from "../issue-workflow/IssueWorkflow.js"
import type { IssueWorkflowExecution } from "../issue-workflow/IssueWorkflowExecution.js"
import type { IssueWorkflowExecutionRepo } from "../issue-workflow/IssueWorkflowExecutionRepo.js"
import type { IssueWorkflowRepo } from "../issue-workflow/IssueWorkflowRepo.js"
import type { Sandbox } from "../sandbox/Sandbox.js"
import type { SandboxAttempt } from "../sandbox/SandboxAttempt.js"
import type { SandboxAttemptRepo } from "../sandbox/SandboxAttemptRepo.js"
import type { SandboxRepo } from "../sandbox/SandboxRepo.js"
import { recordTransition } from "./journal.js"
import { attemptTransition, jobTransition, sandboxTransition } from "./transitions.js"

const recordSandbox = (row: Sandbox) => recordTransition(sandboxTransition(row))

const recordAttempt = (row: SandboxAttempt) => recordTransition(attemptTransition(row))

const recordJob = (row: WorkspaceBuildJob) => recordTransition(jobTransition(row))

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
      createQueued: attempt(attempts.createQueued)
    },
    jobs: {
      ...jobs,
      enqueue: (request) => Effect.tap(jobs.enqueue(request), ({ job }) => recordJob(job)),
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
