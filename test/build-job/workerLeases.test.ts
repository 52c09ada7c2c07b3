/**
 * The lease deadlines of a worker, and its behaviour when it cannot confirm them.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Clock, Deferred, Effect, Fiber, Logger, Option, Queue, Ref, TestClock } from "effect"
import type { Lease, WorkspaceBuildJobId } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { PersistenceError } from "../../src/Errors.js"
import * as BuildWorker from "../../src/build-job/BuildWorker.js"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import type { Build, Launch } from "../../src/sandbox/SandboxViews.js"
import { isTransient } from "../../src/sql/retry.js"
import { jumpingClock } from "../support/clock.js"
import { eventually, passing, turns } from "../support/eventLoop.js"
import { answer, launch, layers, stateOf, success } from "../sandbox/lifecycle/support.js"

const ready = { ...success, runtime: answer("running") }
const unavailable = new PersistenceError({ operation: "test", reason: "Unavailable", cause: "no route to host" })

const start = <R>(handler: BuildWorker.Handler<R>, options: Partial<BuildWorker.Options> = {}) =>
  Effect.fork(BuildWorker.run(handler, { workerId: "worker", drainTimeout: 0, ...options }))

/** A handler that never ends by itself. When it is interrupted, it cleans up until the test continues. */
const slowToEnd = Effect.gen(function* () {
  const begun = yield* Queue.unbounded<Build>()
  const ending = yield* Ref.make(0)
  const clean = yield* Deferred.make<void>()
  yield* Effect.addFinalizer(() => Deferred.succeed(clean, undefined))
  const handler: BuildWorker.Handler<never> = (build) =>
    Queue.offer(begun, build).pipe(
      Effect.zipRight(Effect.never),
      Effect.onInterrupt(() =>
        Effect.zipRight(
          Ref.update(ending, (count) => count + 1),
          Deferred.await(clean)
        )
      )
    )
  const isEndingNow = Effect.map(Ref.get(ending), (count) => count > 0)
  return { begun, clean, ending, handler, isEnding: eventually(isEndingNow), isEndingNow }
})

/** Advances the clock in small steps, with turns of the event loop between them, until the condition holds. */
const stepping = <E, R>(holds: Effect.Effect<boolean, E, R>) =>
  eventually(Effect.zipRight(Effect.zipRight(TestClock.adjust("500 millis"), turns(2)), holds))

const jobOf = (id: WorkspaceBuildJobId) => Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => jobs.getById(id))

const reaches = ({ sandbox }: Launch, state: string) =>
  eventually(Effect.map(stateOf(sandbox.id), (now) => now === state))

/** Provides a queue that does not answer heartbeats while `isCut`. */
const cutOff = <A, E, R>(effect: Effect.Effect<A, E, R>, isCut: () => boolean) =>
  Effect.flatMap(WorkspaceBuildJobRepo, (jobs) =>
    Effect.provideService(effect, WorkspaceBuildJobRepo, {
      ...jobs,
      heartbeat: (lease, duration) =>
        Effect.suspend(() => (isCut() ? Effect.fail(unavailable) : jobs.heartbeat(lease, duration)))
    })
  )

describe("the lease of a handler that ends slowly", () => {
  it.scoped("is kept by heartbeats after the drain timeout, and released when the handler has ended", () =>
    Effect.gen(function* () {
      const { begun, clean, handler, isEnding } = yield* slowToEnd
      const { job } = yield* launch()
      const worker = yield* start(handler)
      yield* Queue.take(begun)
      const ended = yield* Effect.fork(Fiber.interrupt(worker))
      yield* isEnding
      // Three lease durations.
      yield* stepping(
        Effect.map(jobOf(job.id), ({ leaseExpiresAt }) => Option.getOrThrow(leaseExpiresAt).epochMillis > 180_000)
      )
      expect(yield* jobOf(job.id)).toMatchObject({ status: "running", leaseToken: 1, leaseOutcome: Option.none() })
      expect(yield* (yield* WorkspaceBuildJobRepo).claimNext({ workerId: "other", leaseDuration: "1 minute" })).toEqual(
        Option.none()
      )
      yield* Deferred.succeed(clean, undefined)
      yield* Fiber.join(ended)
      expect(yield* jobOf(job.id)).toMatchObject({
        status: "queued",
        attemptCount: 0,
        leaseOutcome: Option.some("released")
      })
    }).pipe(Effect.provide(layers.memory))
  )

  it.scoped("does not delay other handlers: a drain interrupts all of them at once", () =>
    Effect.gen(function* () {
      const { begun, clean, ending, handler } = yield* slowToEnd
      yield* launch()
      yield* launch()
      const worker = yield* start(handler, { concurrency: 2 })
      yield* Queue.takeN(begun, 2)
      const ended = yield* Effect.fork(Fiber.interrupt(worker))
      yield* eventually(Effect.map(Ref.get(ending), (count) => count === 2))
      yield* Deferred.succeed(clean, undefined)
      yield* Fiber.join(ended)
    }).pipe(Effect.provide(layers.memory))
  )

  it.scoped("keeps the next handler of a cancelled and redriven job waiting in the same process", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      const { begun, clean, handler, isEnding } = yield* slowToEnd
      const { job } = yield* jobs.enqueue({
        registryId: "r",
        repository: "r",
        tag: "t",
        requestPayload: { source: "https://github.com/acme/app", harness: "codex" }
      })
      yield* start(handler, { concurrency: 2 })
      yield* Queue.take(begun)
      yield* jobs.cancel({ id: job.id, reason: "enough" })
      yield* passing(20)
      yield* isEnding
      yield* jobs.redrive(job.id)
      yield* eventually(Effect.map(jobOf(job.id), ({ leaseToken }) => leaseToken === 2))
      yield* turns(20)
      expect(yield* Queue.size(begun)).toBe(0)
      yield* Deferred.succeed(clean, undefined)
      expect((yield* Queue.take(begun)).lease.token).toBe(2)
    }).pipe(Effect.provide(layers.memory))
  )
})

describe("the local deadline of a lease", () => {
  it.scoped("interrupts the handler before the lease ends, when no heartbeat is confirmed", () =>
    Effect.gen(function* () {
      let isCut = false
      const { begun, clean, handler, isEndingNow } = yield* slowToEnd
      const launched = yield* launch()
      yield* cutOff(start(handler), () => isCut)
      yield* Queue.take(begun)
      yield* passing(20)
      const endsAt = Effect.map(
        jobOf(launched.job.id),
        ({ leaseExpiresAt }) => Option.getOrThrow(leaseExpiresAt).epochMillis
      )
      yield* eventually(Effect.map(endsAt, (end) => end === 80_000))
      isCut = true
      yield* stepping(isEndingNow)
      expect(yield* Clock.currentTimeMillis).toBeLessThan(yield* endsAt)
      // No other worker can claim the job yet. The failure is reported when the database answers again.
      isCut = false
      yield* Deferred.succeed(clean, undefined)
      yield* reaches(launched, "running running queued none")
      expect(yield* jobOf(launched.job.id)).toMatchObject({
        errorCode: Option.some("lease-unconfirmed"),
        attemptCount: 1
      })
    }).pipe(Effect.provide(layers.memory))
  )

  it.scoped("is confirmed by a heartbeat before the next claim when the clock has jumped past it", () =>
    Effect.gen(function* () {
      const { jump, jumping } = jumpingClock()
      const { begun, handler, isEndingNow } = yield* slowToEnd
      const first = yield* launch()
      yield* jumping(start(handler, { concurrency: 2 }))
      yield* Queue.take(begun)
      // The claims for the other slot end before the jump: the leases were confirmed when they began.
      yield* turns(20)
      jump(3_600_000)
      const second = yield* launch()
      expect((yield* Queue.take(begun)).job.id).toBe(second.job.id)
      expect(yield* jobOf(first.job.id)).toMatchObject({ status: "running", leaseToken: 1 })
      expect(yield* isEndingNow).toBe(false)
    }).pipe(Effect.provide(layers.memory))
  )

  it.scoped(
    "prevents claims until the handler has ended when the clock has jumped past it and no heartbeat is confirmed",
    () =>
      Effect.gen(function* () {
        let isCut = false
        const { jump, jumping } = jumpingClock()
        const { begun, clean, handler, isEndingNow } = yield* slowToEnd
        const first = yield* launch()
        yield* cutOff(jumping(start(handler, { concurrency: 2 })), () => isCut)
        yield* Queue.take(begun)
        // The claim for the other slot ends before the jump: the leases were confirmed when it began.
        yield* turns(20)
        isCut = true
        jump(3_600_000)
        const second = yield* launch()
        yield* stepping(isEndingNow)
        yield* turns(20)
        expect(yield* Queue.size(begun)).toBe(0)
        yield* Deferred.succeed(clean, undefined)
        expect((yield* Queue.take(begun)).job.id).toBe(second.job.id)
        expect((yield* jobOf(first.job.id)).leaseToken).toBe(1)
      }).pipe(Effect.provide(layers.memory))
  )
})

describe("a handler that throws before it returns an effect", () => {
  const secret = new Error("s3cr3t")
  const throws: BuildWorker.Handler<never> = () => {
    throw secret
  }

  it.scoped(
    "counts as a defect: the job is retried, onDefect receives the cause, and none of it is stored or logged",
    () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const logger = Logger.replace(
          Logger.defaultLogger,
          Logger.map(Logger.stringLogger, (line) => void lines.push(line))
        )
        const received = yield* Queue.unbounded<readonly [Cause.Cause<never>, Lease]>()
        const launched = yield* launch()
        yield* start(throws, { onDefect: (cause, lease) => Effect.asVoid(Queue.offer(received, [cause, lease])) }).pipe(
          Effect.provide(logger)
        )
        const [cause, lease] = yield* Queue.take(received)
        expect(cause).toEqual(Cause.die(secret))
        expect(lease).toEqual({ jobId: launched.job.id, workerId: "worker", token: 1 })
        yield* reaches(launched, "running running queued none")
        const job = yield* jobOf(launched.job.id)
        expect(job).toMatchObject({ errorCode: Option.some("handler-died"), attemptCount: 1 })
        expect(`${JSON.stringify(job)}${lines.join()}`).not.toContain("s3cr3t")
      }).pipe(Effect.provide(layers.memory))
  )

  it.scoped("is reported after a timeout when onDefect does not return", () =>
    Effect.gen(function* () {
      const launched = yield* launch()
      const worker = yield* start(throws, { onDefect: () => Effect.never })
      yield* stepping(Effect.map(stateOf(launched.sandbox.id), (state) => state === "running running queued none"))
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(layers.memory))
  )

  it.scoped("is logged with its cause by default", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.replace(
        Logger.defaultLogger,
        Logger.map(Logger.stringLogger, (line) => void lines.push(line))
      )
      const launched = yield* launch()
      yield* start(throws).pipe(Effect.provide(logger))
      yield* reaches(launched, "running running queued none")
      expect(lines.filter((line) => line.includes("s3cr3t"))).toEqual([
        expect.stringContaining(`job ${launched.job.id}: the build handler died`)
      ])
    }).pipe(Effect.provide(layers.memory))
  )
})

describe("the report of a finished build", () => {
  it.scoped("is repeated with heartbeats until the database stores it", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SandboxLifecycle
      const launched = yield* launch()
      const tries = yield* Ref.make(0)
      const handled = yield* Ref.make(0)
      yield* start(() =>
        Effect.as(
          Ref.update(handled, (count) => count + 1),
          ready
        )
      ).pipe(
        Effect.provideService(SandboxLifecycle, {
          ...lifecycle,
          finishBuild: (lease, result) =>
            Effect.flatMap(
              Ref.updateAndGet(tries, (count) => count + 1),
              (count) => (count < 40 ? Effect.fail(unavailable) : lifecycle.finishBuild(lease, result))
            )
        })
      )
      yield* stepping(
        Effect.map(stateOf(launched.sandbox.id), (state) => state === "ready succeeded succeeded running")
      )
      expect(yield* Ref.get(handled)).toBe(1)
      expect((yield* jobOf(launched.job.id)).leaseToken).toBe(1)
    }).pipe(Effect.provide(layers.memory))
  )
})

describe("a failure of the database", () => {
  it("is transient, except when this program has closed the database or lost its file", () => {
    const failure = (cause: string) => new PersistenceError({ operation: "test", reason: "Unavailable", cause })
    expect(
      ["no route to host", "SEALANT_CLOSED", "SEALANT_FILE_REPLACED: restart the program"].map((cause) =>
        isTransient(failure(cause))
      )
    ).toEqual([true, false, false])
  })

  it.scoped("is not retried when the client was closed, so that an interrupted worker ends", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SandboxLifecycle
      yield* launch()
      const closed = new PersistenceError({ operation: "test", reason: "Unavailable", cause: "SEALANT_CLOSED" })
      const tries = yield* Ref.make(0)
      const count = Ref.update(tries, (count) => count + 1)
      const worker = yield* Effect.provideService(
        start(() => Effect.succeed(ready)),
        SandboxLifecycle,
        { ...lifecycle, finishBuild: () => Effect.zipRight(count, Effect.fail(closed)) }
      )
      yield* eventually(Effect.map(Ref.get(tries), (count) => count > 0))
      // The clock stands still: a pause before a retry would not end.
      yield* Fiber.interrupt(worker)
      expect(yield* Ref.get(tries)).toBe(1)
    }).pipe(Effect.provide(layers.memory))
  )
})

describe("the maxDuration of a job", () => {
  it.scoped("interrupts a handler that exceeds it in spite of heartbeats, and the job fails and can be retried", () =>
    Effect.gen(function* () {
      const { begun, clean, handler, isEndingNow } = yield* slowToEnd
      const launched = yield* launch({ maxDuration: "90 seconds" })
      yield* Deferred.succeed(clean, undefined)
      yield* start(handler)
      yield* Queue.take(begun)
      yield* stepping(isEndingNow)
      expect(yield* Clock.currentTimeMillis).toBeGreaterThanOrEqual(84_000)
      expect(yield* Clock.currentTimeMillis).toBeLessThan(90_000)
      yield* reaches(launched, "running running queued none")
      expect(yield* jobOf(launched.job.id)).toMatchObject({ errorCode: Option.some("max-duration"), attemptCount: 1 })
    }).pipe(Effect.provide(layers.memory))
  )
})

describe("an idle worker", () => {
  it.scoped("claims once for all of its slots", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      const claims = yield* Ref.make(0)
      yield* start(() => Effect.never, { concurrency: 1000, pollInterval: "1 day" }).pipe(
        Effect.provideService(WorkspaceBuildJobRepo, {
          ...jobs,
          claimNext: (request) =>
            Effect.zipRight(
              Ref.update(claims, (count) => count + 1),
              jobs.claimNext(request)
            )
        })
      )
      yield* eventually(Effect.map(Ref.get(claims), (count) => count > 0))
      yield* turns(50)
      expect(yield* Ref.get(claims)).toBe(1)
    }).pipe(Effect.provide(layers.memory))
  )
})
