/**
 * Processes that tear down runtimes on one file: the stops of a killed process are taken over, and no stop begins while
 * another lease on its teardown is valid.
 */
import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import * as Migrations from "../../src/Migrations.js"
import { child } from "../support/children.js"
import { temporaryDirectory } from "../support/directories.js"
import { eventually, until } from "../support/eventLoop.js"
import type { TeardownReport, TeardownWorkerOptions } from "./teardownProtocol.js"
import { volume } from "../support/volume.js"

const script = new URL("./teardownWorker.ts", import.meta.url)
const count = volume(40, 12)
const leaseMs = 1500

interface Stored {
  readonly id: string
  readonly status: string
  readonly token: number
  readonly runtime: string
}

/** Stopped sandboxes whose runtimes are up. */
const seed = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Migrations.run
  yield* sql`INSERT INTO user (id, name, email, created_at, updated_at) VALUES ('ada', 'Ada', 'ada@example.com', 0, 0)`
  for (let number = 0; number < count; number++) {
    const id = `run-${number}`
    yield* sql`
      INSERT INTO sandbox_attempts (id, owner_user_id, status, queued_at, started_at, finished_at, created_at, updated_at)
      VALUES (${id}, 'ada', 'succeeded', 0, 0, 0, 0, 0)`
    yield* sql`
      INSERT INTO sandbox_runtime_instances (run_id, status, resource_id, launched_at, created_at, updated_at)
      VALUES (${id}, 'running', ${id}, 0, 0, 0)`
    yield* sql`UPDATE sandbox_attempts SET stop_requested_at = ${Date.now()} WHERE id = ${id}`
  }
})

const stored = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<Stored>`
    SELECT t.id, t.status, t.lease_token AS token, r.status AS runtime
    FROM runtime_teardowns AS t JOIN sandbox_runtime_instances AS r ON r.run_id = t.run_id`
)

it.scopedLive(
  "a killed RuntimeWorker is replaced: each runtime is torn down, and never under two valid leases",
  () =>
    Effect.gen(function* () {
      const filePath = join(yield* temporaryDirectory, "test.sqlite")
      const start = (options: Omit<TeardownWorkerOptions, "filePath" | "leaseMs">) =>
        child<TeardownReport>(script, { ...options, filePath, leaseMs })
      const stops = ({ reports }: { readonly reports: ReadonlyArray<TeardownReport> }, type: "begun" | "ended") =>
        reports.flatMap((report) => (report.type === type ? [report] : []))

      yield* Effect.gen(function* () {
        yield* seed
        const victim = yield* start({ workerId: "victim", hangs: true })
        // It holds as many as its concurrency allows, and renews their leases.
        yield* until(() => stops(victim, "begun").length === 4)
        const others = [
          yield* start({ workerId: "one", hangs: false }),
          yield* start({ workerId: "two", hangs: false })
        ]
        yield* until(() => others.flatMap((other) => stops(other, "ended")).length === count - 4)
        // While the victim lives, its leases stand.
        const held = new Set(stops(victim, "begun").map(({ teardownId }) => teardownId))
        expect(
          others.flatMap((other) => stops(other, "begun")).filter(({ teardownId }) => held.has(teardownId))
        ).toEqual([])
        const killedAt = Date.now()
        victim.signal("SIGKILL")
        yield* Effect.promise(() => victim.ended)
        yield* until(() => others.flatMap((other) => stops(other, "ended")).length === count)

        yield* eventually(Effect.map(stored, (found) => found.every(({ status }) => status === "succeeded")))
        const rows = yield* stored
        expect(rows).toHaveLength(count)
        expect(rows.filter(({ runtime }) => runtime !== "stopped")).toEqual([])
        const ended = others.flatMap((other) => stops(other, "ended"))
        // Each was stopped once by a process that lived, under its last token.
        const tokens = new Map(rows.map(({ id, token }) => [id, token]))
        expect(new Set(ended.map(({ teardownId }) => teardownId)).size).toBe(count)
        expect(ended.filter(({ teardownId, token }) => tokens.get(teardownId) !== token)).toEqual([])
        const takenOver = others
          .flatMap((other) => stops(other, "begun"))
          .filter(({ teardownId }) => held.has(teardownId))
        expect(takenOver.map(({ token }) => token)).toEqual([2, 2, 2, 2])
        // The last heartbeat of the victim was sent at most a third of a lease before it was killed.
        for (const { at } of takenOver) expect(at).toBeGreaterThan(killedAt)
      }).pipe(Effect.provide(Database.layer({ filePath, synchronous: "normal" })))
    }),
  120_000
)
