import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { SandboxAttemptRepo } from "../../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../../../src/sandbox/SandboxRepo.js"
import { WorkspaceBuildJobRepo } from "../../../src/build-job/WorkspaceBuildJobRepo.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { normalizeUserWorkspaceSpec } from "../../../src/payloads/normalize.js"
import {
  ada,
  claim,
  counts,
  eve,
  failed,
  launch,
  launchTables,
  layers,
  ready,
  refusalOf,
  request,
  type Services,
  shell,
  specification,
  stateOf,
  tagOf
} from "./support.js"

const resolvedSpec = { ...specification, env: { A: "1", B: "2", C: "3" } }
const keyed = { ...request, idempotencyKey: "key" }

const nothing = launchTables.map((name) => ({ name, rows: 0 }))
const rowsOf = (launches: number, keys: number) =>
  launchTables.map((name) => ({ name, rows: name === "sandbox_launch_keys" ? keys : launches }))

/** The contract of `launch`, `retry` and `rebuild`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxLifecycle launches (${name})`, () => {
    it.effect("stores all rows of a launch", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1000)
        const launched = yield* launch({
          resolvedSpec,
          repositoryId: "rep",
          profileRevisionId: "ada-profile",
          repositoryProfileRevisionId: "rpr",
          requestedByUserId: eve,
          issueId: "iss",
          triggerType: "api",
          idempotencyKey: "key"
        })
        const { attempt, created, job, sandbox, snapshot } = launched
        const origin = {
          ownerUserId: ada,
          repositoryId: Option.some("rep"),
          profileRevisionId: Option.some("ada-profile"),
          repositoryProfileRevisionId: Option.some("rpr"),
          requestedByUserId: Option.some(eve),
          status: "queued"
        }
        expect(created).toBe(true)
        expect(sandbox).toMatchObject({
          ...origin,
          name: "one",
          latestAttemptId: Option.some(attempt.id),
          archivedAt: Option.none()
        })
        expect(attempt).toMatchObject({
          ...origin,
          issueId: Option.some("iss"),
          triggerType: "api",
          retryOfAttemptId: Option.none(),
          stopRequestedAt: Option.none()
        })
        expect(snapshot).toMatchObject({
          attemptId: attempt.id,
          userSpecPayload: specification,
          resolvedSpecPayload: resolvedSpec,
          blueprintPayload: yield* normalizeUserWorkspaceSpec(resolvedSpec)
        })
        expect(job).toMatchObject({
          attemptId: Option.some(attempt.id),
          status: "queued",
          registryId: "registry",
          repository: "acme/app",
          tag: "latest",
          requestPayload: resolvedSpec,
          availableAt: attempt.createdAt
        })
        const attempts = yield* SandboxAttemptRepo
        expect(yield* (yield* SandboxRepo).getById(sandbox.id)).toEqual(sandbox)
        expect(yield* attempts.getById(attempt.id)).toEqual(attempt)
        expect(yield* attempts.findSnapshot(attempt.id)).toEqual(Option.some(snapshot))
        expect(yield* (yield* WorkspaceBuildJobRepo).getById(job.id)).toEqual(job)
        expect((yield* (yield* SandboxRepo).listAttemptLinks({ sandboxId: sandbox.id })).items).toMatchObject([
          { attemptId: attempt.id, relation: "launch" }
        ])
        expect(yield* counts).toEqual(rowsOf(1, 1))
      }).pipe(Effect.provide(layer))
    )

    it.effect("reads and lists a sandbox whose stored source is rejected as an input, and refuses to retry it", () =>
      Effect.gen(function* () {
        const { sandbox, attempt, job } = yield* launch()
        const source = "ext::sh -c id"
        yield* shell("DROP TRIGGER sandbox_attempt_snapshots_immutable")
        yield* shell(`UPDATE sandbox_attempt_snapshots SET user_spec_payload = json_set(user_spec_payload, '$.source', '${source}'),
          resolved_spec_payload = json_set(resolved_spec_payload, '$.source', '${source}'),
          blueprint_payload = json_set(blueprint_payload, '$.sources.workspace.url', '${source}') WHERE run_id = '${attempt.id}'`)
        yield* shell(
          `UPDATE oci_image_build_jobs SET request_payload = json_set(request_payload, '$.source', '${source}') WHERE id = '${job.id}'`
        )
        const lifecycle = yield* SandboxLifecycle
        expect((yield* (yield* WorkspaceBuildJobRepo).getById(job.id)).requestPayload).toMatchObject({ source })
        expect(
          Option.getOrThrow(yield* (yield* SandboxAttemptRepo).findSnapshot(attempt.id)).blueprintPayload.sources
            .workspace.url
        ).toBe(source)
        expect((yield* lifecycle.list({ ownerUserId: ada })).items).toHaveLength(1)
        yield* lifecycle.stop(sandbox.id)
        const before = yield* counts
        for (const again of [lifecycle.retry, lifecycle.rebuild]) {
          expect(yield* refusalOf(again(sandbox.id))).toMatchObject({
            _tag: "InvalidInput",
            issues: expect.arrayContaining([
              expect.stringMatching(/^userSpecPayload\.source: must be a URL that begins with /)
            ])
          })
        }
        expect(yield* counts).toEqual(before)
      }).pipe(Effect.provide(layer))
    )

    it.effect("builds the spec itself without a resolved one; each call without a key is another launch", () =>
      Effect.gen(function* () {
        const { snapshot } = yield* launch()
        expect(snapshot.resolvedSpecPayload).toEqual(specification)
        expect(snapshot.blueprintPayload).toEqual(yield* normalizeUserWorkspaceSpec(specification))
        expect((yield* launch()).created).toBe(true)
        expect(yield* counts).toEqual(rowsOf(2, 0))
      }).pipe(Effect.provide(layer))
    )

    it.effect("a repeated key returns the first result to its owner, in its current state", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const first = yield* lifecycle.launch(keyed)
        yield* TestClock.adjust("1 hour")
        expect(yield* lifecycle.launch(keyed)).toEqual({ ...first, created: false })
        // The same request, in whatever order of keys.
        const { harness, source, env } = specification
        const turned = { ...keyed, spec: { env: { B: env.B, A: env.A }, harness, source } }
        expect(yield* lifecycle.launch(turned)).toEqual({ ...first, created: false })

        const { lease } = yield* claim(first)
        yield* lifecycle.beginBuild(lease)
        expect(yield* lifecycle.launch(keyed)).toMatchObject({
          created: false,
          sandbox: { id: first.sandbox.id, status: "running" },
          attempt: { id: first.attempt.id, status: "running" },
          job: { id: first.job.id, status: "running" }
        })
        // The key stands for its own attempt, also when there is a newer one.
        yield* lifecycle.stop(first.sandbox.id)
        const retried = yield* lifecycle.retry(first.sandbox.id)
        expect(yield* lifecycle.launch(keyed)).toMatchObject({
          created: false,
          sandbox: { latestAttemptId: Option.some(retried.attempt.id), status: "queued" },
          attempt: { id: first.attempt.id, status: "cancelled" },
          job: { id: first.job.id, status: "cancelled" }
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("twenty concurrent repeats launch one sandbox", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const results = yield* Effect.all(
          Array.from({ length: 20 }, () => lifecycle.launch(keyed)),
          { concurrency: "unbounded" }
        )
        expect(new Set(results.map(({ attempt, job, sandbox }) => `${sandbox.id} ${attempt.id} ${job.id}`)).size).toBe(
          1
        )
        expect(results.filter(({ created }) => created)).toHaveLength(1)
        expect(yield* counts).toEqual(rowsOf(1, 1))
      }).pipe(Effect.provide(layer))
    )

    it.effect("an idempotency key is bound to one request and one owner", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const first = yield* lifecycle.launch(keyed)
        const others = [
          { name: "two" },
          { spec: { ...specification, source: "https://github.com/acme/other" } },
          { registryId: "other" },
          { repository: "acme/other" },
          { tag: "other" },
          { repositoryId: "rep" },
          { profileRevisionId: "ada-profile" },
          { repositoryProfileRevisionId: "rpr" },
          { requestedByUserId: ada },
          { issueId: "iss" },
          { triggerType: "api" as const },
          { triggerRef: "call" }
        ]
        for (const other of others) {
          expect(yield* refusalOf(lifecycle.launch({ ...keyed, ...other })), Object.keys(other).join()).toMatchObject({
            _tag: "IdempotencyConflict",
            key: "key"
          })
        }
        expect(yield* counts).toEqual(rowsOf(1, 1))
        const hers = yield* lifecycle.launch({ ...keyed, ownerUserId: eve })
        expect(hers).toMatchObject({ created: true, sandbox: { ownerUserId: eve } })
        expect(hers.sandbox.id).not.toBe(first.sandbox.id)
        expect((yield* lifecycle.launch({ ...keyed, idempotencyKey: "other" })).created).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("a repeat after a deletion is not a new launch, unless the sandbox itself was deleted", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { attempt, job, sandbox } = yield* lifecycle.launch(keyed)
        yield* shell("DELETE FROM oci_image_build_jobs WHERE id = ?", job.id)
        expect(yield* refusalOf(lifecycle.launch(keyed))).toMatchObject({
          _tag: "NotFound",
          entity: "WorkspaceBuildJob"
        })
        yield* shell("DELETE FROM sandbox_attempts WHERE id = ?", attempt.id)
        expect(yield* refusalOf(lifecycle.launch(keyed))).toMatchObject({ _tag: "NotFound", entity: "SandboxAttempt" })
        yield* (yield* SandboxRepo).delete(sandbox.id)
        expect((yield* lifecycle.launch(keyed)).created).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("names a reference that is missing or of another owner", () =>
      Effect.gen(function* () {
        const { launch } = yield* SandboxLifecycle
        const fields = [
          "ownerUserId",
          "requestedByUserId",
          "repositoryId",
          "profileRevisionId",
          "repositoryProfileRevisionId",
          "issueId"
        ] as const
        for (const field of fields) {
          expect(yield* refusalOf(launch({ ...keyed, [field]: "nobody" }))).toMatchObject({
            _tag: "ReferenceNotFound",
            reference: field
          })
        }
        expect(yield* refusalOf(launch({ ...keyed, profileRevisionId: "eve-profile" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "profileRevisionId"
        })
        expect(yield* counts).toEqual(nothing)
        expect((yield* launch(keyed)).created).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input by its path without its value", () =>
      Effect.gen(function* () {
        const { launch } = yield* SandboxLifecycle
        const secret = "s3cr3t-value"
        const bad = {
          "spec.harness": { spec: { source: specification.source, harness: secret } },
          "spec.env": { spec: { ...specification, env: { A: { inner: secret } } } },
          "resolvedSpec.source": { resolvedSpec: { ...specification, source: secret } },
          name: { name: "" },
          registryId: { registryId: `${secret}\0` },
          tag: { tag: secret.repeat(1000) },
          idempotencyKey: { idempotencyKey: "" },
          triggerType: { triggerType: secret }
        }
        for (const [path, change] of Object.entries(bad)) {
          const given = { ...keyed, ...change } as typeof keyed
          const error = yield* refusalOf(launch(given))
          expect(error, path).toMatchObject({ _tag: "InvalidInput", operation: "SandboxLifecycle.launch" })
          expect(error.message).toContain(path)
          expect(JSON.stringify(error)).not.toContain(secret)
        }
        for (const given of [undefined, null, 7, {}, { ...keyed, requestedByUserId: 7 }]) {
          const error = yield* Effect.suspend(() => refusalOf(launch(given as unknown as typeof keyed)))
          expect(error, JSON.stringify(given)).toMatchObject({ _tag: "InvalidInput" })
        }
        expect(yield* counts).toEqual(nothing)
      }).pipe(Effect.provide(layer))
    )

    it.effect("writes nothing if any of its statements fails", () =>
      Effect.gen(function* () {
        const { launch } = yield* SandboxLifecycle
        const writes = [...launchTables.map((table) => `INSERT ON ${table}`), "UPDATE ON sandboxes"]
        for (const write of writes) {
          yield* shell(`CREATE TRIGGER broken BEFORE ${write} BEGIN SELECT RAISE(ABORT, 'broken'); END`)
          expect(yield* Effect.exit(launch(keyed)), write).toMatchObject({ _tag: "Failure" })
          expect(yield* counts, write).toEqual(nothing)
          yield* shell("DROP TRIGGER broken")
        }
        expect((yield* launch(keyed)).created).toBe(true)
        expect(yield* counts).toEqual(rowsOf(1, 1))
      }).pipe(Effect.provide(layer))
    )

    it.effect("retries and rebuilds stopped and failed sandboxes from their stored input", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        for (const relation of ["retry", "rebuild"] as const) {
          const first = yield* launch({
            resolvedSpec,
            repositoryId: "rep",
            profileRevisionId: "ada-profile",
            requestedByUserId: eve
          })
          yield* lifecycle.stop(first.sandbox.id)
          const second = yield* lifecycle[relation](first.sandbox.id)
          expect(second).toMatchObject({
            created: true,
            sandbox: { id: first.sandbox.id, status: "queued", latestAttemptId: Option.some(second.attempt.id) },
            attempt: {
              status: "queued",
              triggerType: "retry",
              retryOfAttemptId: Option.some(first.attempt.id),
              ownerUserId: ada,
              repositoryId: Option.some("rep"),
              profileRevisionId: Option.some("ada-profile"),
              requestedByUserId: Option.some(eve),
              stopRequestedAt: Option.none()
            },
            job: {
              status: "queued",
              attemptId: Option.some(second.attempt.id),
              registryId: "registry",
              repository: "acme/app",
              tag: "latest"
            }
          })
          expect(second.job.requestPayload).toEqual(resolvedSpec)
          const { createdAt: _, attemptId, ...content } = second.snapshot
          expect({ ...first.snapshot }).toMatchObject(content)
          expect(attemptId).toBe(second.attempt.id)
          const links = yield* (yield* SandboxRepo).listAttemptLinks({ sandboxId: first.sandbox.id })
          expect(links.items.map(({ relation }) => relation)).toEqual([relation, "launch"])
        }
        const { sandbox } = yield* failed
        expect((yield* lifecycle.retry(sandbox.id)).sandbox.status).toBe("queued")
      }).pipe(Effect.provide(layer))
    )

    it.effect("a retry is the newest attempt, also after the clock was set back", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        yield* TestClock.setTime(10_000)
        const { sandbox } = yield* launch()
        yield* lifecycle.stop(sandbox.id)
        yield* TestClock.setTime(5_000)
        const second = yield* lifecycle.retry(sandbox.id)
        expect(second.sandbox.latestAttemptId).toEqual(Option.some(second.attempt.id))
        const { lease } = yield* claim(second)
        yield* lifecycle.beginBuild(lease)
        expect(yield* stateOf(sandbox.id)).toBe("running running running none")
        // A stop reaches it.
        yield* lifecycle.stop(sandbox.id)
        expect((yield* lifecycle.rebuild(sandbox.id)).attempt.createdAt.epochMillis).toBe(10_002)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects a retry of active and unknown sandboxes, and without anything to retry", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const sandboxes = yield* SandboxRepo
        for (const relation of ["retry", "rebuild"] as const) {
          for (const { sandbox } of [yield* launch(), yield* ready]) {
            const before = [yield* stateOf(sandbox.id), yield* counts]
            const error = yield* refusalOf(lifecycle[relation](sandbox.id))
            expect(error).toMatchObject({ _tag: "InvalidTransition", entity: "Sandbox", to: "queued" })
            expect([yield* stateOf(sandbox.id), yield* counts]).toEqual(before)
          }
          const bare = yield* sandboxes.create({ name: "bare", ownerUserId: ada, status: "stopped" })
          expect(yield* refusalOf(lifecycle[relation](bare.id))).toMatchObject({
            _tag: "NotFound",
            entity: "SandboxAttempt"
          })
          const { attempt, job, sandbox } = yield* failed
          yield* shell("DELETE FROM oci_image_build_jobs WHERE id = ?", job.id)
          expect(yield* refusalOf(lifecycle[relation](sandbox.id))).toMatchObject({
            _tag: "NotFound",
            entity: "WorkspaceBuildJob",
            id: attempt.id
          })
          yield* shell("DELETE FROM sandbox_attempt_snapshots WHERE run_id = ?", attempt.id)
          expect(yield* refusalOf(lifecycle[relation](sandbox.id))).toMatchObject({
            _tag: "NotFound",
            entity: "SandboxAttemptSnapshot",
            id: attempt.id
          })
          yield* sandboxes.delete(sandbox.id)
          expect(yield* tagOf(lifecycle[relation](sandbox.id))).toBe("NotFound")
        }
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
