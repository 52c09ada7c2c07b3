/**
 * The writes on `sandboxes` and `sandbox_run_links`, shared by `SandboxRepo` and the lifecycle operations.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Effect, Option } from "effect"
import { NotFound } from "../Errors.js"
import { ownerScope, type Target } from "../sql/ownerScope.js"
import type { Reference } from "../sql/references.js"
import { columnList } from "../sql/rows.js"
import { failedGuard, guard, type Write } from "../sql/writeAll.js"
import {
  activeSandboxStatuses,
  type CreateSandbox,
  type LinkAttempt,
  Sandbox,
  type SandboxId,
  type SandboxStatus,
  sandboxTransitions
} from "./Sandbox.js"

/** Returns the rows that a sandbox or an attempt refers to. */
export const ownedReferences = (
  table: "sandboxes" | "sandbox_attempts",
  request: Partial<
    Record<
      "ownerUserId" | "requestedByUserId" | "repositoryId" | "repositoryProfileRevisionId" | "profileRevisionId",
      string | undefined
    >
  >
): ReadonlyArray<Reference> => [
  { field: "ownerUserId", table: "user", id: Option.fromNullable(request.ownerUserId) },
  { field: "requestedByUserId", table: "user", id: Option.fromNullable(request.requestedByUserId) },
  { field: "repositoryId", table: "repositories", id: Option.fromNullable(request.repositoryId) },
  {
    field: "repositoryProfileRevisionId",
    table: "repository_profile_revisions",
    id: Option.fromNullable(request.repositoryProfileRevisionId)
  },
  {
    field: "profileRevisionId",
    table: "profile_revisions",
    id: Option.fromNullable(request.profileRevisionId),
    rule: `${table}: a profile of another owner`
  }
]

/** A sandbox to insert, with its deadlines. */
type NewSandbox = typeof CreateSandbox.Type & {
  readonly id: SandboxId
  /** In milliseconds, counted from the insert. */
  readonly lifetime?: number | undefined
  /** In milliseconds. */
  readonly idleTimeout?: number | undefined
}

/** The minimum time between two recorded activities of a sandbox, in milliseconds. */
const touchInterval = 60_000

/** Fails with `NotFound` if `exists`, the first write of the batch, did not hold. */
export const orSandboxNotFound =
  (id: string, exists: Write) =>
  <A>(batch: Effect.Effect<A, SqlError.SqlError>): Effect.Effect<A, NotFound | SqlError.SqlError> =>
    Effect.catchAll(batch, (error) =>
      Effect.fail(Option.isSome(failedGuard([exists], error)) ? new NotFound({ entity: "Sandbox", id }) : error)
    )

export const sandboxStatements = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(columnList(Sandbox))
  const ofOwner = ownerScope(sql)

  return {
    /** Builds the guard that the sandbox exists and belongs to the owner. The first write of a batch (`orSandboxNotFound`). */
    exists: (target: Target) => {
      const source = sql`SELECT 1 FROM sandboxes WHERE id = ${target.id} ${ofOwner(target)}`
      const [condition, values] = sql`EXISTS (${source})`.compile()
      return guard(condition, values)
    },

    /** Builds the guard that the sandbox belongs to the owner and has not ended. */
    isActive: (target: Target) => {
      const source = sql`
        SELECT 1 FROM sandboxes WHERE id = ${target.id} ${ofOwner(target)} AND ${sql.in("status", activeSandboxStatuses)}`
      const [condition, values] = sql`EXISTS (${source})`.compile()
      return guard(condition, values)
    },

    /** Inserts a sandbox. */
    insert: (sandbox: NewSandbox, now: number) => sql`
      INSERT INTO sandboxes (id, name, owner_user_id, repository_id, repository_profile_revision_id,
        profile_revision_id, requested_by_user_id, status, lifetime_ms, expires_at, idle_timeout_ms, created_at, updated_at)
      VALUES (${sandbox.id}, ${sandbox.name}, ${sandbox.ownerUserId}, ${sandbox.repositoryId ?? null},
        ${sandbox.repositoryProfileRevisionId ?? null}, ${sandbox.profileRevisionId ?? null},
        ${sandbox.requestedByUserId ?? null}, ${sandbox.status}, ${sandbox.lifetime ?? null},
        ${sandbox.lifetime === undefined ? null : now + sandbox.lifetime}, ${sandbox.idleTimeout ?? null}, ${now}, ${now})
      RETURNING ${columns}`,

    /**
     * Moves a sandbox. Returns the row, or none if its status does not allow that. The deadlines of a sandbox that is
     * queued again count from now.
     */
    setStatus: (target: Target, to: SandboxStatus, now: number) => sql`
      UPDATE sandboxes SET status = ${to}, updated_at = ${now}
        ${to === "queued" ? sql`, expires_at = ${now} + lifetime_ms, last_active_at = ${now}` : sql``}
      WHERE id = ${target.id} ${ofOwner(target)} AND ${sql.in("status", sandboxTransitions.sources(to))}
      RETURNING ${columns}`,

    /** Sets the deadline of a sandbox. Call it behind `isActive`. */
    extend: ({ id }: Target, until: number, now: number) => sql`
      UPDATE sandboxes SET expires_at = ${until}, updated_at = ${now} WHERE id = ${id} RETURNING ${columns}`,

    /** Records activity of a sandbox, unless it has ended or was active within the last minute. */
    touch: (target: Target, now: number) => sql`
      UPDATE sandboxes SET last_active_at = ${now}
      WHERE id = ${target.id} ${ofOwner(target)} AND ${sql.in("status", activeSandboxStatuses)}
        AND coalesce(last_active_at <= ${now - touchInterval}, true)`,

    /** Links an attempt of the same owner. Returns a row unless the attempt is linked already, or one is missing. */
    link: ({ attemptId, ownerUserId, relation, sandboxId }: typeof LinkAttempt.Type, now: number) => sql`
      INSERT INTO sandbox_run_links (sandbox_id, run_id, relation, linked_at)
      SELECT sandboxes.id, sandbox_attempts.id, ${relation}, ${now}
      FROM sandboxes JOIN sandbox_attempts USING (owner_user_id)
      WHERE sandboxes.id = ${sandboxId} ${ofOwner({ ownerUserId })} AND sandbox_attempts.id = ${attemptId}
      ON CONFLICT DO NOTHING
      RETURNING run_id`,

    /** Makes a linked attempt the latest one of its sandbox, unless a newer one is linked. */
    setLatest: ({ attemptId, sandboxId }: Pick<typeof LinkAttempt.Type, "attemptId" | "sandboxId">, now: number) => {
      const newer = sql`
        (attempt.created_at, attempt.id) > (SELECT created_at, id FROM sandbox_attempts WHERE id = ${attemptId})`
      return sql`
        UPDATE sandboxes SET latest_run_id = ${attemptId}, updated_at = ${now}
        WHERE id = ${sandboxId} AND latest_run_id IS NOT ${attemptId}
          AND NOT EXISTS (
            SELECT 1 FROM sandbox_attempts AS attempt WHERE attempt.id = sandboxes.latest_run_id AND ${newer})
          AND NOT EXISTS (
            SELECT 1 FROM sandbox_run_links AS link CROSS JOIN sandbox_attempts AS attempt ON attempt.id = link.run_id
            WHERE link.sandbox_id = sandboxes.id AND ${newer})
        RETURNING ${columns}`
    }
  }
}
