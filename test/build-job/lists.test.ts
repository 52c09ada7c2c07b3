import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { WorkspaceBuildJobStatus } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxAttemptId } from "../../src/sandbox/SandboxAttempt.js"
import { NotFound } from "../../src/Errors.js"
import { at, badNames, gone, idsOf, layers, make, pages, refusalOf, type Services, shell, tagOf } from "./support.js"

/** The contract of reads. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`WorkspaceBuildJobRepo lists (${name})`, () => {
    it.effect("finds and gets a job by its id", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const job = yield* make.buildJob()
        expect(yield* jobs.findById(job.id)).toEqual(Option.some(job))
        expect(yield* jobs.getById(job.id)).toEqual(job)
        expect(yield* jobs.findById(gone)).toEqual(Option.none())
        expect(yield* refusalOf(jobs.getById(gone))).toEqual(new NotFound({ entity: "WorkspaceBuildJob", id: gone }))
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns the newest job of an attempt, ties by the last id", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { id: attemptId } = yield* make.attempt()
        yield* make.buildJob({ id: "old-z", attemptId, createdAt: at(1) })
        yield* make.buildJob({ id: "new-a", attemptId, createdAt: at(2) })
        const newest = yield* make.buildJob({ id: "new-b", attemptId, createdAt: at(2), status: "failed" })
        yield* make.buildJob({ id: "of-no-run", createdAt: at(9) })
        expect(yield* jobs.findLatestByAttemptId(attemptId)).toEqual(Option.some(newest))
        expect(yield* jobs.findLatestByAttemptId(SandboxAttemptId.make("gone"))).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns the newest job of each of ten thousand attempts", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* make.attempt({ id: "run-0" })
        yield* shell(
          `
          INSERT INTO sandbox_attempts (id, owner_user_id, queued_at, created_at, updated_at)
          SELECT 'run-' || value, (SELECT id FROM user), 0, 0, 0 FROM json_each(?)`,
          series(1, 9999)
        )
        yield* shell(
          `
          INSERT INTO oci_image_build_jobs (id, run_id, registry_id, repository, tag, request_payload, available_at, created_at, updated_at)
          SELECT 'job-' || value, 'run-' || (value % 5000), 'r', 'r', 't', '{"source":"https://github.com/acme/app","harness":"codex"}', 0, value, 0
          FROM json_each(?)`,
          series(0, 9999)
        )
        const attemptIds = Array.from({ length: 10_000 }, (_, index) => SandboxAttemptId.make(`run-${index}`))
        const latest = yield* jobs.listLatestByAttemptIds(attemptIds)
        expect(latest.size).toBe(5000)
        for (let run = 0; run < 5000; run += 499)
          expect(latest.get(SandboxAttemptId.make(`run-${run}`))?.id).toBe(`job-${run + 5000}`)
        expect(latest.has(SandboxAttemptId.make("run-5000"))).toBe(false)
        expect(yield* jobs.listLatestByAttemptIds([])).toEqual(new Map())
        expect(
          (yield* jobs.listLatestByAttemptIds(Array.from({ length: 3 }, () => SandboxAttemptId.make("run-7")))).size
        ).toBe(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists the jobs of one status, newest first", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (const status of WorkspaceBuildJobStatus.literals) {
          for (const created of [2, 1, 3])
            yield* make.buildJob({ id: `${status}-${created}`, status, createdAt: at(created) })
        }
        for (const status of WorkspaceBuildJobStatus.literals) {
          const page = yield* jobs.listByStatus({ status })
          expect(idsOf(page.items)).toEqual([`${status}-3`, `${status}-2`, `${status}-1`])
          expect(page.nextCursor).toEqual(Option.none())
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns each job once in pages while jobs are enqueued", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (let index = 0; index < 25; index++)
          yield* make.buildJob({ id: `job-${String(index).padStart(2, "0")}`, createdAt: at(Math.floor(index / 4)) })
        yield* TestClock.setTime(100)
        const expected = Array.from({ length: 25 }, (_, index) => `job-${String(24 - index).padStart(2, "0")}`)
        for (const limit of [1, 4, 7, 25, 500]) {
          const listed = yield* pages(
            (page) => jobs.listByStatus({ status: "queued", ...page }),
            limit,
            make.buildJob()
          )
          expect(
            idsOf(listed).filter((id) => id.startsWith("job-") && id.length === 6),
            String(limit)
          ).toEqual(expected)
        }
        expect((yield* jobs.listByStatus({ status: "queued" })).items).toHaveLength(50)
      }).pipe(Effect.provide(layer))
    )

    it.effect("list rejects invalid filters", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const bad = [
          ...[0, 501, 1.5, Number.NaN].map((limit) => ({ limit })),
          ...["", "!", "W10", badNames.huge].map((cursor) => ({ cursor })),
          { status: "dead" as "queued" }
        ]
        for (const request of bad) {
          expect(
            yield* tagOf(jobs.listByStatus({ status: "queued", ...request })),
            JSON.stringify(request).slice(0, 80)
          ).toBe("InvalidInput")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("counts the jobs of the queue", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const none = { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 }
        expect(yield* jobs.stats).toEqual({ byStatus: none, due: 0, oldestDueAt: Option.none() })
        for (const status of ["succeeded", "failed", "cancelled"] as const)
          yield* make.buildJob({ status, availableAt: at(1) })
        yield* make.buildJob({ availableAt: at(1000) })
        yield* make.claimedJob({ leaseExpiresAt: at(1000) })
        expect(yield* jobs.stats).toEqual({
          byStatus: { queued: 1, running: 1, succeeded: 1, failed: 1, cancelled: 1 },
          due: 0,
          oldestDueAt: Option.none()
        })
        yield* make.buildJob({ availableAt: at(70) })
        yield* make.claimedJob({ leaseExpiresAt: at(60), availableAt: at(0) })
        yield* make.claimedJob({ leaseExpiresAt: at(50), attemptCount: 3, maxAttempts: 3 })
        yield* TestClock.setTime(100)
        const { byStatus, ...due } = yield* jobs.stats
        expect(byStatus).toMatchObject({ queued: 2, running: 3 })
        // Without the job that has no attempts left: it can only be failed.
        expect(due).toEqual({ due: 2, oldestDueAt: Option.some(at(60)) })
      }).pipe(Effect.provide(layer))
    )

    it.effect("names the column of an invalid row without its value", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { id } = yield* make.buildJob()
        yield* shell(
          "UPDATE oci_image_build_jobs SET request_payload = ? WHERE id = ?",
          JSON.stringify({ env: { TOKEN: "secret" } }),
          id
        )
        expect(yield* refusalOf(jobs.getById(id))).toMatchObject({
          operation: "WorkspaceBuildJobRepo.getById",
          reason: "CorruptRow",
          cause: "WorkspaceBuildJob.requestPayload"
        })
      }).pipe(Effect.provide(layer))
    )
  })

const series = (first: number, last: number) =>
  JSON.stringify(Array.from({ length: last - first + 1 }, (_, index) => first + index))

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
