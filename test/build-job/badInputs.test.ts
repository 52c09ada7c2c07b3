/**
 * The methods of the queue for programs without types: invalid values fail with `InvalidInput`, and change nothing.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { BuildQueueRepo } from "../../src/build-job/BuildQueueRepo.js"
import { OwnerLimitsRepo } from "../../src/build-job/OwnerLimitsRepo.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { overDatabases } from "../support/database.js"
import { tagOf } from "../support/refusals.js"
import { claimant, failure, make, request, shell, success } from "./support.js"

const layer = overDatabases(
  Layer.mergeAll(WorkspaceBuildJobRepo.layer, OwnerLimitsRepo.layer, BuildQueueRepo.layer)
).memory

/** Values that are invalid wherever a positive number is expected. */
const noNumbers = [null, "1", "", {}, [], true, -1, 1.5, NaN, Infinity, 1e308, 2 ** 53, 5n, Symbol("s"), () => 1]

/** Values that are invalid wherever a text is expected. */
const noTexts = [null, 1, NaN, {}, [], true, "", "a\0b", "\ud800", "x".repeat(10_000), 5n, Symbol("s"), () => 1]

/** Calls a method with a value of any type, as a program without types does. Returns the tag of its error, or `ok`. */
const untyped =
  (method: (input: never) => Effect.Effect<unknown, unknown>) =>
  (input: unknown): Effect.Effect<string> =>
    Effect.suspend(() => tagOf(Reflect.apply(method, undefined, [input])))

const lease = { jobId: "gone", workerId: "one", token: 1 }

describe("invalid inputs of the build queue", () => {
  it.effect("are refused in every field of the queue's own inputs", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      const limits = yield* OwnerLimitsRepo
      const queue = yield* BuildQueueRepo
      yield* make.user({ id: "a", email: "a@example.com" })
      const many = (job: object) => untyped(jobs.enqueueMany)([{ ...request, ...job }])
      const calls: ReadonlyArray<readonly [string, ReadonlyArray<unknown>, (value: unknown) => Effect.Effect<string>]> =
        [
          ...["concurrencyLimit", "startsPerMinute", "priority"].flatMap(
            (field) =>
              [
                [`enqueue ${field}`, noNumbers, (value) => untyped(jobs.enqueue)({ ...request, [field]: value })],
                [`enqueueMany ${field}`, noNumbers, (value) => many({ [field]: value })]
              ] satisfies ReadonlyArray<
                readonly [string, ReadonlyArray<unknown>, (value: unknown) => Effect.Effect<string>]
              >
          ),
          ["enqueue key", noTexts, (concurrencyKey) => untyped(jobs.enqueue)({ ...request, concurrencyKey })],
          ["enqueueMany key", noTexts, (concurrencyKey) => many({ concurrencyKey })],
          ["setPriority", noNumbers, (priority) => untyped(jobs.setPriority)({ id: "gone", priority })],
          ...["weight", "maxRunningBuilds", "maxQueuedBuilds", "maxLiveSandboxes"].map(
            (field) =>
              [
                `limits ${field}`,
                noNumbers,
                (value: unknown) => untyped(limits.set)({ ownerUserId: "a", [field]: value })
              ] as const
          ),
          ["pause", noTexts, (id) => untyped(queue.pause)({ part: { scope: "owner", id } })],
          ["pause scope", [...noTexts, "worker"], (scope) => untyped(queue.pause)({ part: { scope, id: "a" } })],
          ["resume", noTexts, (id) => untyped(queue.resume)({ scope: "registry", id })],
          ["load", noNumbers, untyped(queue.load)],
          ["summarize", noNumbers, untyped(queue.summarize)],
          ["claimBatch", noNumbers, (limit) => untyped(jobs.claimBatch)({ ...claimant, limit })],
          ["claimNext", noTexts, (workerId) => untyped(jobs.claimNext)({ ...claimant, workerId })]
        ]
      for (const [name, values, call] of calls)
        for (const value of values) expect(yield* call(value), `${name} ${String(value)}`).toBe("InvalidInput")
      expect(
        yield* shell("SELECT id FROM oci_image_build_jobs UNION ALL SELECT owner_user_id FROM owner_limits")
      ).toEqual([])
      expect(yield* queue.listPauses).toEqual([])
    }).pipe(Effect.provide(layer))
  )

  it.effect("are refused as lists and items of batches, without an effect on the other items", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      const noLists = [null, undefined, NaN, 1, "x", "", {}, true, Symbol("s"), () => 1]
      const noItems = [
        ...noLists,
        { outcome: success },
        { lease: null, outcome: success },
        ...[null, 1, true, 5n, {}].flatMap((value) => [
          { lease: { ...lease, jobId: value }, outcome: success },
          { lease: { ...lease, workerId: value }, outcome: success }
        ]),
        ...[null, "1", 5n, {}].map((token) => ({ lease: { ...lease, token }, outcome: success })),
        { lease, outcome: null },
        { lease, outcome: { ...success, surprise: 1 } }
      ]
      const methods: Readonly<Record<string, (input: never) => Effect.Effect<unknown, unknown>>> = {
        enqueueMany: jobs.enqueueMany,
        succeedMany: jobs.succeedMany,
        failMany: jobs.failMany
      }
      for (const [name, method] of Object.entries(methods)) {
        for (const list of noLists) expect(yield* untyped(method)(list), `${name} ${String(list)}`).toBe("InvalidInput")
        const long = Array.from({ length: 1001 }, () =>
          name === "enqueueMany" ? request : { lease, outcome: failure }
        )
        expect(yield* untyped(method)(long), name).toBe("InvalidInput")
      }
      const { lease: held } = (yield* jobs
        .enqueueMany([request, request])
        .pipe(Effect.zipRight(jobs.claimBatch({ ...claimant, limit: 1 }))))[0] ?? { lease: undefined }
      for (const item of noItems) {
        const batch = [{ lease: held, outcome: success }, item]
        expect(
          yield* untyped(jobs.succeedMany)(batch),
          JSON.stringify(item, (_, value) => String(value))
        ).toBe("InvalidInput")
        expect(yield* untyped(jobs.enqueueMany)([request, item]), String(item)).toBe("InvalidInput")
      }
      expect(yield* shell("SELECT status FROM oci_image_build_jobs ORDER BY status")).toEqual([
        { status: "queued" },
        { status: "running" }
      ])
    }).pipe(Effect.provide(layer))
  )

  it.effect("include misspelled fields of a job in enqueueMany, as in enqueue", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      const misspelled = { ...request, ownerUserID: "a" }
      expect(yield* untyped(jobs.enqueue)(misspelled)).toBe("InvalidInput")
      expect(yield* untyped(jobs.enqueueMany)([request, misspelled])).toBe("InvalidInput")
      expect(yield* shell("SELECT id FROM oci_image_build_jobs")).toEqual([])
    }).pipe(Effect.provide(layer))
  )

  it.effect("that are no objects are refused as requests", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      const limits = yield* OwnerLimitsRepo
      const queue = yield* BuildQueueRepo
      for (const method of [jobs.enqueue, jobs.claimNext, limits.list, limits.set, limits.setDefaults, queue.pause])
        for (const value of [null, 1, "x", true])
          expect(yield* untyped(method)(value), String(value)).toBe("InvalidInput")
    }).pipe(Effect.provide(layer))
  )
})
