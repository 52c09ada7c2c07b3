/**
 * An idle worker, woken by an enqueue in another process and by a slot that becomes free.
 */
import { expect, it } from "@effect/vitest"
import { Chunk, Effect, Layer, Option, Queue, TestClock } from "effect"
import * as BuildWorker from "../../src/build-job/BuildWorker.js"
import { OwnerLimitsRepo } from "../../src/build-job/OwnerLimitsRepo.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import * as Sql from "../../src/libsql/SqlClient.js"
import { newPath, openClient } from "../libsql/support.js"
import { child } from "../support/children.js"
import { migrated } from "../support/database.js"
import { eventually } from "../support/eventLoop.js"
import { answer, claim, launch, layers, services, success } from "../sandbox/lifecycle/support.js"
import type { ProcessOptions, Report } from "./enqueuer.js"

const hour = 3_600_000
// Ahead of the other process's clock, so that its jobs are due here.
const standing = Date.UTC(2200, 0)
const ready = { ...success, runtime: answer("running") }

it.scoped("an enqueue in another process wakes an idle worker by file-change notification alone", () =>
  Effect.gen(function* () {
    const filePath = yield* newPath
    // The next poll would follow after an hour, and no Effect clock advances.
    const client = yield* openClient(filePath, { busyTimeoutMs: 60_000, pausesMs: [hour] })
    const built = yield* Queue.unbounded<string>()
    const layer = services.pipe(Layer.provideMerge(migrated), Layer.provideMerge(Sql.layer(Effect.succeed(client))))
    yield* Effect.gen(function* () {
      yield* TestClock.setTime(standing)
      const options: ProcessOptions = { filePath }
      const enqueuer = yield* child<Report>(new URL("./enqueuer.ts", import.meta.url), options)
      yield* Effect.promise(() => enqueuer.first("ready"))
      yield* Effect.fork(
        BuildWorker.run(({ job }) => Effect.as(Queue.offer(built, job.id), ready), {
          workerId: "worker",
          pollInterval: "1 day",
          drainTimeout: 0
        })
      )
      yield* eventually(Effect.map(TestClock.sleeps(), Chunk.contains(standing + 24 * hour)))
      enqueuer.writeLine("")
      const { jobId } = yield* Effect.promise(() => enqueuer.first("enqueued"))
      // The file-change notification may come before the commit is visible. The notification of the next commit comes after it.
      enqueuer.writeLine("")
      expect(yield* Queue.take(built)).toBe(jobId)
    }).pipe(Effect.provide(layer))
  })
)

for (const [name, layer] of Object.entries({ memory: layers.memory, file: layers.file }))
  it.scoped(`the end of a build wakes a worker that waits for the slot of its owner (${name})`, () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      const first = yield* launch()
      const owner = Option.getOrThrow(first.job.ownerUserId)
      yield* Effect.provide(
        Effect.flatMap(OwnerLimitsRepo, (limits) => limits.set({ ownerUserId: owner, maxRunningBuilds: 1 })),
        OwnerLimitsRepo.layer
      )
      const second = yield* launch()
      const { job, lease } = yield* claim(first, "other")
      expect(job.id).toBe(first.job.id)

      const built = yield* Queue.unbounded<string>()
      yield* Effect.fork(
        BuildWorker.run(({ job }) => Effect.as(Queue.offer(built, job.id), ready), {
          workerId: "worker",
          pollInterval: "1 day",
          drainTimeout: 0,
          supervise: false
        })
      )
      // The worker has claimed nothing, and sleeps.
      yield* eventually(Effect.map(TestClock.sleeps(), (sleeps) => Chunk.size(sleeps) > 0))
      expect(yield* Queue.size(built)).toBe(0)
      yield* jobs.succeed(lease, success)
      expect(yield* Queue.take(built)).toBe(second.job.id)
    }).pipe(Effect.provide(layer))
  )
