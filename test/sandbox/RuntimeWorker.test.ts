/**
 * The loop of a runtime worker: teardowns under leases, retries, interruption, inspection.
 */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Queue, Ref, TestClock } from "effect"
import { PersistenceError } from "../../src/Errors.js"
import * as RuntimeWorker from "../../src/sandbox/RuntimeWorker.js"
import type { RuntimeTeardown } from "../../src/sandbox/RuntimeTeardown.js"
import { RuntimeTeardownRepo } from "../../src/sandbox/RuntimeTeardownRepo.js"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import { SandboxRuntimeInstanceRepo } from "../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import { eventually, passing, turns } from "../support/eventLoop.js"
import { built, layers, ready, refusalOf, shell, stateOf } from "./lifecycle/support.js"

const unavailable = new PersistenceError({ operation: "test", reason: "Unavailable", cause: "no route to host" })

/** Starts a worker. It releases its teardowns at once at the end of the test. */
const start = <R>(adapter: RuntimeWorker.Adapter<R>, options: Partial<RuntimeWorker.Options> = {}) =>
  Effect.fork(RuntimeWorker.run(adapter, { workerId: "worker", drainTimeout: 0, ...options }))

const stopping = Effect.gen(function* () {
  const launched = yield* ready
  yield* (yield* SandboxLifecycle).stop(launched.sandbox.id)
  return launched
})

const reaches = ({ sandbox }: Effect.Effect.Success<typeof ready>, state: string) =>
  eventually(Effect.map(stateOf(sandbox.id), (now) => now === state))

const stopped = "stopped succeeded succeeded stopped stop"

const teardowns = Effect.flatMap(RuntimeTeardownRepo, ({ listByStatus }) =>
  Effect.map(
    Effect.forEach(["queued", "running", "succeeded", "failed"] as const, (status) => listByStatus({ status })),
    (pages) => pages.flatMap(({ items }) => items)
  )
)

const only = Effect.map(teardowns, ([first]): RuntimeTeardown => Option.getOrThrow(Option.fromNullable(first)))

/** An adapter that reports each stop, and waits in it until the test continues. */
const waiting = Effect.gen(function* () {
  const begun = yield* Queue.unbounded<RuntimeTeardown>()
  const go = yield* Deferred.make<void>()
  const interrupted = yield* Ref.make(0)
  const adapter: RuntimeWorker.Adapter<never> = {
    stop: (instance) =>
      Queue.offer(begun, instance).pipe(
        Effect.zipRight(Deferred.await(go)),
        Effect.onInterrupt(() => Ref.update(interrupted, (count) => count + 1))
      )
  }
  return { adapter, begun, go, interrupted }
})

describe("RuntimeWorker", () => {
  it.effect("tears down a stopped sandbox: it is stopping until the adapter has stopped its runtime", () =>
    Effect.gen(function* () {
      const { adapter, begun, go } = yield* waiting
      yield* start(adapter)
      const launched = yield* stopping
      expect(yield* Queue.take(begun)).toMatchObject({
        attemptId: Option.some(launched.attempt.id),
        adapter: Option.some("docker"),
        resourceId: Option.some("container"),
        reference: Option.some("docker:container"),
        stopReason: Option.some("user")
      })
      expect(yield* only).toMatchObject({ status: "running", workerId: Option.some("worker"), leaseToken: 1 })
      expect(yield* stateOf(launched.sandbox.id)).toBe("stopped succeeded succeeded running stop")
      yield* Deferred.succeed(go, undefined)
      yield* reaches(launched, stopped)
      expect(yield* only).toMatchObject({ status: "succeeded", leaseOutcome: Option.some("succeeded") })
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("keeps the lease by heartbeats for as long as a stop takes, at most 10 minutes, and tries again then", () =>
    Effect.gen(function* () {
      const { adapter, begun, interrupted } = yield* waiting
      yield* start(adapter, { supervise: false })
      yield* stopping
      yield* Queue.take(begun)
      for (let beat = 0; beat < 20; beat++) yield* passing(20)
      expect(yield* only).toMatchObject({ status: "running", leaseToken: 1 })
      expect(yield* Ref.get(interrupted)).toBe(0)
      yield* eventually(
        Effect.zipRight(
          Effect.zipRight(TestClock.adjust("5 seconds"), turns(2)),
          Effect.map(Ref.get(interrupted), (count) => count === 1)
        )
      )
      yield* eventually(Effect.map(only, ({ errorCode }) => Option.contains(errorCode, "max-duration")))
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("retries a failed stop after a pause, and stores only the code and the message of the failure", () =>
    Effect.gen(function* () {
      const tries = yield* Ref.make(0)
      yield* start({
        stop: () =>
          Effect.flatMap(
            Ref.updateAndGet(tries, (count) => count + 1),
            (count) =>
              count < 2
                ? new RuntimeWorker.AdapterFailure({ errorMessage: "no route", errorCode: "unreachable" })
                : Effect.void
          )
      })
      const launched = yield* stopping
      yield* eventually(Effect.map(only, ({ errorCode }) => Option.contains(errorCode, "unreachable")))
      expect(yield* only).toMatchObject({
        status: "queued",
        errorMessage: Option.some("no route"),
        leaseOutcome: Option.some("retried")
      })
      yield* passing(1)
      yield* reaches(launched, stopped)
      expect(yield* only).toMatchObject({ status: "succeeded", attemptCount: 2 })
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("ends the wait of the sandbox when a failure is not retryable", () =>
    Effect.gen(function* () {
      yield* start({
        stop: () => new RuntimeWorker.AdapterFailure({ errorMessage: "unknown adapter", retryable: false })
      })
      const launched = yield* stopping
      yield* reaches(launched, stopped)
      expect(yield* only).toMatchObject({ status: "failed", errorMessage: Option.some("unknown adapter") })
    }).pipe(Effect.provide(layers.memory))
  )

  for (const [how, stop] of [
    ["dies", () => Effect.die(new Error("token s3cr3t"))],
    [
      "throws",
      () => {
        throw new Error("token s3cr3t")
      }
    ]
  ] as const) {
    it.effect(`retries when the adapter ${how}: the defect is passed to onDefect, and not stored`, () =>
      Effect.gen(function* () {
        const seen = yield* Deferred.make<string>()
        yield* start({ stop }, { onDefect: (_, { teardownId }) => Effect.asVoid(Deferred.succeed(seen, teardownId)) })
        yield* stopping
        const teardownId = yield* Deferred.await(seen)
        yield* eventually(Effect.map(only, ({ errorCode }) => Option.contains(errorCode, "handler-died")))
        const teardown = yield* only
        expect(teardown).toMatchObject({ id: teardownId, status: "queued" })
        expect(JSON.stringify(teardown)).not.toContain("s3cr3t")
      }).pipe(Effect.provide(layers.memory))
    )
  }

  it.effect("stores an invalid failure under another message", () =>
    Effect.gen(function* () {
      yield* start({
        stop: () => new RuntimeWorker.AdapterFailure({ errorMessage: "no", errorCode: "s3cr3t".repeat(1000) })
      })
      yield* stopping
      yield* eventually(Effect.map(only, ({ errorCode }) => Option.contains(errorCode, "invalid-failure")))
      expect(JSON.stringify(yield* only)).not.toContain("s3cr3t")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("releases a teardown that a drain has interrupted, after the adapter has ended", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const clean = yield* Deferred.make<void>()
      const ending = yield* Deferred.make<void>()
      const worker = yield* start({
        stop: () =>
          Deferred.succeed(begun, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Effect.zipRight(Deferred.succeed(ending, undefined), Deferred.await(clean)))
          )
      })
      yield* stopping
      yield* Deferred.await(begun)
      const ended = yield* Effect.fork(Fiber.interrupt(worker))
      yield* Deferred.await(ending)
      // The lease is kept until the adapter has ended.
      const { claimNext } = yield* RuntimeTeardownRepo
      expect(yield* claimNext({ workerId: "other", leaseDuration: "1 minute" })).toEqual(Option.none())
      yield* Deferred.succeed(clean, undefined)
      yield* Fiber.join(ended)
      expect(yield* only).toMatchObject({
        status: "queued",
        attemptCount: 0,
        leaseOutcome: Option.some("released")
      })
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("interrupts the adapter before its lease ends when no heartbeat is confirmed", () =>
    Effect.gen(function* () {
      const { adapter, begun, interrupted } = yield* waiting
      const repo = yield* RuntimeTeardownRepo
      yield* Effect.provideService(start(adapter, { supervise: false }), RuntimeTeardownRepo, {
        ...repo,
        heartbeat: () => Effect.fail(unavailable)
      })
      yield* stopping
      yield* Queue.take(begun)
      yield* eventually(
        Effect.zipRight(
          Effect.zipRight(TestClock.adjust("500 millis"), turns(2)),
          Effect.map(Ref.get(interrupted), (count) => count === 1)
        )
      )
      yield* eventually(Effect.map(only, ({ errorCode }) => Option.contains(errorCode, "lease-unconfirmed")))
      // Of a lease of one minute.
      expect((yield* only).updatedAt.epochMillis).toBeLessThan(60_000)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("is interrupted when its lease is lost, and reports nothing", () =>
    Effect.gen(function* () {
      const { adapter, begun, interrupted } = yield* waiting
      yield* start(adapter, { supervise: false })
      const launched = yield* stopping
      yield* Queue.take(begun)
      // Another worker has torn it down meanwhile.
      yield* shell("UPDATE runtime_teardowns SET lease_token = 2, worker_id = 'other', claimed_at = 1")
      yield* eventually(
        Effect.zipRight(
          Effect.zipRight(TestClock.adjust("5 seconds"), turns(2)),
          Effect.map(Ref.get(interrupted), (count) => count === 1)
        )
      )
      yield* turns(5)
      expect(yield* only).toMatchObject({ status: "running", leaseToken: 2 })
      expect(yield* stateOf(launched.sandbox.id)).toBe("stopped succeeded succeeded running stop")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("tears down at most `concurrency` runtimes at a time", () =>
    Effect.gen(function* () {
      const { adapter, begun, go } = yield* waiting
      yield* start(adapter, { concurrency: 2 })
      const all = [yield* stopping, yield* stopping, yield* stopping]
      yield* Queue.takeN(begun, 2)
      yield* turns(20)
      expect((yield* teardowns).map(({ status }) => status).sort()).toEqual(["queued", "running", "running"])
      yield* Deferred.succeed(go, undefined)
      for (const launched of all) yield* reaches(launched, stopped)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("inspects running runtimes once in each interval, and ends those that are gone", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SandboxLifecycle
      const [up, gone, early] = [yield* ready, yield* ready, yield* built("pending")]
      const seen = yield* Ref.make<ReadonlyArray<string>>([])
      const dead = yield* Ref.make<string>("")
      yield* TestClock.adjust("1 hour")
      yield* start(
        {
          stop: () => Effect.void,
          inspect: ({ attemptId }) =>
            Effect.zipRight(
              Ref.update(seen, (all) => [...all, attemptId]),
              Effect.map(Ref.get(dead), (id) =>
                id === attemptId
                  ? Option.some({ status: "failed", reason: "crashed", errorCode: "137" } as const)
                  : Option.none()
              )
            )
        },
        { inspectInterval: "30 seconds", runtimeDeadline: "10 days" }
      )
      yield* eventually(Effect.map(Ref.get(seen), ({ length }) => length === 2))
      expect([...(yield* Ref.get(seen))].sort()).toEqual([up.attempt.id, gone.attempt.id].sort())
      expect(yield* stateOf(gone.sandbox.id)).toBe("ready succeeded succeeded running")
      yield* Ref.set(dead, gone.attempt.id)
      yield* passing(30)
      yield* reaches(gone, "failed succeeded succeeded failed")
      yield* eventually(Effect.map(Ref.get(seen), ({ length }) => length === 4))
      expect(yield* stateOf(up.sandbox.id)).toBe("ready succeeded succeeded running")
      expect(yield* stateOf(early.sandbox.id)).toBe("running running succeeded pending")
      const instance = yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(gone.attempt.id)
      expect(Option.getOrThrow(instance)).toMatchObject({
        stopReason: Option.some("crashed"),
        errorCode: Option.some("137")
      })
      // The image of the sandbox can be launched again.
      expect((yield* lifecycle.retry(gone.sandbox.id)).created).toBe(true)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect(
    "continues after an inspection that fails, dies or does not end, and reports an unknown end as invalid",
    () =>
      Effect.gen(function* () {
        const all = [yield* ready, yield* ready, yield* ready, yield* ready]
        const seen = yield* Ref.make<ReadonlyArray<string>>([])
        const ends = [
          new RuntimeWorker.AdapterFailure({ errorMessage: "no route" }),
          Effect.die(new Error("no")),
          Effect.never,
          Effect.succeed(Option.some({ status: "stopped", reason: "crashed" } as const))
        ]
        yield* TestClock.adjust("1 hour")
        yield* start(
          {
            stop: () => Effect.void,
            inspect: ({ attemptId }) =>
              Effect.zipRight(
                Ref.update(seen, (ids) => [...ids, attemptId]),
                ends[all.findIndex(({ attempt }) => attempt.id === attemptId)] ?? Effect.succeedNone
              )
          },
          { inspectInterval: "30 seconds", concurrency: 4 }
        )
        yield* eventually(Effect.map(Ref.get(seen), ({ length }) => length === 4))
        // One waits for the interval, the next round begins after another one.
        yield* passing(30)
        yield* passing(30)
        yield* eventually(Effect.map(Ref.get(seen), ({ length }) => length === 8))
        for (const { sandbox } of all) expect(yield* stateOf(sandbox.id)).toBe("ready succeeded succeeded running")
      }).pipe(Effect.provide(layers.memory))
  )

  it.effect("does not claim and does not inspect what another worker has inspected in the interval", () =>
    Effect.gen(function* () {
      const launched = yield* ready
      yield* TestClock.adjust("1 hour")
      const { claimInspections } = yield* SandboxRuntimeInstanceRepo
      const every = "30 seconds"
      const claimed = yield* claimInspections({ every, limit: 10 })
      expect(claimed.map(({ attemptId }) => attemptId)).toEqual([launched.attempt.id])
      expect(yield* claimInspections({ every, limit: 10 })).toEqual([])
      yield* TestClock.adjust("30 seconds")
      expect(yield* claimInspections({ every, limit: 10 })).toHaveLength(1)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("fails with InvalidInput if an option is out of range", () =>
    Effect.gen(function* () {
      const adapter = { stop: () => Effect.void }
      for (const [options, field] of [
        [{ workerId: "" }, "workerId"],
        [{ workerId: "w", concurrency: 0 }, "concurrency"],
        [{ workerId: "w", inspectInterval: 0 }, "inspectInterval"]
      ] as const) {
        const error = yield* refusalOf(RuntimeWorker.run(adapter, options))
        expect(error).toMatchObject({ _tag: "InvalidInput", operation: "RuntimeWorker.run" })
        expect(error.message).toContain(field)
      }
      const { claimById, claimNext } = yield* RuntimeTeardownRepo
      for (const claim of [
        claimNext({ workerId: "", leaseDuration: "1 minute" }),
        claimById({ workerId: "", leaseDuration: "1 minute", id: "x" })
      ])
        expect((yield* refusalOf(claim)).message).toContain("workerId: ")
    }).pipe(Effect.provide(layers.memory))
  )
})
