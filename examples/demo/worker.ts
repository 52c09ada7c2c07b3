/**
 * A worker process: claims build jobs, builds with a stand-in that only takes its time, and launches a stand-in runtime.
 *
 * Started by `main.ts` with the database in its environment and its name as the first argument.
 */
import { NodeRuntime } from "@effect/platform-node"
import { type Build, BuildWorker, Database, Migrations, Sandboxes } from "@sealant/db"
import { Clock, Effect, Layer, Option, Random } from "effect"
import type { WorkerMessage } from "./messages.js"

const workerId = process.argv[2] ?? `worker-${process.pid}`

const tell = (event: WorkerMessage["event"], build: Build) =>
  Effect.map(Clock.currentTimeMillis, (at) => {
    const message: WorkerMessage = { event, jobId: build.job.id, token: build.lease.token, at }
    process.send?.(message)
  })

const handler: BuildWorker.Handler<never> = (build) =>
  Effect.gen(function*() {
    yield* tell("claimed", build)
    yield* Effect.sleep(yield* Random.nextIntBetween(200, 600))
    yield* tell("built", build)
    const { repository, tag } = build.job
    const digest = `sha256:${build.job.id.replaceAll(/[^0-9a-f]/g, "").padEnd(64, "0").slice(0, 64)}`
    return {
      executorId: "stand-in",
      publishedReference: `registry.local/${repository}:${tag}`,
      publishedDigestReference: `registry.local/${repository}@${digest}`,
      publishedDigest: digest,
      runtime: {
        adapter: "docker",
        resourceId: `container-${build.job.id}`,
        reference: Option.match(build.sandbox, { onNone: () => "sandbox", onSome: ({ name }) => name }),
        status: "running"
      }
    }
  })

const worker = BuildWorker.run(handler, { workerId, concurrency: 2, leaseDuration: "2 seconds", drainTimeout: "5 seconds" })

const live = Sandboxes.layer.pipe(
  Layer.provideMerge(Migrations.requireCurrent),
  Layer.provideMerge(Database.layerConfig)
)

NodeRuntime.runMain(worker.pipe(Effect.provide(live)))
