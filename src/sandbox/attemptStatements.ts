/**
 * The writes on `sandbox_attempts`, shared by `SandboxAttemptRepo` and the lifecycle operations. Each returns the
 * written row, or none if its guard did not match.
 */
import type { SqlClient, Statement } from "@effect/sql"
import { finishedAt } from "../sql/finishedAt.js"
import { ownerScope, type Target } from "../sql/ownerScope.js"
import { columnList } from "../sql/rows.js"
import {
  type QueueAttempt,
  SandboxAttempt,
  type SandboxAttemptId,
  type SandboxAttemptStatus,
  sandboxAttemptTransitions
} from "./SandboxAttempt.js"

export const attemptStatements = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(columnList(SandboxAttempt))
  const ofOwner = ownerScope(sql)

  const mayMoveTo = (to: SandboxAttemptStatus) => sql.in("status", sandboxAttemptTransitions.sources(to))

  const move = (
    target: Target,
    to: SandboxAttemptStatus,
    set: Statement.Fragment,
    now: number,
    guard = mayMoveTo(to)
  ) =>
    sql`
      UPDATE sandbox_attempts SET status = ${to}, ${set}, updated_at = ${now}
      WHERE id = ${target.id} ${ofOwner(target)} AND ${guard}
      RETURNING ${columns}`

  return {
    /** Inserts a queued attempt. */
    insert: (attempt: typeof QueueAttempt.Type & { readonly id: SandboxAttemptId }, now: number) => sql`
      INSERT INTO sandbox_attempts (id, owner_user_id, repository_id, repository_profile_revision_id,
        profile_revision_id, issue_id, status, trigger_type, trigger_ref, requested_by_user_id, retry_of_run_id,
        queued_at, created_at, updated_at)
      VALUES (${attempt.id}, ${attempt.ownerUserId}, ${attempt.repositoryId ?? null},
        ${attempt.repositoryProfileRevisionId ?? null}, ${attempt.profileRevisionId ?? null},
        ${attempt.issueId ?? null}, 'queued', ${attempt.triggerType}, ${attempt.triggerRef ?? null},
        ${attempt.requestedByUserId ?? null}, ${attempt.retryOfAttemptId ?? null}, ${now}, ${now}, ${now})
      RETURNING ${columns}`,

    /** Moves an attempt without a stop request to running. */
    start: (target: Target, startedAt: number, now: number) =>
      move(
        target,
        "running",
        sql`started_at = ${startedAt}`,
        now,
        sql`${mayMoveTo("running")} AND stop_requested_at IS NULL`
      ),

    /** Ends an attempt. */
    end: (target: Target, to: "succeeded" | "failed", at: number, now: number) =>
      move(target, to, finishedAt(sql, at), now),

    /** Cancels an attempt. */
    cancel: (target: Target, reason: string, at: number, now: number) =>
      move(target, "cancelled", sql`cancel_reason = ${reason}, ${finishedAt(sql, at)}`, now),

    /** Records a stop request, unless there is one. */
    requestStop: (target: Target, now: number) => sql`
      UPDATE sandbox_attempts SET
        stop_requested_at = coalesce(stop_requested_at, ${now}),
        updated_at = iif(stop_requested_at IS NULL, ${now}, updated_at)
      WHERE id = ${target.id} ${ofOwner(target)}
      RETURNING ${columns}`
  }
}
