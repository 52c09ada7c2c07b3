/**
 * The active executions of a workflow or a sandbox, read as one JSON column of another row. The column is also the
 * version of the set: a guard compares it inside the write.
 */
import { Effect, ParseResult, Schema } from "effect"
import { SandboxId } from "../../sandbox/Sandbox.js"
import { SandboxAttemptId } from "../../sandbox/SandboxAttempt.js"
import { readingOf } from "../../sql/decoder.js"
import { CorruptRow } from "../../sql/rows.js"
import { IssueWorkflowExecutionId, IssueWorkflowExecutionStatus } from "../IssueWorkflowExecution.js"
import { IssueWorkflowId } from "../IssueWorkflow.js"
import type { ExecutionView } from "./draft.js"

const document = `json_object('id', id, 'issueWorkflowId', issue_workflow_id, 'sandboxId', sandbox_id,
    'sandboxAttemptId', sandbox_attempt_id, 'status', status)`

const activeWhere = (index: string, condition: string) => `(
  SELECT json_group_array(${document}) || '' FROM (
    SELECT * FROM issue_workflow_executions INDEXED BY ${index}
    WHERE ${condition} AND status IN ('queued', 'running') ORDER BY created_at DESC, id DESC))`

/** The column of the active executions of the workflow `w`, newest first. */
export const activeOfWorkflow = activeWhere(
  "issue_workflow_executions_workflow_id_created_at_idx",
  "issue_workflow_id = w.id"
)

/** The column of the active executions in the sandbox `s`, newest first. */
export const activeInSandbox = activeWhere("issue_workflow_executions_sandbox_id_created_at_idx", "sandbox_id = s.id")

const decode = ParseResult.decodeUnknown(
  Schema.parseJson(
    Schema.Array(
      Schema.Struct({
        id: readingOf(IssueWorkflowExecutionId),
        issueWorkflowId: readingOf(IssueWorkflowId),
        sandboxId: Schema.OptionFromNullOr(readingOf(SandboxId)),
        sandboxAttemptId: Schema.OptionFromNullOr(readingOf(SandboxAttemptId)),
        status: IssueWorkflowExecutionStatus
      })
    )
  )
)

/** Decodes the column. */
export const activeExecutions = (column: unknown): Effect.Effect<ReadonlyArray<ExecutionView>, CorruptRow> =>
  Effect.mapError(decode(column), () => new CorruptRow({ entity: "IssueWorkflowExecution", column: "id" }))
