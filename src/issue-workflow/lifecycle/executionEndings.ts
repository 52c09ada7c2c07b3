/**
 * The steps of decisions that move executions, shared by the lifecycles of workflows and sandboxes. Pure: they read and
 * write the draft only.
 */
import { Either } from "effect"
import { InvalidTransition } from "../../Errors.js"
import { storableText } from "../../sql/columns.js"
import { isActive } from "../../sql/transitions.js"
import { issueWorkflowExecutionTransitions } from "../IssueWorkflowExecution.js"
import type { FinishExecution } from "../IssueWorkflowViews.js"
import type { ExecutionMove, ExecutionView, WorkflowDraft } from "./draft.js"

export type Ending = Pick<typeof FinishExecution.Type, "outcome" | "reason">

/** The outcomes of an execution whose sandbox has ended. */
export const sandboxFailed: Ending = { outcome: "failed", reason: "the sandbox has failed" }
export const sandboxStopped: Ending = { outcome: "cancelled", reason: "the sandbox was stopped" }

/** Moves an execution. A repeat with the same status changes nothing. */
export const moveExecution = (
  draft: WorkflowDraft,
  execution: ExecutionView,
  move: ExecutionMove
): Either.Either<ExecutionView, InvalidTransition> => {
  const { id, status } = execution
  if (status === move.to) {
    // The program that moved it before may have recorded nothing.
    draft.recordExecution(execution)
    return Either.right(execution)
  }
  return issueWorkflowExecutionTransitions.allows(status, move.to)
    ? Either.right(draft.moveExecution(execution, move))
    : Either.left(new InvalidTransition({ entity: "IssueWorkflowExecution", id, from: status, to: move.to }))
}

/** Ends an execution. A repeat with the same outcome changes nothing. */
export const endExecution = (
  draft: WorkflowDraft,
  execution: ExecutionView,
  { outcome, reason }: Ending
): Either.Either<ExecutionView, InvalidTransition> => {
  if (outcome === "cancelled") {
    return moveExecution(draft, execution, { to: "cancelled", reason: storableText(reason ?? "") })
  }
  // Only a running execution can succeed or fail.
  const begun = execution.status === "queued" ? draft.moveExecution(execution, { to: "running" }) : execution
  // Before the end, so that tails deliver the event.
  if (outcome === "failed" && reason !== undefined && isActive(begun)) draft.appendFailure(execution.id, reason)
  return moveExecution(draft, begun, { to: outcome })
}

/** Ends an active execution, which any outcome may end. */
export const endActive = (draft: WorkflowDraft, execution: ExecutionView, ending: Ending): void => {
  if (isActive(execution)) Either.getOrThrow(endExecution(draft, execution, ending))
}
