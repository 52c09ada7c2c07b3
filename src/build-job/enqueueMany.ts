/**
 * Enqueues several jobs: one transaction, and one request to a server.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { IdempotencyConflict, type QuotaExceeded } from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import type { RowsOf } from "../sql/rows.js"
import { failedGuard, guard, type Write, writeAll } from "../sql/writeAll.js"
import { enqueueWrite, insertManyText, ownerOf } from "./enqueue.js"
import { limitOf, quotaExceeded, usedOf } from "./quotas.js"
import { type EnqueuedJob, type EnqueueJob, type WorkspaceBuildJob, WorkspaceBuildJobId } from "./WorkspaceBuildJob.js"

/** The owner and the key of each job of a batch, from the JSON that `insertManyText` takes as ?1. */
const requested = `(
    SELECT json_each.key AS position, value ->> 7 AS key, value ->> 6 AS fingerprint,
      coalesce(value ->> 13, (SELECT owner_user_id FROM sandbox_attempts WHERE id = value ->> 1)) AS owner
    FROM json_each(?1))`

/** The condition that no key of the batch belongs to another request. */
const keysAreOwn = `NOT EXISTS (
  SELECT 1 FROM ${requested} AS r JOIN oci_image_build_jobs AS j ON j.idempotency_key = r.key
  WHERE j.request_fingerprint IS NOT r.fingerprint)`

const newByOwner = `
  SELECT owner, count(DISTINCT coalesce(r.key, r.position)) AS jobs FROM ${requested} AS r
  WHERE NOT EXISTS (SELECT 1 FROM oci_image_build_jobs AS j WHERE j.idempotency_key = r.key) GROUP BY owner`

const isBeyondQuota = `coalesce(${usedOf("maxQueuedBuilds", "n.owner")} + n.jobs > ${limitOf("max_queued_builds", "n.owner")}, false)`

/** The condition that no owner has more queued jobs than allowed after the batch. */
const quotasHold = `NOT EXISTS (SELECT 1 FROM (${newByOwner}) AS n WHERE ${isBeyondQuota})`

export const makeEnqueueMany = (sql: SqlClient.SqlClient, jobs: RowsOf<WorkspaceBuildJob>, columns: string) => {
  const byKeys = (keys: ReadonlyArray<string>) =>
    jobs.findAll(
      sql.unsafe(
        `SELECT ${columns} FROM oci_image_build_jobs WHERE idempotency_key IN (SELECT value FROM json_each(?1))`,
        [JSON.stringify(keys)]
      )
    )

  /** Explains a guard that did not hold. */
  const refused = (
    failed: Write,
    keysOwn: Write,
    payload: string
  ): Effect.Effect<never, IdempotencyConflict | QuotaExceeded | SqlError.SqlError> =>
    failed === keysOwn
      ? Effect.flatMap(
          sql.unsafe<{ readonly key: string }>(
            `SELECT r.key AS key FROM ${requested} AS r JOIN oci_image_build_jobs AS j ON j.idempotency_key = r.key
            WHERE j.request_fingerprint IS NOT r.fingerprint LIMIT 1`,
            [payload]
          ),
          ([row]) => new IdempotencyConflict({ key: row?.key ?? "" })
        )
      : Effect.flatMap(
          sql.unsafe<{ readonly owner: string | null }>(
            `SELECT owner FROM (${newByOwner}) AS n WHERE ${isBeyondQuota} LIMIT 1`,
            [payload]
          ),
          ([row]) => quotaExceeded(sql, "maxQueuedBuilds", row?.owner ?? null)
        )

  const enqueueMany = (requests: ReadonlyArray<typeof EnqueueJob.Type>) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const all = yield* Effect.forEach(requests, (request) =>
        Effect.map(idOrNew(request.id, "job", WorkspaceBuildJobId.make), (id) => ({
          id,
          key: request.idempotencyKey,
          ...enqueueWrite({ ...request, id }, now)
        }))
      )
      const fingerprints = new Map<string, string>()
      for (const { fingerprint, key } of all) {
        if (key === undefined) continue
        if ((fingerprints.get(key) ?? fingerprint) !== fingerprint) return yield* new IdempotencyConflict({ key })
        fingerprints.set(key, fingerprint)
      }
      const payload = JSON.stringify(all.map(({ write }) => write.values))
      const keysOwn = guard(keysAreOwn, [payload])
      const writes = [keysOwn, guard(quotasHold, [payload]), { sql: insertManyText, values: [payload] }]
      const results = yield* Effect.catchAll(writeAll(sql, writes), (error) => {
        const failed = failedGuard(writes, error)
        return Option.isSome(failed) ? refused(failed.value, keysOwn, payload) : Effect.fail(error)
      })
      const inserted = new Map((results[2] ?? []).map((row) => [String(row["id"]), row]))
      const repeated = all.flatMap(({ id, key }) => (inserted.has(id) || key === undefined ? [] : [key]))
      const existing = new Map(
        repeated.length === 0
          ? []
          : (yield* byKeys(repeated)).flatMap((job) =>
              Option.toArray(job.idempotencyKey).map((key) => [String(key), job])
            )
      )
      return all.flatMap(({ id, key, row }): ReadonlyArray<EnqueuedJob> => {
        const stored = inserted.get(id)
        if (stored !== undefined) return [{ job: row(ownerOf(stored)), created: true }]
        const earlier = key === undefined ? undefined : existing.get(key)
        return earlier === undefined ? [] : [{ job: earlier, created: false }]
      })
    })

  return { enqueueMany }
}
