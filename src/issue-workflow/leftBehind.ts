/**
 * The conditions for executions that no caller ends. Supervision ends these executions, and `sealant-db doctor` counts
 * them. `?1` is the current time minus `beginDeadline`.
 */
import { Duration } from "effect"

/**
 * The longest wait of a queued execution for its agent after its sandbox is ready, and the longest time between two
 * reports of an execution that runs without a sandbox.
 */
export const beginDeadline = Duration.days(1)

/**
 * The FROM clause for an active execution `e`, its workflow `w`, its sandbox `s`, its attempt `a` and its runtime `r`.
 * It names the primary keys, because the planner scans a table that had one row when its statistics were collected.
 */
export const executionSource = `issue_workflow_executions AS e
  JOIN issue_workflows AS w INDEXED BY sqlite_autoindex_issue_workflows_1 ON w.id = e.issue_workflow_id
  LEFT JOIN sandbox_attempts AS a INDEXED BY sqlite_autoindex_sandbox_attempts_1 ON a.id = e.sandbox_attempt_id
  LEFT JOIN sandboxes AS s INDEXED BY sqlite_autoindex_sandboxes_1 ON s.id = e.sandbox_id
  LEFT JOIN sandbox_runtime_instances AS r INDEXED BY sqlite_autoindex_sandbox_runtime_instances_1
    ON r.run_id = coalesce(e.sandbox_attempt_id, s.latest_run_id)`

/** The time of the last report of the agent of `e`. */
const lastReport = `max(e.updated_at, ${[
  "SELECT occurred_at FROM issue_workflow_execution_events WHERE execution_id = e.id ORDER BY sequence DESC LIMIT 1",
  "SELECT max(created_at) FROM issue_workflow_execution_artifacts WHERE execution_id = e.id",
  "SELECT max(created_at) FROM issue_workflow_execution_validation_results WHERE execution_id = e.id",
  "SELECT max(created_at) FROM issue_workflow_execution_diff_files WHERE execution_id = e.id",
  "SELECT updated_at FROM issue_workflow_execution_summaries WHERE execution_id = e.id",
  "SELECT max(linked_at) FROM issue_workflow_execution_pull_request_links WHERE execution_id = e.id"
]
  .map((report) => `coalesce((${report}), 0)`)
  .join(", ")})`

/**
 * The reason for ending an execution: `failed` or `stopped` with its sandbox, `ended` with its workflow, `unbegun` or
 * `silent` after the deadline. The deadline also applies to an ended runtime, because it may be launched again.
 */
export const whyExecutionEnds = `CASE
    WHEN a.status = 'failed' OR s.status = 'failed' THEN 'failed'
    WHEN a.status = 'cancelled' OR a.stop_requested_at IS NOT NULL OR s.status = 'stopped' THEN 'stopped'
    WHEN w.status <> 'active' THEN 'ended'
    WHEN r.status = 'failed' AND r.updated_at < ?1 THEN 'failed'
    WHEN r.status = 'stopped' AND r.updated_at < ?1 THEN 'stopped'
    WHEN e.status = 'queued' AND max(e.queued_at, coalesce(a.finished_at, s.updated_at, 0)) < ?1
      AND coalesce(a.status = 'succeeded', s.status = 'ready', 1) THEN 'unbegun'
    WHEN e.status = 'running' AND a.id IS NULL AND s.id IS NULL AND e.updated_at < ?1 AND ${lastReport} < ?1 THEN 'silent'
  END`
