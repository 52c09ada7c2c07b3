/**
 * An idempotency key of the start of an execution, and what it led to.
 */
import { Name, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { IssueWorkflowId } from "./IssueWorkflow.js"
import { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"

/** One row of `issue_workflow_execution_keys`. A key belongs to its workflow: two workflows can use the same one. */
export class IssueWorkflowExecutionKey extends Model.Class<IssueWorkflowExecutionKey>("IssueWorkflowExecutionKey")({
  issueWorkflowId: IssueWorkflowId,
  idempotencyKey: Name,
  /** Of the request that the key was first used for: another request under the key is a conflict. */
  requestFingerprint: Name,
  executionId: IssueWorkflowExecutionId,
  createdAt: Timestamp
}, table({
  name: "issue_workflow_execution_keys",
  service: "IssueWorkflowLifecycle",
  purpose: "What each idempotency key of a started execution led to, so that a repeated start gives the first one's result."
})) {}
