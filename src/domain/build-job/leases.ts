/**
 * What workers do to jobs: claim them, and write under their lease.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Array, Clock, Duration, Effect, Either, Metric, Option, Random, Schema } from "effect"
import { InvalidInput, LeaseLost, type LeaseLostReason } from "../../Errors.js"
import { Name } from "../../internal/columns.js"
import { operations } from "../../internal/query.js"
import { columnList, type RowsOf, type Unreadable } from "../../internal/rows.js"
import { OsExecutorCompileResult } from "../../payloads/Executor.js"
import { abilitiesOf } from "../../libsql/registry.js"
import { claimByIdText, claimDueText, reapText } from "./claim.js"
import { jobsClaimed, jobsRetried, leasesLost } from "./metrics.js"
import { claimTogether } from "./together.js"
import {
  type ClaimedJob,
  JobFailure,
  JobSuccess,
  type Lease,
  type LeaseOutcome,
  unreadableJob,
  WorkspaceBuildJob
} from "./WorkspaceBuildJob.js"
import type { ClaimRequest, WorkspaceBuildJobService } from "./WorkspaceBuildJobRepo.js"

const service = "WorkspaceBuildJobRepo"
const { input, read, write } = operations(service, "WorkspaceBuildJob")

// The pause before a retry: 1 s after the first attempt, twice as long after each other, never more than 5 min. At
// least half of it is kept, the rest is random, so that jobs which failed together do not come back together.
const firstBackoffMs = 1000
const longestBackoffMs = 5 * 60_000

const maxBatch = 1000

// Enough for any work; and the end of the lease stays an instant that a `DateTime` can hold.
const longestLeaseMs = 100 * 365 * 24 * 60 * 60_000

const encodeResult = Schema.encodeSync(Schema.parseJson(OsExecutorCompileResult))

const decodeSuccess = input("succeed", JobSuccess)

const columns = columnList(WorkspaceBuildJob)

/** The job of id `?1`. */
export const byIdText = `SELECT ${columns} FROM oci_image_build_jobs WHERE id = ?1`

// Trimmed once: the statement trims, and a text that is new each time is hashed anew each time to find what was prepared.
const claimDue = claimDueText(columns).trim()
const claimOne = claimByIdText(columns).trim()
const reap = reapText(columns)

type Leases = Pick<
  WorkspaceBuildJobService,
  "claimNext" | "claimBatch" | "claimById" | "getByLease" | "heartbeat" | "succeed" | "fail" | "release" | "reapExpired"
>

// The write under a lease: `set` stands if the lease is the current one. ?1: now, ?2 to ?4: the lease; `set` has the rest.
const underLeaseText = (set: string) => `
  UPDATE oci_image_build_jobs SET ${set}, updated_at = ?1
  WHERE id = ?2 AND status = 'running' AND lease_token = ?3 AND worker_id = ?4
  RETURNING ${columns}`.trim()

const heartbeatText = underLeaseText("lease_expires_at = ?5")

const succeedText = underLeaseText(`
  status = 'succeeded', lease_outcome = 'succeeded', lease_expires_at = NULL, finished_at = max(?1, started_at),
  executor_id = ?5, result_payload = ?6, published_reference = ?7, published_digest_reference = ?8,
  published_digest = ?9, error_code = NULL, error_message = NULL`)

// ?5: is it worth another try, ?6: error code, ?7: error message, ?8: how much of the pause is kept, 0.5 to 1.
const failText = underLeaseText(`
  status = iif(?5 AND attempt_count < max_attempts, 'queued', 'failed'),
  lease_outcome = iif(?5 AND attempt_count < max_attempts, 'retried', 'failed'),
  lease_expires_at = NULL,
  claimed_at = iif(?5 AND attempt_count < max_attempts, NULL, claimed_at),
  worker_id = iif(?5 AND attempt_count < max_attempts, NULL, worker_id),
  available_at = iif(?5 AND attempt_count < max_attempts,
    ?1 + CAST(?8 * min(${longestBackoffMs}, ${firstBackoffMs} << min(attempt_count - 1, 30)) AS INTEGER), available_at),
  finished_at = iif(?5 AND attempt_count < max_attempts, NULL, max(?1, started_at)),
  error_code = ?6, error_message = ?7`)

const releaseText = underLeaseText(`
  status = 'queued', lease_outcome = 'released', lease_expires_at = NULL, claimed_at = NULL, worker_id = NULL,
  attempt_count = attempt_count - 1, started_at = iif(attempt_count = 1, NULL, started_at)`)

const failUnreadableText = `
  UPDATE oci_image_build_jobs SET
    status = 'failed', lease_outcome = 'failed', lease_expires_at = NULL, finished_at = max(?1, started_at),
    error_code = '${unreadableJob}', error_message = 'the row of the job cannot be read', updated_at = ?1
  WHERE id = ?2 AND status = 'running' AND lease_token = ?3`

export const makeLeases = (sql: SqlClient.SqlClient, jobs: RowsOf<WorkspaceBuildJob>): Leases => {
  // In the way of every worker, all day: written without generators, which cost as much as the decoding.
  const claim = (method: string, { leaseDuration, workerId }: ClaimRequest, text: string, which: string | number) =>
    Effect.flatMap(input(method, Name)(workerId), (worker) =>
      Effect.flatMap(positiveMs(method, "leaseDuration", leaseDuration), (leaseMs) =>
        Effect.clockWith((clock) => {
          const now = clock.unsafeCurrentTimeMillis()
          return Effect.flatMap(jobs.each(sql.unsafe(text, [now, worker, now + leaseMs, which])), handOut(now, worker))
        })))

  const claimDueJobs = (method: string, request: ClaimRequest, limit: number) =>
    Effect.map(claim(method, request, claimDue, limit), (claimed) => claimed.sort(byDue))

  const together = claimTogether<ClaimedJob, SqlError.SqlError | InvalidInput>(maxBatch)
  // A claim inside a transaction is part of it, and nobody else's.
  const isAlone = Effect.map(abilitiesOf(sql)?.isInTransaction ?? Effect.succeed(true), (inTransaction) => !inTransaction)

  const handOut = (now: number, workerId: string) => (touched: ReadonlyArray<Either.Either<WorkspaceBuildJob, Unreadable>>) => {
    const claimed: Array<ClaimedJob> = []
    const unreadable: Array<Unreadable> = []
    for (const row of touched) {
      if (Either.isLeft(row)) unreadable.push(row.left)
      else if (row.right.status === "running") {
        const job = row.right
        claimed.push({ job, lease: { jobId: job.id, workerId, token: job.leaseToken } })
      }
    }
    jobsClaimed.unsafeUpdate(claimed.length, [])
    // The others are claimed, whatever stands in one of them: they are handed out.
    return unreadable.length === 0
      ? Effect.succeed(claimed)
      : Effect.as(Effect.forEach(unreadable, ({ row }) => failUnreadable(now, row)), claimed)
  }

  /** A job that was claimed and cannot be read, as after a deploy with a stricter spec, would come back again and again. */
  const failUnreadable = (now: number, { id, leaseToken }: Readonly<Record<string, unknown>>) =>
    Effect.zipRight(
      Effect.logWarning(`job ${String(id)} cannot be read and has failed`),
      sql.unsafe(failUnreadableText, [now, id, leaseToken])
    )

  const underLease = (lease: Lease, text: string, repeats: ReadonlyArray<LeaseOutcome>, values: ReadonlyArray<unknown>) =>
    Effect.clockWith((clock) =>
      Effect.flatMap(
        // A token that is no whole number was never given, and the engine would not take each such number.
        Number.isSafeInteger(lease.token)
          ? jobs.first(sql.unsafe(text, [clock.unsafeCurrentTimeMillis(), lease.jobId, lease.token, lease.workerId, ...values]))
          : Effect.succeedNone,
        (written) => Option.isSome(written) ? Effect.succeed(written.value) : whyLost(lease, repeats)
      ))

  /** The lease is not the current one: a second look, which says why, or finds that the same call was answered before. */
  const whyLost = (lease: Lease, repeats: ReadonlyArray<LeaseOutcome>) =>
    Effect.gen(function*() {
      const { jobId, token, workerId } = lease
      const found = yield* jobs.first(sql.unsafe(byIdText, [jobId]))
      if (Option.isSome(found) && isRepeat(found.value, lease, repeats)) return found.value
      const reason = Option.match(found, { onNone: () => "not-found" as const, onSome: lossOf(token) })
      yield* Metric.increment(leasesLost)
      return yield* new LeaseLost({ jobId, workerId, reason })
    })

  return {
    claimNext: (request) =>
      Effect.flatMap(isAlone, (alone) =>
        alone
          ? Effect.flatMap(positiveMs("claimNext", "leaseDuration", request.leaseDuration), (leaseMs) =>
            together(`${leaseMs} ${request.workerId}`, (limit) => claimDueJobs("claimNext", request, limit)))
          : Effect.map(claimDueJobs("claimNext", request, 1), ([first]) => Option.fromNullable(first))).pipe(read("claimNext")),

    claimBatch: (request) =>
      countOf("claimBatch", request.limit).pipe(
        Effect.flatMap((limit) => claimDueJobs("claimBatch", request, limit)),
        read("claimBatch")
      ),

    claimById: (request) =>
      claim("claimById", request, claimOne, request.id).pipe(
        Effect.map(([first]) => Option.fromNullable(first)),
        read("claimById", { "job.id": request.id })
      ),

    getByLease: (lease) =>
      jobs.first(sql.unsafe(byIdText, [lease.jobId])).pipe(
        Effect.flatMap((found) =>
          Option.isSome(found) && isCurrent(found.value, lease) ? Effect.succeed(found.value) : whyLost(lease, [])
        ),
        read("getByLease", { "job.id": lease.jobId })
      ),

    heartbeat: (lease, duration) =>
      Effect.gen(function*() {
        const leaseMs = yield* positiveMs("heartbeat", "duration", duration)
        return yield* underLease(lease, heartbeatText, [], [(yield* Clock.currentTimeMillis) + leaseMs])
      }).pipe(read("heartbeat", { "job.id": lease.jobId })),

    succeed: (lease, success) =>
      decodeSuccess(success).pipe(
        Effect.flatMap(({ executorId, publishedDigest, publishedDigestReference, publishedReference, resultPayload }) => {
          const result = resultPayload === undefined ? null : encodeResult(resultPayload)
          return underLease(lease, succeedText, ["succeeded"], [
            executorId,
            result,
            publishedReference,
            publishedDigestReference,
            publishedDigest
          ])
        }),
        write("succeed", ["InvalidInput"], { "job.id": lease.jobId })
      ),

    fail: (lease, failure) =>
      Effect.gen(function*() {
        const { errorCode = null, errorMessage, retryable } = yield* input("fail", JobFailure)(failure)
        const kept = (1 + (yield* Random.next)) / 2
        const job = yield* underLease(lease, failText, ["retried", "failed"], [retryable, errorCode, errorMessage, kept])
        if (job.status === "queued") yield* Metric.increment(jobsRetried)
        return job
      }).pipe(write("fail", ["InvalidInput"], { "job.id": lease.jobId })),

    release: (lease) =>
      underLease(lease, releaseText, ["released"], []).pipe(read("release", { "job.id": lease.jobId })),

    reapExpired: (limit) =>
      Effect.gen(function*() {
        const count = yield* countOf("reapExpired", limit)
        const reaped = yield* jobs.each(sql.unsafe(reap, [yield* Clock.currentTimeMillis, count]))
        return Array.getRights(reaped)
      }).pipe(read("reapExpired"))
  }
}

const isCurrent = (job: WorkspaceBuildJob, { token, workerId }: Lease) =>
  job.status === "running" && job.leaseToken === token && Option.contains(job.workerId, workerId)

/** The same call by the same lease has been answered before. A job that went back to the queue names no worker. */
const isRepeat = (job: WorkspaceBuildJob, { token, workerId }: Lease, repeats: ReadonlyArray<LeaseOutcome>) =>
  job.leaseToken === token && Option.getOrElse(job.workerId, () => workerId) === workerId
  && Option.exists(job.leaseOutcome, (outcome) => repeats.includes(outcome))

const lossOf = (token: number) => (job: WorkspaceBuildJob): LeaseLostReason => {
  if (job.leaseToken !== token || Option.isNone(job.leaseOutcome)) return "superseded"
  switch (job.leaseOutcome.value) {
    case "succeeded":
    case "failed":
    case "retried":
      return "finished"
    default:
      return job.leaseOutcome.value
  }
}

// RETURNING gives its rows in no order.
const byDue = (a: ClaimedJob, b: ClaimedJob) =>
  a.job.availableAt.epochMillis - b.job.availableAt.epochMillis || (a.job.id < b.job.id ? -1 : 1)

const positiveMs = (method: string, field: string, given: Duration.DurationInput): Effect.Effect<number, InvalidInput> => {
  const millis = Option.match(Duration.decodeUnknown(given), { onNone: () => Number.NaN, onSome: (duration) => Math.round(Duration.toMillis(duration)) })
  return millis >= 1 && millis <= longestLeaseMs
    ? Effect.succeed(millis)
    : Effect.fail(new InvalidInput({ operation: `${service}.${method}`, issues: [`${field}: must be at least 1 ms, and at most 100 years`] }))
}

export const countOf = (method: string, limit: number): Effect.Effect<number, InvalidInput> =>
  Number.isInteger(limit) && limit >= 1 && limit <= maxBatch
    ? Effect.succeed(limit)
    : Effect.fail(new InvalidInput({ operation: `${service}.${method}`, issues: [`limit: must be a whole number from 1 to ${maxBatch}`] }))
