/**
 * A process that enqueues a job for each line that it reads, and tells of it when it is committed.
 */
import { Effect, Layer } from "effect"
import { once } from "node:events"
import { createInterface } from "node:readline"
import * as Database from "../../src/Database.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { request } from "./support.js"
import { tell } from "../support/children.js"

/** What the process is told. */
export interface Orders {
  readonly filePath: string
}

/** What it tells. */
export type Report = { readonly type: "ready" } | { readonly type: "enqueued"; readonly jobId: string }

const { filePath }: Orders = JSON.parse(process.argv[2] ?? "{}")

const program = Effect.gen(function* () {
  const jobs = yield* WorkspaceBuildJobRepo
  const lines = createInterface({ input: process.stdin })
  const runEnqueue = Effect.flatMap(jobs.enqueue(request), ({ job }) =>
    Effect.sync(() => tell<Report>({ type: "enqueued", jobId: job.id }))
  )
  lines.on("line", () => {
    Effect.runFork(runEnqueue)
  })
  tell<Report>({ type: "ready" })
  yield* Effect.promise(() => once(lines, "close"))
}).pipe(Effect.provide(Layer.provide(WorkspaceBuildJobRepo.layer, Database.layer({ filePath, busyTimeoutMs: 60_000 }))))

await Effect.runPromise(program)
