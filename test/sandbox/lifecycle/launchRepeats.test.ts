import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option } from "effect"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { fingerprint } from "../../../src/sql/fingerprint.js"
import {
  ada,
  claim,
  counts,
  eve,
  layers,
  refusalOf,
  request,
  type Services,
  shell,
  specification,
  tagOf
} from "./support.js"

const keyed = { ...request, idempotencyKey: "key" }
const key = { ownerUserId: ada, idempotencyKey: "key" }
const resolvedSpec = { ...specification, env: { A: "1", B: "2", C: "3" } }
const resolvedLater = { ...specification, env: { A: "1", B: "2", C: "4" } }

const further = {
  id: "sbx_mine",
  triggerRef: "delivery-7",
  profileConfigSnapshot: { shell: "zsh" },
  repositoryProfileConfigSnapshot: { depth: 1 },
  availableAt: DateTime.unsafeMake(60_000),
  maxAttempts: 7
}

/** The contract of `findLaunch`, and of repeated launches. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`repeated launches (${name})`, () => {
    it.effect("findLaunch returns the current state of the launch with the key of the owner", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        expect(yield* lifecycle.findLaunch(key)).toEqual(Option.none())
        const first = yield* lifecycle.launch({ ...keyed, resolvedSpec })
        expect(yield* lifecycle.findLaunch(key)).toEqual(Option.some({ ...first, created: false }))
        const { lease } = yield* claim(first)
        yield* lifecycle.beginBuild(lease)
        expect(yield* lifecycle.findLaunch(key)).toMatchObject(
          Option.some({ sandbox: { status: "running" }, job: { status: "running" }, created: false })
        )
        for (const other of [{ ownerUserId: eve }, { idempotencyKey: "other" }]) {
          expect(yield* lifecycle.findLaunch({ ...key, ...other })).toEqual(Option.none())
        }
        expect(yield* tagOf(lifecycle.findLaunch({ ...key, idempotencyKey: "" }))).toBe("InvalidInput")
        const paged = { ...key, limit: 1 }
        expect(yield* tagOf(lifecycle.findLaunch(paged))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("findLaunch returns None when the attempt, the job or the sandbox of the launch was deleted", () =>
      Effect.gen(function* () {
        const { findLaunch, launch } = yield* SandboxLifecycle
        const { attempt, job, sandbox } = yield* launch(keyed)
        for (const [table, id] of [
          ["oci_image_build_jobs", job.id],
          ["sandbox_attempts", attempt.id],
          ["sandboxes", sandbox.id]
        ] as const) {
          expect((yield* findLaunch(key))._tag, table).toBe(table === "oci_image_build_jobs" ? "Some" : "None")
          yield* shell(`DELETE FROM ${table} WHERE id = ?`, id)
          expect(yield* findLaunch(key), table).toEqual(Option.none())
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "a repeat may contain another resolved specification, id and snapshot, and returns the first result",
      () =>
        Effect.gen(function* () {
          const { launch } = yield* SandboxLifecycle
          const first = yield* launch({ ...keyed, ...further, resolvedSpec })
          const before = yield* counts
          for (const other of [
            { resolvedSpec: resolvedLater },
            { resolvedSpec: undefined },
            { id: "sbx_other" },
            { profileConfigSnapshot: { shell: "fish" }, repositoryProfileConfigSnapshot: undefined },
            { availableAt: DateTime.unsafeMake(90_000), maxAttempts: undefined }
          ]) {
            expect(yield* launch({ ...keyed, ...further, resolvedSpec, ...other })).toEqual({
              ...first,
              created: false
            })
          }
          expect(yield* refusalOf(launch({ ...keyed, ...further, triggerRef: "delivery-8" }))).toMatchObject({
            _tag: "IdempotencyConflict"
          })
          expect(yield* counts).toEqual(before)
        }).pipe(Effect.provide(layer))
    )

    it.effect("a repeat is recognised when its profile can no longer be applied", () =>
      Effect.gen(function* () {
        const { launch } = yield* SandboxLifecycle
        const request = { ...keyed, profileRevisionId: "ada-profile" }
        const first = yield* launch(request)
        yield* shell("DROP TRIGGER profile_revisions_immutable")
        yield* shell(`UPDATE profile_revisions SET config_patch = '{"os":"beos"}' WHERE id = 'ada-profile'`)
        expect(yield* launch(request)).toEqual({ ...first, created: false })
      }).pipe(Effect.provide(layer))
    )

    it.effect("keys of earlier releases still identify their requests, with and without a resolved specification", () =>
      Effect.gen(function* () {
        const { launch } = yield* SandboxLifecycle
        yield* shell("DROP TRIGGER sandbox_launch_keys_immutable")
        for (const given of [request, { ...request, resolvedSpec }]) {
          const idempotencyKey = `key-${Object.keys(given).length}`
          const first = yield* launch({ ...given, idempotencyKey })
          // The fingerprint of those releases covered all fields.
          yield* shell(
            "UPDATE sandbox_launch_keys SET request_fingerprint = ? WHERE idempotency_key = ?",
            fingerprint(given),
            idempotencyKey
          )
          expect(yield* launch({ ...given, idempotencyKey })).toEqual({ ...first, created: false })
          expect(yield* tagOf(launch({ ...given, idempotencyKey, name: "two" }))).toBe("IdempotencyConflict")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("the fingerprint of a request without the new fields is that of earlier releases", () =>
      Effect.gen(function* () {
        const { launch } = yield* SandboxLifecycle
        yield* launch(keyed)
        expect(yield* shell("SELECT request_fingerprint AS stored FROM sandbox_launch_keys")).toEqual([
          { stored: fingerprint(request) }
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores id, trigger, snapshots, earliest build and claims; a retry keeps the snapshots and claims", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const launched = yield* lifecycle.launch({ ...request, ...further })
        const { profileConfigSnapshot, repositoryProfileConfigSnapshot } = further
        const snapshots = {
          profileConfigSnapshot: Option.some(profileConfigSnapshot),
          repositoryProfileConfigSnapshot: Option.some(repositoryProfileConfigSnapshot)
        }
        expect(launched).toMatchObject({
          sandbox: { id: "sbx_mine" },
          attempt: { triggerRef: Option.some("delivery-7") },
          snapshot: snapshots,
          job: { availableAt: further.availableAt, maxAttempts: 7 }
        })
        expect(yield* (yield* WorkspaceBuildJobRepo).getById(launched.job.id)).toEqual(launched.job)
        yield* lifecycle.stop("sbx_mine")
        expect(yield* lifecycle.retry("sbx_mine")).toMatchObject({ snapshot: snapshots, job: { maxAttempts: 7 } })
      }).pipe(Effect.provide(layer))
    )

    it.effect("an id of an existing sandbox is refused, and nothing is stored", () =>
      Effect.gen(function* () {
        const { launch } = yield* SandboxLifecycle
        yield* launch({ ...request, id: "sbx_mine" })
        const before = yield* counts
        for (const idempotencyKey of [undefined, "key"]) {
          expect(
            yield* refusalOf(launch({ ...request, ownerUserId: eve, id: "sbx_mine", idempotencyKey }))
          ).toMatchObject({ _tag: "AlreadyExists", entity: "Sandbox", constraint: "sandboxes.id" })
        }
        expect(yield* counts).toEqual(before)
      }).pipe(Effect.provide(layer))
    )

    it.effect("concurrent repeats with the same id launch one sandbox", () =>
      Effect.gen(function* () {
        const { launch } = yield* SandboxLifecycle
        const results = yield* Effect.all(
          Array.from({ length: 10 }, () => launch({ ...keyed, id: "sbx_mine" })),
          { concurrency: "unbounded" }
        )
        expect(results.filter(({ created }) => created)).toHaveLength(1)
        expect(new Set(results.map(({ attempt }) => attempt.id)).size).toBe(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid values of the fields of job and snapshot by their path", () =>
      Effect.gen(function* () {
        const { launch } = yield* SandboxLifecycle
        for (const [path, bad] of Object.entries({
          maxAttempts: { maxAttempts: 0 },
          triggerRef: { triggerRef: "" },
          id: { id: "" },
          profileConfigSnapshot: { profileConfigSnapshot: { depth: Number.NaN } }
        })) {
          const error = yield* refusalOf(launch({ ...request, ...bad }))
          expect(error, path).toMatchObject({ _tag: "InvalidInput", operation: "SandboxLifecycle.launch" })
          expect(error.message).toContain(path)
        }
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
