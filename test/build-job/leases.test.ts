import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, Random, TestClock } from "effect"
import type { Lease } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { LeaseLost } from "../../src/Errors.js"
import {
  at,
  badNames,
  claim,
  claimant,
  enqueue,
  failure,
  gone,
  layers,
  leased,
  lossOf,
  make,
  millis,
  refusalOf,
  type Services,
  success,
  tagOf,
  underLease
} from "./support.js"

const minutes = 60_000

/** The result of an executor. */
const result = {
  executor: { id: "fedora", osFamily: "fedora" },
  artifacts: [{ kind: "oci-image", name: "workspace", path: "/tmp/image.tar", loader: "docker-load" }]
} as const

/** Each call under the lease fails with this reason, and changes nothing. */
const isLost = (lease: Lease, reason: string) =>
  Effect.gen(function* () {
    const jobs = yield* WorkspaceBuildJobRepo
    const before = yield* jobs.findById(lease.jobId)
    yield* TestClock.adjust("1 second")
    for (const [method, call] of Object.entries(yield* underLease(lease))) {
      expect(yield* refusalOf(call), method).toEqual(
        new LeaseLost({
          entity: "WorkspaceBuildJob",
          id: lease.jobId,
          workerId: lease.workerId,
          reason: reason as "expired"
        })
      )
    }
    expect(yield* jobs.findById(lease.jobId)).toEqual(before)
  })

/** The contract of leases. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`WorkspaceBuildJobRepo leases (${name})`, () => {
    it.effect("heartbeat extends the lease from the current time", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { job, lease } = yield* leased("job")
        yield* TestClock.adjust("40 seconds")
        const alive = yield* jobs.heartbeat(lease, "1 minute")
        expect(alive).toMatchObject({
          leaseExpiresAt: Option.some(at(100_000)),
          updatedAt: at(40_000),
          claimedAt: job.claimedAt,
          leaseToken: 1,
          attemptCount: 1
        })
        yield* TestClock.adjust("59 seconds")
        expect(yield* jobs.claimNext({ ...claimant, workerId: "two" })).toEqual(Option.none())
        yield* TestClock.adjust("1 second")
        expect(yield* jobs.claimNext({ ...claimant, workerId: "two" })).not.toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("heartbeat rejects invalid durations", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { job, lease } = yield* leased("job")
        for (const duration of [0, -1, Number.POSITIVE_INFINITY, Number.NaN, Number.MAX_SAFE_INTEGER]) {
          expect(yield* tagOf(jobs.heartbeat(lease, duration)), String(duration)).toBe("InvalidInput")
        }
        expect(yield* jobs.getById(job.id)).toEqual(job)
      }).pipe(Effect.provide(layer))
    )

    it.effect("neither a claim nor a heartbeat extends a lease beyond the maxDuration of the job", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* enqueue("short", { maxDuration: "30 seconds" })
        const short = yield* claim("short")
        expect(short.job).toMatchObject({ maxDurationMs: Option.some(30_000), leaseExpiresAt: Option.some(at(30_000)) })
        yield* enqueue("long", { maxDuration: "90 seconds" })
        const long = yield* claim("long")
        expect(long.job.leaseExpiresAt).toEqual(Option.some(at(60_000)))
        yield* TestClock.adjust("20 seconds")
        expect((yield* jobs.heartbeat(short.lease, "1 minute")).leaseExpiresAt).toEqual(Option.some(at(30_000)))
        expect((yield* jobs.heartbeat(long.lease, "1 minute")).leaseExpiresAt).toEqual(Option.some(at(80_000)))
        yield* TestClock.adjust("20 seconds")
        expect((yield* jobs.heartbeat(long.lease, "1 minute")).leaseExpiresAt).toEqual(Option.some(at(90_000)))
        // Another worker takes the first job, and the duration is counted from that claim.
        const again = yield* claim("short", "two")
        expect(again.job).toMatchObject({ leaseToken: 2, attemptCount: 2, leaseExpiresAt: Option.some(at(70_000)) })
        expect(yield* lossOf(jobs.heartbeat(short.lease, "1 minute"))).toBe("superseded")
      }).pipe(Effect.provide(layer))
    )

    it.effect("an expired lease stays valid until another worker claims the job", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { job, lease } = yield* leased("job")
        yield* TestClock.adjust("1 hour")
        expect(yield* jobs.getByLease(lease)).toEqual(job)
        expect(millis((yield* jobs.heartbeat(lease, "1 minute")).leaseExpiresAt)).toBe(61 * minutes)
        yield* TestClock.adjust("1 hour")
        expect((yield* jobs.succeed(lease, success)).status).toBe("succeeded")
      }).pipe(Effect.provide(layer))
    )

    it.effect("succeed ends the job, and clears the errors of earlier attempts", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { lease } = yield* make.claimedJob({ id: "job", attemptCount: 2, ...failure })
        yield* TestClock.setTime(30_000)
        const done = yield* jobs.succeed(lease, { ...success, resultPayload: result })
        expect(done).toMatchObject({
          status: "succeeded",
          leaseOutcome: Option.some("succeeded"),
          leaseExpiresAt: Option.none(),
          workerId: Option.some(lease.workerId),
          attemptCount: 2,
          leaseToken: 2,
          finishedAt: Option.some(at(30_000)),
          updatedAt: at(30_000),
          executorId: Option.some("executor"),
          resultPayload: Option.some(result),
          publishedReference: Option.some(success.publishedReference),
          publishedDigestReference: Option.some(success.publishedDigestReference),
          publishedDigest: Option.some(success.publishedDigest),
          errorCode: Option.none(),
          errorMessage: Option.none()
        })
        expect(yield* jobs.getById(done.id)).toEqual(done)
      }).pipe(Effect.provide(layer))
    )

    it.effect("succeed rejects an invalid result, and fail an invalid error", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { job, lease } = yield* leased("job")
        for (const field of ["executorId", "publishedReference", "publishedDigestReference", "publishedDigest"]) {
          for (const value of Object.values(badNames))
            expect(yield* tagOf(jobs.succeed(lease, { ...success, [field]: value })), field).toBe("InvalidInput")
        }
        const nothing = { ...result, artifacts: [] }
        expect(yield* tagOf(jobs.succeed(lease, { ...success, resultPayload: nothing }))).toBe("InvalidInput")
        expect(yield* tagOf(jobs.fail(lease, { errorMessage: badNames.huge }))).toBe("InvalidInput")
        for (const errorCode of Object.values(badNames))
          expect(yield* tagOf(jobs.fail(lease, { errorMessage: "", errorCode }))).toBe("InvalidInput")
        expect(yield* jobs.getById(job.id)).toEqual(job)
      }).pipe(Effect.provide(layer))
    )

    it.effect("fail queues the job while attempts are left, and ends it after the last", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* enqueue("job", { maxAttempts: 2 })
        const first = yield* claim("job")
        const retried = yield* jobs.fail(first.lease, failure)
        expect(retried).toMatchObject({
          status: "queued",
          attemptCount: 1,
          leaseToken: 1,
          leaseOutcome: Option.some("retried"),
          leaseExpiresAt: Option.none(),
          claimedAt: Option.none(),
          workerId: Option.none(),
          startedAt: Option.some(at(0)),
          finishedAt: Option.none(),
          errorCode: Option.some("build-failed"),
          errorMessage: Option.some("the build failed")
        })
        yield* TestClock.setTime(5000)
        const second = yield* claim("job", "two")
        expect(second.job.errorMessage).toEqual(Option.some("the build failed"))
        expect(yield* jobs.fail(second.lease, { errorMessage: "again" })).toMatchObject({
          status: "failed",
          attemptCount: 2,
          leaseOutcome: Option.some("failed"),
          workerId: Option.some("two"),
          finishedAt: Option.some(at(5000)),
          errorCode: Option.none(),
          errorMessage: Option.some("again")
        })
        yield* TestClock.adjust("1 hour")
        expect(yield* jobs.claimNext(claimant)).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("fail ends the job at once when the error is not retryable", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { lease } = yield* leased("job")
        expect(yield* jobs.fail(lease, { ...failure, retryable: false })).toMatchObject({
          status: "failed",
          attemptCount: 1,
          finishedAt: Option.some(at(0)),
          errorCode: Option.some("build-failed")
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("the pause before a retry doubles from 1 s to 5 min, and half of it is random", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const now = 1_000_000
        yield* TestClock.setTime(now)
        const pause = (attemptCount: number, random: number) =>
          Effect.gen(function* () {
            const { lease } = yield* make.claimedJob({ attemptCount, maxAttempts: 1000 })
            const { availableAt } = yield* jobs.fail(lease, failure).pipe(Effect.withRandom(Random.fixed([random])))
            return availableAt.epochMillis - now
          })
        const pauses = (random: number) =>
          Effect.forEach([1, 2, 3, 4, 9, 10, 40, 999], (attempt) => pause(attempt, random))
        expect(yield* pauses(0)).toEqual([500, 1000, 2000, 4000, 128_000, 150_000, 150_000, 150_000])
        expect(yield* pauses(1)).toEqual([1000, 2000, 4000, 8000, 256_000, 300_000, 300_000, 300_000])
        expect(yield* pauses(0.5)).toEqual([750, 1500, 3000, 6000, 192_000, 225_000, 225_000, 225_000])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a job that waits for its retry is not handed out before its due time", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { lease } = yield* leased("job")
        yield* jobs.fail(lease, failure).pipe(Effect.withRandom(Random.fixed([0])))
        yield* TestClock.setTime(499)
        expect(yield* jobs.claimNext(claimant)).toEqual(Option.none())
        yield* TestClock.setTime(500)
        expect((yield* claim("job")).lease.token).toBe(2)
      }).pipe(Effect.provide(layer))
    )

    it.effect("release queues the job again without counting the attempt", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const queued = yield* enqueue("job", { maxAttempts: 1 })
        yield* TestClock.adjust("1 second")
        const { lease } = yield* claim("job")
        const released = yield* jobs.release(lease)
        expect({ ...released }).toEqual({
          ...queued,
          leaseToken: 1,
          leaseOutcome: Option.some("released"),
          updatedAt: at(1000)
        })
        for (let token = 2; token < 10; token++) {
          const again = yield* claim("job")
          expect(again.lease.token).toBe(token)
          expect((yield* jobs.release(again.lease)).attemptCount).toBe(0)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("release uncounts the last attempt only", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { lease } = yield* make.claimedJob({ attemptCount: 2, startedAt: at(0), ...failure })
        expect(yield* jobs.release(lease)).toMatchObject({
          attemptCount: 1,
          startedAt: Option.some(at(0)),
          errorCode: Option.some("build-failed")
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("repeating a call with the same lease succeeds and changes nothing", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const calls = {
          succeed: (lease: Lease) => jobs.succeed(lease, success),
          "fail with a retry": (lease: Lease) => jobs.fail(lease, failure),
          "fail for good": (lease: Lease) => jobs.fail(lease, { ...failure, retryable: false }),
          release: (lease: Lease) => jobs.release(lease)
        }
        for (const [method, call] of Object.entries(calls)) {
          const { lease } = yield* make.claimedJob()
          const first = yield* call(lease)
          yield* TestClock.adjust("1 second")
          expect(yield* call(lease), method).toEqual(first)
          expect(yield* jobs.getById(lease.jobId), method).toEqual(first)
        }
        const { lease } = yield* make.claimedJob()
        const first = yield* jobs.succeed(lease, success)
        expect(yield* jobs.succeed(lease, { ...success, publishedDigest: "another" })).toEqual(first)
      }).pipe(Effect.provide(layer))
    )

    it.effect("another call with a lease that has ended the job is rejected", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const calls = {
          succeed: [(lease: Lease) => jobs.succeed(lease, success), "finished"],
          fail: [(lease: Lease) => jobs.fail(lease, failure), "finished"],
          release: [(lease: Lease) => jobs.release(lease), "released"]
        } as const
        for (const [method, [call, reason]] of Object.entries(calls)) {
          const { lease } = yield* make.claimedJob()
          yield* call(lease)
          for (const [other, again] of Object.entries(yield* underLease(lease))) {
            expect(yield* lossOf(again), `${other} after ${method}`).toBe(other === method ? "ok" : reason)
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("of two concurrent ends by one lease, one is kept", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { job, lease } = yield* leased("job")
        const outcomes = yield* Effect.all(
          [
            lossOf(jobs.fail(lease, { ...failure, retryable: false })),
            lossOf(jobs.succeed(lease, success)),
            lossOf(jobs.release(lease))
          ],
          { concurrency: "unbounded" }
        )
        expect(outcomes.toSorted()).toEqual(["finished", "finished", "ok"])
        expect((yield* jobs.getById(job.id)).status).toBe(
          outcomes[0] === "ok" ? "failed" : outcomes[1] === "ok" ? "succeeded" : "queued"
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("LeaseLost is reported for an unknown job, another worker and an unknown token", () =>
      Effect.gen(function* () {
        const { lease } = yield* leased("job")
        yield* isLost({ ...lease, jobId: gone }, "not-found")
        yield* isLost({ ...lease, workerId: "two" }, "superseded")
        yield* isLost({ ...lease, token: 2 }, "superseded")
      }).pipe(Effect.provide(layer))
    )

    it.effect("LeaseLost is reported after another worker took over", () =>
      Effect.gen(function* () {
        const { lease } = yield* leased("job")
        yield* TestClock.adjust("1 minute")
        const taken = yield* claim("job", "two")
        yield* isLost(lease, "superseded")
        expect(yield* (yield* WorkspaceBuildJobRepo).getByLease(taken.lease)).toEqual(taken.job)
      }).pipe(Effect.provide(layer))
    )

    it.effect("LeaseLost is reported after reapExpired, with and without attempts left", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { lease } = yield* make.claimedJob({ id: "left" })
        const spent = yield* make.claimedJob({ id: "spent", attemptCount: 1, maxAttempts: 1 })
        yield* TestClock.adjust("1 minute")
        yield* jobs.reapExpired(10)
        yield* isLost(lease, "expired")
        yield* isLost(spent.lease, "expired")
      }).pipe(Effect.provide(layer))
    )

    it.effect("LeaseLost is reported after a cancellation, also when the job is queued again", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { job, lease } = yield* leased("job")
        yield* jobs.cancel({ id: job.id, reason: "enough" })
        yield* isLost(lease, "cancelled")
        yield* jobs.redrive(job.id)
        yield* isLost(lease, "cancelled")
        expect((yield* claim("job", "two")).lease.token).toBe(2)
        yield* isLost(lease, "superseded")
      }).pipe(Effect.provide(layer))
    )

    it.effect("only the lease that ended a job can repeat the end", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { lease } = yield* leased("job")
        yield* jobs.succeed(lease, success)
        expect(yield* lossOf(jobs.succeed({ ...lease, workerId: "two" }, success))).toBe("finished")
        expect(yield* lossOf(jobs.succeed({ ...lease, token: 2 }, success))).toBe("superseded")
        expect(yield* lossOf(jobs.succeed({ ...lease, jobId: gone }, success))).toBe("not-found")
      }).pipe(Effect.provide(layer))
    )

    it.effect("a token is larger than all earlier tokens of the job", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* enqueue("job", { maxAttempts: 2 })
        const dead: Array<Lease> = []
        const ends = [
          (lease: Lease) => jobs.release(lease),
          (lease: Lease) => jobs.fail(lease, failure),
          () => TestClock.adjust("10 minutes"),
          () => Effect.zipRight(TestClock.adjust("10 minutes"), jobs.reapExpired(1)),
          (lease: Lease) =>
            Effect.zipRight(jobs.cancel({ id: lease.jobId, reason: "enough" }), jobs.redrive(lease.jobId)),
          (lease: Lease) =>
            Effect.zipRight(jobs.fail(lease, { ...failure, retryable: false }), jobs.redrive(lease.jobId))
        ]
        for (const [index, end] of ends.entries()) {
          const { job, lease } = yield* claim("job", `worker-${index}`)
          expect(lease.token).toBe(index + 1)
          for (const before of dead) {
            for (const [method, call] of Object.entries(yield* underLease(before)))
              expect(yield* lossOf(call), method).toBe("superseded")
          }
          dead.push(lease)
          yield* end(lease)
          yield* TestClock.adjust("10 minutes")
          const { status } = yield* jobs.getById(job.id)
          if (status === "failed") yield* jobs.redrive(job.id)
          else if (job.attemptCount === 2)
            yield* Effect.all([jobs.cancel({ id: job.id, reason: "enough" }), jobs.redrive(job.id)])
        }
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
