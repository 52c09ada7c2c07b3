/**
 * A worker process of the queue tests. It claims jobs until none is left, and reports each lease and each ended job to its
 * parent before it continues, one line of JSON each.
 *
 * It reports `ready`, and starts when it reads a line, so that several processes start together.
 */
import { Cause, Effect, Layer, Option, Schedule } from "effect"
import { once } from "node:events"
import { monitorEventLoopDelay } from "node:perf_hooks"
import * as Database from "../../src/Database.js"
import type { ClaimedJob } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import * as children from "../support/children.js"
import type { Report, WorkerOptions } from "./protocol.js"

const options: WorkerOptions = JSON.parse(process.argv[2] ?? "{}")

const sendReport = (report: Report) => Effect.sync(() => children.writeReport(report))

const success = {
  executorId: "executor",
  publishedReference: "r/a:t",
  publishedDigestReference: "r/a@sha256:1",
  publishedDigest: "sha256:1"
}

const delay = monitorEventLoopDelay({ resolution: 5 })

const claimant = { workerId: options.workerId, leaseDuration: options.leaseMs }

/** Ends the job under its lease, unless that was lost. */
const finish = ({ job, lease }: ClaimedJob) =>
  Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => jobs.succeed(lease, success)).pipe(
    Effect.as("succeeded" as const),
    Effect.catchTag("LeaseLost", () => Effect.succeed("lost" as const)),
    Effect.flatMap((type) => sendReport({ type, jobId: job.id, token: lease.token }))
  )

/** One of the worker's fibers: alternates between claims of one job and of a batch, until no job is queued or running. */
const work = (fiber: number) =>
  Effect.gen(function* () {
    const jobs = yield* WorkspaceBuildJobRepo
    let round = 0
    const claim = Effect.suspend(() =>
      (fiber + round++) % 2 === 0
        ? Effect.map(jobs.claimNext(claimant), Option.toArray)
        : jobs.claimBatch({ ...claimant, limit: options.batch })
    )
    const processDueJobs = Effect.gen(function* () {
      for (let claimed = yield* claim; claimed.length > 0; claimed = yield* claim) {
        for (const { job, lease } of claimed) yield* sendReport({ type: "claimed", jobId: job.id, token: lease.token })
        if (fiber === 0 && options.holdAfter !== undefined && round > options.holdAfter) {
          yield* sendReport({ type: "holding", jobIds: claimed.map(({ job }) => job.id) })
          return yield* Effect.never
        }
        yield* Effect.forEach(claimed, finish, { concurrency: "unbounded", discard: true })
      }
    })
    const remaining = Effect.map(jobs.stats, ({ byStatus: { queued, running } }) => queued + running)
    yield* Effect.zipRight(processDueJobs, remaining).pipe(
      Effect.repeat({ until: (count) => count === 0, schedule: Schedule.spaced("20 millis") })
    )
  })

const program = Effect.gen(function* () {
  yield* WorkspaceBuildJobRepo
  yield* sendReport({ type: "ready" })
  yield* Effect.promise(() => once(process.stdin, "data"))
  delay.enable()
  yield* Effect.forEach(
    Array.from({ length: options.fibers }, (_, fiber) => fiber),
    work,
    { concurrency: "unbounded", discard: true }
  )
  delay.disable()
  yield* sendReport({
    type: "done",
    loopDelayMs: { mean: delay.mean / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 }
  })
}).pipe(
  Effect.provide(
    Layer.provide(
      WorkspaceBuildJobRepo.layer,
      Database.layer({ filePath: options.filePath, synchronous: options.synchronous })
    )
  ),
  Effect.catchAllCause((cause) => sendReport({ type: "failed", cause: Cause.pretty(cause) }))
)

await Effect.runPromise(program)
process.stdin.destroy()
