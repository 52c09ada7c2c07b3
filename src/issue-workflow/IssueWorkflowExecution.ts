/**
 * One execution of a workflow: one try to solve its issue, in a sandbox.
 */
import { Schema } from "effect"
import { confinedTo, existing, Count, enumeration, idOf, optional, OptionalTimestamp, Prose, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { UserId } from "../auth/User.js"
import { SandboxId } from "../sandbox/Sandbox.js"
import { SandboxAttemptId } from "../sandbox/SandboxAttempt.js"
import { IssueWorkflowId } from "./IssueWorkflow.js"

/** The id of an execution, `wfx_` and a UUIDv7 when it is ours. */
export const IssueWorkflowExecutionId = idOf("IssueWorkflowExecutionId")
export type IssueWorkflowExecutionId = typeof IssueWorkflowExecutionId.Type

/** `queued`: waits; `running`: an agent is on it; `succeeded`, `failed`, `cancelled`: ended, for good. */
export const IssueWorkflowExecutionStatus = enumeration("queued", "running", "succeeded", "failed", "cancelled")
export type IssueWorkflowExecutionStatus = typeof IssueWorkflowExecutionStatus.Type

/** Where an execution can go. What has ended stays: another try is another execution. */
export const issueWorkflowExecutionTransitions = stateMachine(IssueWorkflowExecutionStatus.literals, {
  queued: ["running", "cancelled"],
  running: ["succeeded", "failed", "cancelled"],
  succeeded: [],
  failed: [],
  cancelled: []
})

/** What led to an execution. */
export const IssueWorkflowExecutionTriggerType = enumeration("manual", "api", "retry")
export type IssueWorkflowExecutionTriggerType = typeof IssueWorkflowExecutionTriggerType.Type

/** One row of `issue_workflow_executions`. */
export class IssueWorkflowExecution extends Model.Class<IssueWorkflowExecution>("IssueWorkflowExecution")({
  id: IssueWorkflowExecutionId,
  issueWorkflowId: IssueWorkflowId,
  /** The sandbox that it works in. */
  sandboxId: optional(SandboxId),
  /** The attempt that brought that sandbox up for it. An attempt is of one execution at most. */
  sandboxAttemptId: optional(SandboxAttemptId),
  status: IssueWorkflowExecutionStatus,
  triggerType: IssueWorkflowExecutionTriggerType,
  requestedByUserId: optional(UserId),
  cancelReason: optional(Prose),
  queuedAt: Timestamp,
  startedAt: OptionalTimestamp,
  finishedAt: OptionalTimestamp,
  /** From start to finish; none when it never started. */
  durationMs: optional(Count),
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "issue_workflow_executions",
  service: "IssueWorkflowExecutionRepo",
  purpose: "The executions of issue workflows: one row for each try to solve an issue, which ends for good.",
  states: { status: issueWorkflowExecutionTransitions }
})) {}

/** What a caller gives to queue an execution. `triggerType` left out means manual. */
export const CreateExecution = Schema.Struct({
  id: Schema.optional(IssueWorkflowExecutionId),
  issueWorkflowId: IssueWorkflowId,
  sandboxId: Schema.optional(SandboxId),
  sandboxAttemptId: Schema.optional(SandboxAttemptId),
  triggerType: Schema.optionalWith(IssueWorkflowExecutionTriggerType, { default: () => "manual" }),
  requestedByUserId: Schema.optional(UserId)
})

/** An execution that is given up, and why. */
export const CancelExecution = Schema.Struct({
  id: existing(IssueWorkflowExecutionId),
  ownerUserId: confinedTo(UserId),
  reason: Prose
})

/** The attempt that an execution runs in. `sandboxId` left out means the sandbox that the attempt is linked to. */
export const LinkSandboxAttempt = Schema.Struct({
  executionId: existing(IssueWorkflowExecutionId),
  ownerUserId: confinedTo(UserId),
  sandboxAttemptId: existing(SandboxAttemptId),
  sandboxId: Schema.optional(existing(SandboxId))
})

/** Which executions a list shows: those of a workflow. Several statuses mean any of them, an empty list of them none. */
export const ExecutionFilter = Schema.Struct({
  issueWorkflowId: existing(IssueWorkflowId),
  ownerUserId: confinedTo(UserId),
  statuses: Schema.optional(Schema.Array(IssueWorkflowExecutionStatus))
})
