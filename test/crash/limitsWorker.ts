/**
 * A process that claims jobs and ends them in every way: success, retry, failure, release, cancellation, redrive, and not
 * at all, so that the lease expires. It ends when no job is queued or running, unless it is killed before.
 *
 * It reports `ready` when it is loaded, and opens the database when it reads a line.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Layer, Option } from "effect"
import { once } from "node:events"
import type { ClaimedJob } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import type { InvalidInput, InvalidTransition, LeaseLost, NotFound, PersistenceError } from "../../src/Errors.js"
import * as Database from "../../src/Database.js"
import { withoutLogs, writeReport } from "../support/children.js"
import { dieAt } from "./killPoints.js"
import type { LimitsReport, LimitsWorkerOptions } from "./limitsProtocol.js"
import { randomOf } from "./torture/random.js"

const options: LimitsWorkerOptions = JSON.parse(process.argv[2] ?? "{}")

const claimant = { workerId: options.workerId, leaseDuration: options.leaseMs }

const success = {
  executorId: "executor",
  publishedReference: "r/a:t",
  publishedDigestReference: "r/a@sha256:1",
  publishedDigest: "sha256:1"
}

const fiber = (index: number) =>
  Effect.gen(function* () {
    const jobs = yield* WorkspaceBuildJobRepo
    const sql = yield* SqlClient.SqlClient
    const random = randomOf(options.seed * 31 + index)

    const end = ({
      job,
      lease
    }: ClaimedJob): Effect.Effect<
      unknown,
      LeaseLost | InvalidTransition | NotFound | InvalidInput | PersistenceError
    > => {
      const number = random.below(100)
      if (number < 6) return Effect.void
      if (number < 18) return jobs.release(lease)
      // A second retry would wait for seconds.
      if (number < 24 && job.attemptCount === 1) return jobs.fail(lease, { errorMessage: "again" })
      if (number < 34) return jobs.fail(lease, { errorMessage: "no", retryable: false })
      if (number < 38) return jobs.cancel({ id: job.id, reason: "enough" })
      if (number < 50) return Effect.zipRight(jobs.heartbeat(lease, options.leaseMs), jobs.succeed(lease, success))
      return jobs.succeed(lease, success)
    }

    const claim = Effect.suspend(() =>
      random.chance(0.6)
        ? Effect.map(jobs.claimNext(claimant), Option.toArray)
        : jobs.claimBatch({ ...claimant, limit: 1 + random.below(5) })
    )

    const operate = Effect.gen(function* () {
      if (random.chance(0.1)) yield* jobs.reapExpired(5)
      if (!random.chance(0.15)) return
      const [failed] = yield* sql<{ readonly id: string }>`
        SELECT id FROM oci_image_build_jobs WHERE status = 'failed' ORDER BY created_at DESC, id DESC LIMIT 1`
      if (failed !== undefined) yield* jobs.redrive(failed.id)
    })

    const turn = Effect.gen(function* () {
      const claimed = yield* claim
      // Yields to the event loop, so that other processes claim while these jobs run.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      // Another process may have changed the job.
      for (const each of claimed) yield* Effect.catchTag(end(each), "LeaseLost", "InvalidTransition", () => Effect.void)
      yield* Effect.catchTag(operate, "InvalidTransition", () => Effect.void)
      return claimed.length
    })

    for (;;) {
      if ((yield* turn) > 0) continue
      const { byStatus } = yield* jobs.stats
      if (byStatus.queued + byStatus.running === 0) return
      // A job of another process may be due at any time: its lease expires by the real clock.
      yield* Effect.sleep("20 millis")
    }
  })

const program = Effect.all([fiber(0), fiber(1)], { concurrency: "unbounded", discard: true }).pipe(
  Effect.provide(
    Layer.provideMerge(
      WorkspaceBuildJobRepo.layer,
      Database.layer({ filePath: options.filePath, busyTimeoutMs: 60_000, synchronous: "normal" })
    )
  ),
  withoutLogs
)

writeReport<LimitsReport>({ type: "ready" })
await once(process.stdin, "data")
dieAt(options.death)
await Effect.runPromise(program)
writeReport<LimitsReport>({ type: "done" })
process.stdin.destroy()
