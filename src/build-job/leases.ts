/**
 * The methods of `WorkspaceBuildJobRepo` for workers: claims, and writes under a lease.
 */
import type { SqlClient } from "@effect/sql"
import { type Duration, Effect, Either, Metric, Random, Schema } from "effect"
import { InvalidInput, type LeaseLost } from "../Errors.js"
import { maxRows } from "../sql/inputLimits.js"
import type { ClaimRequest } from "../leasing/LeaseMethods.js"
import { leasesOn } from "../leasing/leases.js"
import { operations } from "../sql/operations.js"
import { rowReader, type RowsOf } from "../sql/rows.js"
import { OsExecutorCompileResult } from "../payloads/Executor.js"
import { failText, succeedText, texts } from "./claim.js"
import { makeClaimDue } from "./claimDue.js"
import { countOf, type JobOutcome } from "./JobBatches.js"
import { jobsClaimed, jobsRetried } from "./jobMetrics.js"
import { type ClaimedJob, JobFailure, JobSuccess, Lease, WorkspaceBuildJob } from "./WorkspaceBuildJob.js"
import { encoderOf } from "../sql/decoder.js"

const service = "WorkspaceBuildJobRepo"
const own = operations(service, "WorkspaceBuildJob")
const { decodeInput, traced } = own

const wasRetried = (result: Either.Either<WorkspaceBuildJob, LeaseLost>) =>
  Either.isRight(result) && result.right.status === "queued"

const isOutcome = Schema.is(Schema.Struct({ lease: Schema.encodedSchema(Lease), outcome: Schema.Unknown }))

/** Refuses a list of more than 1,000 items, or whose items are no outcomes under a lease. */
const decodeBatch = (method: string, items: ReadonlyArray<unknown>): Effect.Effect<void, InvalidInput> => {
  const refuse = (issue: string) => new InvalidInput({ operation: `${service}.${method}`, issues: [issue] })
  if (!Array.isArray(items)) return refuse("must be a list")
  if (items.length > maxRows) return refuse(`must have at most ${maxRows} items`)
  const position = items.findIndex((item) => !isOutcome(item))
  return position === -1
    ? Effect.void
    : refuse(`${position}: must have an outcome, and a lease with the texts jobId and workerId and the number token`)
}

const encodeResult = encoderOf(Schema.parseJson(OsExecutorCompileResult))

/** Returns the parameters of `succeedText` after those of the lease. */
export const successValues = ({
  executorId,
  publishedDigest,
  publishedDigestReference,
  publishedReference,
  resultPayload
}: typeof JobSuccess.Type): ReadonlyArray<unknown> => [
  executorId,
  resultPayload === undefined ? null : encodeResult(resultPayload),
  publishedReference,
  publishedDigestReference,
  publishedDigest
]

/** Returns the parameters of `failText` after those of the lease. `random` is from 0 to 1. */
export const failureValues = (
  { errorCode, errorMessage, retryable }: typeof JobFailure.Type,
  random: number
): ReadonlyArray<unknown> => [retryable, (1 + random) / 2, errorCode ?? null, errorMessage]

const decodeSuccess = decodeInput("succeed", JobSuccess)

const readJob = rowReader(WorkspaceBuildJob)

const decodeFailure = decodeInput("failMany", JobFailure)
const decodeSuccesses = decodeInput("succeedMany", JobSuccess)

const heldBy = ({ jobId, token, workerId }: Lease) => ({ id: jobId, token, workerId })

/** Builds the methods for workers. `WorkspaceBuildJobService` documents them. */
export const makeLeases = (sql: SqlClient.SqlClient, jobs: RowsOf<WorkspaceBuildJob>) => {
  const leases = leasesOn<WorkspaceBuildJob, ClaimedJob>(sql, jobs, own, {
    service,
    entity: "WorkspaceBuildJob",
    none: { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 },
    waiting: "queued",
    held: "running",
    noun: "job",
    texts,
    claimDue: makeClaimDue(sql, jobs),
    claimed: (job, workerId) => ({ job, lease: { jobId: job.id, workerId, token: job.leaseToken } }),
    rowOf: ({ job }) => job,
    claims: jobsClaimed,
    retries: jobsRetried
  })

  return {
    claimNext: (request: ClaimRequest) => leases.claimNext(request).pipe(traced("claimNext")),

    claimBatch: (request: ClaimRequest & { readonly limit: number }) =>
      leases.claimBatch(request).pipe(traced("claimBatch")),

    claimById: (request: ClaimRequest & { readonly id: string }) =>
      leases.claimById(request).pipe(traced("claimById", { "job.id": request.id })),

    getByLease: (lease: Lease) =>
      leases.getByLease(heldBy(lease)).pipe(traced("getByLease", { "job.id": lease.jobId })),

    heartbeat: (lease: Lease, duration: Duration.DurationInput) =>
      leases.heartbeat(heldBy(lease), duration).pipe(traced("heartbeat", { "job.id": lease.jobId })),

    succeed: (lease: Lease, success: typeof JobSuccess.Encoded) =>
      decodeSuccess(success).pipe(
        Effect.flatMap((decoded) =>
          leases.underLease(heldBy(lease), succeedText, ["succeeded"], successValues(decoded))
        ),
        traced("succeed", ["InvalidInput"], { "job.id": lease.jobId })
      ),

    fail: (lease: Lease, failure: typeof JobFailure.Encoded) =>
      Effect.gen(function* () {
        const { errorCode = null, errorMessage, retryable } = yield* decodeInput("fail", JobFailure)(failure)
        return yield* leases.fail(heldBy(lease), failText, retryable, [errorCode, errorMessage])
      }).pipe(traced("fail", ["InvalidInput"], { "job.id": lease.jobId })),

    succeedMany: (outcomes: ReadonlyArray<JobOutcome<typeof JobSuccess.Encoded>>) =>
      Effect.gen(function* () {
        yield* decodeBatch("succeedMany", outcomes)
        const values = yield* Effect.forEach(outcomes, ({ outcome }) =>
          Effect.map(decodeSuccesses(outcome), successValues)
        )
        return yield* leases.underLeases(
          readJob,
          outcomes.map(({ lease }) => heldBy(lease)),
          succeedText,
          ["succeeded"],
          values
        )
      }).pipe(traced("succeedMany", ["InvalidInput"], { "job.count": countOf(outcomes) })),

    failMany: (outcomes: ReadonlyArray<JobOutcome<typeof JobFailure.Encoded>>) =>
      Effect.gen(function* () {
        yield* decodeBatch("failMany", outcomes)
        const values = yield* Effect.forEach(outcomes, ({ outcome }) =>
          Effect.zipWith(decodeFailure(outcome), Random.next, failureValues)
        )
        return yield* leases.underLeases(
          readJob,
          outcomes.map(({ lease }) => heldBy(lease)),
          failText,
          ["retried", "failed"],
          values
        )
      }).pipe(
        Effect.tap((results) => Metric.incrementBy(jobsRetried, results.filter(wasRetried).length)),
        traced("failMany", ["InvalidInput"], { "job.count": countOf(outcomes) })
      ),

    release: (lease: Lease) => leases.release(heldBy(lease)).pipe(traced("release", { "job.id": lease.jobId })),

    reapExpired: (limit: number) => leases.reapExpired(limit).pipe(traced("reapExpired")),

    stats: leases.stats.pipe(traced("stats"))
  }
}
