/**
 * A program under load: its fibers launch sandboxes, or claim and end jobs, on a server. It prints its result as JSON.
 */
import { Clock, Data, Effect, Layer, Option } from "effect"
import * as Database from "../../../src/Database.js"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import * as Sandboxes from "../../../src/sandbox/index.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"

/** The work of a program. */
export interface Load {
  readonly url: string
  readonly work: "enqueues" | "launches" | "cycles" | "both"
  readonly fibers: number
  readonly seconds: number
  readonly workerId: string
}

export interface Report {
  readonly operations: number
  readonly failures: ReadonlyArray<string>
  /** The longest time of one operation, in milliseconds. */
  readonly longestMs: number
}

const request = {
  ownerUserId: "ada",
  name: "one",
  spec: { source: "https://github.com/acme/app", harness: "codex" },
  registryId: "registry",
  repository: "acme/app",
  tag: "latest"
} as const

const success = {
  executorId: "executor",
  publishedReference: "registry/acme/app:latest",
  publishedDigestReference: "registry/acme/app@sha256:1",
  publishedDigest: "sha256:1"
} as const

const load: Load = JSON.parse(process.argv[2] ?? "{}")

const launch = Effect.flatMap(SandboxLifecycle, (lifecycle) => lifecycle.launch(request))

/** A claim without a job would be measured as a cycle. */
class NoJob extends Data.TaggedError("NoJob") {
  override get message() {
    return "no job is left"
  }
}

interface Failure {
  readonly message: string
}

const cycle = Effect.flatMap(WorkspaceBuildJobRepo, (jobs) =>
  Effect.flatMap(
    jobs.claimNext({ workerId: load.workerId, leaseDuration: "5 minutes" }),
    Option.match({
      onNone: () => Effect.fail<Failure>(new NoJob()),
      onSome: ({ lease }) => Effect.mapError(jobs.succeed(lease, success), (error): Failure => error)
    })
  )
)

const enqueue = Effect.flatMap(WorkspaceBuildJobRepo, (jobs) =>
  jobs.enqueue({ registryId: "registry", repository: "acme/app", tag: "latest", requestPayload: request.spec })
)

const steps = { enqueues: enqueue, launches: launch, cycles: cycle, both: Effect.zipRight(launch, cycle) }
const step: Effect.Effect<unknown, Failure, SandboxLifecycle | WorkspaceBuildJobRepo> = steps[load.work]

const program = Effect.gen(function* () {
  let operations = 0
  let longestMs = 0
  const failures: Array<string> = []
  const until = (yield* Clock.currentTimeMillis) + load.seconds * 1000
  const one = Effect.gen(function* () {
    const begun = performance.now()
    yield* Effect.match(step, {
      onFailure: (error) => failures.push(error.message),
      onSuccess: () => operations++
    })
    longestMs = Math.max(longestMs, performance.now() - begun)
  })
  const fiber = Effect.repeat(one, { while: () => Effect.map(Clock.currentTimeMillis, (now) => now < until) })
  yield* Effect.replicateEffect(fiber, load.fibers, { concurrency: "unbounded", discard: true })
  const report: Report = { operations, failures: failures.slice(0, 10), longestMs: Math.round(longestMs) }
  process.stdout.write(JSON.stringify(report))
})

await Effect.runPromise(
  Effect.provide(program, Layer.provideMerge(Sandboxes.layer, Database.layerRemote({ url: load.url })))
)
