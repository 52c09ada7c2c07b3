import { SqlClient, Statement } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { type Lease, WorkspaceBuildJobId } from "../../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxAttemptId } from "../../../src/sandbox/SandboxAttempt.js"
import { SandboxAttemptRepo } from "../../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../../../src/sandbox/SandboxRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { contradictions } from "./invariants.js"
import {
  ada,
  answer,
  building,
  built,
  claim,
  claimed,
  compileResult,
  failed,
  forged,
  launch,
  layers,
  millis,
  ready,
  refusalOf,
  type Services,
  specification,
  stateOf,
  success,
  tagOf
} from "./support.js"

const failure = { errorMessage: "no space left", errorCode: "disk-full" } as const

/** A job that belongs to no run, under a lease. */
const loose = Effect.gen(function* () {
  const jobs = yield* WorkspaceBuildJobRepo
  const { job } = yield* jobs.enqueue({
    registryId: "registry",
    repository: "acme/app",
    tag: "latest",
    requestPayload: specification
  })
  return yield* claim({ job })
})

type Call = "beginBuild" | "finishBuild" | "failBuild" | "recordRuntime"

/** All calls of a worker, with valid arguments. */
const callsOf = (
  lifecycle: SandboxLifecycle["Type"],
  lease: Lease
): Readonly<Record<Call, Effect.Effect<unknown, { readonly _tag: string }>>> => ({
  beginBuild: lifecycle.beginBuild(lease),
  finishBuild: lifecycle.finishBuild(lease, success),
  failBuild: lifecycle.failBuild(lease, failure),
  recordRuntime: lifecycle.recordRuntime(lease, answer("running"))
})

/** The operations in the journal of a job, oldest first. */
const eventsOf = (id: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ readonly type: string }>`
        SELECT event_type AS type FROM control_plane_events WHERE subject_id = ${id} ORDER BY position`,
      (rows) => rows.map(({ type }) => type)
    )
  )

/** The contract of `beginBuild`, `finishBuild` and `failBuild`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxLifecycle builds (${name})`, () => {
    it.effect("beginBuild returns the build input; a repeat, also by the next lease holder, changes nothing", () =>
      Effect.gen(function* () {
        const { beginBuild } = yield* SandboxLifecycle
        yield* TestClock.setTime(1000)
        const { attempt, job, lease, sandbox, snapshot } = yield* claimed()
        const build = yield* beginBuild(lease)
        expect(build).toMatchObject({ lease, job: { id: job.id, status: "running" }, snapshot: Option.some(snapshot) })
        const running = Option.getOrThrow(build.attempt)
        expect(running).toMatchObject({ id: attempt.id, status: "running" })
        expect(millis(running.startedAt)).toBe(1000)
        expect(Option.getOrThrow(build.sandbox)).toMatchObject({ id: sandbox.id, status: "running" })

        yield* TestClock.adjust("1 second")
        expect(yield* beginBuild(lease)).toEqual(build)
        yield* TestClock.adjust("1 minute")
        const next = yield* claim({ job }, "next")
        const again = yield* beginBuild(next.lease)
        expect(again).toEqual({ ...build, lease: next.lease, job: next.job })
        expect(yield* refusalOf(beginBuild(lease))).toMatchObject({ _tag: "LeaseLost", reason: "superseded" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("a repeat of beginBuild adds no event, also after a change of the priority", () =>
      Effect.gen(function* () {
        const { beginBuild } = yield* SandboxLifecycle
        const jobs = yield* WorkspaceBuildJobRepo
        const { job, lease } = yield* claimed()
        yield* beginBuild(lease)
        yield* jobs.setPriority({ id: job.id, priority: 1 })
        const before = yield* eventsOf(job.id)
        yield* beginBuild(lease)
        expect(yield* eventsOf(job.id)).toEqual(before)
        expect(before.slice(-2)).toEqual(["beginBuild", "setPriority"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a job without an attempt is built, too", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const one = yield* loose
        expect(yield* lifecycle.beginBuild(one.lease)).toEqual({
          ...one,
          attempt: Option.none(),
          sandbox: Option.none(),
          snapshot: Option.none()
        })
        expect(yield* refusalOf(lifecycle.recordRuntime(one.lease, answer("running")))).toMatchObject({
          _tag: "NotFound",
          entity: "SandboxAttempt"
        })
        expect((yield* lifecycle.finishBuild(one.lease, success)).status).toBe("succeeded")
        expect((yield* lifecycle.failBuild((yield* loose).lease, { ...failure, retryable: false })).status).toBe(
          "failed"
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("a worker without the lease gets LeaseLost, and writes nothing", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const launched = yield* claimed()
        const { job, lease, sandbox } = launched
        const leases = [forged(launched), { ...lease, workerId: "other" }, { ...lease, token: lease.token + 1 }]
        const gone = { ...lease, jobId: WorkspaceBuildJobId.make("gone") }
        for (const [call, effect] of leases.flatMap((lease) => Object.entries(callsOf(lifecycle, lease)))) {
          expect(yield* refusalOf(effect), call).toMatchObject({
            _tag: "LeaseLost",
            entity: "WorkspaceBuildJob",
            id: job.id,
            reason: "superseded"
          })
        }
        for (const [call, effect] of Object.entries(callsOf(lifecycle, gone))) {
          expect(yield* refusalOf(effect), call).toMatchObject({
            _tag: "LeaseLost",
            id: "gone",
            reason: "not-found"
          })
        }
        expect(yield* stateOf(sandbox.id)).toBe("queued queued running none")
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "a worker whose attempt has ended or has a stop request gets LeaseLost: the job is cancelled, and the attempt ends",
      () =>
        Effect.gen(function* () {
          const lifecycle = yield* SandboxLifecycle
          const attempts = yield* SandboxAttemptRepo
          for (const call of ["beginBuild", "finishBuild"] as const) {
            // Past the lifecycle, which would have cancelled the job with it.
            const cancelled = yield* building()
            yield* attempts.markCancelled({ id: cancelled.attempt.id, reason: "apart" })
            expect(yield* refusalOf(callsOf(lifecycle, cancelled.lease)[call]), call).toMatchObject({
              _tag: "LeaseLost",
              reason: "cancelled"
            })
            expect(yield* stateOf(cancelled.sandbox.id), call).toBe("stopped cancelled cancelled none")

            const stopped = yield* building()
            yield* lifecycle.recordRuntime(stopped.lease, answer("pending"))
            yield* attempts.requestStop(stopped.attempt.id)
            expect(yield* refusalOf(callsOf(lifecycle, stopped.lease)[call]), call).toMatchObject({
              _tag: "LeaseLost",
              reason: "cancelled"
            })
            expect(yield* stateOf(stopped.sandbox.id), call).toBe("stopped cancelled cancelled pending stop")
            // It stays so.
            expect(yield* tagOf(callsOf(lifecycle, stopped.lease)[call]), call).toBe("LeaseLost")
          }
        }).pipe(Effect.provide(layer))
    )

    it.effect("a stop request between two reports of a finished build is not a defect", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { attempt, lease, sandbox } = yield* built()
        yield* (yield* SandboxAttemptRepo).requestStop(attempt.id)
        expect((yield* lifecycle.finishBuild(lease, { ...success, runtime: answer("running") })).status).toBe(
          "succeeded"
        )
        expect(yield* tagOf(lifecycle.recordRuntime(attempt.id, answer("running")))).toBe("InvalidTransition")
        yield* TestClock.adjust("1 hour")
        yield* lifecycle.supervise({ limit: 10, runtimeDeadline: "15 minutes" })
        expect(yield* stateOf(sandbox.id)).toBe("stopped cancelled succeeded none stop")
      }).pipe(Effect.provide(layer))
    )

    it.effect("a finished build without a runtime waits for it, and with a running one the sandbox is ready", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const states = {
          none: "running running succeeded none",
          pending: "running running succeeded pending",
          running: "ready succeeded succeeded running"
        }
        for (const [runtime, state] of Object.entries(states)) {
          const { lease, sandbox } = yield* building()
          const status = runtime === "running" ? "running" : "pending"
          const result = {
            ...success,
            resultPayload: compileResult,
            ...(runtime === "none" ? {} : { runtime: answer(status) })
          }
          yield* TestClock.adjust("1 second")
          const job = yield* lifecycle.finishBuild(lease, result)
          expect(job).toMatchObject({
            status: "succeeded",
            executorId: Option.some("executor"),
            publishedReference: Option.some(success.publishedReference),
            publishedDigestReference: Option.some(success.publishedDigestReference),
            publishedDigest: Option.some(success.publishedDigest)
          })
          expect(Option.isSome(job.resultPayload)).toBe(true)
          expect(Option.isSome(job.runSettledAt)).toBe(runtime === "running")
          expect(yield* stateOf(sandbox.id)).toBe(state)
          // A repeat returns the same.
          yield* TestClock.adjust("1 second")
          expect(yield* lifecycle.finishBuild(lease, result)).toEqual(job)
          expect(yield* stateOf(sandbox.id)).toBe(state)
          expect(yield* tagOf(lifecycle.failBuild(lease, failure))).toBe("LeaseLost")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("a build without a recorded start can finish", () =>
      Effect.gen(function* () {
        const { finishBuild } = yield* SandboxLifecycle
        const waiting = yield* claimed()
        yield* finishBuild(waiting.lease, success)
        expect(yield* stateOf(waiting.sandbox.id)).toBe("running running succeeded none")
        const done = yield* claimed()
        yield* finishBuild(done.lease, { ...success, runtime: answer("running") })
        expect(yield* stateOf(done.sandbox.id)).toBe("ready succeeded succeeded running")
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects an invalid result or error, and writes nothing", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { lease, sandbox } = yield* building()
        const results = [
          { ...success, publishedDigest: "" },
          { ...success, executorId: "x".repeat(2000) },
          { ...success, runtime: { ...answer("running"), status: "failed" } as never },
          { ...success, resultPayload: {} as never }
        ]
        for (const result of results) expect(yield* tagOf(lifecycle.finishBuild(lease, result))).toBe("InvalidInput")
        for (const bad of [{ errorMessage: "x", errorCode: "" }, { errorMessage: "x".repeat(200_000) }]) {
          expect(yield* tagOf(lifecycle.failBuild(lease, bad))).toBe("InvalidInput")
        }
        expect(yield* tagOf(lifecycle.recordRuntime(lease, { ...answer("running"), resourceId: 1 as never }))).toBe(
          "InvalidInput"
        )
        expect(yield* stateOf(sandbox.id)).toBe("running running running none")
      }).pipe(Effect.provide(layer))
    )

    it.effect("a failed build waits for its retry while attempts are left, then job, attempt and sandbox fail", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const launched = yield* launch()
        for (const attempt of [1, 2, 3]) {
          const { lease } = yield* claim(launched)
          yield* lifecycle.beginBuild(lease)
          yield* lifecycle.recordRuntime(lease, answer("pending"))
          const job = yield* lifecycle.failBuild(lease, failure)
          expect(job).toMatchObject({ errorMessage: Option.some("no space left"), errorCode: Option.some("disk-full") })
          expect(yield* lifecycle.failBuild(lease, failure)).toEqual(job)
          expect(yield* stateOf(launched.sandbox.id)).toBe(
            attempt < 3 ? "running running queued pending" : "failed failed failed pending stop"
          )
          yield* TestClock.adjust("5 minutes")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("a failure that is not retryable fails job, attempt and sandbox at once", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        yield* TestClock.setTime(1000)
        for (const launched of [yield* building(), yield* claimed()]) {
          const job = yield* lifecycle.failBuild(launched.lease, { ...failure, retryable: false })
          expect(job.status).toBe("failed")
          expect(Option.isSome(job.runSettledAt)).toBe(true)
          expect(yield* stateOf(launched.sandbox.id)).toBe("failed failed failed none")
          expect(millis((yield* (yield* SandboxAttemptRepo).getById(launched.attempt.id)).finishedAt)).toBe(1000)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("an older attempt, or an older job of an attempt, does not change the sandbox", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const jobs = yield* WorkspaceBuildJobRepo
        // A newer attempt, past the lifecycle, which waits for the end of the one before.
        const first = yield* building()
        yield* TestClock.adjust("1 second")
        const second = yield* (yield* SandboxAttemptRepo).createQueued({ ownerUserId: ada })
        yield* (yield* SandboxRepo).linkAttempt({ sandboxId: first.sandbox.id, attemptId: second.id })
        yield* lifecycle.failBuild(first.lease, { ...failure, retryable: false })
        expect((yield* (yield* SandboxAttemptRepo).getById(first.attempt.id)).status).toBe("failed")
        expect((yield* (yield* SandboxRepo).getById(first.sandbox.id)).status).toBe("running")

        const built = yield* building()
        yield* TestClock.adjust("1 second")
        const { registryId, repository, tag } = built.job
        const newer = yield* jobs.enqueue({
          attemptId: built.attempt.id,
          registryId,
          repository,
          tag,
          requestPayload: specification
        })
        yield* lifecycle.failBuild(built.lease, { ...failure, retryable: false })
        expect(yield* stateOf(built.sandbox.id)).toBe("running running queued none")
        const { lease } = yield* claim(newer)
        yield* lifecycle.finishBuild(lease, { ...success, runtime: answer("running") })
        expect(yield* stateOf(built.sandbox.id)).toBe("ready succeeded succeeded running")
      }).pipe(Effect.provide(layer))
    )

    it.effect("a finished build returns its own job, not the newer one of its attempt", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const jobs = yield* WorkspaceBuildJobRepo
        const { attempt, job, lease } = yield* building()
        yield* TestClock.adjust("1 second")
        const { registryId, repository, tag } = job
        const image = { registryId, repository, tag, requestPayload: specification }
        const newer = yield* claim(yield* jobs.enqueue({ attemptId: attempt.id, ...image }))
        yield* lifecycle.finishBuild(newer.lease, success)
        expect((yield* lifecycle.finishBuild(lease, { ...success, runtime: answer("running") })).id).toBe(job.id)
      }).pipe(Effect.provide(layer))
    )

    it.effect("runtime reports need an active attempt", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const gone = SandboxAttemptId.make("gone")
        expect(yield* refusalOf(lifecycle.recordRuntime(gone, answer("running")))).toMatchObject({
          _tag: "NotFound",
          entity: "SandboxAttempt",
          id: "gone"
        })
        const dead = yield* failed
        expect(yield* refusalOf(lifecycle.recordRuntime(dead.attempt.id, answer("running")))).toMatchObject({
          _tag: "InvalidTransition",
          from: "failed"
        })
        const stopped = yield* ready
        yield* lifecycle.stop(stopped.sandbox.id)
        expect(yield* tagOf(lifecycle.recordRuntime(stopped.attempt.id, answer("running")))).toBe("InvalidTransition")
        expect(yield* stateOf(stopped.sandbox.id)).toBe("stopped succeeded succeeded running stop")
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

it.effect("a build that begins again records nothing about a job that a stop has cancelled since it was read", () =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const { job, sandbox } = yield* building()
    yield* TestClock.adjust("2 minutes")
    // The attempt and the sandbox are running already, so the build changes no row.
    const { lease } = yield* claim({ job }, "another")
    let isStopped = false
    const stopBeforeWrites = Statement.withTransformer((statement) =>
      Effect.gen(function* () {
        const [text] = statement.compile()
        if (!isStopped && !text.trimStart().startsWith("SELECT k.")) {
          isStopped = true
          yield* Effect.orDie(lifecycle.stop(sandbox.id)).pipe(Statement.withTransformerDisabled)
        }
        return statement
      })
    )
    yield* Effect.exit(stopBeforeWrites(lifecycle.beginBuild(lease)))
    expect(isStopped).toBe(true)
    expect(yield* contradictions(sandbox.id)).toEqual([])
  }).pipe(Effect.provide(layers.memory))
)
