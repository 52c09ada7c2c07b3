import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { ProfileRepo } from "../../src/profile/ProfileRepo.js"
import { RepositoryProfileRepo } from "../../src/profile/RepositoryProfileRepo.js"
import { planIssues } from "../support/plans.js"
import {
  ada,
  full,
  goneRepositoryRevision,
  goneRevision,
  layers,
  profileOf,
  profileOfRepository,
  tagOf
} from "./support.js"

type Methods = Readonly<Record<string, Effect.Effect<unknown, unknown>>>

let round = 0

const profileMethods = Effect.gen(function* () {
  const repo = yield* ProfileRepo
  const { id } = yield* profileOf(ada)
  const whole = { ownerUserId: ada, id }
  const ofIt = { ownerUserId: ada, profileId: id }
  const methods: Methods = {
    create: repo.create({ ownerUserId: ada, slug: "home", name: "Home" }),
    findById: repo.findById(id),
    getById: Effect.all([repo.getById(id), repo.getById(whole)]),
    findBySlug: repo.findBySlug({ ownerUserId: ada, slug: "home" }),
    list: Effect.all([repo.list({ ownerUserId: ada }), repo.list({ ownerUserId: ada, status: "active" })]),
    update: Effect.all([repo.update({ id, name: "x" }), repo.update({ ...whole, slug: "y", description: null })]),
    archive: Effect.all([repo.archive(id), repo.archive(whole)]),
    unarchive: Effect.all([repo.unarchive(id), repo.unarchive(whole)]),
    createRevision: Effect.suspend(() => {
      const content = { ...full, envVars: [{ key: "ROUND", value: String(++round) }] }
      return Effect.all([
        repo.createRevision({ ...content, ...ofIt }),
        repo.createRevision({ ...content, profileId: id }),
        tagOf(
          repo.createRevision({ ...ofIt, configPatch: {}, secretBindings: [{ targetKey: "A", secretId: "gone" }] })
        ),
        tagOf(repo.createRevision({ ...ofIt, configPatch: {}, sshKeys: [{ sshKeyId: "gone" }] }))
      ])
    }),
    listRevisions: Effect.all([repo.listRevisions({ profileId: id }), repo.listRevisions(ofIt)]),
    getRevision: Effect.all([
      tagOf(repo.getRevision(goneRevision)),
      tagOf(repo.getRevision({ ownerUserId: ada, id: goneRevision }))
    ]),
    getActiveRevision: Effect.all([repo.getActiveRevision(id), repo.getActiveRevision(whole)]),
    setActiveRevision: tagOf(repo.setActiveRevision({ ...ofIt, revisionId: "gone" }))
  }
  return { repo, methods }
})

const repositoryProfileMethods = Effect.gen(function* () {
  const repo = yield* RepositoryProfileRepo
  const profiles = yield* ProfileRepo
  const { id } = yield* profileOfRepository
  const linked = yield* profiles.createRevision({ profileId: (yield* profileOf(ada)).id, configPatch: {} })
  const links = [{ profileRevisionId: linked.revision.id }]
  const { revision } = yield* repo.createRevision({ repositoryProfileId: id, runTemplate: {} })
  const methods: Methods = {
    create: repo.create({ repositoryId: "rep", name: "main" }),
    findById: repo.findById(id),
    getById: repo.getById(id),
    list: Effect.all([repo.list({ repositoryId: "rep" }), repo.list({ repositoryId: "rep", status: "archived" })]),
    update: repo.update({ id, name: "x", description: null }),
    archive: repo.archive(id),
    unarchive: repo.unarchive(id),
    createRevision: Effect.all(
      [1, 2].map(() => repo.createRevision({ repositoryProfileId: id, runTemplate: {}, policyConfig: {}, links }))
    ),
    listRevisions: repo.listRevisions({ repositoryProfileId: id }),
    getRevision: tagOf(repo.getRevision(goneRepositoryRevision)),
    getActiveRevision: repo.getActiveRevision(id),
    setActiveRevision: repo.setActiveRevision({ repositoryProfileId: id, revisionId: revision.id }),
    replaceLinks: repo.replaceLinks({ revisionId: revision.id, links })
  }
  return { repo, methods }
})

describe("statements of profiles", () => {
  for (const [name, service] of Object.entries({
    ProfileRepo: profileMethods,
    RepositoryProfileRepo: repositoryProfileMethods
  })) {
    it.effect(`every statement of ${name} uses an index`, () =>
      Effect.gen(function* () {
        const { methods, repo } = yield* service
        expect(Object.keys(methods).toSorted()).toEqual(Object.keys(repo).toSorted())
        // Before the first is explained: from then on the reading connection stands still.
        for (const [method, effect] of Object.entries(methods)) {
          if (method !== "create") expect(yield* Effect.isSuccess(effect), method).toBe(true)
        }
        for (const [method, effect] of Object.entries(methods)) {
          expect(yield* planIssues(Effect.ignore(effect)), method).toEqual([])
        }
      }).pipe(Effect.provide(layers.file))
    )
  }
})
