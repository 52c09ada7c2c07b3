/**
 * The quotas of owners in launches, and the owner of jobs that programs of the previous release store.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { OwnerLimitsRepo } from "../../../src/build-job/OwnerLimitsRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { ada, claim, failed, launch, layers, request, shell } from "./support.js"

const layer = Layer.provideMerge(OwnerLimitsRepo.layer, layers.memory)

describe("quotas of launches", () => {
  it.effect("launch and retry fail beyond maxLiveSandboxes, store nothing, and succeed after a sandbox has ended", () =>
    Effect.gen(function* () {
      const limits = yield* OwnerLimitsRepo
      const lifecycle = yield* SandboxLifecycle
      const ended = yield* failed
      yield* limits.set({ ownerUserId: ada, maxLiveSandboxes: 1 })
      const first = yield* launch({ idempotencyKey: "first" })
      const refused = { _tag: "QuotaExceeded", quota: "maxLiveSandboxes", limit: 1, used: 1 }
      expect(yield* Effect.flip(launch())).toMatchObject(refused)
      expect(yield* Effect.flip(lifecycle.retry({ ownerUserId: ada, id: ended.sandbox.id }))).toMatchObject(refused)
      expect(yield* shell("SELECT count(*) AS n FROM sandboxes")).toEqual([{ n: 2 }])
      expect((yield* launch({ idempotencyKey: "first" })).created).toBe(false)
      yield* lifecycle.cancel({ ownerUserId: ada, id: first.sandbox.id, reason: "enough" })
      yield* lifecycle.retry({ ownerUserId: ada, id: ended.sandbox.id })
    }).pipe(Effect.provide(layer))
  )

  it.effect("launch fails beyond maxQueuedBuilds until a build is claimed", () =>
    Effect.gen(function* () {
      yield* (yield* OwnerLimitsRepo).setDefaults({ maxQueuedBuilds: 1 })
      const first = yield* launch()
      expect(yield* Effect.flip(launch())).toMatchObject({ quota: "maxQueuedBuilds", limit: 1, used: 1 })
      yield* claim(first)
      yield* launch()
    }).pipe(Effect.provide(layer))
  )

  it.effect("a job without an owner takes that of its attempt, and its place in the share of the owner", () =>
    Effect.gen(function* () {
      const { attempt } = yield* launch()
      yield* shell(
        `INSERT INTO oci_image_build_jobs (id, run_id, registry_id, repository, tag, request_payload, available_at,
          created_at, updated_at) VALUES ('earlier', ?, 'r', 'r', 't', ?, 0, 0, 0)`,
        attempt.id,
        JSON.stringify(request.spec)
      )
      expect(yield* shell("SELECT bucket, queued FROM build_queue_flows WHERE queued > 0")).toEqual([
        { bucket: ada, queued: 2 }
      ])
    }).pipe(Effect.provide(layer))
  )
})
