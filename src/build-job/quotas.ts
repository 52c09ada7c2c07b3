/**
 * The quotas of owners: conditions in the writes of `enqueue` and `launch`, and the error when one does not hold.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Effect } from "effect"
import { type Quota, QuotaExceeded } from "../Errors.js"
import { guard, type Write } from "../sql/writeAll.js"

/** The SQL expression of a limit of an owner: its own, or the default. `owner` is an SQL expression. */
export const limitOf = (column: string, owner: string) => `coalesce(
      (SELECT ${column} FROM owner_limits WHERE owner_user_id = ${owner}),
      (SELECT ${column} FROM owner_limit_defaults WHERE id = 1))`

/** The limit of each quota, and its use. Both are SQL expressions of the owner, which is NULL for jobs without one. */
const quotas: Readonly<Record<Quota, { readonly column: string; readonly used: (owner: string) => string }>> = {
  maxQueuedBuilds: {
    column: "max_queued_builds",
    used: (owner) => `coalesce(
      (SELECT sum(queued) FROM build_queue_flows WHERE bucket = coalesce(${owner}, '')), 0)`
  },
  maxLiveSandboxes: {
    column: "max_live_sandboxes",
    used: (owner) => `(
      SELECT count(*) FROM sandboxes WHERE owner_user_id = ${owner} AND status IN ('queued', 'running', 'ready'))`
  }
}

/** The SQL expression of the use of a quota. */
export const usedOf = (quota: Quota, owner: string) => quotas[quota].used(owner)

/** The SQL condition that the owner may use one more. */
export const mayUse = (quota: Quota, owner: string) => {
  const { column, used } = quotas[quota]
  return `coalesce(${limitOf(column, owner)} IS NULL OR ${used(owner)} < ${limitOf(column, owner)}, true)`
}

/** Builds the guards of a launch of an owner, each with its quota. */
export const quotaGuards = (ownerUserId: string): ReadonlyArray<{ readonly quota: Quota; readonly write: Write }> =>
  (["maxQueuedBuilds", "maxLiveSandboxes"] as const).map((quota) => ({
    quota,
    write: guard(mayUse(quota, "?1"), [ownerUserId])
  }))

/** Builds the refusal of a decision: fails with `QuotaExceeded` if one of the guards did not hold. */
export const quotaRefusal =
  (sql: SqlClient.SqlClient, guards: ReturnType<typeof quotaGuards>, ownerUserId: string) =>
  (failed: Write): ReturnType<typeof quotaExceeded> | undefined => {
    const refused = guards.find(({ write }) => write === failed)
    return refused === undefined ? undefined : quotaExceeded(sql, refused.quota, ownerUserId)
  }

/** Builds the error of a quota that did not allow a write. `ownerUserId` is null for jobs without an owner. */
export const quotaExceeded = (
  sql: SqlClient.SqlClient,
  quota: Quota,
  ownerUserId: string | null
): Effect.Effect<never, QuotaExceeded | SqlError.SqlError> => {
  const { column, used } = quotas[quota]
  return Effect.flatMap(
    sql.unsafe<{ readonly limit: number | null; readonly used: number }>(
      `SELECT ${limitOf(column, "?1")} AS "limit", ${used("?1")} AS used`,
      [ownerUserId]
    ),
    ([row]) => new QuotaExceeded({ quota, limit: row?.limit ?? 0, used: row?.used ?? 0 })
  )
}
