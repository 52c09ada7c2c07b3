/**
 * The writes on `issue_workflows` that open and end workflows, shared by `IssueWorkflowRepo` and the lifecycle
 * operations. Each returns the written row, or none if its guard did not match.
 */
import type { SqlClient } from "@effect/sql"
import { ownerScope, type Target } from "../sql/ownerScope.js"
import { columnList } from "../sql/rows.js"
import {
  type CreateIssueWorkflow,
  IssueWorkflow,
  type IssueWorkflowId,
  type IssueWorkflowStatus,
  issueWorkflowTransitions
} from "./IssueWorkflow.js"

export const workflowStatements = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(columnList(IssueWorkflow))
  const ofOwner = ownerScope(sql)

  return {
    /** Inserts an active workflow. Returns no row if the issue does not exist or is in another repository. */
    insert: (workflow: typeof CreateIssueWorkflow.Type & { readonly id: IssueWorkflowId }, now: number) => {
      const { id, issueId, ownerUserId = null, repositoryId = null, requestedByUserId = null } = workflow
      return sql`
        INSERT INTO issue_workflows (id, issue_id, repository_id, owner_user_id, status, requested_by_user_id, created_at, updated_at)
        SELECT ${id}, id, repository_id, ${ownerUserId}, 'active', ${requestedByUserId}, ${now}, ${now}
        FROM issues WHERE id = ${issueId} AND repository_id = coalesce(${repositoryId}, repository_id)
        RETURNING ${columns}`
    },

    /** Ends an active workflow. */
    end: (target: Target, to: IssueWorkflowStatus, reason: string | null, now: number) => sql`
      UPDATE issue_workflows SET status = ${to}, cancel_reason = ${reason}, updated_at = ${now}
      WHERE id = ${target.id} ${ofOwner(target)} AND ${sql.in("status", issueWorkflowTransitions.sources(to))}
      RETURNING ${columns}`
  }
}
