/**
 * End and duration of rows that start and finish.
 */
import type { SqlClient, Statement } from "@effect/sql"

/**
 * Builds the assignments that end a row at an instant, or at its start if that is later. A row that never started has
 * no duration: `max` of NULL is NULL (https://www.sqlite.org/lang_corefunc.html#max_scalar).
 */
export const finishedAt = (sql: SqlClient.SqlClient, millis: number): Statement.Fragment =>
  sql`finished_at = max(${millis}, coalesce(started_at, 0)), duration_ms = max(${millis}, started_at) - started_at`
