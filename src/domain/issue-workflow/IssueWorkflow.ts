/**
 * A workflow: the work on one issue, through as many executions as it takes.
 */
import { idOf } from "../../internal/columns.js"

/** The id of an issue workflow. */
export const IssueWorkflowId = idOf("IssueWorkflowId")
export type IssueWorkflowId = typeof IssueWorkflowId.Type
