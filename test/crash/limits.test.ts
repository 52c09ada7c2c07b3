/**
 * Processes that claim jobs of owners and keys with limits, and are killed: at no instant run more jobs than a limit
 * allows. `SEALANT_TESTS=all` runs 8 processes on 10,000 jobs.
 *
 * `control_plane_events` has no event of a claim, so a trigger of this test records every change of a job, in the
 * transaction of the change and therefore in the order of commits.
 */
import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { join } from "node:path"
import { BuildQueueRepo } from "../../src/build-job/BuildQueueRepo.js"
import { OwnerLimitsRepo } from "../../src/build-job/OwnerLimitsRepo.js"
import * as Database from "../../src/Database.js"
import * as Migrations from "../../src/Migrations.js"
import { child } from "../support/children.js"
import { temporaryDirectory } from "../support/directories.js"
import type { Death } from "./killPoints.js"
import type { LimitsReport, LimitsWorkerOptions } from "./limitsProtocol.js"
import { type Random, randomOf } from "./torture/random.js"

const script = new URL("./limitsWorker.ts", import.meta.url)

const size =
  process.env["SEALANT_TESTS"] === "all"
    ? { processes: 8, jobs: 10_000, kills: 40, commits: 300 }
    : { processes: 3, jobs: 300, kills: 5, commits: 40 }

const leaseMs = 300
const limit = 3

/**
 * Owner `a` and the jobs without an owner have the default limit, `c` also keys with the same limit. `b` has keys with
 * the limit, and a limit of its own that it never reaches.
 */
const seed = Effect.gen(function* () {
  yield* Migrations.run
  const sql = yield* SqlClient.SqlClient
  const limits = yield* OwnerLimitsRepo
  yield* sql`
    INSERT INTO user (id, name, email, created_at, updated_at)
    SELECT value, value, value || '@example.com', 0, 0 FROM json_each('["a", "b", "c"]')`
  yield* limits.setDefaults({ maxRunningBuilds: limit })
  yield* limits.set({ ownerUserId: "b", maxRunningBuilds: 1000 })
  yield* sql`
    CREATE TABLE job_changes (
      position INTEGER PRIMARY KEY, job_id TEXT NOT NULL, bucket TEXT NOT NULL, concurrency_key TEXT,
      before TEXT NOT NULL, after TEXT NOT NULL, outcome TEXT, taken_over INTEGER NOT NULL) STRICT`
  yield* sql`
    CREATE TRIGGER job_changes_record AFTER UPDATE OF status, lease_token ON oci_image_build_jobs
    BEGIN
      INSERT INTO job_changes (job_id, bucket, concurrency_key, before, after, outcome, taken_over)
      VALUES (NEW.id, coalesce(NEW.owner_user_id, ''), NEW.concurrency_key, OLD.status, NEW.status, NEW.lease_outcome,
        OLD.status = 'running' AND NEW.status = 'running' AND NEW.lease_token > OLD.lease_token);
    END`
  yield* sql`
    INSERT INTO oci_image_build_jobs (id, owner_user_id, priority, concurrency_key, concurrency_limit, registry_id,
      repository, tag, request_payload, max_attempts, available_at, created_at, updated_at)
    WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${size.jobs})
    SELECT 'job-' || n, nullif(substr('abc ', n % 4 + 1, 1), ' '), 3 + n % 3,
      CASE WHEN n % 4 IN (1, 2) THEN 'key-' || (n / 4 % 2) END, ${limit}, 'r', 'r', 't',
      '{"source":"https://github.com/acme/app","harness":"codex"}', 1000, n, n, n
    FROM numbers`
})

interface Change {
  readonly jobId: string
  readonly bucket: string
  readonly key: string | null
  readonly before: string
  readonly after: string
  readonly outcome: string | null
  readonly takenOver: 0 | 1
}

/** Returns the most jobs that ran at any instant, by owner and by owner and key. */
const peaksOf = (changes: ReadonlyArray<Change>) => {
  const running = new Map<string, Set<string>>()
  const peaks: Record<string, number> = {}
  for (const { after, bucket, jobId, key } of changes) {
    for (const group of [bucket, ...(key === null ? [] : [`${bucket}/${key}`])]) {
      const jobs = running.get(group) ?? new Set()
      running.set(group, jobs)
      if (after === "running") jobs.add(jobId)
      else jobs.delete(jobId)
      peaks[group] = Math.max(peaks[group] ?? 0, jobs.size)
    }
  }
  return peaks
}

const deathOf = (random: Random): Death => {
  const at = random.pick(["statement", "before COMMIT", "after COMMIT"] as const) ?? "statement"
  return { at, number: 1 + random.below(size.commits * (at === "statement" ? 3 : 1)) }
}

it.scopedLive(
  "owners and keys never run more jobs than their limit, across kills, expiry, release, retry, cancellation and redrive",
  () =>
    Effect.gen(function* () {
      const filePath = join(yield* temporaryDirectory, "limits.sqlite")
      const random = randomOf(14)
      let kills = 0
      let started = 0

      /** Runs a process until it ends. Replaces it when it was killed. */
      const place = Effect.gen(function* () {
        for (;;) {
          const death: Death = started < size.kills ? deathOf(random) : { at: "never" }
          const worker = yield* child<LimitsReport>(script, {
            filePath,
            workerId: `worker-${++started}`,
            seed: random.below(2 ** 31),
            leaseMs,
            death
          } satisfies LimitsWorkerOptions)
          yield* Effect.promise(() => worker.first("ready"))
          worker.writeLine("go")
          const { errors, signal } = yield* Effect.promise(() => worker.ended)
          expect(errors).toBe("")
          if (signal === null) return
          expect(signal).toBe("SIGKILL")
          kills += 1
        }
      })

      yield* Effect.gen(function* () {
        yield* seed
        yield* Effect.all(
          Array.from({ length: size.processes }, () => place),
          { concurrency: "unbounded", discard: true }
        )
        const sql = yield* SqlClient.SqlClient
        const changes = yield* sql<Change>`
          SELECT job_id AS "jobId", bucket, concurrency_key AS key, before, after, outcome, taken_over AS "takenOver"
          FROM job_changes ORDER BY position`
        const peaks = peaksOf(changes)
        // `b` is limited by its two keys only.
        expect(Object.entries(peaks).filter(([group, peak]) => peak > (group === "b" ? 2 : 1) * limit)).toEqual([])
        // Otherwise too few jobs ran at once to test the limit.
        expect(Object.values(peaks)).toContain(limit)
        const count = (is: (change: Change) => boolean) => changes.filter(is).length
        expect(kills).toBeGreaterThan(0)
        expect(count(({ outcome, takenOver }) => takenOver === 1 || outcome === "expired")).toBeGreaterThan(0)
        for (const outcome of ["released", "retried", "failed", "cancelled"])
          expect(count((change) => change.outcome === outcome)).toBeGreaterThan(0)
        expect(count(({ after, before }) => before === "failed" && after === "queued")).toBeGreaterThan(0)
        expect(yield* Effect.flatMap(BuildQueueRepo, ({ drift }) => drift)).toBe(0)
      }).pipe(
        Effect.provide(
          Layer.provideMerge(
            Layer.mergeAll(OwnerLimitsRepo.layer, BuildQueueRepo.layer),
            Database.layer({ filePath, synchronous: "normal" })
          )
        )
      )
    }),
  600_000
)
