import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import type { SqlClient } from "@effect/sql"
import { BuildEnvironment, type Environment } from "../../src/profile/BuildEnvironment.js"
import { ProfileRepo, type ProfileService } from "../../src/profile/ProfileRepo.js"
import { RepositoryProfileRepo } from "../../src/profile/RepositoryProfileRepo.js"
import { environmentOf } from "../../src/sandbox/buildEnvironment.js"
import { SandboxAttemptRepo } from "../../src/sandbox/SandboxAttemptRepo.js"
import { SecretVault } from "../../src/secret/SecretVault.js"
import { ring } from "../secret/support.js"
import { overDatabases, seedRepository, seedUser } from "../support/database.js"
import { collectOutput } from "../support/outputCollector.js"
import { recordStatements } from "../support/plans.js"
import { ada, eve, profileOf, profileOfRepository, refusalOf, shell } from "./support.js"

type Services =
  | BuildEnvironment
  | ProfileRepo
  | RepositoryProfileRepo
  | SandboxAttemptRepo
  | SecretVault
  | SqlClient.SqlClient

const services = Layer.mergeAll(
  BuildEnvironment.layer,
  ProfileRepo.layer,
  RepositoryProfileRepo.layer,
  SandboxAttemptRepo.layer,
  SecretVault.layer,
  Layer.effectDiscard(Effect.all([seedUser(ada), seedUser(eve), seedRepository("rep")]))
).pipe(Layer.provide(ring("k1")))

/** A process with another key ring, on the same database. */
const environmentWith = (...keys: ReadonlyArray<string>) =>
  Effect.provide(BuildEnvironment, Layer.provide(Layer.fresh(BuildEnvironment.layer), ring(...keys)))

/** A secret with the values `name-1` and `name-2`, and the ids of their versions. */
const secretOf = (ownerUserId: string, name: string) =>
  Effect.gen(function* () {
    const vault = yield* SecretVault
    const { id } = yield* vault.create({ ownerUserId, name, value: Redacted.make(`${name}-1`) })
    const second = yield* vault.put({ ownerUserId, secretId: id, value: Redacted.make(`${name}-2`) })
    const { items } = yield* vault.listVersions({ ownerUserId, secretId: id })
    return { id, versionIds: [items.at(-1)?.id, second.id] as const }
  })

type Given = Omit<Parameters<ProfileService["createRevision"]>[0], "configPatch" | "profileId">

const revisionOf = (ownerUserId: typeof ada, given: Given) =>
  Effect.gen(function* () {
    const { id: profileId } = yield* profileOf(ownerUserId)
    const { revision } = yield* (yield* ProfileRepo).createRevision({ profileId, configPatch: {}, ...given })
    return revision.id
  })

const shown = ({ missing, variables }: Environment) => ({
  variables: variables.map(
    ({ isSecret, key, value }) => `${key}=${Redacted.value(value)}${isSecret ? " (secret)" : ""}`
  ),
  missing
})

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`BuildEnvironment (${name})`, () => {
    it.effect("resolves variables, the latest version of a secret, and a pinned version", () =>
      Effect.gen(function* () {
        const secret = yield* secretOf(ada, "npm")
        const profileRevisionId = yield* revisionOf(ada, {
          envVars: [
            { key: "npm_config.registry", value: "https://registry.example.com" },
            { key: "EMPTY", value: "" }
          ],
          secretBindings: [
            { targetKey: "LATEST", secretId: secret.id },
            { targetKey: "PINNED", secretId: secret.id, secretVersionId: secret.versionIds[0] }
          ]
        })
        const { resolve } = yield* BuildEnvironment
        const environment = yield* resolve({ ownerUserId: ada, profileRevisionId })
        expect(shown(environment)).toEqual({
          variables: [
            "EMPTY=",
            "LATEST=npm-2 (secret)",
            "PINNED=npm-1 (secret)",
            "npm_config.registry=https://registry.example.com"
          ],
          missing: []
        })
        expect(JSON.stringify(environment)).not.toContain("npm-1")
        expect(yield* recordStatements(resolve({ ownerUserId: ada, profileRevisionId }))).toHaveLength(1)
        yield* (yield* SecretVault).put({ ownerUserId: ada, secretId: secret.id, value: Redacted.make("npm-3") })
        expect(shown(yield* resolve({ ownerUserId: ada, profileRevisionId })).variables).toEqual([
          "EMPTY=",
          "LATEST=npm-3 (secret)",
          "PINNED=npm-1 (secret)",
          "npm_config.registry=https://registry.example.com"
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("applies the links of the repository profile by precedence, and then the profile", () =>
      Effect.gen(function* () {
        const secret = yield* secretOf(ada, "token")
        const low = yield* revisionOf(ada, {
          envVars: ["A", "B", "C"].map((key) => ({ key, value: "low" }))
        })
        const high = yield* revisionOf(ada, {
          envVars: [{ key: "B", value: "high" }],
          secretBindings: [{ targetKey: "C", secretId: secret.id }]
        })
        const own = yield* revisionOf(ada, {
          envVars: [
            { key: "D", value: "own" },
            { key: "C", value: "own" }
          ]
        })
        const { id: repositoryProfileId } = yield* profileOfRepository
        const { revision } = yield* (yield* RepositoryProfileRepo).createRevision({
          repositoryProfileId,
          runTemplate: {},
          links: [
            { profileRevisionId: high, precedence: 2 },
            { profileRevisionId: low, precedence: 1 }
          ]
        })
        const { resolve } = yield* BuildEnvironment
        const request = { ownerUserId: ada, repositoryProfileRevisionId: revision.id }
        expect(shown(yield* resolve(request)).variables).toEqual(["A=low", "B=high", "C=token-2 (secret)"])
        const both = yield* resolve({ ...request, profileRevisionId: own })
        expect(shown(both).variables).toEqual(["A=low", "B=high", "C=own", "D=own"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("reveals nothing of another owner: skips an optional link, and fails for a required one", () =>
      Effect.gen(function* () {
        const secret = yield* secretOf(eve, "hers")
        const hers = yield* revisionOf(eve, {
          envVars: [{ key: "HERS", value: "hers" }],
          secretBindings: [{ targetKey: "SECRET", secretId: secret.id }]
        })
        const { id: repositoryProfileId } = yield* profileOfRepository
        const { resolve } = yield* BuildEnvironment
        const repo = yield* RepositoryProfileRepo
        for (const isRequired of [false, true]) {
          const { revision } = yield* repo.createRevision({
            repositoryProfileId,
            runTemplate: {},
            links: [{ profileRevisionId: hers, isRequired }]
          })
          const request = { ownerUserId: ada, repositoryProfileRevisionId: revision.id }
          if (isRequired) expect(yield* refusalOf(resolve(request))).toMatchObject({ _tag: "NotFound", id: hers })
          else expect(yield* resolve(request)).toEqual({ variables: [], missing: [] })
        }
        expect(yield* refusalOf(resolve({ ownerUserId: ada, profileRevisionId: hers }))).toMatchObject({
          _tag: "NotFound",
          entity: "ProfileRevision"
        })
        expect((yield* resolve({ ownerUserId: eve, profileRevisionId: hers })).variables).toHaveLength(2)
      }).pipe(Effect.provide(layer))
    )

    it.effect("fails for a required secret that cannot be revealed, and reports an optional one as missing", () =>
      Effect.gen(function* () {
        const secret = yield* secretOf(ada, "token")
        const revision = (isRequired: boolean) =>
          revisionOf(ada, { secretBindings: [{ targetKey: "TOKEN", secretId: secret.id, isRequired }] })
        const [required, optional] = [yield* revision(true), yield* revision(false)]
        const other = yield* environmentWith("k2")
        expect(yield* refusalOf(other.resolve({ ownerUserId: ada, profileRevisionId: required }))).toMatchObject({
          _tag: "EncryptionKeyUnavailable",
          problem: "not-held"
        })
        expect(yield* other.resolve({ ownerUserId: ada, profileRevisionId: optional })).toEqual({
          variables: [],
          missing: ["TOKEN"]
        })
        yield* shell("UPDATE secret_versions SET wrapped_data_key = NULL, encryption_key_id = NULL")
        const { resolve } = yield* BuildEnvironment
        expect(yield* refusalOf(resolve({ ownerUserId: ada, profileRevisionId: required }))).toMatchObject({
          _tag: "SecretUnreadable"
        })
        yield* shell("DELETE FROM secret_versions")
        expect(yield* refusalOf(resolve({ ownerUserId: ada, profileRevisionId: required }))).toMatchObject({
          _tag: "NotFound",
          entity: "SecretVersion"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("resolves the environment of a build from its attempt, without a value in its spans", () =>
      Effect.gen(function* () {
        const secret = yield* secretOf(ada, "token")
        const profileRevisionId = yield* revisionOf(ada, {
          envVars: [{ key: "PLAIN", value: "plain-value" }],
          secretBindings: [{ targetKey: "TOKEN", secretId: secret.id }]
        })
        const attempt = yield* (yield* SandboxAttemptRepo).createQueued({ ownerUserId: ada, profileRevisionId })
        const collector = collectOutput()
        const built = environmentOf({ attempt: Option.some(attempt) })
        const environment = yield* Effect.provide(built, collector.layer)
        expect(shown(environment)).toEqual({ variables: ["PLAIN=plain-value", "TOKEN=token-2 (secret)"], missing: [] })
        expect(collector.output.join("\n")).toContain("BuildEnvironment.resolve")
        expect(collector.output.join("\n")).not.toMatch(/plain-value|token-2/)
        expect(yield* environmentOf({ attempt: Option.none() })).toEqual({ variables: [], missing: [] })
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(overDatabases(services))) suite(name, layer)
