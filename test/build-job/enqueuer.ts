/**
 * A process that enqueues a job for each input line, and reports it after the commit.
 */
import { Effect, Layer } from "effect"
import { once } from "node:events"
import { createInterface } from "node:readline"
import * as Database from "../../src/Database.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { request } from "./support.js"
import { writeReport } from "../support/children.js"

/** The argument of the process, in JSON. */
export interface ProcessOptions {
  readonly filePath: string
}

/** A line that the process writes. */
export type Report = { readonly type: "ready" } | { readonly type: "enqueued"; readonly jobId: string }

const { filePath }: ProcessOptions = JSON.parse(process.argv[2] ?? "{}")

const program = Effect.gen(function* () {
  const jobs = yield* WorkspaceBuildJobRepo
  const lines = createInterface({ input: process.stdin })
  const runEnqueue = Effect.flatMap(jobs.enqueue(request), ({ job }) =>
    Effect.sync(() => writeReport<Report>({ type: "enqueued", jobId: job.id }))
  )
  lines.on("line", () => {
    Effect.runFork(runEnqueue)
  })
  writeReport<Report>({ type: "ready" })
  yield* Effect.promise(() => once(lines, "close"))
}).pipe(Effect.provide(Layer.provide(WorkspaceBuildJobRepo.layer, Database.layer({ filePath, busyTimeoutMs: 60_000 }))))

await Effect.runPromise(program)
