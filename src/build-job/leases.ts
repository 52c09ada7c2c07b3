/**
 * What workers do to jobs: claim them, and write under their lease.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Schema } from "effect"
import { leasesOn } from "../leasing/leases.js"
import { operations } from "../sql/operations.js"
import type { RowsOf } from "../sql/rows.js"
import { OsExecutorCompileResult } from "../payloads/Executor.js"
import { failText, succeedText, texts } from "./claim.js"
import { jobsClaimed, jobsRetried } from "./jobMetrics.js"
import { type ClaimedJob, JobFailure, JobSuccess, type Lease, type WorkspaceBuildJob } from "./WorkspaceBuildJob.js"
import type { WorkspaceBuildJobService } from "./WorkspaceBuildJobRepo.js"

const service = "WorkspaceBuildJobRepo"
const own = operations(service, "WorkspaceBuildJob")
const { input, read, write } = own

const encodeResult = Schema.encodeSync(Schema.parseJson(OsExecutorCompileResult))

const decodeSuccess = input("succeed", JobSuccess)

type Leases = Pick<
  WorkspaceBuildJobService,
  "claimNext" | "claimBatch" | "claimById" | "getByLease" | "heartbeat" | "succeed" | "fail" | "release" | "reapExpired" | "stats"
>

const heldBy = ({ jobId, token, workerId }: Lease) => ({ id: jobId, token, workerId })

/** The methods of workers. */
export const makeLeases = (sql: SqlClient.SqlClient, jobs: RowsOf<WorkspaceBuildJob>): Leases => {
  const leases = leasesOn<WorkspaceBuildJob, ClaimedJob>(sql, jobs, own, {
    service,
    none: { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 },
    waiting: "queued",
    held: "running",
    noun: "job",
    texts,
    claimed: (job, workerId) => ({ job, lease: { jobId: job.id, workerId, token: job.leaseToken } }),
    rowOf: ({ job }) => job,
    claims: jobsClaimed,
    retries: jobsRetried
  })

  return {
    claimNext: (request) => leases.claimNext(request).pipe(read("claimNext")),

    claimBatch: (request) => leases.claimBatch(request).pipe(read("claimBatch")),

    claimById: (request) => leases.claimById(request).pipe(read("claimById", { "job.id": request.id })),

    getByLease: (lease) => leases.getByLease(heldBy(lease)).pipe(read("getByLease", { "job.id": lease.jobId })),

    heartbeat: (lease, duration) => leases.heartbeat(heldBy(lease), duration).pipe(read("heartbeat", { "job.id": lease.jobId })),

    succeed: (lease, success) =>
      decodeSuccess(success).pipe(
        Effect.flatMap(({ executorId, publishedDigest, publishedDigestReference, publishedReference, resultPayload }) => {
          const result = resultPayload === undefined ? null : encodeResult(resultPayload)
          return leases.underLease(heldBy(lease), succeedText, ["succeeded"], [
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
        return yield* leases.fail(heldBy(lease), failText, retryable, [errorCode, errorMessage])
      }).pipe(write("fail", ["InvalidInput"], { "job.id": lease.jobId })),

    release: (lease) => leases.release(heldBy(lease)).pipe(read("release", { "job.id": lease.jobId })),

    reapExpired: (limit) => leases.reapExpired(limit).pipe(read("reapExpired")),

    stats: leases.stats.pipe(read("stats"))
  }
}
