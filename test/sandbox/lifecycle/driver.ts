/**
 * Carries out the commands of the model on one sandbox of the database.
 */
import { SqlClient } from "@effect/sql"
import { DateTime, type Duration, Effect, Option, Ref, TestClock } from "effect"
import type { Lease } from "../../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { RuntimeTeardownRepo } from "../../../src/sandbox/RuntimeTeardownRepo.js"
import { SandboxRuntimeInstanceRepo } from "../../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { type Command, derived, type Model } from "./model.js"
import type { TeardownLease } from "../../../src/sandbox/RuntimeTeardown.js"
import { answer, forged, launch, partsOf, success } from "./support.js"

interface Failure {
  readonly _tag: string
  readonly reason?: string
}

/** The tag of the error, with its reason; `ok` when there is none. */
const outcomeOf = <A, R>(effect: Effect.Effect<A, Failure, R>) =>
  Effect.match(effect, {
    onSuccess: () => "ok",
    onFailure: ({ _tag, reason }) => (reason === undefined ? _tag : `${_tag} ${reason}`)
  })

/** What there is to be compared: what is stored, and the status that the owner sees. */
export const seenOf = ({ attempt, job, lease, published, runtime, sandbox, settled, stop, teardown, torn }: Model) => ({
  sandbox,
  attempt,
  stop: stop ? 1 : 0,
  job,
  settled: settled ? 1 : 0,
  published: published ? 1 : 0,
  outcome: lease === "held" || lease === "none" ? null : lease,
  runtime: runtime === "none" ? null : runtime,
  teardown: teardown === "none" ? null : teardown,
  torn: torn ? 1 : 0,
  status: derived({ attempt, job, runtime, stop })
})

/** A new sandbox, and what can be done to it. */
export const driver = Effect.gen(function* () {
  const lifecycle = yield* SandboxLifecycle
  const jobs = yield* WorkspaceBuildJobRepo
  const runtimes = yield* SandboxRuntimeInstanceRepo
  const first = yield* launch()
  const { id, ownerUserId } = first.sandbox
  const newest = yield* Ref.make<{ readonly launch: typeof first; readonly lease: Lease }>({
    launch: first,
    lease: forged(first)
  })

  const claim = Effect.gen(function* () {
    const now = yield* Ref.get(newest)
    // A retry waits a while before it is due.
    if ((yield* jobs.getById(now.launch.job.id)).status === "queued") yield* TestClock.adjust("5 minutes")
    const claimed = yield* jobs.claimById({ id: now.launch.job.id, workerId: "worker", leaseDuration: "1 minute" })
    if (Option.isSome(claimed)) yield* Ref.set(newest, { ...now, lease: claimed.value.lease })
  })

  const sql = yield* SqlClient.SqlClient
  const teardowns = yield* RuntimeTeardownRepo
  /** Claims the queued teardown of the attempt, if there is one, and reports its result. */
  const tearDown = <A, E extends Failure>(attemptId: string, report: (lease: TeardownLease) => Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      const [queued] = yield* sql<{ readonly id: string }>`
        SELECT id FROM runtime_teardowns WHERE run_id = ${attemptId} AND status = 'queued'`
      if (queued === undefined) return
      // A retry waits a while before it is due.
      yield* TestClock.adjust("5 minutes")
      const claimed = yield* teardowns.claimById({ id: queued.id, workerId: "worker", leaseDuration: "1 minute" })
      yield* report(Option.getOrThrow(claimed).lease)
    })

  const again = (relation: "retry" | "rebuild") =>
    Effect.flatMap(lifecycle[relation](id), (launch) => Ref.set(newest, { launch, lease: forged(launch) }))

  const supervise = lifecycle.supervise({ limit: 1000, runtimeDeadline: "7 days" })

  const extendBy = (duration: Duration.DurationInput) =>
    Effect.flatMap(DateTime.now, (now) =>
      lifecycle.extend({ id, ownerUserId, until: DateTime.addDuration(now, duration) })
    )

  const doing = (command: Command, lease: Lease, { attempt, job }: typeof first): Effect.Effect<unknown, Failure> => {
    switch (command) {
      case "claim":
        return claim
      case "begin":
        return lifecycle.beginBuild(lease)
      case "publish":
        return lifecycle.publishBuild(lease, success)
      case "finish":
        return lifecycle.finishBuild(lease, success)
      case "finishPending":
        return lifecycle.finishBuild(lease, { ...success, runtime: answer("pending") })
      case "finishRunning":
        return lifecycle.finishBuild(lease, { ...success, runtime: answer("running") })
      case "failRetryable":
        return lifecycle.failBuild(lease, { errorMessage: "no" })
      case "failFinal":
        return lifecycle.failBuild(lease, { errorMessage: "no", retryable: false })
      case "release":
        return jobs.release(lease)
      case "leasePending":
        return lifecycle.recordRuntime(lease, answer("pending"))
      case "leaseRunning":
        return lifecycle.recordRuntime(lease, answer("running"))
      case "runPending":
        return lifecycle.recordRuntime(attempt.id, answer("pending"))
      case "runRunning":
        return lifecycle.recordRuntime(attempt.id, answer("running"))
      case "runOther":
        return Effect.flatMap(runtimes.findByAttemptId(attempt.id), (known) =>
          Option.exists(known, ({ resourceId }) => Option.isSome(resourceId))
            ? Effect.asVoid(lifecycle.recordRuntime(attempt.id, answer("running", "other")))
            : Effect.void
        )
      case "runtimeFails":
        return runtimes.upsert({ attemptId: attempt.id, status: "failed" })
      case "endStopped":
        return lifecycle.endRuntime(attempt.id, { status: "stopped", reason: "exited" })
      case "endFailed":
        return lifecycle.endRuntime(attempt.id, { status: "failed", reason: "crashed" })
      case "endOther":
        return Effect.flatMap(runtimes.findByAttemptId(attempt.id), (known) =>
          Option.exists(known, ({ resourceId }) => Option.isSome(resourceId))
            ? Effect.asVoid(
                lifecycle.endRuntime(attempt.id, { status: "failed", reason: "crashed", resourceId: "other" })
              )
            : Effect.void
        )
      case "leaseEndFailed":
        return lifecycle.endRuntime(lease, { status: "failed", reason: "crashed" })
      case "tearDown":
        return tearDown(attempt.id, lifecycle.finishTeardown)
      case "tearDownFails":
        return tearDown(attempt.id, (held) => lifecycle.failTeardown(held, { errorMessage: "no" }))
      case "tearDownEnds":
        return tearDown(attempt.id, (held) => lifecycle.failTeardown(held, { errorMessage: "no", retryable: false }))
      case "cancel":
        return lifecycle.cancel({ id: id, reason: "enough" })
      case "stop":
        return lifecycle.stop(id)
      case "retry":
      case "rebuild":
        return again(command)
      case "cancelJob":
        return jobs.cancel({ id: job.id, reason: "apart" })
      case "extend":
        return extendBy("3650 days")
      case "touch":
        return lifecycle.touch({ id, ownerUserId })
      case "supervise":
        return supervise
      case "passDeadline":
        return Effect.zipRight(Effect.zipRight(extendBy("1 milli"), TestClock.adjust("1 milli")), supervise)
      case "expire":
        return TestClock.adjust("2 minutes")
      case "overdue":
        return TestClock.adjust("8 days")
    }
  }

  return {
    id,
    /** Takes back what the driver itself remembers of an effect, as the transaction around it does with the rest. */
    forgetting: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.flatMap(Ref.get(newest), (now) => Effect.ensuring(effect, Ref.set(newest, now))),
    /** Runs a command, and returns its result. */
    run: (command: Command) =>
      Effect.flatMap(Ref.get(newest), ({ launch, lease }) => outcomeOf(doing(command, lease, launch))),
    /** What is stored of the sandbox, and the status that its owner sees. */
    seen: Effect.gen(function* () {
      const { status } = yield* lifecycle.getDetail({ ownerUserId, id })
      return { ...(yield* partsOf(id)), status }
    })
  }
})
