/**
 * Stored revisions as inputs: for the same profile, and as a copy for another one.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck, Option, Schema } from "effect"
import { ProfileRepo, ProfileRevisionGraph, type ProfileService } from "../../src/profile/ProfileRepo.js"
import { RepositoryProfileRepo, RepositoryProfileRevisionGraph } from "../../src/profile/RepositoryProfileRepo.js"
import { ada, full, layers, profileOf, profileOfRepository, type Services } from "./support.js"

type Given = Omit<Parameters<ProfileService["createRevision"]>[0], "profileId">

const maybe = <A>(value: FastCheck.Arbitrary<A>) => FastCheck.option(value, { nil: undefined })

const revisions: FastCheck.Arbitrary<Given> = FastCheck.record({
  configPatch: FastCheck.constantFrom({}, full.configPatch),
  envVars: FastCheck.constantFrom([], full.envVars),
  secretBindings: FastCheck.uniqueArray(
    FastCheck.record({
      targetKey: FastCheck.constantFrom("TOKEN", "OTHER"),
      secretId: FastCheck.constant("ada-secret"),
      secretVersionId: maybe(FastCheck.constant("ada-secret-1")),
      isRequired: FastCheck.boolean()
    }),
    { selector: ({ targetKey }) => targetKey }
  ),
  sshSettings: maybe(
    FastCheck.record({
      enabled: FastCheck.boolean(),
      hostAllowlist: FastCheck.constantFrom([], ["10.0.0.0/8"]),
      sessionTimeoutMinutes: maybe(FastCheck.integer({ min: 1, max: 9 })),
      authorizedKeysRef: maybe(FastCheck.constant("keys"))
    })
  ),
  sshKeys: FastCheck.constantFrom([], full.sshKeys),
  createdByUserId: maybe(FastCheck.constant("eve")),
  changeSummary: maybe(FastCheck.constant("why"))
})

const check = <A>(values: FastCheck.Arbitrary<A>, run: (value: A) => Effect.Effect<void, unknown, Services>) =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<Services>()
    const property = FastCheck.asyncProperty(values, (value) => Effect.runPromise(Effect.provide(run(value), runtime)))
    yield* Effect.promise(() => FastCheck.assert(property, { numRuns: 40 }))
  })

const contentOf = ({ envVars, secretBindings, sshKeys, sshSettings }: ProfileRevisionGraph) => ({
  envVars: envVars.map(({ key, value }) => [key, value]),
  secretBindings: secretBindings.map(({ isRequired, secretId, secretVersionId, targetKey }) => [
    targetKey,
    secretId,
    secretVersionId,
    isRequired
  ]),
  sshSettings: Option.map(
    sshSettings,
    ({ authorizedKeysRef, enabled, hostAllowlist, listenPort, sessionTimeoutMinutes }) => [
      enabled,
      listenPort,
      hostAllowlist,
      sessionTimeoutMinutes,
      authorizedKeysRef
    ]
  ),
  sshKeys: sshKeys.map(({ purpose, sshKeyId }) => [sshKeyId, purpose])
})

describe("a stored revision passed to createRevision", () => {
  it.effect("is the same revision for its profile, and a copy for another profile", () =>
    check(revisions, (given) =>
      Effect.gen(function* () {
        const repo = yield* ProfileRepo
        const { id: profileId } = yield* profileOf(ada)
        const { revision } = yield* repo.createRevision({ ...given, profileId })
        const graph = yield* repo.getRevision(revision.id)
        const { revision: stored, ...rows } = graph
        const { changeSummary, configPatch, createdByUserId } = stored
        const content = { ...rows, configPatch, changeSummary, createdByUserId }
        expect(yield* repo.createRevision({ ...content, profileId })).toEqual({ created: false, revision })
        const other = yield* profileOf(ada)
        const copy = yield* repo.createRevision({ ...content, profileId: other.id })
        expect(copy).toMatchObject({ created: true, revision: { configPatch, changeSummary, createdByUserId } })
        expect(copy.revision.fingerprint).toBe(revision.fingerprint)
        expect(contentOf(yield* repo.getRevision(copy.revision.id))).toEqual(contentOf(graph))
        // An API client has it as JSON.
        const { revision: encoded, ...parts } = yield* Schema.encode(ProfileRevisionGraph)(graph)
        expect(yield* repo.createRevision({ ...parts, configPatch: encoded.configPatch, profileId })).toEqual({
          created: false,
          revision
        })
      })
    ).pipe(Effect.provide(layers.memory))
  )

  it.effect("is the same revision of a repository profile, with and without its optional fields", () =>
    Effect.gen(function* () {
      const profiles = yield* ProfileRepo
      const repo = yield* RepositoryProfileRepo
      const linked = yield* profiles.createRevision({ profileId: (yield* profileOf(ada)).id, configPatch: {} })
      const { id: repositoryProfileId } = yield* profileOfRepository
      for (const optional of [{}, { policyConfig: { max: 1 }, createdByUserId: ada, changeSummary: "why" }]) {
        const { revision } = yield* repo.createRevision({
          ...optional,
          repositoryProfileId,
          runTemplate: full.configPatch,
          links: [{ profileRevisionId: linked.revision.id }]
        })
        const graph = yield* repo.getRevision(revision.id)
        const { changeSummary, createdByUserId, policyConfig: policy, runTemplate: template } = graph.revision
        expect(
          yield* repo.createRevision({
            repositoryProfileId,
            links: graph.links,
            policyConfig: policy,
            runTemplate: template,
            changeSummary,
            createdByUserId
          })
        ).toEqual({ created: false, revision })
        expect(yield* repo.getRevision(revision.id)).toEqual(graph)
        expect(yield* repo.replaceLinks({ revisionId: revision.id, links: graph.links })).toEqual(graph.links)
        const { links, revision: encoded } = yield* Schema.encode(RepositoryProfileRevisionGraph)(graph)
        const { policyConfig, runTemplate } = encoded
        expect(yield* repo.createRevision({ links, policyConfig, runTemplate, repositoryProfileId })).toEqual({
          created: false,
          revision
        })
      }
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("is refused with the path of an invalid value inside an Option", () =>
    Effect.gen(function* () {
      const repo = yield* ProfileRepo
      const { id: profileId } = yield* profileOf(ada)
      const sshSettings = Option.some({ sessionTimeoutMinutes: Option.some(0) })
      const error = yield* Effect.flip(repo.createRevision({ profileId, configPatch: {}, sshSettings }))
      expect(error.message).toContain("sshSettings.sessionTimeoutMinutes: must be a whole number from 1 to")
    }).pipe(Effect.provide(layers.memory))
  )
})
