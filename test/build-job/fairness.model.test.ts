/**
 * The rules of the queue as invariants: whatever owners, workers and operators do, each claim takes a job that the rules
 * allow, and a claim that returns nothing is right.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, FastCheck, Layer, Option, TestClock } from "effect"
import { BuildQueueRepo } from "../../src/build-job/BuildQueueRepo.js"
import { OwnerLimitsRepo } from "../../src/build-job/OwnerLimitsRepo.js"
import type { Lease } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { overDatabases } from "../support/database.js"
import { claimant, failure, make, request, success } from "./support.js"
import { runsAll, volume } from "../support/volume.js"

const layer = overDatabases(
  Layer.mergeAll(WorkspaceBuildJobRepo.layer, OwnerLimitsRepo.layer, BuildQueueRepo.layer)
).memory

const owner = FastCheck.constantFrom("a", "b", "c", undefined)
const index = FastCheck.nat(1000)
const command = FastCheck.oneof(
  {
    weight: 8,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("enqueue" as const),
      owner,
      priority: FastCheck.constantFrom(0, 5, 9),
      key: FastCheck.constantFrom(undefined, undefined, "x", "y"),
      limit: FastCheck.constantFrom(1, 2),
      registryId: FastCheck.constantFrom("r", "s"),
      delay: FastCheck.constantFrom(0, 0, 500)
    })
  },
  {
    weight: 8,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("claim" as const),
      limit: FastCheck.constantFrom(1, 1, 2, 5)
    })
  },
  { weight: 2, arbitrary: FastCheck.record({ type: FastCheck.constant("claimById" as const), job: index }) },
  {
    weight: 6,
    arbitrary: FastCheck.record({ type: FastCheck.constant("end" as const), lease: index, how: FastCheck.nat(4) })
  },
  { weight: 2, arbitrary: FastCheck.record({ type: FastCheck.constant("cancel" as const), job: index }) },
  { weight: 1, arbitrary: FastCheck.record({ type: FastCheck.constant("redrive" as const), job: index }) },
  {
    weight: 1,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("setPriority" as const),
      job: index,
      priority: FastCheck.constantFrom(0, 5, 9)
    })
  },
  { weight: 1, arbitrary: FastCheck.record({ type: FastCheck.constant("delete" as const), job: index }) },
  {
    weight: 1,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("limit" as const),
      owner,
      running: FastCheck.constantFrom(undefined, 0, 1, 2)
    })
  },
  {
    weight: 1,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("pause" as const),
      part: FastCheck.constantFrom("queue", "a", "b", "r")
    })
  },
  {
    weight: 2,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("resume" as const),
      part: FastCheck.constantFrom("queue", "a", "b", "r")
    })
  },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("wait" as const),
      millis: FastCheck.constantFrom(1, 500, 40_000)
    })
  },
  { weight: 1, arbitrary: FastCheck.record({ type: FastCheck.constant("reap" as const) }) }
)

interface Row {
  readonly id: string
  readonly status: string
  readonly bucket: string
  readonly priority: number
  readonly key: string | null
  readonly registryId: string
  readonly availableAt: number
  readonly leaseExpiresAt: number | null
}

const partOf = (part: string) =>
  part === "queue"
    ? ({ scope: "queue" } as const)
    : part === "r"
      ? ({ scope: "registry", id: part } as const)
      : ({ scope: "owner", id: part } as const)

/** What the rules need, in plain TypeScript. */
class Rules {
  now = 0
  readonly leases: Array<Lease> = []
  readonly limits = new Map<string, number>()
  readonly defaults: { running: number | undefined } = { running: undefined }
  readonly keyLimits = new Map<string, number>()
  readonly paused = new Set<string>()

  isPaused(job: Row) {
    return this.paused.has("queue") || this.paused.has(job.bucket) || this.paused.has(job.registryId)
  }

  private running(rows: ReadonlyArray<Row>, of: (job: Row) => boolean) {
    return rows.filter((job) => job.status === "running" && of(job)).length
  }

  ownerIsFull(rows: ReadonlyArray<Row>, bucket: string) {
    const limit = this.limits.get(bucket) ?? this.defaults.running
    return limit !== undefined && this.running(rows, (job) => job.bucket === bucket) >= limit
  }

  keyIsFull(rows: ReadonlyArray<Row>, { bucket, key }: Row) {
    const limit = this.keyLimits.get(`${bucket} ${String(key)}`) ?? 1
    return key !== null && this.running(rows, (job) => job.bucket === bucket && job.key === key) >= limit
  }

  hasExpired(job: Row) {
    return job.status === "running" && (job.leaseExpiresAt ?? 0) <= this.now
  }

  mayClaim(rows: ReadonlyArray<Row>, job: Row) {
    if (this.isPaused(job)) return false
    if (this.hasExpired(job)) return true
    return (
      job.status === "queued" &&
      job.availableAt <= this.now &&
      !this.ownerIsFull(rows, job.bucket) &&
      !this.keyIsFull(rows, job)
    )
  }
}

const rows = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<Row>`
    SELECT id, status, coalesce(owner_user_id, '') AS bucket, priority, concurrency_key AS key,
      registry_id AS "registryId", available_at AS "availableAt", lease_expires_at AS "leaseExpiresAt"
    FROM oci_image_build_jobs ORDER BY id`
)

type Command = typeof command extends FastCheck.Arbitrary<infer A> ? A : never

const reached = new Set<string>()

const perform = (rules: Rules, command: Command) =>
  Effect.gen(function* () {
    const jobs = yield* WorkspaceBuildJobRepo
    const queue = yield* BuildQueueRepo
    const limits = yield* OwnerLimitsRepo
    const sql = yield* SqlClient.SqlClient
    const before = yield* rows
    const pick = <A>(items: ReadonlyArray<A>, at: number) => items[at % Math.max(1, items.length)]

    switch (command.type) {
      case "enqueue": {
        const key = command.key
        if (key !== undefined) rules.keyLimits.set(`${command.owner ?? ""} ${key}`, command.limit)
        return yield* jobs.enqueue({
          ...request,
          registryId: command.registryId,
          ownerUserId: command.owner,
          priority: command.priority,
          concurrencyKey: key,
          concurrencyLimit: command.limit,
          maxAttempts: 1000,
          availableAt: DateTime.unsafeMake(rules.now + command.delay)
        })
      }
      case "claim": {
        const claimed = yield* jobs.claimBatch({ ...claimant, leaseDuration: "30 seconds", limit: command.limit })
        let state: ReadonlyArray<Row> = before
        for (const { job, lease } of claimed) {
          rules.leases.push(lease)
          const taken = state.find(({ id }) => id === job.id)
          if (taken === undefined) throw new Error("an unknown job")
          expect(rules.mayClaim(state, taken), "the limits and pauses allow the claim").toBe(true)
          const allowed = state.filter((other) => rules.mayClaim(state, other))
          const expired = allowed.filter((other) => rules.hasExpired(other))
          if (expired.length > 0) expect(expired).toContainEqual(taken)
          else {
            // Within an owner and priority, the oldest job is claimed.
            const older = allowed.filter(
              (other) =>
                other.bucket === taken.bucket &&
                other.priority === taken.priority &&
                other.availableAt < taken.availableAt
            )
            expect(older, "the oldest job of the owner and priority").toEqual([])
            if (allowed.some(({ priority }) => priority < taken.priority)) reached.add("aged")
            if (allowed.length < state.filter(({ status }) => status === "queued").length) reached.add("blocked")
          }
          state = state.map((other) =>
            other.id === job.id ? { ...other, status: "running", leaseExpiresAt: rules.now + 30_000 } : other
          )
        }
        if (claimed.length < command.limit)
          expect(
            state.filter((other) => rules.mayClaim(state, other)),
            "nothing that could be claimed is left"
          ).toEqual([])
        return
      }
      case "claimById": {
        const job = pick(before, command.job)
        if (job === undefined) return
        const claimed = yield* jobs.claimById({ ...claimant, leaseDuration: "30 seconds", id: job.id })
        expect(Option.isSome(claimed)).toBe(rules.mayClaim(before, job))
        if (Option.isSome(claimed)) rules.leases.push(claimed.value.lease)
        return
      }
      case "end": {
        const lease = pick(rules.leases, command.lease)
        if (lease === undefined) return
        const ends: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          jobs.succeed(lease, success),
          jobs.fail(lease, failure),
          jobs.fail(lease, { ...failure, retryable: false }),
          jobs.release(lease),
          jobs.cancel({ id: lease.jobId, reason: "enough" })
        ]
        return yield* Effect.ignore(ends[command.how] ?? Effect.void)
      }
      case "cancel":
      case "redrive":
      case "setPriority":
      case "delete": {
        const job = pick(before, command.job)
        if (job === undefined) return
        if (command.type === "cancel") return yield* Effect.ignore(jobs.cancel({ id: job.id, reason: "enough" }))
        if (command.type === "redrive") return yield* Effect.ignore(jobs.redrive(job.id))
        if (command.type === "delete") return yield* sql`DELETE FROM oci_image_build_jobs WHERE id = ${job.id}`
        return yield* Effect.ignore(jobs.setPriority({ id: job.id, priority: command.priority }))
      }
      case "limit": {
        if (command.owner === undefined) {
          rules.defaults.running = command.running
          return yield* limits.setDefaults({ maxRunningBuilds: command.running })
        }
        if (command.running === undefined) rules.limits.delete(command.owner)
        else rules.limits.set(command.owner, command.running)
        return yield* limits.set({ ownerUserId: command.owner, maxRunningBuilds: command.running })
      }
      case "pause":
        rules.paused.add(command.part)
        return yield* queue.pause({ part: partOf(command.part) })
      case "resume":
        rules.paused.delete(command.part)
        return yield* queue.resume(partOf(command.part))
      case "reap":
        return yield* jobs.reapExpired(100)
      case "wait":
        rules.now += command.millis
        return yield* TestClock.setTime(rules.now)
    }
  })

describe("the rules of the queue", () => {
  it.effect.prop(
    "hold for every claim of random sequences, and the counters equal the jobs after each command",
    [FastCheck.array(command, { minLength: 40, maxLength: 80, size: "max" })],
    ([sequence]) =>
      Effect.gen(function* () {
        const queue = yield* BuildQueueRepo
        const jobs = yield* WorkspaceBuildJobRepo
        const sql = yield* SqlClient.SqlClient
        for (const id of ["a", "b", "c"]) yield* make.user({ id, email: `${id}@example.com` })
        const rules = new Rules()
        for (const next of sequence) {
          yield* perform(rules, next)
          expect(yield* queue.drift, next.type).toBe(0)
          const keys = yield* sql<{ readonly id: string; readonly queued: number; readonly running: number }>`
            SELECT k.bucket || ' ' || k.concurrency_key AS id, k.queued, k.running FROM build_queue_keys AS k ORDER BY id`
          const counted = yield* sql`
            SELECT coalesce(owner_user_id, '') || ' ' || concurrency_key AS id, sum(status = 'queued') AS queued,
              sum(status = 'running') AS running
            FROM oci_image_build_jobs WHERE status IN ('queued', 'running') AND concurrency_key IS NOT NULL
            GROUP BY 1 ORDER BY 1`
          expect(keys, next.type).toEqual(counted)
          // The limit of a key without jobs is forgotten; the next job with the key sets it.
          const known = new Set(keys.map(({ id }) => id))
          for (const id of rules.keyLimits.keys()) if (!known.has(id)) rules.keyLimits.delete(id)
          const due = yield* jobs.nextDueAt
          const state = yield* rows
          if (state.some((job) => rules.mayClaim(state, job)))
            expect(Option.getOrThrow(due).epochMillis, next.type).toBeLessThanOrEqual(rules.now)
        }
      }).pipe(Effect.provide(layer)),
    { fastCheck: { numRuns: volume(40, 12) } }
  )

  it.runIf(runsAll)("the random sequences reach blocked jobs and claims of less urgent priorities", () => {
    expect([...reached].toSorted()).toEqual(["aged", "blocked"])
  })
})
