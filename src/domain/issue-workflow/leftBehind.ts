/**
 * Executions that no caller ends: the conditions that supervision acts on and that `sealant-db doctor` counts. `?1` is the
 * instant before which an execution must have begun to wait for its agent.
 */
import { Duration } from "effect"

/** How long an execution may wait for its agent after its sandbox is ready. */
export const beginDeadline = Duration.days(1)

/** An active execution `e` with its workflow `w`, its sandbox `s` and the attempt `a` of that sandbox. */
export const executionSource = `issue_workflow_executions AS e
  JOIN issue_workflows AS w ON w.id = e.issue_workflow_id
  LEFT JOIN sandbox_attempts AS a ON a.id = e.sandbox_attempt_id
  LEFT JOIN sandboxes AS s ON s.id = e.sandbox_id`

/** Why the execution ends: `failed` or `stopped` with its sandbox, `ended` with its workflow, `unbegun` by its deadline. */
export const whyExecutionEnds = `CASE
    WHEN a.status = 'failed' OR s.status = 'failed' THEN 'failed'
    WHEN a.status = 'cancelled' OR a.stop_requested_at IS NOT NULL OR s.status = 'stopped' THEN 'stopped'
    WHEN w.status <> 'active' THEN 'ended'
    WHEN e.status = 'queued' AND max(e.queued_at, coalesce(a.finished_at, s.updated_at, 0)) < ?1
      AND coalesce(a.status = 'succeeded', s.status = 'ready', 1) THEN 'unbegun'
  END`
