import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { unreadableJob, WorkspaceBuildJobId } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { claimant, enqueue, idsOf, layers, leased, make, type Services, shell, tagOf, unsettled } from "./support.js"

const broken = WorkspaceBuildJobId.make("broken")

/** A spec that was valid before a release with a stricter schema. */
const breakSpec = shell(
  `UPDATE oci_image_build_jobs SET request_payload = '{"harness":"retired"}' WHERE id = ?`,
  broken
)

const errorCodeOf = (id: string) =>
  shell("SELECT status, error_code AS code FROM oci_image_build_jobs WHERE id = ?", id)

/** An unreadable row does not affect others. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`WorkspaceBuildJobRepo with a job that cannot be read (${name})`, () => {
    it.effect("hands out the other jobs, and fails that one", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (const id of ["a", broken, "c"]) yield* enqueue(id)
        yield* breakSpec
        const claimed = yield* jobs.claimBatch({ ...claimant, limit: 10 })
        expect(claimed.map(({ job }) => job.id)).toEqual(["a", "c"])
        expect(yield* errorCodeOf(broken)).toEqual([{ status: "failed", code: unreadableJob }])
        expect(yield* tagOf(jobs.getById(broken))).toBe("PersistenceError")
      }).pipe(Effect.provide(layer))
    )

    it.effect("reaps the other jobs, and fails that one", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        for (const id of ["a", broken, "c"]) yield* leased(id)
        yield* breakSpec
        yield* TestClock.adjust("1 hour")
        expect(idsOf(yield* jobs.reapExpired(10))).toEqual(["a", "c"])
        expect(yield* errorCodeOf(broken)).toMatchObject([{ status: "queued" }])
        expect(yield* jobs.claimById({ ...claimant, id: broken })).toEqual(Option.none())
        expect(yield* errorCodeOf(broken)).toEqual([{ status: "failed", code: unreadableJob }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports the end of the job to its attempt", () =>
      Effect.gen(function* () {
        const jobs = yield* WorkspaceBuildJobRepo
        const { id: attemptId } = yield* make.attempt({ status: "running" })
        yield* make.buildJob({ id: broken, attemptId })
        yield* breakSpec
        yield* jobs.claimById({ ...claimant, id: broken })
        expect(yield* unsettled).toEqual([broken])
        expect(Option.map(yield* jobs.findLatestStateByAttemptId(attemptId), ({ id }) => id)).toEqual(
          Option.some(broken)
        )
        yield* jobs.markSettled(broken)
        expect(yield* unsettled).toEqual([])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
