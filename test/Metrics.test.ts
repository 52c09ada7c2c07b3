import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Metric, TestClock } from "effect"
import Engine from "libsql"
import { join } from "node:path"
import * as Database from "../src/Database.js"
import { BuildQueueRepo } from "../src/build-job/BuildQueueRepo.js"
import { WorkspaceBuildJobRepo } from "../src/build-job/WorkspaceBuildJobRepo.js"
import { GitHubWebhookDeliveryRepo } from "../src/github/GitHubWebhookDeliveryRepo.js"
import * as Metrics from "../src/Metrics.js"
import { RuntimeTeardownRepo } from "../src/sandbox/RuntimeTeardownRepo.js"
import { runtimeTeardown } from "../src/testing/teardowns.js"
import { passing, refusedTimes, sleeping } from "./support/eventLoop.js"
import { at, claimant, enqueue, failure, layers, leased, make, shell, tagOf } from "./build-job/support.js"
import * as webhooks from "./github/webhookSupport.js"
import { temporaryDirectory } from "./support/directories.js"

/** All leased tables in one database. */
const all = Layer.mergeAll(BuildQueueRepo.layer, GitHubWebhookDeliveryRepo.layer, RuntimeTeardownRepo.layer).pipe(
  Layer.provideMerge(layers.memory)
)

/** The increase of a counter during the effect. */
const growthOf = <A, E, R>(counter: Metric.Metric.Counter<number>, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* Metric.value(counter)
    yield* effect
    return (yield* Metric.value(counter)).count - before.count
  })

describe("Metrics", () => {
  it.effect("count claims, retries and lost leases", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      yield* Effect.forEach(["a", "b", "c"], (id) => enqueue(id))
      expect(yield* growthOf(Metrics.jobsClaimed, jobs.claimBatch({ ...claimant, limit: 2 }))).toBe(2)
      expect(yield* growthOf(Metrics.jobsClaimed, jobs.claimNext(claimant))).toBe(1)
      expect(yield* growthOf(Metrics.jobsClaimed, jobs.claimNext(claimant))).toBe(0)
      const { lease } = yield* leased("d")
      expect(yield* growthOf(Metrics.jobsRetried, jobs.fail(lease, { ...failure, retryable: true }))).toBe(1)
      expect(yield* growthOf(Metrics.leasesLost, Effect.flip(Effect.asVoid(jobs.heartbeat(lease, "1 minute"))))).toBe(1)
      const second = yield* leased("e")
      expect(yield* growthOf(Metrics.jobsRetried, jobs.fail(second.lease, { ...failure, retryable: false }))).toBe(0)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("count claims, retries and lost leases of deliveries separately from those of jobs", () =>
    Effect.gen(function* () {
      const inbox = yield* GitHubWebhookDeliveryRepo
      yield* webhooks.record("a")
      expect(yield* growthOf(Metrics.deliveriesClaimed, inbox.claimNext(claimant))).toBe(1)
      expect(yield* growthOf(Metrics.deliveriesClaimed, inbox.claimNext(claimant))).toBe(0)
      const second = yield* webhooks.leased("b")
      expect(yield* growthOf(Metrics.deliveriesRetried, inbox.markFailed(second.lease, webhooks.failure))).toBe(1)
      expect(
        yield* growthOf(
          Metrics.leasesLost,
          Effect.flip(Effect.asVoid(inbox.markProcessed({ ...second.lease, token: 9 })))
        )
      ).toBe(1)
      const third = yield* webhooks.leased("c")
      expect(
        yield* growthOf(
          Metrics.deliveriesRetried,
          inbox.markFailed(third.lease, { ...webhooks.failure, retryable: false })
        )
      ).toBe(0)
      yield* webhooks.record("d")
      expect(yield* growthOf(Metrics.jobsClaimed, webhooks.claim())).toBe(0)
    }).pipe(Effect.provide(webhooks.layers.memory))
  )

  it.effect("count commits and the statements that share a commit", () =>
    Effect.gen(function* () {
      const before = yield* Metric.value(Metrics.commitBatchSize)
      const transactions = yield* Metric.value(Metrics.transactionMillis)
      yield* Effect.forEach(["a", "b", "c"], (id) => enqueue(id), { concurrency: "unbounded" })
      const after = yield* Metric.value(Metrics.commitBatchSize)
      const commits = after.count - before.count
      // A turn of the write queue ends after 8 ms, so a busy machine needs more than one commit.
      expect(commits).toBeGreaterThan(0)
      expect(after.sum - before.sum).toBe(3)
      expect((yield* Metric.value(Metrics.transactionMillis)).count - transactions.count).toBe(commits)
    }).pipe(Effect.provide(layers.memory))
  )

  it.live("count waits for a lock that another process holds", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const filePath = join(directory, "test.sqlite")
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (a INTEGER)`
        const holder = new Engine(filePath)
        holder.exec("BEGIN IMMEDIATE")
        const waited = yield* Effect.fork(refusedTimes(1))
        yield* Effect.yieldNow()
        const write = yield* Effect.fork(sql`INSERT INTO t VALUES (1)`)
        yield* Fiber.join(waited)
        holder.exec("ROLLBACK")
        holder.close()
        yield* Fiber.join(write)
      }).pipe(Effect.provide(Database.layer({ filePath })))
    }).pipe(Effect.scoped)
  )

  it.effect("rejects an interval that is not a positive duration", () =>
    Effect.gen(function* () {
      for (const every of [0, -1, Number.NaN, "366 days"] as const) {
        expect(yield* tagOf(Effect.scoped(Layer.build(Metrics.layer({ every })))), String(every)).toBe("InvalidInput")
      }
    }).pipe(Effect.provide(all))
  )

  it.effect("poll the queue, the inbox, the teardowns and the event loop at each interval", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      yield* Effect.forEach(["a", "b"], (id) => enqueue(id))
      yield* jobs.claimNext(claimant)
      const inbox = yield* GitHubWebhookDeliveryRepo
      yield* TestClock.adjust("1 second")
      yield* webhooks.leased("c")
      yield* inbox.record({ ...webhooks.delivery, deliveryId: "d" })
      yield* TestClock.adjust("2 seconds")
      const teardowns = [
        yield* runtimeTeardown(),
        yield* runtimeTeardown({ status: "running" }),
        yield* runtimeTeardown({ status: "failed" })
      ]
      expect(teardowns).toHaveLength(3)
      yield* Layer.build(Metrics.layer({ every: "5 seconds" }))
      const depthOf = (gauge: Metric.Metric.Gauge<number>) => (status: string) =>
        Effect.map(Metric.value(Metric.tagged(gauge, "status", status)), ({ value }) => value)
      const depth = depthOf(Metrics.queueDepth)
      const inboxDepth = depthOf(Metrics.inboxDepth)
      const teardownDepth = depthOf(Metrics.teardownDepth)
      yield* passing(5)
      yield* sleeping(5)
      expect([yield* depth("queued"), yield* depth("running"), yield* depth("failed")]).toEqual([1, 1, 0])
      expect((yield* Metric.value(Metrics.oldestDueAge)).value).toBe(8000)
      expect([yield* inboxDepth("received"), yield* inboxDepth("processing"), yield* inboxDepth("processed")]).toEqual([
        1, 1, 0
      ])
      expect((yield* Metric.value(Metrics.inboxOldestDueAge)).value).toBe(7000)
      expect([
        yield* teardownDepth("queued"),
        yield* teardownDepth("running"),
        yield* teardownDepth("succeeded"),
        yield* teardownDepth("failed")
      ]).toEqual([1, 1, 0, 1])
      expect((yield* Metric.value(Metrics.teardownOldestDueAge)).value).toBe(5000)
      expect((yield* Metric.value(Metrics.eventLoopLag)).value).toBeGreaterThanOrEqual(0)
      yield* enqueue("c")
      yield* passing(5)
      yield* sleeping(5)
      expect(yield* depth("queued")).toBe(2)
    }).pipe(Effect.scoped, Effect.provide(all))
  )

  it.effect("sample the queue by priority and by owner, and sum owners beyond the largest", () =>
    Effect.gen(function* () {
      const queue = yield* BuildQueueRepo
      for (const id of ["a", "b", "c"]) yield* make.user({ id, email: `${id}@example.com` })
      yield* TestClock.setTime(1000)
      for (const id of ["1", "2", "3"]) yield* enqueue(`a${id}`, { ownerUserId: "a" })
      for (const id of ["1", "2"]) yield* enqueue(`b${id}`, { ownerUserId: "b", priority: 0 })
      yield* enqueue("c", { ownerUserId: "c" })
      yield* enqueue("later", { ownerUserId: "c", priority: 9, availableAt: at(999_000) })
      yield* queue.pause({ part: { scope: "owner", id: "a" } })
      yield* TestClock.adjust("2 seconds")
      yield* Layer.build(Metrics.layer({ every: "5 seconds", owners: 2 }))
      yield* passing(5)
      yield* sleeping(5)
      const value = (gauge: Metric.Metric.Gauge<number>, tags: Readonly<Record<string, string>>) =>
        Effect.map(
          Metric.value(Object.entries(tags).reduce((tagged, [key, tag]) => Metric.tagged(tagged, key, tag), gauge)),
          ({ value }) => value
        )
      const queued = (priority: string, blocked_by: string) => value(Metrics.queuedJobs, { priority, blocked_by })
      expect(yield* queued("0", "none")).toBe(2)
      expect(yield* queued("5", "none")).toBe(1)
      expect(yield* queued("5", "owner-paused")).toBe(3)
      expect(yield* queued("9", "not-due")).toBe(1)
      expect(yield* value(Metrics.priorityOldestDueAge, { priority: "5" })).toBe(7000)
      expect(yield* value(Metrics.priorityOldestDueAge, { priority: "9" })).toBe(0)
      const jobsOf = (owner: string) =>
        Effect.all(["queued", "running", "blocked"].map((state) => value(Metrics.ownerJobs, { owner, state })))
      expect(yield* jobsOf("a")).toEqual([3, 0, 3])
      expect(yield* jobsOf("b")).toEqual([2, 0, 0])
      expect(yield* jobsOf("(other)")).toEqual([2, 0, 1])
      expect(yield* value(Metrics.ownerOldestDueAge, { owner: "a" })).toBe(7000)
      for (const id of ["a1", "a2", "a3"]) yield* shell("DELETE FROM oci_image_build_jobs WHERE id = ?", id)
      yield* passing(5)
      yield* sleeping(5)
      expect(yield* jobsOf("a")).toEqual([0, 0, 0])
    }).pipe(Effect.scoped, Effect.provide(all))
  )
})
