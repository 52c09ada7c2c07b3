import { describe, expect, it } from "@effect/vitest"
import { Chunk, Clock, Deferred, Effect, Fiber, Option, Queue, Ref, TestClock } from "effect"
import type { WorkspaceBuildJobId } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxRuntimeInstanceRepo } from "../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import * as BuildWorker from "../../src/build-job/BuildWorker.js"
import type { Build, Launch } from "../../src/sandbox/SandboxViews.js"
import { PersistenceError } from "../../src/Errors.js"
import { eventually, passing, turns } from "../support/eventLoop.js"
import { answer, claim, launch, layers, refusalOf, shell, stateOf, success } from "../sandbox/lifecycle/support.js"

const ready = { ...success, runtime: answer("running") }
const busy = new PersistenceError({ operation: "test", reason: "Busy", cause: "SQLITE_BUSY" })

/** Starts a worker. It releases its jobs at once at the end of the test. */
const start = <R>(handler: BuildWorker.Handler<R>, options: Partial<BuildWorker.Options> = {}) =>
  Effect.fork(BuildWorker.run(handler, { workerId: "worker", drainTimeout: 0, ...options }))

/** A handler that reports the start of each build, and waits in each until the test continues. */
const waiting = Effect.gen(function* () {
  const begun = yield* Queue.unbounded<Build>()
  const go = yield* Deferred.make<typeof ready, BuildWorker.BuildFailure>()
  const interrupted = yield* Ref.make(0)
  const handler: BuildWorker.Handler<never> = (build) =>
    Queue.offer(begun, build).pipe(
      Effect.zipRight(Deferred.await(go)),
      Effect.onInterrupt(() => Ref.update(interrupted, (count) => count + 1))
    )
  return { begun, go, interrupted, handler }
})

const jobOf = (id: WorkspaceBuildJobId) => Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => jobs.getById(id))

/** Waits until the worker sleeps until the job is due, and advances the clock to that time. */
const untilDue = ({ job }: Launch) =>
  Effect.gen(function* () {
    const { epochMillis } = (yield* jobOf(job.id)).availableAt
    yield* eventually(Effect.map(TestClock.sleeps(), Chunk.contains(epochMillis)))
    yield* TestClock.setTime(epochMillis)
  })

const reaches = ({ sandbox }: Launch, state: string) =>
  eventually(Effect.map(stateOf(sandbox.id), (now) => now === state))

describe("BuildWorker", () => {
  it.effect("builds a queued job: the sandbox becomes ready", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      const seen = yield* Deferred.make<Build>()
      yield* start((build) => Effect.as(Deferred.succeed(seen, build), ready))
      const build = yield* Deferred.await(seen)
      expect(build).toMatchObject({
        job: { id: launched.job.id, status: "running" },
        snapshot: Option.some(launched.snapshot)
      })
      expect(build.lease.workerId).toBe("worker")
      expect(Option.getOrThrow(build.attempt).status).toBe("running")
      expect(Option.getOrThrow(build.sandbox).status).toBe("running")
      yield* reaches(launched, "ready succeeded succeeded running")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("retries a failed build, except when the error is not retryable", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      const tries = yield* Ref.make(0)
      yield* start(() =>
        Effect.flatMap(
          Ref.updateAndGet(tries, (count) => count + 1),
          (count) =>
            new BuildWorker.BuildFailure({ errorMessage: `try ${count}`, errorCode: "no-luck", retryable: count < 2 })
        )
      )
      yield* reaches(launched, "running running queued none")
      expect(yield* jobOf(launched.job.id)).toMatchObject({
        errorMessage: Option.some("try 1"),
        errorCode: Option.some("no-luck")
      })
      yield* untilDue(launched)
      yield* reaches(launched, "failed failed failed none")
      expect(yield* jobOf(launched.job.id)).toMatchObject({ errorMessage: Option.some("try 2"), attemptCount: 2 })
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("retries after a defect of the handler, and does not store its message", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      yield* start(() => Effect.die(new Error("token s3cr3t")))
      yield* reaches(launched, "running running queued none")
      const job = yield* jobOf(launched.job.id)
      expect(job).toMatchObject({ errorCode: Option.some("handler-died"), attemptCount: 1 })
      expect(JSON.stringify(job)).not.toContain("s3cr3t")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("fails the job for good when the result is invalid: the error has the path and not the value", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      yield* start(() => Effect.succeed({ ...success, executorId: "s3cr3t".repeat(1000) }))
      yield* reaches(launched, "failed failed failed none")
      const job = yield* jobOf(launched.job.id)
      expect(job).toMatchObject({
        errorCode: Option.some("invalid-result"),
        errorMessage: Option.some(expect.stringContaining("executorId"))
      })
      expect(JSON.stringify(job)).not.toContain("s3cr3t")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("keeps the lease after the image was published, for as long as the launch takes", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      const go = yield* Deferred.make<void>()
      const stored = yield* Deferred.make<void>()
      const interrupted = yield* Ref.make(0)
      yield* start((build) =>
        build.published(success).pipe(
          Effect.zipRight(Deferred.succeed(stored, undefined)),
          Effect.zipRight(Deferred.await(go)),
          Effect.as(ready),
          Effect.onInterrupt(() => Ref.update(interrupted, (count) => count + 1))
        )
      )
      yield* Deferred.await(stored)
      for (let beat = 0; beat < 15; beat++) yield* passing(20)
      expect(yield* jobOf(launched.job.id)).toMatchObject({
        status: "running",
        leaseToken: 1,
        publishedReference: Option.some(success.publishedReference)
      })
      expect(yield* stateOf(launched.sandbox.id)).toBe("running running running none")
      yield* Deferred.succeed(go, undefined)
      yield* reaches(launched, "ready succeeded succeeded running")
      expect(yield* Ref.get(interrupted)).toBe(0)
    }).pipe(Effect.provide(layers.memory))
  )

  for (const [name, failure] of [
    ["fails", new BuildWorker.BuildFailure({ errorMessage: "no host", errorCode: "no-host" })],
    ["dies", Effect.die(new Error("token s3cr3t"))]
  ] as const) {
    it.effect(`keeps a published image when the handler ${name} afterwards: the launch has failed`, () =>
      Effect.gen(function* () {
        const launched = yield* launch()
        yield* start((build) => Effect.zipRight(build.published(success), failure))
        yield* reaches(launched, "failed failed succeeded failed")
        expect(yield* jobOf(launched.job.id)).toMatchObject({
          publishedDigest: Option.some(success.publishedDigest),
          attemptCount: 1
        })
        const runtime = yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(launched.attempt.id)
        expect(Option.getOrThrow(runtime)).toMatchObject({
          stopReason: Option.some("launch-failed"),
          errorCode: Option.some(name === "fails" ? "no-host" : "handler-died")
        })
        expect((yield* (yield* SandboxLifecycle).retry(launched.sandbox.id)).created).toBe(true)
      }).pipe(Effect.provide(layers.memory))
    )
  }

  it.effect("only launches an image that a worker published before it was killed", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SandboxLifecycle
      const launched = yield* launch()
      const killed = yield* claim(launched, "killed")
      yield* lifecycle.beginBuild(killed.lease)
      yield* lifecycle.publishBuild(killed.lease, success)
      yield* TestClock.adjust("1 minute")
      const builds = yield* Ref.make(0)
      yield* start(({ job }) =>
        Option.isSome(job.publishedReference)
          ? Effect.succeed(ready)
          : Effect.as(
              Ref.update(builds, (count) => count + 1),
              ready
            )
      )
      yield* reaches(launched, "ready succeeded succeeded running")
      expect(yield* Ref.get(builds)).toBe(0)
      expect((yield* jobOf(launched.job.id)).leaseToken).toBe(2)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("interrupts a handler that publishes after its sandbox was stopped", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      const begun = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      yield* start((build) =>
        Deferred.succeed(begun, undefined).pipe(
          Effect.zipRight(Deferred.await(go)),
          Effect.zipRight(build.published(success)),
          Effect.as(ready),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
      )
      yield* Deferred.await(begun)
      yield* (yield* SandboxLifecycle).stop(launched.sandbox.id)
      yield* Deferred.succeed(go, undefined)
      yield* Deferred.await(interrupted)
      expect(yield* stateOf(launched.sandbox.id)).toBe("stopped cancelled cancelled none stop")
      expect((yield* jobOf(launched.job.id)).publishedReference).toEqual(Option.none())
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("fails the job for good when the published image is invalid", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      yield* start((build) => Effect.as(build.published({ ...success, executorId: "" }), ready))
      yield* reaches(launched, "failed failed failed none")
      expect((yield* jobOf(launched.job.id)).errorCode).toEqual(Option.some("invalid-result"))
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("fails the build even if its error cannot be stored", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      yield* start(() => new BuildWorker.BuildFailure({ errorMessage: "x".repeat(200_000), retryable: false }))
      yield* reaches(launched, "failed failed failed none")
      expect((yield* jobOf(launched.job.id)).errorCode).toEqual(Option.some("invalid-failure"))
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("a stop interrupts the handler at the next heartbeat, and nothing more is written", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      const { begun, handler, interrupted } = yield* waiting
      yield* start(handler)
      yield* Queue.take(begun)
      yield* (yield* SandboxLifecycle).stop(launched.sandbox.id)
      const stopped = yield* jobOf(launched.job.id)
      yield* passing(20)
      yield* eventually(Effect.map(Ref.get(interrupted), (count) => count === 1))
      expect(yield* stateOf(launched.sandbox.id)).toBe("stopped cancelled cancelled none stop")
      // The worker takes the next job.
      const next = yield* launch()
      expect((yield* Queue.take(begun)).job.id).toBe(next.job.id)
      expect(yield* jobOf(launched.job.id)).toEqual(stopped)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("abandons a job whose lease another worker holds", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      const { begun, handler, interrupted } = yield* waiting
      yield* start(handler)
      yield* Queue.take(begun)
      // As if this process had been suspended past its lease.
      yield* shell("UPDATE oci_image_build_jobs SET lease_expires_at = ?", yield* Clock.currentTimeMillis)
      const { lease } = yield* claim(launched, "other")
      yield* passing(20)
      yield* eventually(Effect.map(Ref.get(interrupted), (count) => count === 1))
      expect(yield* jobOf(launched.job.id)).toMatchObject({
        status: "running",
        workerId: Option.some("other"),
        leaseToken: lease.token
      })
      yield* (yield* SandboxLifecycle).finishBuild(lease, ready)
      expect(yield* stateOf(launched.sandbox.id)).toBe("ready succeeded succeeded running")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("heartbeats keep a build for many lease durations while supervision runs", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      const { begun, go, handler, interrupted } = yield* waiting
      yield* start(handler)
      yield* Queue.take(begun)
      for (let beat = 0; beat < 15; beat++) yield* passing(20)
      expect(yield* jobOf(launched.job.id)).toMatchObject({ status: "running", leaseToken: 1, attemptCount: 1 })
      expect(yield* Ref.get(interrupted)).toBe(0)
      yield* Deferred.succeed(go, ready)
      yield* reaches(launched, "ready succeeded succeeded running")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("one failed heartbeat does not end the build", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      const { begun, go, handler, interrupted } = yield* waiting
      const jobs = yield* WorkspaceBuildJobRepo
      const beats = yield* Ref.make(0)
      const unreliable: typeof jobs = {
        ...jobs,
        heartbeat: (lease, duration) =>
          Effect.flatMap(
            Ref.updateAndGet(beats, (count) => count + 1),
            (count) => (count === 1 ? Effect.fail(busy) : jobs.heartbeat(lease, duration))
          )
      }
      yield* start(handler).pipe(Effect.provideService(WorkspaceBuildJobRepo, unreliable))
      yield* Queue.take(begun)
      yield* passing(20)
      yield* eventually(Effect.map(Ref.get(beats), (count) => count === 1))
      // The next poll follows sooner.
      yield* TestClock.adjust("5 seconds")
      yield* eventually(Effect.map(Ref.get(beats), (count) => count === 2))
      for (let beat = 0; beat < 4; beat++) yield* passing(20)
      yield* eventually(Effect.map(Ref.get(beats), (count) => count === 6))
      expect(yield* Ref.get(interrupted)).toBe(0)
      expect(yield* jobOf(launched.job.id)).toMatchObject({ status: "running", leaseToken: 1 })
      yield* Deferred.succeed(go, ready)
      yield* reaches(launched, "ready succeeded succeeded running")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("an unavailable database ends neither the worker nor the build", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      const jobs = yield* WorkspaceBuildJobRepo
      const lifecycle = yield* SandboxLifecycle
      const calls = yield* Ref.make<ReadonlyArray<string>>([])
      /** Fails with `busy` on the first call with this name. */
      const atFirst = <A, E>(name: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E | PersistenceError> =>
        Effect.flatMap(
          Ref.getAndUpdate(calls, (names) => [...names, name]),
          (names): Effect.Effect<A, E | PersistenceError> => (names.includes(name) ? effect : Effect.fail(busy))
        )
      const handled = yield* Ref.make(0)
      yield* start(() =>
        Effect.as(
          Ref.update(handled, (count) => count + 1),
          ready
        )
      ).pipe(
        Effect.provideService(WorkspaceBuildJobRepo, {
          ...jobs,
          claimNext: (request) => atFirst("claim", jobs.claimNext(request))
        }),
        Effect.provideService(SandboxLifecycle, {
          ...lifecycle,
          supervise: (request) => atFirst("supervise", lifecycle.supervise(request)),
          beginBuild: (lease) => atFirst("begin", lifecycle.beginBuild(lease)),
          finishBuild: (lease, result) => atFirst("finish", lifecycle.finishBuild(lease, result))
        })
      )
      yield* passing(1)
      yield* eventually(
        Effect.gen(function* () {
          yield* TestClock.adjust("100 millis")
          return (yield* stateOf(launched.sandbox.id)) === "ready succeeded succeeded running"
        })
      )
      expect(new Set(yield* Ref.get(calls))).toEqual(new Set(["claim", "supervise", "begin", "finish"]))
      expect(yield* Ref.get(handled)).toBe(1)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("works on as many jobs concurrently as configured, then on the others", () =>
    Effect.gen(function* () {
      const launches = yield* Effect.replicateEffect(launch(), 5)
      const running = yield* Ref.make({ now: 0, most: 0 })
      const begun = yield* Queue.unbounded<void>()
      const permits = yield* Queue.unbounded<void>()
      const count = (by: number) =>
        Ref.update(running, ({ most, now }) => ({ now: now + by, most: Math.max(most, now + by) }))
      yield* start(
        () =>
          count(1).pipe(
            Effect.zipRight(Queue.offer(begun, undefined)),
            Effect.zipRight(Queue.take(permits)),
            Effect.zipRight(count(-1)),
            Effect.as(ready)
          ),
        { concurrency: 3 }
      )
      yield* Queue.takeN(begun, 3)
      yield* turns(5)
      expect(yield* Queue.size(begun)).toBe(0)
      yield* Queue.offerAll(
        permits,
        Array.from({ length: 5 }, () => undefined)
      )
      for (const launched of launches) yield* reaches(launched, "ready succeeded succeeded running")
      expect(yield* Ref.get(running)).toEqual({ now: 0, most: 3 })
    }).pipe(Effect.provide(layers.memory))
  )

  for (const [name, layer] of Object.entries(layers)) {
    it.effect(`an idle worker is woken by an enqueue without a clock (${name})`, () =>
      Effect.gen(function* () {
        const { begun, handler } = yield* waiting
        yield* start(handler, { pollInterval: "1 day" })
        // It sleeps after a poll without a result.
        yield* eventually(Effect.map(TestClock.sleeps(), Chunk.contains(24 * 3600 * 1000)))
        const launched = yield* launch()
        expect((yield* Queue.take(begun)).job.id).toBe(launched.job.id)
      }).pipe(Effect.provide(layer))
    )
  }

  // Not on a server: it sends no notifications of commits, so an idle worker polls.
  for (const name of ["memory", "file"] as const) {
    it.effect(`an idle worker polls once, and its own read does not wake it (${name})`, () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const looks = yield* Ref.make(0)
        yield* start(() => Effect.succeed(ready), { pollInterval: "1 day" }).pipe(
          Effect.provideService(WorkspaceBuildJobRepo, {
            ...jobs,
            claimNext: (request) =>
              Effect.zipRight(
                Ref.update(looks, (count) => count + 1),
                jobs.claimNext(request)
              )
          })
        )
        yield* eventually(Effect.map(TestClock.sleeps(), Chunk.contains(24 * 3600 * 1000)))
        yield* turns(200)
        expect(yield* Ref.get(looks)).toBe(1)
      }).pipe(Effect.provide(layers[name]))
    )
  }

  it.effect("a defect of the database costs one job its lease and does not end the worker", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SandboxLifecycle
      const [first, second] = [yield* launch(), yield* launch()]
      yield* start(() => Effect.succeed(ready)).pipe(
        Effect.provideService(SandboxLifecycle, {
          ...lifecycle,
          beginBuild: (lease) =>
            lease.jobId === first.job.id ? Effect.dieMessage("broken") : lifecycle.beginBuild(lease)
        })
      )
      yield* reaches(second, "ready succeeded succeeded running")
      expect(yield* stateOf(first.sandbox.id)).toBe("queued queued running none")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("an idle worker sleeps until the next job is due, however long its pollInterval is", () =>
    Effect.gen(function* () {
      const { begun, handler } = yield* waiting
      const launched = yield* launch()
      const { lease } = yield* claim(launched)
      yield* (yield* SandboxLifecycle).failBuild(lease, { errorMessage: "no" })
      yield* start(handler, { pollInterval: "1 day" })
      yield* untilDue(launched)
      expect((yield* Queue.take(begun)).job.id).toBe(launched.job.id)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("waits for its handlers and starts no new work when it is interrupted", () =>
    Effect.gen(function* () {
      const { begun, go, handler } = yield* waiting
      const launched = yield* launch()
      const worker = yield* start(handler, { drainTimeout: "10 seconds" })
      yield* Queue.take(begun)
      const later = yield* launch()
      const ending = yield* Effect.fork(Fiber.interrupt(worker))
      const draining = (yield* Clock.currentTimeMillis) + 10_000
      yield* eventually(Effect.map(TestClock.sleeps(), Chunk.contains(draining)))
      yield* Deferred.succeed(go, ready)
      yield* Fiber.join(ending)
      expect(yield* stateOf(launched.sandbox.id)).toBe("ready succeeded succeeded running")
      expect(yield* stateOf(later.sandbox.id)).toBe("queued queued queued none")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("releases jobs that do not finish within the drain timeout, without counting the attempt", () =>
    Effect.gen(function* () {
      const { begun, handler, interrupted } = yield* waiting
      const launched = yield* launch()
      const worker = yield* start(handler, { drainTimeout: "10 seconds" })
      yield* Queue.take(begun)
      const ending = yield* Effect.fork(Fiber.interrupt(worker))
      yield* passing(10)
      yield* Fiber.join(ending)
      expect(yield* Ref.get(interrupted)).toBe(1)
      expect(yield* jobOf(launched.job.id)).toMatchObject({
        status: "queued",
        attemptCount: 0,
        leaseOutcome: Option.some("released"),
        workerId: Option.none()
      })
      // The next worker claims it at once.
      yield* start(() => Effect.succeed(ready))
      yield* reaches(launched, "ready succeeded succeeded running")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("an idle worker ends at once when it is interrupted", () =>
    Effect.gen(function* () {
      const worker = yield* start(() => Effect.succeed(ready), { concurrency: 5, drainTimeout: "1 day" })
      yield* eventually(Effect.map(TestClock.sleeps(), (sleeps) => Chunk.size(sleeps) > 0))
      yield* Fiber.interrupt(worker)
      const launched = yield* launch()
      yield* turns(5)
      expect(yield* stateOf(launched.sandbox.id)).toBe("queued queued queued none")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("supervises abandoned work at once and at each interval", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      const { begun, handler } = yield* waiting
      const [first, second] = yield* Effect.all([launch(), launch()])
      yield* jobs.cancel({ id: first.job.id, reason: "by hand" })
      yield* jobs.cancel({ id: second.job.id, reason: "by hand" })
      yield* start(handler, { runtimeDeadline: "1 minute" })
      yield* reaches(first, "stopped cancelled cancelled none")
      yield* reaches(second, "stopped cancelled cancelled none")
      const third = yield* launch()
      yield* Queue.take(begun)
      yield* jobs.cancel({ id: third.job.id, reason: "by hand" })
      expect(yield* stateOf(third.sandbox.id)).toBe("running running cancelled none")
      yield* passing(15)
      yield* reaches(third, "stopped cancelled cancelled none")
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("rejects options out of range", () =>
    Effect.gen(function* () {
      const bad: Readonly<Record<string, Partial<BuildWorker.Options>>> = {
        workerId: { workerId: "" },
        concurrency: { concurrency: 0 },
        "concurrency ": { concurrency: 1001 },
        " concurrency": { concurrency: 1.5 },
        leaseDuration: { leaseDuration: 0 },
        "leaseDuration ": { leaseDuration: "-1 second" },
        " leaseDuration": { leaseDuration: Infinity },
        pollInterval: { pollInterval: 0 },
        runtimeDeadline: { runtimeDeadline: "never" as "1 second" },
        drainTimeout: { drainTimeout: "soon" as "1 second" }
      }
      for (const [field, options] of Object.entries(bad)) {
        const error = yield* refusalOf(BuildWorker.run(() => Effect.succeed(ready), { workerId: "worker", ...options }))
        expect(error, field).toMatchObject({
          _tag: "InvalidInput",
          operation: "BuildWorker.run",
          issues: expect.arrayContaining([expect.stringMatching(`^${field.trim()}: `)])
        })
      }
    }).pipe(Effect.provide(layers.memory))
  )
})
