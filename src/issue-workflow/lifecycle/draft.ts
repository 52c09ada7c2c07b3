/**
 * The changes that a lifecycle operation of workflows decides on, as data. Nothing is written before the decision ends.
 */
import type { Transition } from "../../events/journal.js"
import { executionTransition, workflowTransition } from "../../events/transitions.js"
import type { LinkExecutionPullRequest } from "../ExecutionReport.js"
import type { IssueWorkflow, IssueWorkflowId } from "../IssueWorkflow.js"
import type { IssueWorkflowExecution, IssueWorkflowExecutionId } from "../IssueWorkflowExecution.js"

/** The columns of an execution on which decisions rely. */
export type ExecutionView = Pick<
  IssueWorkflowExecution,
  "id" | "issueWorkflowId" | "sandboxAttemptId" | "sandboxId" | "status"
>

/** The columns of a workflow on which decisions rely. */
export type WorkflowView = Pick<IssueWorkflow, "id" | "issueId" | "ownerUserId" | "status">

/** The new status of an execution. */
export type ExecutionMove =
  | { readonly to: "running" | "succeeded" | "failed" }
  | { readonly to: "cancelled"; readonly reason: string }

/** The final status of a workflow. */
export type WorkflowEnd =
  | { readonly to: "completed" | "failed" }
  | { readonly to: "cancelled"; readonly reason: string }

/** One change of a row. */
export type Change =
  | ({ readonly kind: "execution"; readonly id: IssueWorkflowExecutionId } & ExecutionMove)
  | ({ readonly kind: "workflow"; readonly id: IssueWorkflowId } & WorkflowEnd)
  /** The event that records why an execution failed. */
  | { readonly kind: "failure"; readonly executionId: IssueWorkflowExecutionId; readonly message: string }
  | { readonly kind: "link"; readonly link: typeof LinkExecutionPullRequest.Type }

export class WorkflowDraft {
  readonly changes: Array<Change> = []
  readonly transitions: Array<Transition> = []

  /** Moves an execution, and records its status. */
  moveExecution(execution: ExecutionView, move: ExecutionMove): ExecutionView {
    this.changes.push({ kind: "execution", id: execution.id, ...move })
    const moved = { ...execution, status: move.to }
    this.recordExecution(moved)
    return moved
  }

  /** Records the status of an execution. The journal skips a status that it contains already. */
  recordExecution(execution: ExecutionView): void {
    this.transitions.push(executionTransition(execution))
  }

  appendFailure(executionId: IssueWorkflowExecutionId, message: string): void {
    this.changes.push({ kind: "failure", executionId, message })
  }

  /** Ends a workflow, and records its status. */
  endWorkflow(workflow: WorkflowView, end: WorkflowEnd): void {
    this.changes.push({ kind: "workflow", id: workflow.id, ...end })
    this.recordWorkflow({ ...workflow, status: end.to })
  }

  /** Records the status of a workflow. */
  recordWorkflow(workflow: WorkflowView): void {
    this.transitions.push(workflowTransition(workflow))
  }

  linkPullRequest(link: typeof LinkExecutionPullRequest.Type): void {
    this.changes.push({ kind: "link", link })
  }
}
