/**
 * Rows that start and finish, and measure the time between.
 */
import type { SqlClient, Statement } from "@effect/sql"

/** Ends a row at an instant, but never before it started. One that never started has no duration: `max` of NULL is NULL. */
export const finishedAt = (sql: SqlClient.SqlClient, millis: number): Statement.Fragment =>
  sql`finished_at = max(${millis}, coalesce(started_at, 0)), duration_ms = max(${millis}, started_at) - started_at`
