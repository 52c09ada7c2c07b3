import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option } from "effect"
import Libsql from "libsql"
import { normalizeUserWorkspaceSpec } from "../../../src/payloads/normalize.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { onPeer, requestsOf } from "../../libsql/remoteSupport.js"
import {
  counts,
  launch,
  launchTables,
  layers,
  refusalOf,
  type Services,
  services,
  shell,
  specification
} from "./support.js"

// Rows of seeds are immutable, so these are revisions of the same profiles.
const storeProfiles = Effect.all([
  shell(
    `INSERT INTO profile_revisions (id, profile_id, version, fingerprint, config_patch, created_at)
     VALUES ('mine', 'ada-profile', 2, 'mine', ?, 0), ('hers', 'eve-profile', 2, 'hers', ?, 0)`,
    JSON.stringify({ env: { B: "profile", C: "profile" }, os: "fedora" }),
    JSON.stringify({ packages: ["hers"] })
  ),
  shell(
    `INSERT INTO profile_ssh_settings (profile_revision_id, enabled, listen_port, created_at, updated_at)
     VALUES ('mine', 1, 2200, 0, 0)`
  ),
  shell(
    `INSERT INTO repository_profile_revisions (id, repository_profile_id, version, fingerprint, run_template, created_at)
     VALUES ('template', 'rpr', 2, 'template', ?, 0), ('imported', 'rpr', 3, 'imported', ?, 0)`,
    JSON.stringify({ env: { C: "template", D: "template" }, setup: ["npm ci"], ssh: false }),
    JSON.stringify({ inputs: [{ purpose: "config", url: "ext::tool" }] })
  )
])

const profiles = { profileRevisionId: "mine", repositoryProfileRevisionId: "template" }

const resolved = {
  ...specification,
  env: { A: "1", B: "2", C: "profile", D: "template" },
  target: { os: "fedora" },
  access: { ssh: { enabled: true, listenPort: 2200 } },
  lifecycle: { setup: ["npm ci"] }
} as const

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`a launch with profiles (${name})`, () => {
    it.effect("builds the specification with both profiles and the SSH settings applied", () =>
      Effect.gen(function* () {
        yield* storeProfiles
        for (const idempotencyKey of [undefined, "key"]) {
          const { job, snapshot } = yield* launch({ ...profiles, idempotencyKey })
          expect(job.requestPayload).toEqual(resolved)
          expect(snapshot.userSpecPayload).toEqual(specification)
          expect(snapshot.resolvedSpecPayload).toEqual(resolved)
          expect(snapshot.blueprintPayload).toEqual(yield* normalizeUserWorkspaceSpec(resolved))
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps the resolved specification of the request", () =>
      Effect.gen(function* () {
        yield* storeProfiles
        const resolvedSpec = { ...specification, env: { OWN: "1" } }
        const { job } = yield* launch({ ...profiles, resolvedSpec })
        expect(job.requestPayload).toEqual(resolvedSpec)
      }).pipe(Effect.provide(layer))
    )

    it.effect("is repeated with its key after its profile was deleted", () =>
      Effect.gen(function* () {
        yield* storeProfiles
        const first = yield* launch({ ...profiles, idempotencyKey: "key" })
        yield* shell("DELETE FROM repository_profile_revisions WHERE id = 'template'")
        const again = yield* launch({ ...profiles, idempotencyKey: "key" })
        expect(again.created).toBe(false)
        expect(again.job.requestPayload).toEqual(first.job.requestPayload)
      }).pipe(Effect.provide(layer))
    )

    it.effect("with the profile of another owner is refused and stores nothing", () =>
      Effect.gen(function* () {
        yield* storeProfiles
        expect(yield* refusalOf(launch({ profileRevisionId: "hers" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "profileRevisionId"
        })
        expect(yield* counts).toEqual(launchTables.map((table) => ({ name: table, rows: 0 })))
      }).pipe(Effect.provide(layer))
    )

    it.effect("fails with InvalidInput if a stored profile makes the specification invalid", () =>
      Effect.gen(function* () {
        yield* storeProfiles
        const error = yield* refusalOf(launch({ repositoryProfileRevisionId: "imported" }))
        expect(error).toMatchObject({ _tag: "InvalidInput", operation: "SandboxLifecycle.launch" })
        expect(error.message).toContain("resolvedSpec.sources.inputs.0.url")
        expect(error.message).not.toContain("ext::tool")
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports nothing of a repository profile that its owner may not use", () =>
      Effect.gen(function* () {
        yield* storeProfiles
        yield* shell("UPDATE repositories SET open_to_all = 0")
        for (const repositoryProfileRevisionId of ["template", "imported", "missing"]) {
          expect(yield* refusalOf(launch({ repositoryProfileRevisionId }))).toMatchObject({
            _tag: "ReferenceNotFound",
            reference: "repositoryProfileRevisionId"
          })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("is retried with the specification that was built", () =>
      Effect.gen(function* () {
        yield* storeProfiles
        const lifecycle = yield* SandboxLifecycle
        const { sandbox } = yield* launch(profiles)
        yield* lifecycle.stop(sandbox.id)
        const { job, snapshot } = yield* lifecycle.retry(sandbox.id)
        expect(job.requestPayload).toEqual(resolved)
        expect(snapshot.userSpecPayload).toEqual(specification)
        expect(Option.isSome(job.attemptId)).toBe(true)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

it.effect("a launch on a server is one request without profiles, and two with profiles or a key", () =>
  onPeer((peer) =>
    Effect.gen(function* () {
      yield* storeProfiles
      yield* launch()
      expect({
        launch: yield* requestsOf(peer, launch()),
        withProfiles: yield* requestsOf(peer, launch(profiles)),
        withKey: yield* requestsOf(peer, launch({ ...profiles, idempotencyKey: "key" })),
        withSpec: yield* requestsOf(peer, launch({ ...profiles, resolvedSpec: specification }))
      }).toEqual({ launch: 1, withProfiles: 2, withKey: 2, withSpec: 1 })
    }).pipe(Effect.provide(services))
  )
)

it.effect("a launch decides again if its owner may use the repository profile only after the read", () =>
  onPeer((peer) =>
    Effect.gen(function* () {
      yield* storeProfiles
      yield* shell("UPDATE repositories SET open_to_all = 0")
      peer.faultInjection = (statements) => {
        if (!statements.some((text) => text.includes("INSERT INTO sandboxes"))) return undefined
        peer.faultInjection = undefined
        const other = new Libsql(peer.path)
        other.exec("UPDATE repositories SET open_to_all = 1")
        other.close()
        return undefined
      }
      expect((yield* launch(profiles)).job.requestPayload).toEqual(resolved)
    }).pipe(Effect.provide(services))
  )
)
