/**
 * Executions of workflows. In an execution, an agent works on the issue in a sandbox.
 */
import { Schema } from "effect"
import {
  ownerScopeField,
  Count,
  enumeration,
  existing,
  idOf,
  optional,
  OptionalTimestamp,
  Prose,
  Timestamp
} from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { UserId } from "../auth/User.js"
import { SandboxId } from "../sandbox/Sandbox.js"
import { SandboxAttemptId } from "../sandbox/SandboxAttempt.js"
import { IssueWorkflowId } from "./IssueWorkflow.js"

/** The id of an execution. Generated ids are `wfx_` and a UUIDv7. */
export const IssueWorkflowExecutionId = idOf("IssueWorkflowExecutionId")
export type IssueWorkflowExecutionId = typeof IssueWorkflowExecutionId.Type

/** The status of an execution. `running`: an agent works on it. `succeeded`, `failed` and `cancelled` are final. */
export const IssueWorkflowExecutionStatus = enumeration("queued", "running", "succeeded", "failed", "cancelled")
export type IssueWorkflowExecutionStatus = typeof IssueWorkflowExecutionStatus.Type

const ofEndedWorkflow = {
  when: "workflow ended",
  by: "`finish`, `cancel` in the same transaction",
  deadline: "at once",
  after: "`IssueWorkflowLifecycle.supervise`: `cancelled`"
}

/** Allowed transitions of an execution. A retry is a new execution. */
export const issueWorkflowExecutionTransitions = stateMachine(
  IssueWorkflowExecutionStatus.literals,
  {
    queued: ["running", "cancelled"],
    running: ["succeeded", "failed", "cancelled"],
    succeeded: [],
    failed: [],
    cancelled: []
  },
  {
    queued: [
      {
        when: "sandbox not ready yet",
        by: "its sandbox",
        deadline: "that of the sandbox",
        after: "`IssueWorkflowLifecycle.supervise`: ends with the sandbox"
      },
      {
        when: "sandbox ready, or no sandbox",
        by: "an agent: `beginExecution`, `report`",
        deadline: "1 day after the sandbox was ready, or after it was queued",
        after: "`IssueWorkflowLifecycle.supervise`: `cancelled`"
      },
      ofEndedWorkflow
    ],
    running: [
      {
        when: "in a sandbox",
        by: "its agent: `finish`",
        deadline: "that of the sandbox",
        after: "`IssueWorkflowLifecycle.supervise`: ends with the sandbox"
      },
      {
        when: "without a sandbox",
        by: "its agent: `report`, `finish`",
        deadline: "1 day after its last change or report",
        after: "`IssueWorkflowLifecycle.supervise`: `failed`"
      },
      ofEndedWorkflow
    ]
  }
)

/** The trigger of an execution. */
export const IssueWorkflowExecutionTriggerType = enumeration("manual", "api", "retry")
export type IssueWorkflowExecutionTriggerType = typeof IssueWorkflowExecutionTriggerType.Type

/** One row of `issue_workflow_executions`. */
export class IssueWorkflowExecution extends Model.Class<IssueWorkflowExecution>("IssueWorkflowExecution")(
  {
    id: IssueWorkflowExecutionId,
    issueWorkflowId: IssueWorkflowId,
    /** The sandbox in which the agent works. */
    sandboxId: optional(SandboxId),
    /** The attempt that started the sandbox for this execution. An attempt belongs to at most one execution. */
    sandboxAttemptId: optional(SandboxAttemptId),
    status: IssueWorkflowExecutionStatus,
    triggerType: IssueWorkflowExecutionTriggerType,
    requestedByUserId: optional(UserId),
    cancelReason: optional(Prose),
    queuedAt: Timestamp,
    startedAt: OptionalTimestamp,
    finishedAt: OptionalTimestamp,
    /** The time from start to finish. None if the execution never started. */
    durationMs: optional(Count),
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "issue_workflow_executions",
    service: "IssueWorkflowExecutionRepo",
    purpose: "The executions of issue workflows. An ended execution keeps its status; a retry is a new row.",
    states: { status: issueWorkflowExecutionTransitions }
  })
) {}

/** Request to queue an execution. `triggerType` defaults to manual. */
export const CreateExecution = Schema.Struct({
  id: Schema.optional(IssueWorkflowExecutionId),
  issueWorkflowId: IssueWorkflowId,
  sandboxId: Schema.optional(SandboxId),
  sandboxAttemptId: Schema.optional(SandboxAttemptId),
  triggerType: Schema.optionalWith(IssueWorkflowExecutionTriggerType, { default: () => "manual" }),
  requestedByUserId: Schema.optional(UserId)
})

/** Request to cancel an execution. */
export const CancelExecution = Schema.Struct({
  id: existing(IssueWorkflowExecutionId),
  ownerUserId: ownerScopeField(UserId),
  reason: Prose
})

/** Request to set the attempt of an execution. `sandboxId` defaults to the sandbox that the attempt is linked to. */
export const LinkSandboxAttempt = Schema.Struct({
  executionId: existing(IssueWorkflowExecutionId),
  ownerUserId: ownerScopeField(UserId),
  sandboxAttemptId: existing(SandboxAttemptId),
  sandboxId: Schema.optional(existing(SandboxId))
})

/**
 * Filter for listing the executions of a workflow. An execution must have one of `statuses`, if set; an empty list
 * matches no execution.
 */
export const ExecutionFilter = Schema.Struct({
  issueWorkflowId: existing(IssueWorkflowId),
  ownerUserId: ownerScopeField(UserId),
  statuses: Schema.optional(Schema.Array(IssueWorkflowExecutionStatus))
})
