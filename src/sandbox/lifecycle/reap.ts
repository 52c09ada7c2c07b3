/**
 * The decision of supervision on expired leases.
 */
import type { SqlClient } from "@effect/sql"
import { Array, Effect, Option } from "effect"
import { texts } from "../../build-job/claim.js"
import { attemptsExhausted } from "../../build-job/WorkspaceBuildJob.js"
import { type Decision, noChange } from "../../events/operation.js"
import { jobTransition } from "../../events/transitions.js"
import { columnList, joinedRows, readerOf } from "../../sql/rows.js"
import { guard } from "../../sql/writeAll.js"
import { LeasedJob } from "./state.js"

/** The leases that a batch reaps. ?1: now, ?2: the limit. The same rows, in the same order, as `texts.reap` reaps. */
const expired = (columns: string) => `
  SELECT ${columns} FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_leases_idx
  WHERE status = 'running' AND lease_expires_at <= ?1 ORDER BY lease_expires_at, id LIMIT ?2`

// A holder whose lease has expired may publish its image until the lease is reaped.
const version = `(SELECT json_group_array(json_array(id, lease_token, published_reference IS NULL)) || ''
  FROM (${expired("id, lease_token, published_reference")}))`

const expiredText = expired(`${columnList(LeasedJob)}, ${version} AS version`).trim()

const readJob = readerOf(LeasedJob)

/** The number of reaped leases, and of jobs that were queued again. */
interface Reaped {
  readonly taken: number
  readonly requeued: number
}

/** Returns the state of a job after its lease has expired, as `texts.reap` stores it. A published image is kept. */
const endOf = ({ attemptCount, maxAttempts, publishedReference }: LeasedJob) => {
  if (attemptCount < maxAttempts) return { status: "queued", errorCode: Option.none<string>() } as const
  if (Option.isSome(publishedReference)) return { status: "succeeded" } as const
  return { status: "failed", errorCode: Option.some(attemptsExhausted) } as const
}

/** Builds the decision that ends expired leases, up to `limit` of them. */
export const makeReaps = (sql: SqlClient.SqlClient) =>
  Effect.map(
    joinedRows,
    (rows) => (now: number, limit: number) =>
      Effect.map(rows(sql.unsafe(expiredText, [now, limit])), (found): Decision<Reaped, never> => {
        const [first] = found
        if (first === undefined) return noChange({ taken: 0, requeued: 0 })
        // A job that cannot be read is reaped without an event.
        const reaped = Array.getRights(found.map(readJob)).map((job) => ({
          ...job,
          ...endOf(job)
        }))
        const requeued = reaped.filter(({ status }) => status === "queued").length
        return {
          writes: [
            guard(`${version} IS ?3`, [now, limit, first["version"]]),
            { sql: texts.reap, values: [now, limit] }
          ],
          transitions: reaped.map((job) => jobTransition(job)),
          result: () => Effect.succeed({ taken: found.length, requeued })
        }
      })
  )
