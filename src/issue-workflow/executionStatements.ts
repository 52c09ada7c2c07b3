/**
 * The writes on `issue_workflow_executions` that queue and move executions, shared by `IssueWorkflowExecutionRepo` and
 * the lifecycle operations. Each returns the written row, or none if its guard did not match.
 */
import type { SqlClient, Statement } from "@effect/sql"
import { finishedAt } from "../sql/finishedAt.js"
import type { Target } from "../sql/ownerScope.js"
import { columnList } from "../sql/rows.js"
import { workflowOwnerScope } from "./executionBatches.js"
import {
  type CreateExecution,
  IssueWorkflowExecution,
  type IssueWorkflowExecutionId,
  type IssueWorkflowExecutionStatus,
  issueWorkflowExecutionTransitions
} from "./IssueWorkflowExecution.js"

export const executionStatements = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(columnList(IssueWorkflowExecution))
  const ofOwner = workflowOwnerScope(sql)

  const move = (target: Target, to: IssueWorkflowExecutionStatus, set: Statement.Fragment, now: number) => sql`
    UPDATE issue_workflow_executions SET status = ${to}, ${set}, updated_at = ${now}
    WHERE id = ${target.id} ${ofOwner(target)} AND ${sql.in("status", issueWorkflowExecutionTransitions.sources(to))}
    RETURNING ${columns}`

  return {
    /** Inserts a queued execution. */
    insert: (execution: typeof CreateExecution.Type & { readonly id: IssueWorkflowExecutionId }, now: number) => sql`
      INSERT INTO issue_workflow_executions (id, issue_workflow_id, sandbox_id, sandbox_attempt_id, status, trigger_type,
        requested_by_user_id, queued_at, created_at, updated_at)
      VALUES (${execution.id}, ${execution.issueWorkflowId}, ${execution.sandboxId ?? null},
        ${execution.sandboxAttemptId ?? null}, 'queued', ${execution.triggerType},
        ${execution.requestedByUserId ?? null}, ${now}, ${now}, ${now})
      RETURNING ${columns}`,

    /** Moves a queued execution to running. */
    start: (target: Target, now: number) => move(target, "running", sql`started_at = ${now}`, now),

    /** Ends a running execution. */
    end: (target: Target, to: "succeeded" | "failed", now: number) => move(target, to, finishedAt(sql, now), now),

    /** Cancels an active execution. */
    cancel: (target: Target, reason: string, now: number) =>
      move(target, "cancelled", sql`cancel_reason = ${reason}, ${finishedAt(sql, now)}`, now)
  }
}
