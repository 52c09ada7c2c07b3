import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { attemptsExhausted } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import {
  at,
  badNames,
  claim,
  claimant,
  enqueue,
  gone,
  idsOf,
  layers,
  leased,
  lossOf,
  make,
  millis,
  type Services,
  tagOf
} from "./support.js"

/** A running job whose lease expires at this time. */
const expiring = (id: string, leaseExpiresAt: number, given: object = {}) =>
  make.claimedJob({ id, leaseExpiresAt: at(leaseExpiresAt), ...given })

const idOf = Option.map(({ job }: { readonly job: { readonly id: string } }) => job.id)

/** The contract of claims. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`WorkspaceBuildJobRepo claims (${name})`, () => {
    it.effect("return a job under a new lease", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const queued = yield* enqueue("job", { maxAttempts: 2 })
        yield* TestClock.setTime(1000)
        const { job, lease } = yield* Effect.flatten(jobs.claimNext({ workerId: "one", leaseDuration: "5 seconds" }))
        expect(lease).toEqual({ jobId: "job", workerId: "one", token: 1 })
        expect(job).toEqual(
          Object.assign(Object.create(Object.getPrototypeOf(queued)), queued, {
            status: "running",
            attemptCount: 1,
            leaseToken: 1,
            workerId: Option.some("one"),
            claimedAt: Option.some(at(1000)),
            startedAt: Option.some(at(1000)),
            leaseExpiresAt: Option.some(at(6000)),
            updatedAt: at(1000)
          })
        )
        expect(yield* jobs.getById(job.id)).toEqual(job)
      }).pipe(Effect.provide(layer))
    )

    it.effect("return nothing for an empty queue, leased jobs and ended jobs", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const nothing = Effect.gen(function* () {
          expect(yield* jobs.claimNext(claimant)).toEqual(Option.none())
          expect(yield* jobs.claimBatch({ ...claimant, limit: 1000 })).toEqual([])
        })
        yield* nothing
        expect(yield* jobs.claimById({ ...claimant, id: gone })).toEqual(Option.none())
        for (const status of ["running", "succeeded", "failed", "cancelled"] as const) {
          const { id } = yield* make.buildJob({ status })
          expect(yield* jobs.claimById({ ...claimant, id }), status).toEqual(Option.none())
        }
        yield* nothing
      }).pipe(Effect.provide(layer))
    )

    it.effect("take jobs under expired leases first, then queued ones, each due longest first, ties by id", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* make.buildJob({ id: "f", availableAt: at(60) })
        yield* make.buildJob({ id: "c", availableAt: at(30) })
        yield* make.buildJob({ id: "later", availableAt: at(101) })
        yield* make.buildJob({ id: "b", availableAt: at(20) })
        yield* make.buildJob({ id: "a", availableAt: at(20) })
        yield* expiring("e", 50)
        yield* expiring("d", 30)
        yield* expiring("live", 101)
        yield* expiring("g", 100)
        yield* TestClock.setTime(100)
        const order = []
        for (let next = yield* jobs.claimNext(claimant); Option.isSome(next); next = yield* jobs.claimNext(claimant)) {
          order.push(next.value.job.id)
        }
        expect(order).toEqual(["d", "e", "g", "a", "b", "c", "f"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("take a batch in the order of single claims, and only due jobs", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (let index = 0; index < 25; index++)
          yield* make.buildJob({ id: `q${String(index).padStart(2, "0")}`, availableAt: at(2 * index) })
        for (let index = 0; index < 25; index++) yield* expiring(`r${String(index).padStart(2, "0")}`, 2 * index + 1)
        yield* TestClock.setTime(39)
        const batch = yield* jobs.claimBatch({ ...claimant, limit: 30 })
        const numbered = (prefix: string, count: number) =>
          Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(2, "0")}`)
        expect(batch.map(({ job }) => job.id)).toEqual([...numbered("r", 20), ...numbered("q", 10)])
        expect(batch.map(({ lease }) => lease.token)).toEqual([
          ...numbered("r", 20).map(() => 2),
          ...numbered("q", 10).map(() => 1)
        ])
        for (const { job, lease } of batch) {
          expect(lease).toEqual({ jobId: job.id, workerId: "one", token: job.leaseToken })
          expect(millis(job.leaseExpiresAt)).toBe(60_039)
        }
        expect(yield* jobs.claimBatch({ ...claimant, limit: 1000 })).toHaveLength(10)
        expect(yield* jobs.claimBatch({ ...claimant, limit: 1000 })).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("return the queued jobs of a batch in the order of their due times", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (const due of [5, 3, 9, 1, 7]) yield* make.buildJob({ id: `job-${due}`, availableAt: at(due) })
        yield* TestClock.setTime(10)
        const batch = yield* jobs.claimBatch({ ...claimant, limit: 4 })
        expect(idsOf(batch.map(({ job }) => job))).toEqual(["job-1", "job-3", "job-5", "job-7"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("take over an expired lease only", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { job, lease } = yield* leased("job")
        yield* TestClock.adjust("59999 millis")
        expect(yield* jobs.claimById({ ...claimant, workerId: "two", id: job.id })).toEqual(Option.none())
        expect(yield* jobs.claimNext({ ...claimant, workerId: "two" })).toEqual(Option.none())
        yield* TestClock.adjust("1 millis")
        const taken = yield* claim("job", "two")
        expect(taken.lease.token).toBeGreaterThan(lease.token)
        expect(taken.job).toMatchObject({
          attemptCount: 2,
          workerId: Option.some("two"),
          startedAt: job.startedAt,
          claimedAt: Option.some(at(60_000)),
          leaseOutcome: Option.none()
        })
        expect(yield* lossOf(jobs.heartbeat(lease, "1 minute"))).toBe("superseded")
      }).pipe(Effect.provide(layer))
    )

    it.effect("let the same worker take over its own expired lease with a new token", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { lease } = yield* leased("job")
        yield* TestClock.adjust("1 minute")
        const again = yield* claim("job")
        expect(again.lease).toEqual({ ...lease, token: lease.token + 1 })
        expect(yield* lossOf(jobs.getByLease(lease))).toBe("superseded")
      }).pipe(Effect.provide(layer))
    )

    for (const method of ["claimNext", "claimBatch", "claimById"] as const) {
      it.effect(`${method} fails a job without attempts left, and never returns it`, () =>
        Effect.gen(function* () {
          const jobs = yield* WorkspaceBuildJobRepo
          const { job, lease } = yield* expiring("spent", 50, {
            attemptCount: 2,
            maxAttempts: 2,
            errorMessage: "before"
          })
          yield* TestClock.setTime(100)
          const claimed = {
            claimNext: Effect.map(jobs.claimNext(claimant), Option.toArray),
            claimBatch: jobs.claimBatch({ ...claimant, limit: 5 }),
            claimById: Effect.map(jobs.claimById({ ...claimant, id: job.id }), Option.toArray)
          }
          expect(yield* claimed[method]).toEqual([])
          expect(yield* jobs.getById(job.id)).toMatchObject({
            status: "failed",
            attemptCount: 2,
            leaseToken: lease.token,
            leaseOutcome: Option.some("expired"),
            leaseExpiresAt: Option.none(),
            workerId: Option.some("worker"),
            errorCode: Option.some(attemptsExhausted),
            errorMessage: Option.some("the last lease expired with no attempts left"),
            finishedAt: Option.some(at(100)),
            updatedAt: at(100)
          })
          expect(yield* lossOf(jobs.heartbeat(lease, "1 minute"))).toBe("expired")
          expect(yield* claimed[method]).toEqual([])
        }).pipe(Effect.provide(layer))
      )
    }

    it.effect("find a due job behind any number of exhausted ones", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (let index = 0; index < 25; index++)
          yield* expiring(`spent-${index}`, 10, { attemptCount: 1, maxAttempts: 1 })
        yield* expiring("expired", 20)
        yield* make.buildJob({ id: "queued", availableAt: at(30) })
        yield* TestClock.setTime(100)
        expect(idOf(yield* jobs.claimNext(claimant))).toEqual(Option.some("expired"))
        expect(idOf(yield* jobs.claimNext(claimant))).toEqual(Option.some("queued"))
        expect(yield* jobs.claimNext(claimant)).toEqual(Option.none())
        expect((yield* jobs.stats).byStatus).toMatchObject({ failed: 25, running: 2, queued: 0 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("give fifty callers of twenty jobs twenty different ones", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (let index = 0; index < 20; index++) yield* enqueue(`job-${index}`)
        const answers = yield* Effect.forEach(
          Array.from({ length: 50 }, (_, index) => `worker-${index}`),
          (workerId) => jobs.claimNext({ ...claimant, workerId }),
          { concurrency: "unbounded" }
        )
        const claimed = answers.flatMap(Option.toArray)
        expect(claimed).toHaveLength(20)
        expect(new Set(claimed.map(({ job }) => job.id)).size).toBe(20)
        expect(new Set(claimed.map(({ lease }) => lease.workerId)).size).toBe(20)
        for (const { job, lease } of claimed) expect(job.workerId).toEqual(Option.some(lease.workerId))
      }).pipe(Effect.provide(layer))
    )

    it.effect("count the attempts up to the last one", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* enqueue("job", { maxAttempts: 2 })
        expect((yield* claim("job")).job.attemptCount).toBe(1)
        yield* TestClock.adjust("1 minute")
        expect((yield* claim("job")).job.attemptCount).toBe(2)
        yield* TestClock.adjust("1 minute")
        expect(yield* jobs.claimNext(claimant)).toEqual(Option.none())
        expect((yield* jobs.stats).byStatus.failed).toBe(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("reject an empty worker name, an infinite lease and a batch size out of range", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { id } = yield* enqueue("job")
        const requests = [
          ...Object.values(badNames).map((workerId) => ({ ...claimant, workerId })),
          ...[0, -1, Number.POSITIVE_INFINITY, Number.NaN, Number.MAX_SAFE_INTEGER, 0.1].map((leaseDuration) => ({
            ...claimant,
            leaseDuration
          }))
        ]
        for (const bad of requests) {
          const told = JSON.stringify(bad).slice(0, 80)
          expect(yield* tagOf(jobs.claimNext(bad)), told).toBe("InvalidInput")
          expect(yield* tagOf(jobs.claimBatch({ ...bad, limit: 1 })), told).toBe("InvalidInput")
          expect(yield* tagOf(jobs.claimById({ ...bad, id })), told).toBe("InvalidInput")
        }
        for (const limit of [0, -1, 1001, 1.5, Number.NaN]) {
          expect(yield* tagOf(jobs.claimBatch({ ...claimant, limit })), String(limit)).toBe("InvalidInput")
        }
        expect((yield* jobs.getById(id)).status).toBe("queued")
      }).pipe(Effect.provide(layer))
    )

    it.effect("use the requested lease duration, in any form of a duration", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* Effect.forEach(["a", "b", "c"], (id) => enqueue(id))
        const leases = yield* Effect.forEach([90_000, "90 seconds", "1.5 minutes"] as const, (leaseDuration) =>
          Effect.flatten(jobs.claimNext({ workerId: "one", leaseDuration }))
        )
        expect(leases.map(({ job }) => millis(job.leaseExpiresAt))).toEqual([90_000, 90_000, 90_000])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
