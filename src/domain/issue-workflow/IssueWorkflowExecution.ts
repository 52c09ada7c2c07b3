/**
 * One execution of a workflow.
 */
import { idOf } from "../../internal/columns.js"

/** The id of an execution. */
export const IssueWorkflowExecutionId = idOf("IssueWorkflowExecutionId")
export type IssueWorkflowExecutionId = typeof IssueWorkflowExecutionId.Type
