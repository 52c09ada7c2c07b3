/**
 * The write on `sandbox_runtime_instances`, shared by `SandboxRuntimeInstanceRepo` and the lifecycle operations.
 */
import type { SqlClient } from "@effect/sql"
import { DateTime } from "effect"
import { columnList } from "../sql/rows.js"
import {
  activeRuntimeStatuses,
  endedRuntimeStatuses,
  isEnded,
  type RuntimeReport,
  SandboxRuntimeInstance,
  sandboxRuntimeTransitions
} from "./SandboxRuntimeInstance.js"

const reportedColumns = [
  "adapter",
  "resource_id",
  "reference",
  "endpoint",
  "stop_reason",
  "error_code",
  "error_message"
]

const millisOrNull = (instant: DateTime.Utc | undefined) =>
  instant === undefined ? null : DateTime.toEpochMillis(instant)

export const runtimeStatements = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(columnList(SandboxRuntimeInstance))

  /** Builds the condition that the attempt has a stop request. */
  const hasStopRequest = (attemptId: string) =>
    sql`EXISTS (SELECT 1 FROM sandbox_attempts WHERE id = ${attemptId} AND stop_requested_at IS NOT NULL)`

  /** Builds the condition that the attempt has ended. */
  const hasEndedAttempt = (attemptId: string) =>
    sql`EXISTS (SELECT 1 FROM sandbox_attempts WHERE id = ${attemptId} AND status NOT IN ('queued', 'running'))`

  /** Builds the stored value of a column, or NULL on a relaunch: an ended runtime becomes pending or running. */
  const storedValue = (column: string, ended: boolean) =>
    sql.literal(ended ? column : `iif(status IN ('${endedRuntimeStatuses.join("', '")}'), NULL, ${column})`)

  /** Builds the assignment of a column: the reported value, or else the stored one. */
  const assignment = (column: string, ended: boolean) =>
    sql`${sql.literal(column)} = coalesce(${sql.literal(`excluded.${column}`)}, ${storedValue(column, ended)})`

  return {
    /** Records that running runtimes are inspected at `now`: those that were last inspected up to `before`. */
    claimInspections: (now: number, before: number, limit: number) => sql`
      UPDATE sandbox_runtime_instances SET inspected_at = ${now}
      WHERE run_id IN (
        SELECT run_id FROM sandbox_runtime_instances INDEXED BY sandbox_runtime_instances_inspection_idx
        WHERE status = 'running' AND coalesce(inspected_at, 0) <= ${before}
        ORDER BY coalesce(inspected_at, 0), run_id LIMIT ${limit})
      RETURNING ${columns}`,

    /** Stores a report. Returns the stored row, or none if the report changes nothing. */
    report: (report: typeof RuntimeReport.Type, now: number) => {
      const { attemptId, status } = report
      const launchedAt = millisOrNull(report.launchedAt)
      const finishedAt = millisOrNull(report.finishedAt)
      const ended = isEnded(status)
      // A repeated end changes nothing. Repeated reports of an active runtime may add fields.
      const sources = sandboxRuntimeTransitions.sources(status)
      const from = ended ? sources : [...sources, status]
      const launchedByDefault = status === "running" ? now : null
      return sql`
        INSERT INTO sandbox_runtime_instances (run_id, status, adapter, resource_id, reference, endpoint, stop_reason,
          error_code, error_message, launched_at, finished_at, created_at, updated_at)
        SELECT ${attemptId}, ${status}, ${report.adapter ?? null}, ${report.resourceId ?? null}, ${report.reference ?? null},
          ${report.endpoint ?? null}, ${report.stopReason ?? null}, ${report.errorCode ?? null},
          ${report.errorMessage ?? null},
          ${launchedAt ?? launchedByDefault}, ${ended ? Math.max(finishedAt ?? now, launchedAt ?? 0) : null}, ${now}, ${now}
        WHERE ${ended} OR NOT ${hasStopRequest(attemptId)}
        ON CONFLICT (run_id) DO UPDATE SET
          status = excluded.status, ${sql.csv(reportedColumns.map((column) => assignment(column, ended)))},
          launched_at = coalesce(${launchedAt}, ${storedValue("launched_at", ended)}, ${launchedByDefault}),
          finished_at = iif(${ended},
            max(coalesce(${finishedAt}, finished_at, ${now}), coalesce(${launchedAt}, launched_at, 0)), NULL),
          updated_at = excluded.updated_at
        WHERE ${sql.in("status", from)}
          AND (${ended} OR ${sql.in("status", activeRuntimeStatuses)} OR NOT ${hasEndedAttempt(attemptId)})
        RETURNING ${columns}`
    }
  }
}
