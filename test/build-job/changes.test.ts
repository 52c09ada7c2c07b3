import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { attemptsExhausted } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobId } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { InvalidTransition, NotFound } from "../../src/Errors.js"
import {
  at,
  badNames,
  claim,
  claimant,
  enqueue,
  failure,
  gone,
  idsOf,
  layers,
  leased,
  lossOf,
  make,
  millis,
  refusalOf,
  type Services,
  success,
  tagOf,
  unsettled
} from "./support.js"

const reason = "not wanted any more"

/** The contract of the queue for operators and supervisors. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`WorkspaceBuildJobRepo changes (${name})`, () => {
    it.effect("cancel ends a queued job", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { id } = yield* enqueue("job")
        yield* TestClock.setTime(1000)
        const cancelled = yield* jobs.cancel({ id, reason })
        expect(cancelled).toMatchObject({
          status: "cancelled",
          cancelReason: Option.some(reason),
          finishedAt: Option.some(at(1000)),
          updatedAt: at(1000),
          leaseToken: 0,
          leaseOutcome: Option.none()
        })
        expect(yield* jobs.getById(id)).toEqual(cancelled)
        expect(yield* jobs.claimNext(claimant)).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("cancel ends a running job, and the next call of its worker reports it", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const {
          job: { id },
          lease
        } = yield* leased("job")
        expect(yield* jobs.cancel({ id, reason: "" })).toMatchObject({
          status: "cancelled",
          cancelReason: Option.some(""),
          leaseOutcome: Option.some("cancelled"),
          leaseExpiresAt: Option.none(),
          workerId: Option.some("one"),
          attemptCount: 1
        })
        expect(yield* lossOf(jobs.heartbeat(lease, "1 minute"))).toBe("cancelled")
      }).pipe(Effect.provide(layer))
    )

    it.effect("cancel never records an end before the start", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { job } = yield* make.claimedJob({ startedAt: at(5000) })
        expect((yield* jobs.cancel({ id: job.id, reason })).finishedAt).toEqual(Option.some(at(5000)))
      }).pipe(Effect.provide(layer))
    )

    it.effect("cancel returns a cancelled job unchanged, with its first reason", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { id } = yield* enqueue("job")
        const first = yield* jobs.cancel({ id, reason })
        yield* TestClock.adjust("1 second")
        expect(yield* jobs.cancel({ id, reason: "another" })).toEqual(first)
      }).pipe(Effect.provide(layer))
    )

    it.effect("cancel rejects ended jobs, unknown jobs and invalid reasons", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (const status of ["succeeded", "failed"] as const) {
          const { id } = yield* make.buildJob({ status })
          expect(yield* refusalOf(jobs.cancel({ id, reason }))).toEqual(
            new InvalidTransition({ entity: "WorkspaceBuildJob", id, from: status, to: "cancelled" })
          )
        }
        expect(yield* refusalOf(jobs.cancel({ id: gone, reason }))).toEqual(
          new NotFound({ entity: "WorkspaceBuildJob", id: gone })
        )
        const { id } = yield* enqueue("job")
        for (const bad of [badNames.huge, badNames.nul, badNames.surrogate])
          expect(yield* tagOf(jobs.cancel({ id, reason: bad }))).toBe("InvalidInput")
        expect((yield* jobs.getById(id)).status).toBe("queued")
      }).pipe(Effect.provide(layer))
    )

    for (const status of ["failed", "cancelled"] as const) {
      it.effect(`redrive queues a ${status} job with all its attempts`, () =>
        Effect.gen(function* () {
          const jobs = yield* WorkspaceBuildJobRepo
          const { id: attemptId } = yield* make.attempt()
          const ended = yield* make.buildJob({
            status,
            attemptId,
            attemptCount: 3,
            leaseToken: 4,
            availableAt: at(9_000_000),
            errorCode: "oom",
            errorMessage: "out of memory"
          })
          yield* jobs.markSettled(ended.id)
          yield* TestClock.setTime(1000)
          const queued = yield* jobs.redrive(ended.id)
          expect(queued).toMatchObject({
            status: "queued",
            attemptCount: 0,
            maxAttempts: ended.maxAttempts,
            leaseToken: 4,
            availableAt: at(1000),
            updatedAt: at(1000),
            attemptId: Option.some(attemptId)
          })
          const cleared = [
            "claimedAt",
            "workerId",
            "startedAt",
            "finishedAt",
            "errorCode",
            "errorMessage",
            "cancelReason",
            "runSettledAt",
            "leaseExpiresAt"
          ] as const
          for (const field of cleared) expect(queued[field], field).toEqual(Option.none())
          expect(yield* jobs.getById(ended.id)).toEqual(queued)
          const again = yield* claim(ended.id)
          expect([again.job.attemptCount, again.lease.token, millis(again.job.startedAt)]).toEqual([1, 5, 1000])
        }).pipe(Effect.provide(layer))
      )
    }

    it.effect("redrive returns a queued job unchanged, and rejects all others", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const queued = yield* enqueue("job", { availableAt: at(1000) })
        yield* TestClock.adjust("1 second")
        expect(yield* jobs.redrive(queued.id)).toEqual(queued)
        for (const status of ["running", "succeeded"] as const) {
          const { id } = yield* make.buildJob({ status })
          expect(yield* refusalOf(jobs.redrive(id))).toEqual(
            new InvalidTransition({ entity: "WorkspaceBuildJob", id, from: status, to: "queued" })
          )
        }
        expect(yield* refusalOf(jobs.redrive(gone))).toEqual(new NotFound({ entity: "WorkspaceBuildJob", id: gone }))
      }).pipe(Effect.provide(layer))
    )

    it.effect("reapExpired queues jobs with expired leases, the longest expired first", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (const expiry of [50, 20, 101, 40, 30])
          yield* make.claimedJob({ id: `job-${expiry}`, leaseExpiresAt: at(expiry), ...failure })
        yield* TestClock.setTime(100)
        const reaped = yield* jobs.reapExpired(2)
        expect(idsOf(reaped).toSorted()).toEqual(["job-20", "job-30"])
        for (const job of reaped) {
          expect(job).toMatchObject({
            status: "queued",
            attemptCount: 1,
            leaseToken: 1,
            leaseOutcome: Option.some("expired"),
            leaseExpiresAt: Option.none(),
            claimedAt: Option.none(),
            workerId: Option.none(),
            availableAt: at(100),
            updatedAt: at(100),
            startedAt: Option.some(at(0)),
            errorMessage: Option.some("the build failed")
          })
          expect(yield* jobs.getById(job.id)).toEqual(job)
        }
        expect(idsOf(yield* jobs.reapExpired(1000)).toSorted()).toEqual(["job-40", "job-50"])
        expect(yield* jobs.reapExpired(1000)).toEqual([])
        expect((yield* jobs.stats).byStatus).toMatchObject({ queued: 4, running: 1 })
      }).pipe(Effect.provide(layer))
    )

    it.effect("reapExpired fails jobs without attempts left", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* make.claimedJob({ id: "job", attemptCount: 3, maxAttempts: 3 })
        yield* TestClock.adjust("1 minute")
        expect(yield* jobs.reapExpired(10)).toMatchObject([
          {
            status: "failed",
            attemptCount: 3,
            leaseOutcome: Option.some("expired"),
            workerId: Option.some("worker"),
            errorCode: Option.some(attemptsExhausted),
            finishedAt: Option.some(at(60_000))
          }
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("reapExpired reaps each job once, also with concurrent callers", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (let index = 0; index < 20; index++) yield* make.claimedJob()
        yield* TestClock.adjust("1 minute")
        const reaped = (yield* Effect.all(
          Array.from({ length: 10 }, () => jobs.reapExpired(5)),
          { concurrency: "unbounded" }
        )).flat()
        expect([reaped.length, new Set(idsOf(reaped)).size]).toEqual([20, 20])
      }).pipe(Effect.provide(layer))
    )

    it.effect("markSettled removes an ended job from the unsettled jobs", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { id: attemptId } = yield* make.attempt()
        const states = [
          ["succeeded", 30],
          ["failed", 10],
          ["cancelled", 20]
        ] as const
        for (const [status, finished] of states)
          yield* make.buildJob({ id: status, status, attemptId, finishedAt: at(finished), startedAt: at(0) })
        yield* make.buildJob({ id: "of-no-run", status: "failed" })
        yield* make.buildJob({ id: "running", status: "running", attemptId })
        yield* make.buildJob({ id: "queued", attemptId })
        expect(yield* unsettled).toEqual(["failed", "cancelled", "succeeded"])
        yield* TestClock.setTime(1000)
        const failed = yield* jobs.getById(WorkspaceBuildJobId.make("failed"))
        yield* jobs.markSettled(failed.id)
        expect(yield* unsettled).toEqual(["cancelled", "succeeded"])
        const settled = yield* jobs.getById(failed.id)
        expect({ ...settled }).toEqual({ ...failed, runSettledAt: Option.some(at(1000)) })
        yield* TestClock.adjust("1 second")
        yield* jobs.markSettled(failed.id)
        expect(yield* jobs.getById(failed.id)).toEqual(settled)
      }).pipe(Effect.provide(layer))
    )

    it.effect("markSettled does not change a job that has not ended, and fails for an unknown job", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { job } = yield* make.claimedJob({ attemptId: "run" })
        const queued = yield* make.buildJob({ attemptId: "run" })
        const stored = Effect.forEach([job.id, queued.id], jobs.getById)
        const before = yield* stored
        for (const { id } of [job, queued]) yield* jobs.markSettled(id)
        expect(yield* stored).toEqual(before)
        expect(yield* refusalOf(jobs.markSettled(gone))).toEqual(
          new NotFound({ entity: "WorkspaceBuildJob", id: gone })
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("a job that ends again after a redrive is unsettled again", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { id } = yield* make.buildJob({ status: "failed", attemptId: "run" })
        yield* jobs.markSettled(id)
        yield* jobs.redrive(id)
        expect(yield* unsettled).toEqual([])
        const { lease } = yield* claim(id)
        yield* jobs.succeed(lease, success)
        expect(yield* unsettled).toEqual([id])
      }).pipe(Effect.provide(layer))
    )

    it.effect("limits out of range are rejected", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (const limit of [0, -1, 1001, 1.5, Number.NaN]) {
          expect(yield* tagOf(jobs.reapExpired(limit)), String(limit)).toBe("InvalidInput")
        }
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
