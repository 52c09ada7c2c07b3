/**
 * Idempotency keys of `startExecution`, with the executions that they started.
 */
import { Name, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { IssueWorkflowId } from "./IssueWorkflow.js"
import { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"

/** One row of `issue_workflow_execution_keys`. Keys are unique per workflow. */
export class IssueWorkflowExecutionKey extends Model.Class<IssueWorkflowExecutionKey>("IssueWorkflowExecutionKey")(
  {
    issueWorkflowId: IssueWorkflowId,
    idempotencyKey: Name,
    /** The fingerprint of the first request with this key. A different request with the key is a conflict. */
    requestFingerprint: Name,
    executionId: IssueWorkflowExecutionId,
    createdAt: Timestamp
  },
  table({
    name: "issue_workflow_execution_keys",
    service: "IssueWorkflowLifecycle",
    purpose: "The execution that was started with each idempotency key, so that a repeated start returns it."
  })
) {}
