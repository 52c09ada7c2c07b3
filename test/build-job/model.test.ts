/**
 * After any sequence of commands, by several workers, with repeated calls under lost leases, the queue equals its model.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, FastCheck, Option, Random, TestClock } from "effect"
import { type ClaimedJob, WorkspaceBuildJobId } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { type Command, type ModelJob, ModelQueue } from "./model.js"
import { failure, layers, lossOf, request, success, tagOf } from "./support.js"
import { runsAll, volume } from "../support/volume.js"

const worker = FastCheck.constantFrom("one", "two", "three")
const duration = FastCheck.constantFrom(500, 1000, 30_000)
const index = FastCheck.nat(1000)

const command = FastCheck.oneof(
  {
    weight: 4,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("enqueue" as const),
      delay: FastCheck.constantFrom(0, 0, 700, 2000),
      maxAttempts: FastCheck.integer({ min: 1, max: 3 }),
      key: FastCheck.option(FastCheck.nat(2), { nil: undefined })
    })
  },
  { weight: 4, arbitrary: FastCheck.record({ type: FastCheck.constant("claimNext" as const), worker, duration }) },
  {
    weight: 2,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("claimBatch" as const),
      worker,
      duration,
      limit: FastCheck.integer({ min: 1, max: 4 })
    })
  },
  {
    weight: 2,
    arbitrary: FastCheck.record({ type: FastCheck.constant("claimById" as const), worker, duration, job: index })
  },
  {
    weight: 2,
    arbitrary: FastCheck.record({ type: FastCheck.constant("heartbeat" as const), lease: index, duration })
  },
  { weight: 2, arbitrary: FastCheck.record({ type: FastCheck.constant("succeed" as const), lease: index }) },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("fail" as const),
      lease: index,
      retryable: FastCheck.boolean(),
      random: FastCheck.constantFrom(0, 0.25, 0.5, 0.75)
    })
  },
  { weight: 2, arbitrary: FastCheck.record({ type: FastCheck.constant("release" as const), lease: index }) },
  { weight: 1, arbitrary: FastCheck.record({ type: FastCheck.constant("cancel" as const), job: index }) },
  { weight: 2, arbitrary: FastCheck.record({ type: FastCheck.constant("redrive" as const), job: index }) },
  {
    weight: 1,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("reap" as const),
      limit: FastCheck.integer({ min: 1, max: 3 })
    })
  },
  {
    weight: 4,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("wait" as const),
      millis: FastCheck.constantFrom(1, 250, 500, 1000, 40_000)
    })
  }
)

const commands: FastCheck.Arbitrary<ReadonlyArray<Command>> = FastCheck.array(command, {
  minLength: 40,
  maxLength: 80,
  size: "max"
})

/** The stored rows, as the model represents them. */
const stored = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<ModelJob>`
  SELECT id, max_attempts AS "maxAttempts", status, attempt_count AS attempts, available_at AS "availableAt", lease_token AS token,
    lease_outcome AS outcome, iif(status = 'running', worker_id, NULL) AS worker, lease_expires_at AS "expiresAt"
  FROM oci_image_build_jobs ORDER BY id`
)

const seen = (job: ModelJob): ModelJob => ({ ...job, worker: job.status === "running" ? job.worker : null })

/** Runs a command on the queue and on the model, and compares the results. */
const perform = (model: ModelQueue, command: Command) =>
  Effect.gen(function* () {
    const jobs = yield* WorkspaceBuildJobRepo
    const pick = <A>(items: ReadonlyArray<A>, at: number) => items[at % Math.max(1, items.length)]

    const claimed = (
      due: ReadonlyArray<ModelJob>,
      given: ReadonlyArray<ClaimedJob>,
      worker: string,
      duration: number
    ) => {
      for (const job of due) model.lease(job, worker, duration)
      const expected = due.map(({ id, token }) => ({ jobId: id, workerId: worker, token }))
      const leases = given.map(({ lease }) => lease)
      expect(leases.toSorted((a, b) => (a.jobId < b.jobId ? -1 : 1))).toEqual(
        expected.toSorted((a, b) => (a.jobId < b.jobId ? -1 : 1))
      )
      model.leases.push(...leases)
    }

    switch (command.type) {
      case "enqueue": {
        const id = model.nextId()
        const key = command.key === undefined ? {} : { idempotencyKey: `key-${command.key}` }
        const availableAt = DateTime.unsafeMake(model.now + command.delay)
        const { created, job } = yield* jobs.enqueue({
          ...request,
          id,
          maxAttempts: command.maxAttempts,
          availableAt,
          ...key
        })
        return expect({ id: job.id, created }).toEqual(model.enqueue(command.delay, command.maxAttempts, command.key))
      }
      case "claimNext": {
        const given = yield* jobs.claimNext({ workerId: command.worker, leaseDuration: command.duration })
        return claimed(model.claimDue(1), Option.toArray(given), command.worker, command.duration)
      }
      case "claimBatch": {
        const given = yield* jobs.claimBatch({
          workerId: command.worker,
          leaseDuration: command.duration,
          limit: command.limit
        })
        return claimed(model.claimDue(command.limit), given, command.worker, command.duration)
      }
      case "claimById": {
        const job = pick(model.rows, command.job)
        if (job === undefined) return
        const given = yield* jobs.claimById({
          workerId: command.worker,
          leaseDuration: command.duration,
          id: WorkspaceBuildJobId.make(job.id)
        })
        return claimed(model.claimOne(job), Option.toArray(given), command.worker, command.duration)
      }
      case "heartbeat":
      case "succeed":
      case "fail":
      case "release": {
        const lease = pick(model.leases, command.lease)
        if (lease === undefined) return
        switch (command.type) {
          case "heartbeat":
            return expect(yield* lossOf(jobs.heartbeat(lease, command.duration))).toBe(
              model.underLease(lease, [], (job) => (job.expiresAt = model.now + command.duration))
            )
          case "succeed":
            return expect(yield* lossOf(jobs.succeed(lease, success))).toBe(
              model.underLease(lease, ["succeeded"], (job) => model.end(job, "succeeded", "succeeded"))
            )
          case "fail":
            return expect(
              yield* lossOf(
                Effect.withRandom(
                  jobs.fail(lease, { ...failure, retryable: command.retryable }),
                  Random.fixed([command.random])
                )
              )
            ).toBe(
              model.underLease(lease, ["retried", "failed"], (job) =>
                model.fail(job, command.retryable, command.random)
              )
            )
          case "release":
            return expect(yield* lossOf(jobs.release(lease))).toBe(
              model.underLease(lease, ["released"], (job) => model.release(job))
            )
        }
        return
      }
      case "cancel":
      case "redrive": {
        const job = pick(model.rows, command.job)
        if (job === undefined) return
        const id = WorkspaceBuildJobId.make(job.id)
        return command.type === "cancel"
          ? expect(yield* tagOf(jobs.cancel({ id, reason: "enough" }))).toBe(model.cancel(job))
          : expect(yield* tagOf(jobs.redrive(id))).toBe(model.redrive(job))
      }
      case "reap": {
        const reaped = yield* jobs.reapExpired(command.limit)
        return expect(reaped.map(({ id }) => id).toSorted()).toEqual(model.reap(command.limit).toSorted())
      }
      case "wait":
        model.now += command.millis
        return yield* TestClock.setTime(model.now)
    }
  })

describe("the queue and its model", () => {
  const reached = new Set<string>()

  it.effect.prop(
    "agree after every command of random sequences",
    [commands],
    ([sequence]) =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const model = new ModelQueue()
        let tokens = new Map<string, number>()
        for (const next of sequence) {
          yield* perform(model, next)
          const now = yield* stored
          expect(now).toEqual(model.rows.map(seen))
          for (const { id, outcome, token } of now) {
            expect(token).toBeGreaterThanOrEqual(tokens.get(id) ?? 0)
            if (outcome !== null) reached.add(outcome)
          }
          tokens = new Map(now.map(({ id, token }) => [id, token]))
        }
        const given = model.leases.map(({ jobId, token }) => `${jobId} ${token}`)
        expect(new Set(given).size).toBe(given.length)
        // Of all leases, the current ones are those of the running jobs: one each.
        const current = yield* Effect.filter(model.leases, (lease) =>
          Effect.map(tagOf(jobs.getByLease(lease)), (tag) => tag === "ok")
        )
        expect(current.map(({ jobId }) => jobId).toSorted()).toEqual(
          model.rows.filter(({ status }) => status === "running").map(({ id }) => id)
        )
      }).pipe(Effect.provide(layers.memory)),
    { fastCheck: { numRuns: volume(60, 15) } }
  )

  it.runIf(runsAll)("the random sequences cover every way in which a lease ends", () => {
    expect([...reached].toSorted()).toEqual(["cancelled", "expired", "failed", "released", "retried", "succeeded"])
  })
})
