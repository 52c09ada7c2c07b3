import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, DateTime, Effect, FastCheck, type Layer, Option, Schema, TestClock } from "effect"
import { EnqueueJob, WorkspaceBuildJob, WorkspaceBuildJobId } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { IdempotencyConflict, ReferenceNotFound } from "../../src/Errors.js"
import { fingerprint } from "../../src/sql/fingerprint.js"
import { at, badNames, claimant, gone, layers, make, refusalOf, request, type Services, tagOf } from "./support.js"

const sentinel = "correct-horse-battery-staple"

const enqueueInvalid = (given: object) =>
  Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => refusalOf(jobs.enqueue({ ...request, ...given })))

/** The contract of `enqueue`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`WorkspaceBuildJobRepo.enqueue (${name})`, () => {
    it.effect("queues the input, due at once", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* TestClock.setTime(1000)
        const { created, job } = yield* jobs.enqueue(request)
        expect(created).toBe(true)
        expect(job.id).toMatch(/^job_/)
        expect(job).toMatchObject({
          ...request,
          status: "queued",
          attemptCount: 0,
          maxAttempts: 3,
          leaseToken: 0,
          availableAt: at(1000),
          createdAt: at(1000),
          updatedAt: at(1000)
        })
        const absent = [
          "attemptId",
          "idempotencyKey",
          "workerId",
          "claimedAt",
          "leaseExpiresAt",
          "leaseOutcome",
          "startedAt",
          "finishedAt",
          "resultPayload",
          "cancelReason"
        ] as const
        for (const field of absent) expect(job[field], field).toEqual(Option.none())
        expect(yield* jobs.getById(job.id)).toEqual(job)
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores each field of the input", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { id: attemptId } = yield* make.attempt()
        const given = {
          id: WorkspaceBuildJobId.make("job"),
          idempotencyKey: "key",
          availableAt: at(5000),
          maxAttempts: 7
        }
        const { job } = yield* jobs.enqueue({ ...request, ...given, attemptId })
        expect(job).toMatchObject({ ...given, attemptId: Option.some(attemptId), idempotencyKey: Option.some("key") })
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns the row that it stored, for any input", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { id: ownerUserId } = yield* make.user()
        const { id: attemptId } = yield* make.attempt({ ownerUserId })
        const inputs = FastCheck.sample(Arbitrary.make(EnqueueJob), 40)
        for (const [index, input] of inputs.entries()) {
          const now = 1000 + index
          yield* TestClock.setTime(now)
          const { availableAt, id: _, idempotencyKey, ...encoded } = Schema.encodeSync(EnqueueJob)(input)
          const { created, job } = yield* jobs.enqueue({
            ...encoded,
            attemptId: encoded.attemptId === undefined ? undefined : attemptId,
            ownerUserId: encoded.ownerUserId === undefined ? undefined : ownerUserId,
            // The range of the column.
            availableAt: availableAt && DateTime.unsafeMake(Math.abs(availableAt.epochMillis)),
            idempotencyKey: idempotencyKey && `${index} ${idempotencyKey}`.slice(0, 1000)
          })
          const stored = yield* jobs.getById(job.id)
          expect(created).toBe(true)
          expect(job).toBeInstanceOf(WorkspaceBuildJob)
          expect(job).toStrictEqual(stored)
          expect(JSON.stringify(job)).toBe(JSON.stringify(stored))
          expect(Object.isFrozen(job.requestPayload)).toBe(true)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns the first job for the same key and request, whatever its state", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const first = yield* jobs.enqueue({ ...request, idempotencyKey: "key" })
        yield* jobs.claimById({ ...claimant, id: first.job.id })
        const replay = {
          ...request,
          requestPayload: { env: { B: "2", A: "1" }, harness: "opencode", source: "https://github.com/acme/app" },
          idempotencyKey: "key"
        } as const
        const running = yield* jobs.getById(first.job.id)
        expect(yield* jobs.enqueue(replay)).toEqual({ job: running, created: false })
        // Fields that are not part of the request: due time, attempts, id.
        expect(yield* jobs.enqueue({ ...replay, maxAttempts: 9, availableAt: at(9) })).toEqual({
          job: running,
          created: false
        })
        expect(yield* jobs.enqueue({ ...replay, id: "another" })).toEqual({ job: running, created: false })
        expect(yield* jobs.enqueue({ ...replay, id: first.job.id })).toEqual({ job: running, created: false })
        expect((yield* jobs.stats).byStatus).toMatchObject({ queued: 0, running: 1 })
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "the fingerprint of a request without maxDuration is that of earlier releases, and equal durations have one fingerprint",
      () =>
        Effect.gen(function* () {
          const jobs = yield* WorkspaceBuildJobRepo
          const { registryId, repository, requestPayload, tag } = request
          const { job } = yield* jobs.enqueue(request)
          expect(job.requestFingerprint).toEqual(
            Option.some(fingerprint({ runId: null, registryId, repository, tag, requestPayload }))
          )
          const first = yield* jobs.enqueue({ ...request, idempotencyKey: "key", maxDuration: "1 hour" })
          expect(first.job.maxDurationMs).toEqual(Option.some(3_600_000))
          expect(yield* jobs.enqueue({ ...request, idempotencyKey: "key", maxDuration: 3_600_000 })).toEqual({
            job: first.job,
            created: false
          })
          expect(yield* enqueueInvalid({ maxDuration: 0 })).toMatchObject({
            _tag: "InvalidInput",
            issues: [expect.stringContaining("maxDuration: ")]
          })
        }).pipe(Effect.provide(layer))
    )

    it.effect("rejects the same key with another request", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { id: attemptId } = yield* make.attempt()
        const keyed = { ...request, idempotencyKey: "key" }
        yield* jobs.enqueue(keyed)
        const others = [
          { ...keyed, attemptId },
          { ...keyed, registryId: "other" },
          { ...keyed, repository: "other" },
          { ...keyed, tag: "other" },
          { ...keyed, maxDuration: "1 hour" },
          { ...keyed, requestPayload: { ...request.requestPayload, harness: "codex" } }
        ] as const
        for (const other of others)
          expect(yield* refusalOf(jobs.enqueue(other))).toEqual(new IdempotencyConflict({ key: "key" }))
        expect((yield* jobs.stats).byStatus.queued).toBe(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("creates one job for a key when twenty callers enqueue it concurrently", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const enqueue = jobs.enqueue({ ...request, idempotencyKey: "key" })
        const answers = yield* Effect.all(
          Array.from({ length: 20 }, () => enqueue),
          { concurrency: "unbounded" }
        )
        expect(answers.filter(({ created }) => created)).toHaveLength(1)
        expect(new Set(answers.map(({ job }) => job.id)).size).toBe(1)
        expect((yield* jobs.stats).byStatus.queued).toBe(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("accepts many jobs without a key, and finds each by its key", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* Effect.all([jobs.enqueue(request), jobs.enqueue(request)])
        const { job } = yield* jobs.enqueue({ ...request, idempotencyKey: "key" })
        expect((yield* jobs.stats).byStatus.queued).toBe(3)
        expect(yield* jobs.findByIdempotencyKey("key")).toEqual(Option.some(job))
        expect(yield* jobs.findByIdempotencyKey("other")).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects a duplicate id and an unknown attempt", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        yield* jobs.enqueue({ ...request, id: "job" })
        expect(yield* refusalOf(jobs.enqueue({ ...request, id: "job" }))).toMatchObject({
          _tag: "AlreadyExists",
          entity: "WorkspaceBuildJob",
          constraint: "oci_image_build_jobs.id"
        })
        expect(yield* refusalOf(jobs.enqueue({ ...request, attemptId: gone }))).toEqual(
          new ReferenceNotFound({ entity: "WorkspaceBuildJob", reference: "attemptId" })
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("names an invalid field without its value", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (const field of ["id", "attemptId", "registryId", "repository", "tag", "idempotencyKey"]) {
          for (const [what, value] of Object.entries(badNames)) {
            const told = (yield* enqueueInvalid({ [field]: value })).message
            expect(told, `${field}: ${what}`).toMatch(new RegExp(`^WorkspaceBuildJobRepo.enqueue: ${field}: `))
            expect(told.length, `${field}: ${what}`).toBeLessThan(200)
          }
        }
        for (const maxAttempts of [0, -1, 1001, 1.5, Number.NaN]) {
          expect((yield* enqueueInvalid({ maxAttempts })).message).toContain("maxAttempts: ")
        }
        expect((yield* enqueueInvalid({ availableAt: at(-1) }))._tag).toBe("InvalidInput")
        expect((yield* jobs.stats).byStatus.queued).toBe(0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports the path and the rule of an invalid spec, and none of its values", () =>
      Effect.gen(function* () {
        const specs: ReadonlyArray<object> = [
          { source: sentinel, harness: "opencode" },
          { source: "https://github.com/acme/app", harness: sentinel },
          { source: "https://github.com/acme/app", harness: "opencode", env: { TOKEN: { secret: sentinel } } },
          {
            source: "https://github.com/acme/app",
            harness: "opencode",
            env: { TOKEN: sentinel },
            runtime: { env: { TOKEN: sentinel } }
          },
          { source: "https://github.com/acme/app", harness: "opencode", env: { TOKEN: sentinel }, unknown: sentinel },
          { harness: "opencode", env: { TOKEN: sentinel } },
          { source: "https://github.com/acme/app", harness: "opencode", setup: [{ run: "", shell: sentinel }] }
        ]
        for (const requestPayload of specs) {
          const error = yield* enqueueInvalid({ requestPayload })
          expect(error._tag).toBe("InvalidInput")
          expect(error.message).toContain("requestPayload")
          expect(JSON.stringify(error) + error.message + String(error)).not.toContain(sentinel)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("does not hand out a job before its availableAt", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const {
          job: { id }
        } = yield* jobs.enqueue({ ...request, availableAt: at(1000) })
        yield* TestClock.setTime(999)
        expect(yield* jobs.claimNext(claimant)).toEqual(Option.none())
        expect(yield* jobs.claimBatch({ ...claimant, limit: 10 })).toEqual([])
        expect(yield* jobs.claimById({ ...claimant, id })).toEqual(Option.none())
        yield* TestClock.setTime(1000)
        expect(Option.isSome(yield* jobs.claimById({ ...claimant, id }))).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("joins the caller's transaction", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { withTransaction } = yield* SqlClient.SqlClient
        const keyed = jobs.enqueue({ ...request, idempotencyKey: "key" })
        expect(
          yield* tagOf(
            withTransaction(Effect.zipRight(Effect.all([keyed, keyed]), new IdempotencyConflict({ key: "" })))
          )
        ).toBe("IdempotencyConflict")
        expect(yield* jobs.findByIdempotencyKey("key")).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
