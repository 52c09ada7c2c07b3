import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, type Layer, Option, TestClock } from "effect"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxAttemptRepo } from "../../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxId } from "../../../src/sandbox/Sandbox.js"
import { SandboxRepo } from "../../../src/sandbox/SandboxRepo.js"
import { SandboxRuntimeInstanceRepo } from "../../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import {
  ada,
  answer,
  building,
  built,
  claim,
  claimed,
  failed,
  launch,
  layers,
  millis,
  ready,
  refusalOf,
  type Services,
  shell,
  specification,
  stateOf,
  success,
  tagOf
} from "./support.js"

const supervision = { limit: 100, runtimeDeadline: "15 minutes" } as const
const gone = SandboxId.make("gone")

/** The contract of `cancel`, `stop` and `supervise`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxLifecycle endings (${name})`, () => {
    it.effect("stop and cancel end all active rows of a sandbox", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        for (const ending of ["stop", "cancel"] as const) {
          const end = (sandboxId: SandboxId) =>
            ending === "stop" ? lifecycle.stop(sandboxId) : lifecycle.cancel({ id: sandboxId, reason: "enough" })
          const states = {
            "stopped cancelled cancelled none stop": [yield* launch(), yield* claimed(), yield* building()],
            "stopped cancelled succeeded none stop": [yield* built()],
            "stopped cancelled succeeded pending stop": [yield* built("pending")]
          }
          for (const [state, launches] of Object.entries(states)) {
            for (const { attempt, job, sandbox } of launches) {
              yield* TestClock.adjust("1 second")
              const stopped = yield* end(sandbox.id)
              expect(stopped).toMatchObject({ id: sandbox.id, status: "stopped" })
              expect(yield* stateOf(sandbox.id)).toBe(state)
              const run = yield* (yield* SandboxAttemptRepo).getById(attempt.id)
              const reason = ending === "stop" ? "a stop was asked for" : "enough"
              expect(run.cancelReason).toEqual(Option.some(reason))
              const ended = yield* (yield* WorkspaceBuildJobRepo).getById(job.id)
              expect(ended.cancelReason).toEqual(ended.status === "cancelled" ? Option.some(reason) : Option.none())
              expect(Option.isSome(ended.runSettledAt)).toBe(true)
              // A stopped sandbox is returned as it is.
              yield* TestClock.adjust("1 second")
              expect(yield* lifecycle.stop(sandbox.id)).toEqual(stopped)
              expect(yield* lifecycle.cancel({ id: sandbox.id, reason: "again" })).toEqual(stopped)
            }
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("a ready sandbox can be stopped but not cancelled; a failed one neither", () =>
      Effect.gen(function* () {
        const { cancel, stop } = yield* SandboxLifecycle
        const { attempt, sandbox } = yield* ready
        const error = yield* refusalOf(cancel({ id: sandbox.id, reason: "enough" }))
        expect(error).toMatchObject({
          _tag: "InvalidTransition",
          entity: "Sandbox",
          id: sandbox.id,
          from: "ready",
          to: "stopped",
          remedy: "a ready sandbox cannot be cancelled; stop it"
        })
        expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
        yield* TestClock.setTime(5000)
        expect((yield* stop(sandbox.id)).status).toBe("stopped")
        expect(yield* stateOf(sandbox.id)).toBe("stopped succeeded succeeded running stop")
        yield* (yield* SandboxLifecycle).endRuntime(attempt.id, { status: "stopped", reason: "exited" })
        expect(yield* stateOf(sandbox.id)).toBe("stopped succeeded succeeded stopped stop")
        const [runtime] = Option.toArray(yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(attempt.id))
        expect(millis(runtime?.finishedAt ?? Option.none())).toBe(5000)

        const dead = yield* failed
        expect(yield* tagOf(stop(dead.sandbox.id))).toBe("InvalidTransition")
        expect(yield* tagOf(cancel({ id: dead.sandbox.id, reason: "enough" }))).toBe("InvalidTransition")
        expect(yield* stateOf(dead.sandbox.id)).toBe("failed failed failed none")
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports unknown sandboxes as NotFound, and rejects an invalid reason in every state", () =>
      Effect.gen(function* () {
        const { cancel, stop } = yield* SandboxLifecycle
        expect(yield* refusalOf(stop(gone))).toMatchObject({ _tag: "NotFound", entity: "Sandbox", id: "gone" })
        expect(yield* refusalOf(cancel({ id: gone, reason: "x" }))).toMatchObject({
          _tag: "NotFound",
          entity: "Sandbox",
          id: "gone"
        })
        const bare = yield* (yield* SandboxRepo).create({ name: "bare", ownerUserId: ada })
        for (const { id } of [bare, (yield* launch()).sandbox, (yield* built()).sandbox]) {
          const error = yield* refusalOf(cancel({ id: id, reason: "secret\0" }))
          expect(error).toMatchObject({
            _tag: "InvalidInput",
            operation: "SandboxLifecycle.cancel",
            issues: [expect.stringMatching(/^reason: /)]
          })
          expect(error.message).not.toContain("secret")
        }
        expect((yield* stop(bare.id)).status).toBe("stopped")
      }).pipe(Effect.provide(layer))
    )

    it.effect("supervision queues jobs with expired leases, and fails attempts whose job has no attempts left", () =>
      Effect.gen(function* () {
        const { beginBuild, recordRuntime, supervise } = yield* SandboxLifecycle
        const lost = yield* launch()
        const alive = yield* building()
        for (const attempt of [1, 2, 3]) {
          const { lease } = yield* claim(lost)
          yield* beginBuild(lease)
          yield* recordRuntime(lease, answer("running"))
          yield* TestClock.adjust("1 minute")
          yield* (yield* WorkspaceBuildJobRepo).heartbeat(alive.lease, "1 minute")
          expect(yield* supervise(supervision)).toEqual(
            attempt < 3 ? { requeued: 1, ended: 0, failed: 0 } : { requeued: 0, ended: 1, failed: 0 }
          )
          expect(yield* stateOf(lost.sandbox.id)).toBe(
            attempt < 3 ? "running running queued running" : "failed failed failed running stop"
          )
        }
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 0, failed: 0 })
        expect(yield* stateOf(alive.sandbox.id)).toBe("running running running none")
        // One that was never begun, and whose end the claim of another job found.
        const jobs = yield* WorkspaceBuildJobRepo
        const waiting = yield* launch()
        for (const _ of [1, 2, 3]) {
          yield* claim(waiting)
          yield* TestClock.adjust("1 minute")
        }
        // Otherwise its lease, which expired earlier, would come first.
        yield* jobs.heartbeat(alive.lease, "1 minute")
        yield* jobs.claimNext({ workerId: "other", leaseDuration: "1 minute" })
        expect(yield* stateOf(waiting.sandbox.id)).toBe("queued queued failed none")
        yield* supervise(supervision)
        expect(yield* stateOf(waiting.sandbox.id)).toBe("failed failed failed none")
      }).pipe(Effect.provide(layer))
    )

    it.effect("supervision ends attempts whose job was ended separately", () =>
      Effect.gen(function* () {
        const { supervise } = yield* SandboxLifecycle
        const jobs = yield* WorkspaceBuildJobRepo
        const launches = [yield* launch(), yield* claimed(), yield* building()]
        for (const { job } of launches) yield* jobs.cancel({ id: job.id, reason: "by hand" })
        const broken = yield* building()
        yield* jobs.fail(broken.lease, { errorMessage: "no", retryable: false })
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 4, failed: 0 })
        for (const { attempt, job, sandbox } of launches) {
          expect(yield* stateOf(sandbox.id)).toBe("stopped cancelled cancelled none")
          expect((yield* (yield* SandboxAttemptRepo).getById(attempt.id)).cancelReason).toEqual(Option.some("by hand"))
          expect(Option.isSome((yield* jobs.getById(job.id)).runSettledAt)).toBe(true)
        }
        expect(yield* stateOf(broken.sandbox.id)).toBe("failed failed failed none")
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 0, failed: 0 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("supervision fails attempts without a runtime after the deadline, and not before", () =>
      Effect.gen(function* () {
        const { finishBuild, supervise } = yield* SandboxLifecycle
        const waiting = [yield* built(), yield* built("pending")]
        const up = yield* ready
        const unbegun = yield* claimed()
        yield* finishBuild(unbegun.lease, success)
        // Reported past the lifecycle: it runs, and nobody has noticed.
        const unnoticed = yield* built()
        yield* (yield* SandboxRuntimeInstanceRepo).upsert({ attemptId: unnoticed.attempt.id, status: "running" })
        yield* TestClock.adjust("15 minutes")
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 0, failed: 0 })
        expect(yield* supervise({ limit: 100, runtimeDeadline: Duration.infinity })).toEqual({
          requeued: 0,
          ended: 0,
          failed: 0
        })
        yield* TestClock.adjust("1 milli")
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 3, failed: 0 })
        for (const { attempt, sandbox } of [...waiting, unbegun]) {
          expect(yield* stateOf(sandbox.id)).toBe("failed failed succeeded failed")
          const runtime = yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(attempt.id)
          expect(Option.getOrThrow(runtime).errorCode).toEqual(Option.some("runtime-missing"))
        }
        for (const { sandbox } of [up, unnoticed])
          expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 0, failed: 0 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("supervision processes up to the limit at a time, and skips jobs without an attempt", () =>
      Effect.gen(function* () {
        const { supervise } = yield* SandboxLifecycle
        const jobs = yield* WorkspaceBuildJobRepo
        const image = { registryId: "registry", repository: "acme/app", tag: "latest", requestPayload: specification }
        const loose = yield* jobs.enqueue(image)
        yield* jobs.cancel({ id: loose.job.id, reason: "by hand" })
        for (let count = 0; count < 3; count++) yield* jobs.cancel({ id: (yield* launch()).job.id, reason: "by hand" })
        expect(yield* supervise({ ...supervision, limit: 2 })).toEqual({ requeued: 0, ended: 2, failed: 0 })
        expect(yield* supervise({ ...supervision, limit: 2 })).toEqual({ requeued: 0, ended: 1, failed: 0 })
        expect(yield* jobs.getById(loose.job.id)).toMatchObject({ status: "cancelled", runSettledAt: Option.none() })
        for (const limit of [0, 1001, 1.5, Number.NaN])
          expect(yield* tagOf(supervise({ ...supervision, limit }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("an attempt with an unreadable job ends like others", () =>
      Effect.gen(function* () {
        const { supervise } = yield* SandboxLifecycle
        const jobs = yield* WorkspaceBuildJobRepo
        const unreadable = yield* built()
        yield* TestClock.adjust("1 hour")
        const [odd, sound] = [yield* launch(), yield* launch()]
        for (const { job } of [odd, sound]) yield* jobs.cancel({ id: job.id, reason: "by hand" })
        for (const { job } of [unreadable, odd])
          yield* shell("UPDATE oci_image_build_jobs SET request_payload = '{}' WHERE id = ?", job.id)
        expect(yield* supervise(supervision)).toEqual({ requeued: 0, ended: 3, failed: 0 })
        for (const { sandbox } of [odd, sound])
          expect(yield* stateOf(sandbox.id)).toBe("stopped cancelled cancelled none")
        expect(yield* stateOf(unreadable.sandbox.id)).toBe("failed failed succeeded failed")
      }).pipe(Effect.provide(layer))
    )

    it.effect("a job that was redriven before supervision noticed its end stays active", () =>
      Effect.gen(function* () {
        const { finishBuild, supervise } = yield* SandboxLifecycle
        const jobs = yield* WorkspaceBuildJobRepo
        const launched = yield* building()
        yield* jobs.fail(launched.lease, { errorMessage: "no", retryable: false })
        yield* jobs.redrive(launched.job.id)
        yield* supervise(supervision)
        const { lease } = yield* claim(launched)
        yield* finishBuild(lease, { ...success, runtime: answer("running") })
        expect(yield* stateOf(launched.sandbox.id)).toBe("ready succeeded succeeded running")
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "a job whose attempt has ended or has a stop request is not redriven: its error and the derived status stay",
      () =>
        Effect.gen(function* () {
          const { getDetail, stop } = yield* SandboxLifecycle
          const jobs = yield* WorkspaceBuildJobRepo
          const dead = yield* failed
          const before = yield* jobs.getById(dead.job.id)
          const refusal = yield* refusalOf(jobs.redrive(dead.job.id))
          expect(refusal).toMatchObject({
            _tag: "InvalidTransition",
            entity: "WorkspaceBuildJob",
            from: "failed",
            to: "queued"
          })
          expect(refusal.message).toBe(
            `WorkspaceBuildJob ${dead.job.id} cannot go from failed to queued: its attempt has ended; retry the sandbox instead`
          )
          expect(yield* jobs.getById(dead.job.id)).toEqual(before)
          expect((yield* getDetail({ ownerUserId: ada, id: dead.sandbox.id })).status).toBe("failed")

          const { job, sandbox } = yield* building()
          yield* stop(sandbox.id)
          expect(yield* tagOf(jobs.redrive(job.id))).toBe("InvalidTransition")
          const asked = yield* launch()
          yield* jobs.cancel({ id: asked.job.id, reason: "by hand" })
          yield* (yield* SandboxAttemptRepo).requestStop(asked.attempt.id)
          expect(yield* tagOf(jobs.redrive(asked.job.id))).toBe("InvalidTransition")
        }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
