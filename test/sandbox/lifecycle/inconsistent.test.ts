/**
 * Attempts that were changed outside the lifecycle: through the repositories, or by deleting rows that they belong to. Every
 * active attempt can be stopped, and none waits forever.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxAttemptRepo } from "../../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../../../src/sandbox/SandboxRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import {
  ada,
  building,
  built,
  claimed,
  launch,
  layers,
  ready,
  refusalOf,
  type Services,
  shell,
  stateOf,
  success,
  tagOf
} from "./support.js"

const supervision = { limit: 3, runtimeDeadline: "15 minutes" } as const

/** A spec that was legal once, as after a deploy with a stricter schema. */
const breakSpec = (id: string) =>
  shell(`UPDATE oci_image_build_jobs SET request_payload = '{"harness":"retired"}' WHERE id = ?`, id)

/** As a program without types calls it. */
const unchecked = (
  method: (...args: ReadonlyArray<never>) => Effect.Effect<unknown, unknown>,
  request: unknown
): Effect.Effect<unknown, unknown> => Reflect.apply(method, undefined, [request])

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`inconsistent attempts (${name})`, () => {
    it.effect("of a deleted sandbox get a stop request, and end", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { attempt, lease, sandbox } = yield* building()
        yield* (yield* SandboxRepo).delete(sandbox.id)
        expect(yield* tagOf(lifecycle.finishBuild(lease, success))).toBe("LeaseLost")
        expect(yield* (yield* SandboxAttemptRepo).getById(attempt.id)).toMatchObject({ status: "cancelled" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("of a deleted user are not built, and their documents are deleted", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { lease } = yield* claimed()
        yield* launch()
        yield* shell("DELETE FROM user WHERE id = ?", ada)
        expect(yield* tagOf(lifecycle.beginBuild(lease))).toBe("LeaseLost")
        expect(yield* shell("SELECT id FROM oci_image_build_jobs")).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("of a sandbox that was set to stopped can be stopped", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const sandboxes = yield* SandboxRepo
        const waits = yield* launch()
        const runs = yield* ready
        for (const { sandbox } of [waits, runs]) {
          const stopped = yield* sandboxes.setStatus({ id: sandbox.id, status: "stopped" })
          expect(yield* lifecycle.stop(sandbox.id)).toEqual(stopped)
        }
        expect(yield* stateOf(waits.sandbox.id)).toBe("stopped cancelled cancelled none stop")
        expect(yield* stateOf(runs.sandbox.id)).toBe("stopped succeeded succeeded running stop")
      }).pipe(Effect.provide(layer))
    )

    it.effect("that were ended outside the lifecycle end their sandbox", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { attempt, lease, sandbox } = yield* claimed()
        yield* (yield* SandboxAttemptRepo).markCancelled({ id: attempt.id, reason: "enough" })
        expect(yield* tagOf(lifecycle.beginBuild(lease))).toBe("LeaseLost")
        expect(yield* stateOf(sandbox.id)).toBe("stopped cancelled cancelled none")
        expect((yield* lifecycle.retry(sandbox.id)).created).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("with an unreadable job can be stopped and cancelled", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        for (const end of ["stop", "cancel"] as const) {
          const { job, sandbox } = yield* launch()
          yield* breakSpec(job.id)
          yield* end === "stop" ? lifecycle.stop(sandbox.id) : lifecycle.cancel({ id: sandbox.id, reason: "enough" })
          expect(yield* stateOf(sandbox.id)).toBe("stopped cancelled cancelled none stop")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("with an unreadable succeeded job do not keep others from ending", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        for (let count = 0; count < supervision.limit; count++) yield* breakSpec((yield* built()).job.id)
        yield* TestClock.adjust("1 hour")
        const { job, sandbox } = yield* launch()
        yield* (yield* WorkspaceBuildJobRepo).cancel({ id: job.id, reason: "enough" })
        yield* lifecycle.supervise(supervision)
        yield* lifecycle.supervise(supervision)
        expect(yield* stateOf(sandbox.id)).toBe("stopped cancelled cancelled none")
      }).pipe(Effect.provide(layer))
    )

    it.effect("with a cancel reason beyond the limit end, with the reason cut to it", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { attempt, job, sandbox } = yield* launch()
        yield* (yield* WorkspaceBuildJobRepo).cancel({ id: job.id, reason: "enough" })
        // Longer than a reason may be, as another program may write it.
        yield* shell("UPDATE oci_image_build_jobs SET cancel_reason = printf('%.*c', 200000, 'x')")
        expect(yield* lifecycle.supervise({ ...supervision, limit: 10 })).toMatchObject({ ended: 1, failed: 0 })
        expect(yield* stateOf(sandbox.id)).toBe("stopped cancelled cancelled none")
        const { cancelReason } = yield* (yield* SandboxAttemptRepo).getById(attempt.id)
        expect(cancelReason).toEqual(Option.some("x".repeat(100_000)))
      }).pipe(Effect.provide(layer))
    )

    it.effect("the list rejects invalid filters", () =>
      Effect.gen(function* () {
        const { list } = yield* SandboxLifecycle
        yield* launch()
        const untyped = [
          { ownerUserId: undefined },
          { ownerUserId: ada, statuses: ["gone"] },
          { ownerUserId: "a\0" },
          { ownerUserId: ada, includeArchived: "yes" }
        ]
        for (const request of untyped) {
          expect(yield* refusalOf(unchecked(list, request))).toMatchObject({
            _tag: "InvalidInput",
            operation: "SandboxLifecycle.list"
          })
        }
        expect((yield* list({ ownerUserId: ada })).items).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
