/**
 * The tables of the order of claims are repaired after another program has changed them.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, TestClock } from "effect"
import { BuildQueueRepo } from "../../src/build-job/BuildQueueRepo.js"
import { OwnerLimitsRepo } from "../../src/build-job/OwnerLimitsRepo.js"
import { makeQueueCounters } from "../../src/build-job/queueCounters.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { supervisionBesides } from "../../src/supervision/supervisorLoop.js"
import { shifted } from "../support/clock.js"
import { overDatabases } from "../support/database.js"
import { claimant, enqueue, make, shell } from "./support.js"

const layers = overDatabases(Layer.mergeAll(WorkspaceBuildJobRepo.layer, OwnerLimitsRepo.layer, BuildQueueRepo.layer))

/** Damages of the rows of owner `a`. */
const damages = {
  "the numbers of jobs of a flow": "UPDATE build_queue_flows SET queued = 99, running = 0 WHERE bucket = 'a'",
  "a flow that is marked as full": "UPDATE build_queue_flows SET is_full = 1, is_open = 0 WHERE bucket = 'a'",
  "a flow that is marked as paused": "UPDATE build_queue_flows SET is_paused = 1, is_open = 0 WHERE bucket = 'a'",
  "a flow without its next job": "UPDATE build_queue_flows SET next_at = NULL, is_open = 0 WHERE bucket = 'a'",
  "the limit and the step of a flow": "UPDATE build_queue_flows SET max_running = NULL, step = 1 WHERE bucket = 'a'",
  "a deleted flow": "DELETE FROM build_queue_flows WHERE bucket = 'a'",
  "deleted lanes": "DELETE FROM build_queue_lanes WHERE bucket = 'a'",
  "the first jobs of lanes": "UPDATE build_queue_lanes SET head_at = 9000 WHERE bucket = 'a' AND concurrency_key <> ''",
  "lanes that are marked as full": "UPDATE build_queue_lanes SET key_is_full = NOT key_is_full WHERE bucket = 'a'",
  "lanes that are marked as paused": "UPDATE build_queue_lanes SET registry_is_paused = 1 WHERE bucket = 'a'",
  "lanes that are closed": "UPDATE build_queue_lanes SET opens_at = 1000000 WHERE bucket = 'a'",
  "a lane without jobs": `
    INSERT INTO build_queue_lanes (flow_id, registry_id, concurrency_key, bucket, head_at)
    SELECT id, 'gone', 'gone', 'a', 0 FROM build_queue_flows WHERE bucket = 'a' LIMIT 1`,
  "the numbers of jobs of a key": "UPDATE build_queue_keys SET queued = 99, running = 5 WHERE bucket = 'a'",
  "deleted keys": "DELETE FROM build_queue_keys WHERE bucket = 'a'",
  "a key without jobs": `
    INSERT INTO build_queue_keys (bucket, concurrency_key, max_running, running) VALUES ('a', 'gone', 1, 1)`
}

/** Jobs of owner `a` in every state that counts, and jobs without an owner. */
const seed = Effect.gen(function* () {
  const jobs = yield* WorkspaceBuildJobRepo
  yield* make.user({ id: "a", email: "a@example.com" })
  yield* Effect.flatMap(OwnerLimitsRepo, ({ set }) => set({ ownerUserId: "a", weight: 2, maxRunningBuilds: 5 }))
  yield* TestClock.setTime(1000)
  const keyed = { ownerUserId: "a", concurrencyKey: "app", concurrencyLimit: 1, startsPerMinute: 60 }
  for (const id of ["1", "2", "3"]) yield* enqueue(id, keyed)
  yield* enqueue("other key", { ...keyed, concurrencyKey: "web" })
  yield* enqueue("plain")
  yield* jobs.claimBatch({ ...claimant, limit: 2 })
  for (const id of ["4", "5"]) yield* enqueue(id, { ownerUserId: "a", registryId: "slow", priority: 3 })
})

/** All rows, without the turns of flows. */
const rows = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return {
    flows: yield* sql`
      SELECT bucket, priority, queued, running, step, max_running, is_paused, is_full, next_at FROM build_queue_flows
      ORDER BY bucket, priority`,
    lanes: yield* sql`
      SELECT f.bucket, f.priority, l.registry_id, l.concurrency_key, l.bucket, head_at, opens_at, key_is_full,
        registry_is_paused
      FROM build_queue_flows AS f JOIN build_queue_lanes AS l ON l.flow_id = f.id ORDER BY 1, 2, 3, 4`,
    keys: yield* sql`
      SELECT bucket, concurrency_key, max_running, start_interval_us, queued, running FROM build_queue_keys
      ORDER BY bucket, concurrency_key`
  }
})

const drift = Effect.flatMap(BuildQueueRepo, (queue) => queue.drift)

for (const [name, layer] of Object.entries(layers)) {
  describe(`repair of the build queue (${name})`, () => {
    for (const [damage, text] of Object.entries(damages)) {
      it.effect(`repairs ${damage}`, () =>
        Effect.gen(function* () {
          const queue = yield* BuildQueueRepo
          yield* seed
          yield* TestClock.adjust("1 minute")
          const before = yield* rows
          expect(yield* drift).toBe(0)
          yield* shell(text)
          expect(yield* drift).toBe(1)
          expect(yield* queue.repair).toBe(1)
          expect(yield* drift).toBe(0)
          const after = yield* rows
          // A repaired key has no memory of its starts.
          const withoutOpening = ({ flows, keys, lanes }: typeof before) => ({
            flows: flows.map((flow) => ({ ...flow, next_at: null })),
            keys,
            lanes: lanes.map((lane) => ({ ...lane, opens_at: null }))
          })
          expect(withoutOpening(after)).toEqual(withoutOpening(before))
        }).pipe(Effect.provide(layer))
      )
    }
  })
}

describe("supervision of the build queue", () => {
  it.effect("compares 100 owners in a round, and continues with the next ones", () =>
    Effect.gen(function* () {
      yield* shell(`
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 250)
        INSERT INTO user (id, name, email, email_verified, created_at, updated_at)
        SELECT 'user-' || n, 'n', 'n' || n || '@example.com', 0, 0, 0 FROM n`)
      yield* shell(`
        INSERT INTO oci_image_build_jobs (id, owner_user_id, registry_id, repository, tag, request_payload, available_at,
          created_at, updated_at)
        SELECT id, id, 'r', 'r', 't', '{}', 0, 0, 0 FROM user`)
      yield* shell("UPDATE build_queue_flows SET running = 7")
      yield* shell("DELETE FROM build_queue_flows WHERE bucket LIKE 'user-1%'")
      expect(yield* drift).toBe(250)
      const { supervise } = makeQueueCounters(yield* SqlClient.SqlClient)
      expect([yield* supervise, yield* supervise, yield* supervise]).toEqual([99, 100, 51])
      expect(yield* drift).toBe(0)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("is a part of each round of Supervisor", () =>
    Effect.gen(function* () {
      yield* enqueue("job")
      yield* shell("UPDATE build_queue_flows SET queued = 7")
      const supervisor = yield* Effect.fork(supervisionBesides({ leaseDuration: "15 seconds" }))
      yield* Effect.repeat(drift, { until: (count) => count === 0 })
      yield* Fiber.interrupt(supervisor)
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("opens a key that a process with a clock hours ahead has used", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      const queue = yield* BuildQueueRepo
      yield* make.user({ id: "a", email: "a@example.com" })
      const keyed = { ownerUserId: "a", concurrencyKey: "app", concurrencyLimit: 9, startsPerMinute: 1 }
      for (const id of ["1", "2", "3"]) yield* enqueue(id, keyed)
      const claim = jobs.claimBatch({ ...claimant, limit: 5 })
      expect(yield* shifted(5 * 3_600_000)(claim)).toHaveLength(1)
      expect(yield* claim).toHaveLength(0)
      expect(yield* queue.repair).toBe(1)
      expect(yield* claim).toHaveLength(1)
      // The rate limit applies again.
      expect(yield* queue.repair).toBe(0)
      expect(yield* claim).toHaveLength(0)
    }).pipe(Effect.provide(layers.memory))
  )
})
