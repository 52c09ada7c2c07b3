/**
 * Owner scope of snapshots and runtimes, which belong to the owner of their attempt.
 */
import type { SqlClient, Statement } from "@effect/sql"
import type { OwnerScope } from "../sql/ownerScope.js"

/**
 * Builds the condition that the attempt `run_id` belongs to the owner, for the end of a WHERE clause. Empty for any
 * owner.
 */
export const attemptOwnerScope =
  (sql: SqlClient.SqlClient) =>
  ({ ownerUserId }: OwnerScope): Statement.Fragment =>
    ownerUserId === undefined
      ? sql``
      : sql`AND EXISTS (SELECT 1 FROM sandbox_attempts WHERE id = run_id AND owner_user_id = ${ownerUserId})`
