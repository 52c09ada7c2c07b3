/**
 * The teardown of runtimes: its request with every way to stop, its results under a lease, and the status `stopping`.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { RuntimeTeardownRepo } from "../../../src/sandbox/RuntimeTeardownRepo.js"
import type { RuntimeTeardown } from "../../../src/sandbox/RuntimeTeardown.js"
import { SandboxAttemptRepo } from "../../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { SandboxRepo } from "../../../src/sandbox/SandboxRepo.js"
import { SandboxRuntimeInstanceRepo } from "../../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import { contradictions, disagreeing } from "./invariants.js"
import {
  ada,
  answer,
  building,
  built,
  claim,
  claimed,
  launch,
  layers,
  ready,
  refusalOf,
  request,
  type Services,
  shell,
  stateOf,
  success,
  tagOf
} from "./support.js"

const supervision = { limit: 100, runtimeDeadline: "15 minutes" } as const

const viewOf = (id: string) =>
  Effect.flatMap(SandboxLifecycle, ({ getDetail }) =>
    Effect.map(getDetail({ ownerUserId: ada, id }), ({ status }) => status)
  )

const queued = Effect.flatMap(RuntimeTeardownRepo, ({ listByStatus }) =>
  Effect.map(listByStatus({ status: "queued" }), ({ items }) => items)
)

const claimTeardown = (workerId = "tearer") =>
  Effect.flatMap(RuntimeTeardownRepo, ({ claimNext }) =>
    Effect.flatten(claimNext({ workerId, leaseDuration: "1 minute" }))
  )

/** A stopped sandbox whose runtime is up. */
const stopping = Effect.gen(function* () {
  const launched = yield* ready
  yield* (yield* SandboxLifecycle).stop(launched.sandbox.id)
  return launched
})

/** The payloads of the events of a subject about its runtime. */
const runtimeEvents = (id: string) =>
  Effect.map(
    shell<{ readonly event: string }>(
      `SELECT event_type || ' ' || actor_type || ' ' || (payload ->> 'runtimeStatus') || ' ' || coalesce(payload ->> 'stopReason', '-')
         || ' ' || (payload ->> 'resourceId') AS event
       FROM control_plane_events WHERE subject_id = ? AND payload ->> 'runtimeStatus' IS NOT NULL ORDER BY sequence`,
      id
    ),
    (rows) => rows.map(({ event }) => event)
  )

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`teardowns (${name})`, () => {
    it.effect("a stop requests the teardown once, and the sandbox is stopping until its end is recorded", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        yield* TestClock.setTime(5000)
        const { attempt, sandbox } = yield* stopping
        expect(yield* viewOf(sandbox.id)).toBe("stopping")
        expect(yield* stateOf(sandbox.id)).toBe("stopped succeeded succeeded running stop")
        const [teardown, ...others] = yield* queued
        expect(others).toEqual([])
        expect(teardown).toMatchObject({
          attemptId: Option.some(attempt.id),
          status: "queued",
          adapter: Option.some("docker"),
          resourceId: Option.some("container"),
          reference: Option.some("docker:container"),
          stopReason: Option.some("user"),
          availableAt: { epochMillis: 5000 }
        })
        // A repeat changes nothing.
        expect((yield* lifecycle.stop(sandbox.id)).status).toBe("stopped")
        expect(yield* queued).toEqual([teardown])
        expect((yield* lifecycle.list({ ownerUserId: ada, statuses: ["stopping"] })).items).toHaveLength(1)
        const { lease } = yield* claimTeardown()
        expect(yield* viewOf(sandbox.id)).toBe("stopping")
        const finished = yield* lifecycle.finishTeardown(lease)
        expect(finished).toMatchObject({ status: "succeeded", settledAt: Option.some({ epochMillis: 5000 }) })
        expect(yield* lifecycle.finishTeardown(lease)).toEqual(finished)
        expect(yield* viewOf(sandbox.id)).toBe("stopped")
        expect(yield* stateOf(sandbox.id)).toBe("stopped succeeded succeeded stopped stop")
        expect(yield* runtimeEvents(attempt.id)).toEqual([
          "stop system stopping user container",
          "finishTeardown worker stopped user container"
        ])
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("only the current lease records the result: a worker that was replaced has lost it", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { sandbox } = yield* stopping
        const first = yield* claimTeardown("first")
        yield* TestClock.adjust("1 minute")
        const second = yield* claimTeardown("second")
        for (const report of [
          lifecycle.finishTeardown(first.lease),
          lifecycle.failTeardown(first.lease, { errorMessage: "no" })
        ])
          expect(yield* refusalOf(report)).toMatchObject({
            _tag: "LeaseLost",
            entity: "RuntimeTeardown",
            reason: "superseded"
          })
        expect(yield* viewOf(sandbox.id)).toBe("stopping")
        yield* lifecycle.finishTeardown(second.lease)
        expect(yield* viewOf(sandbox.id)).toBe("stopped")
      }).pipe(Effect.provide(layer))
    )

    it.effect("a failed teardown waits for its retry, and without attempts left the sandbox waits no longer", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { attempt, sandbox } = yield* stopping
        const failure = { errorMessage: "no route to host", errorCode: "unreachable" }
        const pauses: Array<number> = []
        for (;;) {
          const { lease, teardown } = yield* claimTeardown()
          const before = teardown.claimedAt
          const failed = yield* lifecycle.failTeardown(lease, failure)
          expect(yield* lifecycle.failTeardown(lease, failure)).toEqual(failed)
          expect(failed).toMatchObject({ errorCode: Option.some("unreachable") })
          if (failed.status === "failed") break
          expect(yield* viewOf(sandbox.id)).toBe("stopping")
          pauses.push(failed.availableAt.epochMillis - Option.getOrThrow(before).epochMillis)
          yield* TestClock.adjust("5 minutes")
        }
        expect(pauses).toHaveLength(19)
        for (const [index, pause] of pauses.entries()) {
          const longest = Math.min(300_000, 1000 * 2 ** index)
          expect(pause).toBeGreaterThanOrEqual(longest / 2)
          expect(pause).toBeLessThanOrEqual(longest)
        }
        expect(yield* viewOf(sandbox.id)).toBe("stopped")
        const runtime = yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(attempt.id)
        expect(Option.getOrThrow(runtime)).toMatchObject({
          status: "stopped",
          stopReason: Option.some("user"),
          errorCode: Option.some("stop-unconfirmed")
        })
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("without a worker, the end that an adapter reports ends the teardown", () =>
      Effect.gen(function* () {
        const { endRuntime } = yield* SandboxLifecycle
        const { attempt, sandbox } = yield* stopping
        const runtime = yield* endRuntime(attempt.id, { status: "failed", reason: "crashed", errorCode: "137" })
        expect(runtime).toMatchObject({ status: "stopped", stopReason: Option.some("user"), errorCode: Option.none() })
        expect(yield* viewOf(sandbox.id)).toBe("stopped")
        expect(yield* queued).toEqual([])
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("the end of a runtime that was not known at the stop is stored as that stop, with its reason", () =>
      Effect.gen(function* () {
        const { endRuntime, stop, supervise } = yield* SandboxLifecycle
        const byUser = yield* claimed()
        yield* stop(byUser.sandbox.id)
        const byDeadline = yield* launch({ lifetime: "1 minute" })
        yield* TestClock.adjust("1 minute")
        yield* supervise(supervision)
        const end = {
          status: "failed",
          reason: "launch-failed",
          errorCode: "no-image",
          resourceId: "container"
        } as const
        expect(yield* endRuntime(byUser.lease, end)).toMatchObject({
          status: "stopped",
          stopReason: Option.some("user"),
          errorCode: Option.none(),
          resourceId: Option.some("container")
        })
        expect(yield* endRuntime(byDeadline.attempt.id, end)).toMatchObject({
          status: "stopped",
          stopReason: Option.some("expired")
        })
        for (const { sandbox } of [byUser, byDeadline]) {
          expect(yield* viewOf(sandbox.id)).toBe("cancelled")
          expect(yield* stateOf(sandbox.id)).toBe("stopped cancelled cancelled stopped stop")
        }
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("the database refuses to delete a teardown for which a runtime waits", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { attempt } = yield* stopping
        const deletion = shell("DELETE FROM runtime_teardowns")
        expect(yield* tagOf(deletion)).toBe("SqlError")
        yield* lifecycle.endRuntime(attempt.id, { status: "stopped", reason: "exited" })
        yield* deletion
        // After the deletion of the owner, no runtime waits for it.
        yield* stopping
        yield* shell("DELETE FROM user WHERE id = ?", ada)
        yield* deletion
      }).pipe(Effect.provide(layer))
    )

    it.effect("supervision ends the wait after the deadline, and leaves the teardown to a later worker", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { attempt, sandbox } = yield* stopping
        yield* TestClock.adjust("15 minutes")
        expect(yield* lifecycle.supervise(supervision)).toEqual({ requeued: 0, ended: 0, failed: 0 })
        yield* TestClock.adjust("1 milli")
        expect(yield* lifecycle.supervise(supervision)).toEqual({ requeued: 0, ended: 1, failed: 0 })
        expect(yield* viewOf(sandbox.id)).toBe("stopped")
        expect(yield* lifecycle.supervise(supervision)).toEqual({ requeued: 0, ended: 0, failed: 0 })
        const { lease } = yield* claimTeardown()
        expect((yield* lifecycle.finishTeardown(lease)).status).toBe("succeeded")
        expect(yield* runtimeEvents(attempt.id)).toEqual([
          "stop system stopping user container",
          "supervise system stopped user container"
        ])
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("supervision requeues expired leases, and ends the wait for a teardown without attempts left", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { sandbox } = yield* stopping
        yield* claimTeardown()
        yield* TestClock.adjust("1 minute")
        expect(yield* lifecycle.supervise(supervision)).toMatchObject({ requeued: 1 })
        yield* shell("UPDATE runtime_teardowns SET attempt_count = max_attempts - 1")
        yield* claimTeardown()
        yield* TestClock.adjust("1 minute")
        // The first pass reaps the lease, and its later step ends the runtime.
        expect(yield* lifecycle.supervise(supervision)).toEqual({ requeued: 0, ended: 1, failed: 0 })
        expect(yield* viewOf(sandbox.id)).toBe("stopped")
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "every stop of an active runtime requests its teardown: by the lifecycle, a repository or another program",
      () =>
        Effect.gen(function* () {
          const lifecycle = yield* SandboxLifecycle
          const attempts = yield* SandboxAttemptRepo
          const ways: ReadonlyArray<
            readonly [
              string,
              (launched: Effect.Effect.Success<typeof ready>) => Effect.Effect<unknown, unknown, Services>
            ]
          > = [
            ["delete", ({ sandbox }) => lifecycle.delete({ id: sandbox.id })],
            ["requestStop", ({ attempt }) => attempts.requestStop(attempt.id)],
            ["a deletion in a shell", ({ sandbox }) => shell("DELETE FROM sandboxes WHERE id = ?", sandbox.id)],
            [
              "the previous release",
              ({ attempt }) =>
                Effect.zipRight(
                  shell("UPDATE sandbox_attempts SET stop_requested_at = 0 WHERE id = ?", attempt.id),
                  shell("UPDATE sandbox_runtime_instances SET status = 'stopped' WHERE run_id = ?", attempt.id)
                )
            ],
            [
              "setStatus and supervision",
              ({ sandbox }) =>
                Effect.zipRight(
                  Effect.flatMap(SandboxRepo, ({ setStatus }) => setStatus({ id: sandbox.id, status: "stopped" })),
                  lifecycle.supervise(supervision)
                )
            ]
          ]
          for (const [way, stop] of ways) {
            const launched = yield* ready
            yield* stop(launched)
            const found = (yield* queued).filter(({ attemptId }) => Option.contains(attemptId, launched.attempt.id))
            expect(
              found.map(({ resourceId }) => resourceId),
              way
            ).toEqual([Option.some("container")])
            const { lease } = yield* claimTeardown()
            yield* lifecycle.finishTeardown(lease)
            const runtime = yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(launched.attempt.id)
            expect(Option.getOrThrow(runtime).status, way).toBe("stopped")
          }
          yield* lifecycle.supervise(supervision)
          expect(yield* disagreeing).toEqual([])
        }).pipe(Effect.provide(layer))
    )

    it.effect("the teardown outlives its owner: it has the resource, and no attempt", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        yield* ready
        yield* shell("DELETE FROM user WHERE id = ?", ada)
        const [orphan, ...others]: ReadonlyArray<RuntimeTeardown> = yield* queued
        expect(others).toEqual([])
        expect(orphan).toMatchObject({ attemptId: Option.none(), resourceId: Option.some("container") })
        const { lease } = yield* claimTeardown()
        expect((yield* lifecycle.finishTeardown(lease)).status).toBe("succeeded")
      }).pipe(Effect.provide(layer))
    )

    it.effect("a replaced resource, one that was never reported running, and one of a failed build are torn down", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const replacing = yield* building()
        yield* lifecycle.recordRuntime(replacing.lease, answer("running", "first"))
        yield* lifecycle.recordRuntime(replacing.lease, answer("running", "second"))
        const missing = yield* built("pending")
        const failing = yield* building()
        yield* lifecycle.recordRuntime(failing.lease, answer("running", "third"))
        yield* lifecycle.failBuild(failing.lease, { errorMessage: "no", retryable: false })
        expect(yield* viewOf(failing.sandbox.id)).toBe("failed")
        yield* TestClock.adjust("16 minutes")
        yield* (yield* WorkspaceBuildJobRepo).heartbeat(replacing.lease, "1 hour")
        yield* lifecycle.supervise({ ...supervision, runtimeDeadline: "15 minutes" })
        expect(yield* viewOf(missing.sandbox.id)).toBe("failed")
        const found = yield* queued
        expect(found.map(({ resourceId }) => Option.getOrNull(resourceId)).sort()).toEqual([
          "container",
          "first",
          "third"
        ])
        for (const _ of found) yield* lifecycle.finishTeardown((yield* claimTeardown()).lease)
        // The current resource is unaffected.
        yield* lifecycle.finishBuild(replacing.lease, { ...success, runtime: answer("running", "second") })
        expect(yield* stateOf(replacing.sandbox.id)).toBe("ready succeeded succeeded running")
        expect(yield* stateOf(failing.sandbox.id)).toBe("failed failed failed stopped stop")
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a sandbox can be retried while its previous runtime is torn down", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { sandbox } = yield* stopping
        const next = yield* lifecycle.retry(sandbox.id)
        const { lease } = yield* claim(next)
        yield* lifecycle.finishBuild(lease, { ...success, runtime: answer("running", "next") })
        yield* lifecycle.finishTeardown((yield* claimTeardown()).lease)
        expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
        const { items } = yield* lifecycle.listAttempts({ ownerUserId: ada, id: sandbox.id })
        expect(items.map(({ status }) => status)).toEqual(["ready", "stopped"])
        expect(yield* contradictions()).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("recordRuntime and endRuntime under the lease of an older job of the attempt fail with LeaseLost", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { registryId, repository, spec: requestPayload, tag } = request
        const { attempt, lease, sandbox } = yield* claimed()
        yield* TestClock.adjust("1 second")
        const jobs = yield* WorkspaceBuildJobRepo
        yield* jobs.enqueue({ attemptId: attempt.id, registryId, repository, tag, requestPayload })
        for (const report of [
          lifecycle.recordRuntime(lease, answer("running")),
          lifecycle.endRuntime(lease, { status: "failed", reason: "crashed" })
        ])
          expect(yield* refusalOf(report)).toMatchObject({ _tag: "LeaseLost", reason: "superseded" })
        expect(yield* stateOf(sandbox.id)).toBe("queued queued queued none")
      }).pipe(Effect.provide(layer))
    )

    it.effect("the database refuses to reopen a teardown, a claim without a new token, and two of one resource", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        yield* stopping
        const { lease } = yield* claimTeardown()
        expect(yield* tagOf(shell("UPDATE runtime_teardowns SET worker_id = 'other'"))).toBe("SqlError")
        expect(yield* tagOf(shell("UPDATE runtime_teardowns SET lease_token = 0"))).toBe("SqlError")
        const copy = "INSERT INTO runtime_teardowns (id, run_id, resource_id, available_at, created_at, updated_at)"
        expect(yield* tagOf(shell(`${copy} SELECT 'two', run_id, resource_id, 0, 0, 0 FROM runtime_teardowns`))).toBe(
          "SqlError"
        )
        yield* lifecycle.finishTeardown(lease)
        expect(yield* tagOf(shell("UPDATE runtime_teardowns SET status = 'queued', finished_at = NULL"))).toBe(
          "SqlError"
        )
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
