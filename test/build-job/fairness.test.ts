/**
 * The order of claims between owners and priorities, and the limits of owners and keys.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option, TestClock } from "effect"
import { BuildQueueRepo } from "../../src/build-job/BuildQueueRepo.js"
import { OwnerLimitsRepo } from "../../src/build-job/OwnerLimitsRepo.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { actingAs, ControlPlaneEvents } from "../../src/events/ControlPlaneEvents.js"
import { shifted } from "../support/clock.js"
import { overDatabases } from "../support/database.js"
import { at, claimant, enqueue, failure, make, request, shell, success } from "./support.js"

const layers = overDatabases(Layer.mergeAll(WorkspaceBuildJobRepo.layer, OwnerLimitsRepo.layer, BuildQueueRepo.layer))

const hour = 3_600_000

/** Users with these ids. */
const users = (...ids: ReadonlyArray<string>) =>
  Effect.forEach(ids, (id) => make.user({ id, email: `${id}@example.com` }))

const insertJobs = (owner: string, count: number, priority = 5) =>
  shell(
    `INSERT INTO oci_image_build_jobs (id, owner_user_id, priority, registry_id, repository, tag, request_payload,
      available_at, created_at, updated_at)
    SELECT ? || '-' || printf('%06d', value), ?, ?, 'r', 'r', 't', ?, 0, 0, 0
    FROM (WITH RECURSIVE numbers (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < ?)
      SELECT value FROM numbers)`,
    `${owner}${priority}`,
    owner,
    priority,
    JSON.stringify(request.requestPayload),
    count
  )

const claims = (count: number) =>
  Effect.gen(function* () {
    const jobs = yield* WorkspaceBuildJobRepo
    const order: Array<string> = []
    for (let index = 0; index < count; index++) {
      const next = yield* jobs.claimNext(claimant)
      if (Option.isNone(next)) break
      order.push(next.value.job.id)
    }
    return order
  })

const ownersOf = (ids: ReadonlyArray<string>) => ids.map((id) => id.slice(0, 1))

const noDrift = Effect.gen(function* () {
  expect(yield* Effect.flatMap(BuildQueueRepo, ({ drift }) => drift)).toBe(0)
})

for (const [name, layer] of Object.entries(layers)) {
  describe(`the order of claims (${name})`, () => {
    it.effect("alternates between two owners, oldest first within each", () =>
      Effect.gen(function* () {
        yield* users("a", "b")
        yield* insertJobs("a", 50)
        yield* insertJobs("b", 3)
        const order = yield* claims(8)
        expect(ownersOf(order).filter((owner) => owner === "b")).toHaveLength(3)
        expect(order.filter((id) => id.startsWith("b"))).toEqual(["b5-000001", "b5-000002", "b5-000003"])
        expect(order.filter((id) => id.startsWith("a"))).toEqual(order.filter((id) => id.startsWith("a")).toSorted())
        yield* noDrift
      }).pipe(Effect.provide(layer))
    )

    it.effect("is the same for a batch as for single claims, and obeys limits within the batch", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const limits = yield* OwnerLimitsRepo
        yield* users("a", "b")
        yield* insertJobs("a", 50)
        yield* insertJobs("b", 50)
        yield* limits.set({ ownerUserId: "b", maxRunningBuilds: 2 })
        const batch = yield* jobs.claimBatch({ ...claimant, limit: 10 })
        expect(batch.map(({ job }) => job.id)).toEqual([
          "a5-000001",
          "b5-000001",
          "a5-000002",
          "b5-000002",
          ...["3", "4", "5", "6", "7", "8"].map((number) => `a5-00000${number}`)
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("divides claims by the weights of the owners", () =>
      Effect.gen(function* () {
        const limits = yield* OwnerLimitsRepo
        yield* users("a", "b")
        yield* limits.set({ ownerUserId: "a", weight: 3 })
        yield* insertJobs("a", 60)
        yield* insertJobs("b", 60)
        const owners = ownersOf(yield* claims(40))
        expect(owners.filter((owner) => owner === "a")).toHaveLength(30)
      }).pipe(Effect.provide(layer))
    )

    it.effect("claims more urgent priorities first, and every tenth claim from the less urgent ones", () =>
      Effect.gen(function* () {
        yield* users("a", "b")
        yield* insertJobs("a", 50, 0)
        yield* insertJobs("b", 50, 9)
        const owners = ownersOf(yield* claims(40))
        expect(owners.flatMap((owner, index) => (owner === "b" ? [index + 1] : []))).toEqual([10, 20, 30, 40])
        yield* noDrift
      }).pipe(Effect.provide(layer))
    )

    it.effect("gives an owner that was idle no saved turns", () =>
      Effect.gen(function* () {
        yield* users("a", "b")
        yield* insertJobs("b", 1)
        yield* claims(1)
        yield* insertJobs("a", 100)
        yield* claims(50)
        yield* enqueueMany("b", 20)
        const owners = ownersOf(yield* claims(20))
        expect(owners.filter((owner) => owner === "b").length).toBeLessThanOrEqual(11)
        expect(owners.filter((owner) => owner === "b").length).toBeGreaterThanOrEqual(9)
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "takes every job that is due by the clock of its process, when the clocks of processes differ by hours",
      () =>
        Effect.gen(function* () {
          yield* TestClock.setTime(10 * hour)
          yield* users("a", "b")
          yield* Effect.gen(function* () {
            yield* enqueue("a1", { ownerUserId: "a", priority: 0 })
            yield* enqueue("a2", { ownerUserId: "a", priority: 0 })
            expect(yield* claims(1)).toEqual(["a1"])
          }).pipe(shifted(5 * hour))
          // `a2` is due by the other clock only. It is more urgent, and does not keep `b1` from being claimed.
          for (const id of ["b1", "b2", "b3"]) yield* enqueue(id, { ownerUserId: "b" })
          expect(yield* claims(2)).toEqual(["a2", "b1"])
          // Neither does a claim with a clock for which the others are not due.
          expect(yield* claims(1).pipe(shifted(-5 * hour))).toEqual(["b2"])
          expect(yield* claims(1).pipe(shifted(-5 * hour))).toEqual([])
          // The lease of `b2` has expired by this clock.
          expect(yield* claims(2)).toEqual(["b2", "b3"])
          yield* noDrift
        }).pipe(Effect.provide(layer))
    )

    it.effect("a claim opens the flows that have become due, also beside one without queued jobs", () =>
      Effect.gen(function* () {
        yield* users("a", "b", "c")
        yield* insertJobs("a", 1)
        yield* claims(1)
        yield* insertJobs("b", 2)
        yield* insertJobs("c", 2)
        yield* claims(1)
        const open = yield* shell<{ readonly bucket: string }>(
          "SELECT bucket FROM build_queue_flows WHERE is_open = 1 ORDER BY bucket"
        )
        expect(open.map(({ bucket }) => bucket)).toEqual(["b", "c"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("changes with setPriority, and refuses it for an ended job", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* enqueue("first")
        yield* enqueue("second")
        expect((yield* jobs.setPriority({ id: "second", priority: 1 })).priority).toBe(1)
        expect(yield* claims(2)).toEqual(["second", "first"])
        yield* jobs.cancel({ id: "first", reason: "enough" })
        expect((yield* Effect.flip(jobs.setPriority({ id: "first", priority: 1 })))._tag).toBe("InvalidTransition")
        yield* noDrift
      }).pipe(Effect.provide(layer))
    )

    it.effect("records setPriority in the journal with its actor and the owner, and a repeat once", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* users("a")
        yield* enqueue("job", { ownerUserId: "a" })
        for (const priority of [1, 1, 2, 1]) {
          yield* actingAs({ type: "operator", id: "ops" })(jobs.setPriority({ id: "job", priority }))
        }
        const events = yield* shell(`
          SELECT event_type AS type, from_state AS "from", to_state AS "to", actor_type AS actor, actor_id AS "actorId",
            owner_user_id AS owner, payload ->> 'priority' AS priority
          FROM control_plane_events WHERE subject_id = 'job' ORDER BY position`)
        const event = { type: "setPriority", to: "queued", actor: "operator", actorId: "ops", owner: "a" }
        expect(events).toEqual([
          { ...event, from: null, priority: 1 },
          { ...event, from: "queued", priority: 2 },
          { ...event, from: "queued", priority: 1 }
        ])
        // It is not counted as a change of state.
        const { activity } = yield* ControlPlaneEvents
        expect((yield* activity({ subjectType: "job", since: at(0), intervalMs: 60_000 })).changes).toEqual([])
      }).pipe(Effect.provide(Layer.provideMerge(ControlPlaneEvents.layer, layer)))
    )
  })

  describe(`limits (${name})`, () => {
    it.effect("an owner never has more running builds than its limit, and each end frees a slot", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const limits = yield* OwnerLimitsRepo
        yield* users("a")
        yield* limits.setDefaults({ maxRunningBuilds: 2 })
        yield* insertJobs("a", 20)
        const ends = [
          (lease: Parameters<typeof jobs.release>[0]) => jobs.succeed(lease, success),
          (lease: Parameters<typeof jobs.release>[0]) => jobs.fail(lease, { ...failure, retryable: false }),
          (lease: Parameters<typeof jobs.release>[0]) => jobs.fail(lease, failure),
          (lease: Parameters<typeof jobs.release>[0]) => jobs.release(lease),
          ({ jobId }: Parameters<typeof jobs.release>[0]) => jobs.cancel({ id: jobId, reason: "enough" }),
          ({ jobId }: Parameters<typeof jobs.release>[0]) =>
            shell("DELETE FROM oci_image_build_jobs WHERE id = ?", jobId)
        ]
        for (const end of ends) {
          const held = yield* jobs.claimBatch({ ...claimant, limit: 5 })
          expect(held).toHaveLength(2)
          expect(yield* jobs.claimById({ ...claimant, id: "a5-000020" })).toEqual(Option.none())
          for (const { lease } of held) yield* end(lease)
          yield* noDrift
        }
        yield* jobs.claimBatch({ ...claimant, leaseDuration: 10, limit: 5 })
        yield* TestClock.adjust(20)
        expect(yield* jobs.claimBatch({ ...claimant, limit: 5 })).toHaveLength(2)
        yield* TestClock.adjust("2 minutes")
        expect(yield* jobs.reapExpired(10)).toHaveLength(2)
        expect(yield* jobs.claimBatch({ ...claimant, limit: 5 })).toHaveLength(2)
        yield* limits.set({ ownerUserId: "a", maxRunningBuilds: 3 })
        expect(yield* jobs.claimBatch({ ...claimant, limit: 5 })).toHaveLength(1)
        yield* noDrift
      }).pipe(Effect.provide(layer))
    )

    it.effect("jobs with a key run up to its limit, and do not keep other jobs from being claimed", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* users("a", "b")
        for (const id of ["1", "2", "3"]) yield* enqueue(id, { ownerUserId: "a", concurrencyKey: "app" })
        yield* enqueue("other", { ownerUserId: "a" })
        yield* enqueue("b", { ownerUserId: "b", concurrencyKey: "app" })
        expect((yield* claims(9)).toSorted()).toEqual(["1", "b", "other"])
        expect(yield* jobs.claimById({ ...claimant, id: "2" })).toEqual(Option.none())
        yield* jobs.cancel({ id: "1", reason: "enough" })
        expect(yield* claims(9)).toEqual(["2"])
        yield* enqueue("4", { ownerUserId: "a", concurrencyKey: "app", concurrencyLimit: 2, priority: 0 })
        expect(yield* claims(9)).toEqual(["4"])
        yield* noDrift
      }).pipe(Effect.provide(layer))
    )

    it.effect("jobs with a key start at most startsPerMinute times in a minute", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* users("a")
        for (let index = 0; index < 6; index++)
          yield* enqueue(`job-${index}`, {
            ownerUserId: "a",
            concurrencyKey: "app",
            concurrencyLimit: 100,
            startsPerMinute: 2
          })
        expect(yield* claims(9)).toHaveLength(2)
        expect(Option.map(yield* jobs.nextDueAt, ({ epochMillis }) => epochMillis)).toEqual(Option.some(30_000))
        yield* TestClock.adjust("29 seconds")
        expect(yield* claims(9)).toHaveLength(0)
        yield* TestClock.adjust("1 seconds")
        expect(yield* claims(9)).toHaveLength(1)
        yield* TestClock.adjust("29 seconds")
        expect(yield* jobs.claimById({ ...claimant, id: "job-5" })).toEqual(Option.none())
        yield* noDrift
      }).pipe(Effect.provide(layer))
    )

    it.effect("a paused queue, owner or registry is not claimed from until it is resumed", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const queue = yield* BuildQueueRepo
        yield* users("a", "b")
        yield* enqueue("a", { ownerUserId: "a" })
        yield* enqueue("b", { ownerUserId: "b", registryId: "slow" })
        for (const [part, left] of [
          [{ scope: "queue" }, []],
          [{ scope: "owner", id: "a" }, ["b"]],
          [{ scope: "registry", id: "slow" }, ["a"]]
        ] as const) {
          yield* queue.pause({ part, reason: "maintenance" })
          expect(yield* queue.listPauses).toHaveLength(1)
          yield* queue.pause({ part })
          expect(Option.isNone(yield* jobs.nextDueAt)).toBe(left.length === 0)
          const claimed = yield* jobs.claimBatch({ ...claimant, limit: 5 })
          expect(claimed.map(({ job }) => job.id)).toEqual(left)
          for (const { lease } of claimed) yield* jobs.release(lease)
          yield* queue.resume(part)
        }
        const all = yield* jobs.claimBatch({ ...claimant, leaseDuration: 10, limit: 5 })
        expect(all).toHaveLength(2)
        // A job whose lease has expired belongs to a paused part, too.
        yield* queue.pause({ part: { scope: "owner", id: "a" } })
        yield* TestClock.adjust(20)
        expect(yield* claims(5)).toEqual(["b"])
        yield* noDrift
      }).pipe(Effect.provide(layer))
    )

    it.effect("enqueue and enqueueMany fail beyond maxQueuedBuilds, except for replays", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const limits = yield* OwnerLimitsRepo
        yield* users("a", "b")
        yield* limits.set({ ownerUserId: "a", maxQueuedBuilds: 2 })
        const ofA = { ...request, ownerUserId: "a" }
        yield* jobs.enqueue({ ...ofA, idempotencyKey: "one" })
        const many = (...keys: ReadonlyArray<string>) =>
          jobs.enqueueMany(keys.map((idempotencyKey) => ({ ...ofA, idempotencyKey })))
        expect(yield* Effect.flip(many("two", "three"))).toMatchObject({ quota: "maxQueuedBuilds", limit: 2, used: 1 })
        expect((yield* many("one", "two", "two")).map(({ created }) => created)).toEqual([false, true, false])
        expect(yield* Effect.flip(jobs.enqueue(ofA))).toMatchObject({
          _tag: "QuotaExceeded",
          quota: "maxQueuedBuilds",
          limit: 2,
          used: 2
        })
        expect((yield* jobs.enqueue({ ...ofA, idempotencyKey: "one" })).created).toBe(false)
        yield* jobs.enqueue({ ...request, ownerUserId: "b" })
        yield* claims(1)
        yield* claims(1)
        yield* jobs.enqueue(ofA)
        yield* noDrift
      }).pipe(Effect.provide(layer))
    )
  })

  describe(`batches of outcomes (${name})`, () => {
    it.effect("return a result for each lease", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (const id of ["1", "2", "3"]) yield* enqueue(id)
        const held = yield* jobs.claimBatch({ ...claimant, limit: 3 })
        yield* jobs.cancel({ id: "2", reason: "enough" })
        const results = yield* jobs.succeedMany(held.map(({ lease }) => ({ lease, outcome: success })))
        expect(results.map((result) => (result._tag === "Right" ? result.right.status : result.left.reason))).toEqual([
          "succeeded",
          "cancelled",
          "succeeded"
        ])
        const repeated = yield* jobs.failMany(held.map(({ lease }) => ({ lease, outcome: failure })))
        expect(repeated.map((result) => (result._tag === "Right" ? "ok" : result.left.reason))).toEqual([
          "finished",
          "cancelled",
          "finished"
        ])
        yield* noDrift
      }).pipe(Effect.provide(layer))
    )
  })
}

const enqueueMany = (ownerUserId: string, count: number) =>
  Effect.flatMap(WorkspaceBuildJobRepo, (jobs) =>
    jobs.enqueueMany(
      Array.from({ length: count }, (_, index) => ({
        ...request,
        id: `${ownerUserId}-later-${String(index).padStart(3, "0")}`,
        ownerUserId,
        availableAt: at(0)
      }))
    )
  )

describe("fairness at scale", () => {
  it.effect("10 jobs behind 10,000 of another owner are all claimed within the next 20 claims", () =>
    Effect.gen(function* () {
      yield* users("a", "b")
      yield* insertJobs("a", 10_000)
      yield* claims(5)
      yield* insertJobs("b", 10)
      expect(ownersOf(yield* claims(20)).filter((owner) => owner === "b")).toHaveLength(10)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect(
    "the claims of 1,000 owners are within 5 % of their weights",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const jobs = yield* WorkspaceBuildJobRepo
        yield* shell(`
          WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000)
          INSERT INTO user (id, name, email, email_verified, created_at, updated_at)
          SELECT 'user-' || n, 'n', 'n' || n || '@example.com', 0, 0, 0 FROM n`)
        yield* shell(`
          INSERT INTO owner_limits (owner_user_id, weight, created_at, updated_at)
          SELECT id, 1 + (rowid % 10 = 0), 0, 0 FROM user`)
        yield* shell(
          `
          WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 45)
          INSERT INTO oci_image_build_jobs (id, owner_user_id, registry_id, repository, tag, request_payload, available_at,
            created_at, updated_at)
          SELECT u.id || '-' || n, u.id, 'r', 'r', 't', ?, 0, 0, 0 FROM user AS u, n`,
          JSON.stringify(request.requestPayload)
        )
        for (let batch = 0; batch < 22; batch++) yield* jobs.claimBatch({ ...claimant, limit: 1000 })
        const shares = yield* sql<{ readonly weight: number; readonly running: number }>`
          SELECT l.weight, f.running FROM build_queue_flows AS f JOIN owner_limits AS l ON l.owner_user_id = f.bucket`
        expect(shares).toHaveLength(1000)
        for (const { running, weight } of shares) {
          expect(Math.abs(running - 20 * weight)).toBeLessThanOrEqual(weight)
        }
      }).pipe(Effect.provide(layers.memory)),
    240_000
  )
})
