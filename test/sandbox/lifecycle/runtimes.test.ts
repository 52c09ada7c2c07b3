import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { SandboxAttemptRepo } from "../../../src/sandbox/SandboxAttemptRepo.js"
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
  launch,
  layers,
  millis,
  refusalOf,
  type Services,
  shell,
  stateOf,
  success,
  tagOf
} from "./support.js"

const endpoint = "ssh://localhost:2222"

/** The contract of `recordRuntime`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxLifecycle runtimes (${name})`, () => {
    it.effect("are recorded by lease and by attempt, pending and then running, before and after the build", () =>
      Effect.gen(function* () {
        const { finishBuild, recordRuntime } = yield* SandboxLifecycle
        for (const by of ["lease", "attempt"] as const) {
          const { attempt, lease, sandbox } = yield* building()
          const target = by === "lease" ? lease : attempt.id
          yield* recordRuntime(target, answer("pending"))
          expect(yield* stateOf(sandbox.id)).toBe("running running running pending")
          yield* recordRuntime(target, answer("running"))
          expect(yield* stateOf(sandbox.id)).toBe("running running running running")
          yield* finishBuild(lease, success)
          expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
        }
        const { attempt, lease, sandbox } = yield* built()
        // The lease has ended with the build.
        expect(yield* refusalOf(recordRuntime(lease, answer("running")))).toMatchObject({
          _tag: "LeaseLost",
          reason: "finished"
        })
        yield* recordRuntime(attempt.id, answer("pending"))
        expect(yield* stateOf(sandbox.id)).toBe("running running succeeded pending")
        yield* recordRuntime(attempt.id, answer("running"))
        expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
      }).pipe(Effect.provide(layer))
    )

    it.effect("start a waiting attempt when they are recorded", () =>
      Effect.gen(function* () {
        const { recordRuntime } = yield* SandboxLifecycle
        for (const { lease, sandbox } of [yield* claimed(), yield* claimed()]) {
          yield* recordRuntime(lease, answer("pending"))
          expect(yield* stateOf(sandbox.id)).toBe("running running running pending")
        }
        const waiting = yield* launch()
        yield* recordRuntime(waiting.attempt.id, answer("running"))
        expect(yield* stateOf(waiting.sandbox.id)).toBe("running running queued running")
      }).pipe(Effect.provide(layer))
    )

    it.effect("keep the values of the adapter, and a repeat does not change the launch time", () =>
      Effect.gen(function* () {
        const { recordRuntime } = yield* SandboxLifecycle
        const { attempt } = yield* building()
        yield* TestClock.setTime(1000)
        const pending = yield* recordRuntime(attempt.id, answer("pending"))
        expect(pending).toMatchObject({
          attemptId: attempt.id,
          status: "pending",
          adapter: Option.some("docker"),
          resourceId: Option.some("container"),
          reference: Option.some("docker:container"),
          endpoint: Option.none()
        })
        yield* TestClock.setTime(2000)
        const running = yield* recordRuntime(attempt.id, { ...answer("running"), endpoint })
        expect(running).toMatchObject({ status: "running", endpoint: Option.some(endpoint) })
        expect(millis(running.launchedAt)).toBe(1000)
        yield* TestClock.setTime(3000)
        const again = yield* recordRuntime(attempt.id, answer("running"))
        expect(again).toMatchObject({
          status: "running",
          endpoint: Option.some(endpoint),
          launchedAt: running.launchedAt
        })
        expect(yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(attempt.id)).toEqual(Option.some(again))
      }).pipe(Effect.provide(layer))
    )

    it.effect("are not set back by an out-of-order report", () =>
      Effect.gen(function* () {
        const { finishBuild, recordRuntime } = yield* SandboxLifecycle
        const { attempt, lease, sandbox } = yield* building()
        const running = yield* recordRuntime(lease, answer("running"))
        yield* TestClock.adjust("1 second")
        expect(yield* recordRuntime(lease, answer("pending"))).toEqual(running)
        yield* finishBuild(lease, { ...success, runtime: answer("pending") })
        expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
        expect(yield* recordRuntime(attempt.id, answer("pending"))).toEqual(running)
      }).pipe(Effect.provide(layer))
    )

    it.effect("are replaced by the launch of another resource", () =>
      Effect.gen(function* () {
        const { finishBuild, recordRuntime } = yield* SandboxLifecycle
        yield* TestClock.setTime(1000)
        const first = yield* building()
        yield* recordRuntime(first.lease, { ...answer("running"), endpoint })
        // The worker is gone; the next one launches anew.
        yield* TestClock.setTime(100_000)
        const { lease } = yield* claim(first, "next")
        yield* finishBuild(lease, { ...success, runtime: answer("pending", "second") })
        expect(yield* stateOf(first.sandbox.id)).toBe("running running succeeded pending")
        const [runtime] = Option.toArray(yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(first.attempt.id))
        expect(runtime).toMatchObject({
          resourceId: Option.some("second"),
          endpoint: Option.none(),
          finishedAt: Option.none()
        })
        expect(millis(runtime?.launchedAt ?? Option.none())).toBe(100_000)
        // The journal contains the first resource, for the program that tears it down.
        const [ended] = yield* shell<{ readonly payload: string }>(
          "SELECT payload FROM control_plane_events WHERE subject_id = ? AND event_type = 'finishBuild' AND payload LIKE '%container%'",
          first.attempt.id
        )
        expect(JSON.parse(ended?.payload ?? "{}")).toEqual({
          runtimeStatus: "stopped",
          adapter: "docker",
          resourceId: "container",
          reference: "docker:container"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("cannot be replaced by a worker that lost its lease and uses the attempt's id", () =>
      Effect.gen(function* () {
        const { finishBuild, recordRuntime } = yield* SandboxLifecycle
        const { attempt, job, sandbox } = yield* building()
        yield* TestClock.adjust("1 minute")
        const next = yield* claim({ job }, "next")
        const known = yield* recordRuntime(next.lease, answer("running", "second"))
        const late = (status: "pending" | "running") => recordRuntime(attempt.id, answer(status, "first"))
        for (const status of ["pending", "running"] as const) {
          const error = yield* refusalOf(late(status))
          expect(error).toMatchObject({
            _tag: "InvalidTransition",
            entity: "SandboxRuntimeInstance",
            id: attempt.id,
            from: "running",
            to: status
          })
          expect(error.message).toContain("tear down the launched one")
        }
        yield* finishBuild(next.lease, success)
        expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
        for (const status of ["pending", "running"] as const)
          expect(yield* tagOf(late(status))).toBe("InvalidTransition")
        const runtimes = yield* SandboxRuntimeInstanceRepo
        expect(yield* runtimes.findByAttemptId(attempt.id)).toEqual(Option.some(known))
        // Also when the known one has ended.
        yield* runtimes.upsert({ attemptId: attempt.id, status: "failed" })
        expect(yield* tagOf(late("running"))).toBe("InvalidTransition")
      }).pipe(Effect.provide(layer))
    )

    it.effect("take their resource from the first report for an attempt, also after one without a resource", () =>
      Effect.gen(function* () {
        const { recordRuntime } = yield* SandboxLifecycle
        const { attempt } = yield* built()
        yield* (yield* SandboxRuntimeInstanceRepo).upsert({ attemptId: attempt.id, status: "pending" })
        expect(yield* recordRuntime(attempt.id, answer("running", "first"))).toMatchObject({
          resourceId: Option.some("first")
        })
        expect(yield* tagOf(recordRuntime(attempt.id, answer("running", "second")))).toBe("InvalidTransition")
      }).pipe(Effect.provide(layer))
    )

    it.effect("are replaced under the lease by another resource after a failure, and not by a late report of it", () =>
      Effect.gen(function* () {
        const { finishBuild, recordRuntime } = yield* SandboxLifecycle
        const { attempt, lease, sandbox } = yield* building()
        yield* recordRuntime(lease, answer("running"))
        const failed = yield* (yield* SandboxRuntimeInstanceRepo).upsert({
          attemptId: attempt.id,
          status: "failed",
          errorCode: "oom"
        })
        for (const target of [lease, attempt.id]) {
          expect(yield* recordRuntime(target, answer("running"))).toEqual(failed)
        }
        yield* finishBuild(lease, { ...success, runtime: answer("running", "second") })
        expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
        expect(Option.getOrThrow(yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(attempt.id))).toMatchObject(
          {
            resourceId: Option.some("second"),
            errorCode: Option.none(),
            finishedAt: Option.none()
          }
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("of an attempt without a job do not wait for an image", () =>
      Effect.gen(function* () {
        const { getDetail, recordRuntime } = yield* SandboxLifecycle
        const sandboxes = yield* SandboxRepo
        const { id } = yield* sandboxes.create({ name: "bare", ownerUserId: ada })
        const attempt = yield* (yield* SandboxAttemptRepo).createQueued({ ownerUserId: ada })
        yield* sandboxes.linkAttempt({ sandboxId: id, attemptId: attempt.id, relation: "resume" })
        yield* recordRuntime(attempt.id, answer("pending"))
        expect(yield* getDetail({ ownerUserId: ada, id })).toMatchObject({
          status: "running",
          sandbox: { status: "running" }
        })
        yield* recordRuntime(attempt.id, answer("running"))
        expect(yield* getDetail({ ownerUserId: ada, id })).toMatchObject({
          status: "ready",
          sandbox: { status: "ready" }
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("stay consistent when a stop runs concurrently with every report", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        for (let round = 0; round < 10; round++) {
          const { attempt, lease, sandbox } = yield* claimed()
          const racing: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            lifecycle.beginBuild(lease),
            lifecycle.recordRuntime(lease, answer("running")),
            lifecycle.stop(sandbox.id),
            lifecycle.recordRuntime(attempt.id, answer("running")),
            lifecycle.finishBuild(lease, { ...success, runtime: answer("running") })
          ]
          const turned = [...racing.slice(round % 5), ...racing.slice(0, round % 5)]
          yield* Effect.all(
            turned.map((effect) => Effect.exit(effect)),
            { concurrency: "unbounded" }
          )
          expect(yield* stateOf(sandbox.id)).toMatch(
            /^stopped (cancelled|succeeded) (cancelled|succeeded) (none|running) stop$/
          )
        }
      }).pipe(Effect.provide(layer))
    )
  })

const permutations = <A>(items: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  items.length === 0
    ? [[]]
    : items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]))

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("SandboxLifecycle", () => {
  it.effect("a stop wins over every later report in any order", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SandboxLifecycle
      const steps = ["stop", "begin", "leaseRunning", "runRunning", "finishRunning"] as const
      for (const order of permutations(steps)) {
        const { attempt, lease, sandbox } = yield* claimed()
        const outcomes: Array<string> = []
        for (const step of order) {
          const effects: Readonly<Record<(typeof steps)[number], Effect.Effect<unknown, { readonly _tag: string }>>> = {
            stop: lifecycle.stop(sandbox.id),
            begin: lifecycle.beginBuild(lease),
            leaseRunning: lifecycle.recordRuntime(lease, answer("running")),
            runRunning: lifecycle.recordRuntime(attempt.id, answer("running")),
            finishRunning: lifecycle.finishBuild(lease, { ...success, runtime: answer("running") })
          }
          const outcome = yield* tagOf(effects[step])
          outcomes.push(`${step}: ${outcome}`)
          const stopped = order.indexOf("stop") < order.indexOf(step)
          if (stopped) expect(["LeaseLost", "InvalidTransition"], outcomes.join(", ")).toContain(outcome)
        }
        const state = yield* stateOf(sandbox.id)
        const finished = order.indexOf("finishRunning") < order.indexOf("stop")
        const reported = order.findIndex((step) => step.endsWith("Running")) < order.indexOf("stop")
        expect(state, outcomes.join(", ")).toBe(
          `stopped ${finished ? "succeeded succeeded" : "cancelled cancelled"} ${reported ? "running" : "none"} stop`
        )
      }
    }).pipe(Effect.provide(layers.memory))
  )
})
