/**
 * A process that runs a `BuildWorker` whose handlers take long, clean up slowly, or cannot be interrupted. Those of the job
 * "hung" never end by themselves. It reports when each begins, is interrupted and has ended.
 *
 * `cut` disconnects it from the database, `reconnect` connects it again.
 */
import { Effect, Layer } from "effect"
import { createInterface } from "node:readline"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { PersistenceError } from "../../../src/Errors.js"
import * as BuildWorker from "../../../src/build-job/BuildWorker.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { writeReport, withoutLogs } from "../../support/children.js"
import { randomOf } from "./random.js"
import { onFile } from "./database.js"

/** The argument of the process, in JSON. */
export interface BuilderOptions {
  readonly filePath: string
  readonly workerId: string
  readonly seed: number
  readonly leaseMs: number
}

/** A line that the process writes. `at` is on the monotonic clock of the machine, which all processes share. */
export type BuilderReport =
  | { readonly type: "ready" | "cut" | "reconnected" }
  | {
      readonly type: "begun" | "interrupted" | "ended"
      readonly jobId: string
      readonly token: number
      readonly at: number
      readonly kind: "plain" | "slow to end" | "uninterruptible" | "hung"
      /** The longest suspension of the process in the last two leases. */
      readonly stalledMs: number
    }

const { filePath, leaseMs, seed, workerId }: BuilderOptions = JSON.parse(process.argv[2] ?? "{}")
const random = randomOf(seed)
const now = () => Number(process.hrtime.bigint()) / 1e6

let isCut = false
const stalls: Array<{ readonly at: number; readonly ms: number }> = []
let ticked = now()
setInterval(() => {
  const at = now()
  stalls.push({ at, ms: at - ticked })
  ticked = at
  while ((stalls[0]?.at ?? at) < at - 2 * leaseMs) stalls.shift()
}, 10)
const stalledMs = () => Math.max(now() - ticked, ...stalls.map(({ ms }) => ms))

const unlessCut = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | PersistenceError> =>
  Effect.suspend(
    (): Effect.Effect<A, E | PersistenceError> =>
      isCut ? Effect.fail(new PersistenceError({ operation: "test", reason: "Unavailable", cause: "cut off" })) : effect
  )

const handler: BuildWorker.Handler<never> = ({ lease: { jobId, token } }) => {
  const kind =
    jobId === "hung" ? "hung" : (random.pick(["plain", "slow to end", "uninterruptible"] as const) ?? "plain")
  const report = (type: "begun" | "interrupted" | "ended") =>
    Effect.sync(() => writeReport<BuilderReport>({ type, jobId, token, at: now(), kind, stalledMs: stalledMs() }))
  const sleep = Effect.sleep(leaseMs * (0.5 + random.below(300) / 100))
  const works = {
    plain: sleep,
    "slow to end": sleep,
    uninterruptible: Effect.uninterruptible(sleep),
    hung: Effect.never
  }
  return report("begun").pipe(
    Effect.zipRight(
      Effect.onInterrupt(works[kind], () =>
        Effect.zipRight(report("interrupted"), kind === "slow to end" ? Effect.sleep(leaseMs * 1.3) : Effect.void)
      )
    ),
    Effect.zipRight(new BuildWorker.BuildFailure({ errorMessage: "again" })),
    Effect.ensuring(report("ended"))
  )
}

/** The services of a worker, without an answer from the database while it is cut off. */
const cuttable = Layer.unwrapEffect(
  Effect.gen(function* () {
    const jobs = yield* WorkspaceBuildJobRepo
    const lifecycle = yield* SandboxLifecycle
    return Layer.merge(
      Layer.succeed(WorkspaceBuildJobRepo, {
        ...jobs,
        claimNext: (request) => unlessCut(jobs.claimNext(request)),
        heartbeat: (lease, duration) => unlessCut(jobs.heartbeat(lease, duration)),
        release: (lease) => unlessCut(jobs.release(lease))
      }),
      Layer.succeed(SandboxLifecycle, {
        ...lifecycle,
        beginBuild: (lease) => unlessCut(lifecycle.beginBuild(lease)),
        // A failure pauses the job, longer with each attempt. After some attempts of all jobs no worker would have work.
        failBuild: (lease) => unlessCut(jobs.release(lease)),
        supervise: (request) => unlessCut(lifecycle.supervise(request))
      })
    )
  })
)

createInterface({ input: process.stdin }).on("line", (line) => {
  isCut = line === "cut"
  writeReport<BuilderReport>({ type: isCut ? "cut" : "reconnected" })
})

const program = Effect.gen(function* () {
  writeReport<BuilderReport>({ type: "ready" })
  return yield* BuildWorker.run(handler, {
    workerId,
    concurrency: 6,
    leaseDuration: leaseMs,
    pollInterval: "50 millis"
  })
}).pipe(Effect.provide(cuttable), Effect.provide(onFile({ filePath, keys: 1, synchronous: "normal" })), withoutLogs)

await Effect.runPromise(program)
