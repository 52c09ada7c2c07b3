import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, Option, TestClock } from "effect"
import { ProfileStatus, profileTransitions } from "../../src/profile/Profile.js"
import { ProfileRepo } from "../../src/profile/ProfileRepo.js"
import type { RepositoryProfileLink, RepositoryProfileRevisionId } from "../../src/profile/RepositoryProfile.js"
import { RepositoryProfileRepo, type RepositoryProfileService } from "../../src/profile/RepositoryProfileRepo.js"
import { recordStatements } from "../support/plans.js"
import { followsTransitions } from "../support/transitions.js"
import {
  ada,
  badNames,
  eve,
  goneRepositoryProfile as gone,
  goneRepositoryRevision as goneRevision,
  layers,
  pages,
  profileOf,
  profileOfRepository,
  refusalOf,
  type Services,
  shell,
  tagOf
} from "./support.js"
import { volume } from "../support/volume.js"

type Given = Omit<Parameters<RepositoryProfileService["createRevision"]>[0], "repositoryProfileId">

const own = { repositoryId: "rep", name: "default" }
const runTemplate = { harness: "codex", env: { A: "1" } } as const

/** So many revisions of profiles to link to, of two people, by name. */
const linkable = (count: number) =>
  Effect.gen(function* () {
    const profiles = yield* ProfileRepo
    const ids: Array<string> = []
    for (let index = 0; index < count; index++) {
      const { id: profileId } = yield* profileOf(index % 2 === 0 ? ada : eve)
      ids.push(
        (yield* profiles.createRevision({ id: `linked-${String(index).padStart(4, "0")}`, profileId, configPatch: {} }))
          .revision.id
      )
    }
    return ids
  })

const links = (...ids: ReadonlyArray<string>) => ids.map((profileRevisionId) => ({ profileRevisionId }))

const order = (links: ReadonlyArray<RepositoryProfileLink>) =>
  links.map(({ precedence, profileRevisionId }) => [profileRevisionId, precedence])

/** The contract of `RepositoryProfileRepo`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`RepositoryProfileRepo (${name})`, () => {
    it.effect("stores every field of the input, and rejects invalid input", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryProfileRepo
        yield* TestClock.setTime(1000)
        const small = yield* repo.create(own)
        expect(small.id).toMatch(/^rpf_/)
        expect(small).toMatchObject({
          ...own,
          description: Option.none(),
          status: "active",
          activeRevisionId: Option.none(),
          createdAt: { epochMillis: 1000 },
          updatedAt: { epochMillis: 1000 },
          archivedAt: Option.none()
        })
        const large = yield* repo.create({ ...own, id: "given", name: "é 🐳", description: "about" })
        expect(large).toMatchObject({ id: "given", name: "é 🐳", description: Option.some("about") })
        for (const profile of [small, large]) {
          expect(yield* repo.findById(profile.id)).toEqual(Option.some(profile))
          expect(yield* repo.getById(profile.id)).toEqual(profile)
        }
        expect(yield* repo.findById(gone)).toEqual(Option.none())
        expect(yield* refusalOf(repo.getById(gone))).toMatchObject({
          _tag: "NotFound",
          entity: "RepositoryProfile",
          id: "gone"
        })

        expect(yield* refusalOf(repo.create({ ...own, id: "given", name: "x" }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "repository_profiles.id"
        })
        expect(yield* refusalOf(repo.create(own))).toMatchObject({
          constraint: "repository_profiles.repository_id, repository_profiles.name"
        })
        expect(yield* tagOf(repo.create({ ...own, repositoryId: "other" }))).toBe("ok")
        expect(yield* refusalOf(repo.create({ ...own, repositoryId: "gone" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "repositoryId"
        })
        for (const bad of Object.values(badNames)) {
          for (const field of ["id", "repositoryId", "name"] as const) {
            expect(yield* refusalOf(repo.create({ ...own, [field]: bad }))).toMatchObject({
              _tag: "InvalidInput",
              issues: [expect.stringMatching(field)]
            })
          }
        }
        expect(yield* shell("SELECT 1 FROM repository_profiles")).toHaveLength(3)
      }).pipe(Effect.provide(layer))
    )

    it.effect("updates, archives and unarchives", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryProfileRepo
        const rowIn = (status: ProfileStatus) =>
          Effect.flatMap(profileOfRepository, (profile) =>
            status === "active" ? Effect.succeed(profile) : repo.archive(profile.id)
          )
        for (const [to, run] of [
          ["archived", repo.archive],
          ["active", repo.unarchive]
        ] as const) {
          yield* followsTransitions({
            entity: "RepositoryProfile",
            machine: profileTransitions,
            to,
            run,
            rowIn,
            getById: repo.getById
          })
        }
        for (const method of [repo.archive, repo.unarchive]) expect(yield* tagOf(method(gone))).toBe("NotFound")

        const { id } = yield* repo.create({ ...own, description: "about" })
        yield* repo.create({ ...own, name: "other" })
        yield* TestClock.setTime(100_000)
        const changed = yield* repo.update({ id, name: "main" })
        expect(changed).toMatchObject({
          name: "main",
          description: Option.some("about"),
          updatedAt: { epochMillis: 100_000 }
        })
        yield* TestClock.setTime(200_000)
        for (const given of [{}, { name: "main", description: "about" }])
          expect(yield* repo.update({ id, ...given })).toEqual(changed)
        expect(yield* repo.update({ id, description: null })).toMatchObject({
          description: Option.none(),
          updatedAt: { epochMillis: 200_000 }
        })
        expect(yield* tagOf(repo.update({ id, name: "other" }))).toBe("AlreadyExists")
        expect(yield* tagOf(repo.update({ id: gone, name: "x" }))).toBe("NotFound")
        for (const name of Object.values(badNames)) expect(yield* tagOf(repo.update({ id, name }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists the profiles of a repository, newest first", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryProfileRepo
        for (let index = 0; index < 20; index++) {
          if (index % 3 === 0) yield* TestClock.adjust("1 second")
          const { id } = yield* repo.create({
            id: `p${String(index).padStart(2, "0")}`,
            repositoryId: index % 5 === 0 ? "other" : "rep",
            name: `${index}`
          })
          if (index % 4 === 0) yield* repo.archive(id)
        }
        const all = (yield* repo.list({ repositoryId: "rep", limit: 500 })).items
        expect(all.map(({ id }) => String(id))).toEqual(
          all
            .map(({ id }) => String(id))
            .toSorted()
            .toReversed()
        )
        expect(all).toHaveLength(16)
        for (const status of [undefined, ...ProfileStatus.literals]) {
          const expected = all.filter((profile) => status === undefined || profile.status === status)
          expect(yield* pages((page) => repo.list({ repositoryId: "rep", status, ...page }), 3)).toEqual(expected)
        }
        for (const page of [{ limit: 0 }, { cursor: "!" }, { status: "dead" as "active" }]) {
          expect(yield* tagOf(repo.list({ repositoryId: "rep", ...page }))).toBe("InvalidInput")
        }
        expect(yield* tagOf(repo.list({ repositoryId: undefined as unknown as string }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores all of a revision, and its links by precedence", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryProfileRepo
        const { id: repositoryProfileId } = yield* profileOfRepository
        const [a = "", b = "", c = "", d = ""] = yield* linkable(4)
        const policyConfig = { z: 1, a: [null, "é\0\uD800", 1e21], "'": { '"': "\\" }, ["__proto__"]: { x: 1 } }
        const { created, revision } = yield* repo.createRevision({
          id: "given",
          repositoryProfileId,
          runTemplate,
          policyConfig,
          links: [
            { profileRevisionId: c, precedence: 7 },
            { profileRevisionId: b, precedence: -1, isRequired: false },
            { profileRevisionId: a, precedence: 7 },
            { profileRevisionId: d }
          ],
          createdByUserId: "eve",
          changeSummary: "all of it"
        })
        expect(created).toBe(true)
        expect(revision).toMatchObject({
          id: "given",
          repositoryProfileId,
          version: 1,
          runTemplate,
          createdByUserId: Option.some("eve"),
          changeSummary: Option.some("all of it")
        })
        expect(JSON.stringify(Option.getOrNull(revision.policyConfig))).toBe(JSON.stringify(policyConfig))
        const graph = yield* repo.getRevision(revision.id)
        expect(graph.revision).toEqual(revision)
        expect(order(graph.links)).toEqual([
          [b, -1],
          [d, 3],
          [a, 7],
          [c, 7]
        ])
        expect(graph.links.map(({ isRequired }) => isRequired)).toEqual([false, true, true, true])
        expect(
          graph.links.every(
            ({ id, repositoryProfileRevisionId }) => id.startsWith("lnk_") && repositoryProfileRevisionId === "given"
          )
        ).toBe(true)
        expect(yield* repo.getActiveRevision(repositoryProfileId)).toEqual(graph)
        expect(yield* recordStatements(repo.getRevision(revision.id))).toHaveLength(1)

        const plain = yield* repo.createRevision({ repositoryProfileId, runTemplate: {}, setAsActive: false })
        expect(plain.revision).toMatchObject({
          id: expect.stringMatching(/^rpv_/),
          version: 2,
          policyConfig: Option.none()
        })
        expect((yield* repo.getRevision(plain.revision.id)).links).toEqual([])
        expect((yield* repo.getById(repositoryProfileId)).activeRevisionId).toEqual(Option.some("given"))
        expect((yield* repo.listRevisions({ repositoryProfileId })).items).toEqual([plain.revision, revision])
        expect(yield* pages((page) => repo.listRevisions({ repositoryProfileId, ...page }), 1)).toEqual([
          plain.revision,
          revision
        ])
        expect(yield* refusalOf(repo.getRevision(goneRevision))).toMatchObject({
          _tag: "NotFound",
          entity: "RepositoryProfileRevision",
          id: "gone"
        })
        // A profile that is linked does not go by itself; its owner can leave.
        expect(yield* Effect.isFailure(shell("DELETE FROM profile_revisions WHERE id = ?", a))).toBe(true)
        yield* shell("DELETE FROM user WHERE id = 'ada'")
        expect(order((yield* repo.getRevision(revision.id)).links)).toEqual([
          [b, -1],
          [d, 3]
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores identical content once, with the new links", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryProfileRepo
        const { id: repositoryProfileId } = yield* profileOfRepository
        const [a = "", b = ""] = yield* linkable(2)
        const store = (given: Given) => repo.createRevision({ repositoryProfileId, ...given })
        const first = yield* store({ runTemplate, policyConfig: { a: 1, b: 2 }, links: links(a, b) })
        yield* store({ runTemplate: {} })
        const again: ReadonlyArray<Given> = [
          {
            runTemplate: { env: { A: "1" }, harness: "codex" },
            policyConfig: { b: 2, a: 1 },
            links: links(a, b),
            changeSummary: "x",
            createdByUserId: "ada"
          },
          {
            runTemplate,
            policyConfig: { a: 1, b: 2 },
            links: [
              { profileRevisionId: b, precedence: 1 },
              { profileRevisionId: a, precedence: 0, isRequired: true }
            ]
          }
        ]
        const { links: before } = yield* repo.getRevision(first.revision.id)
        for (const given of again) {
          expect(yield* store(given)).toEqual({ revision: first.revision, created: false })
          expect(yield* repo.getActiveRevision(repositoryProfileId)).toEqual({
            revision: first.revision,
            links: before
          })
        }
        const others: ReadonlyArray<Given> = [
          { runTemplate, links: links(a, b) },
          { runTemplate, policyConfig: {}, links: links(a, b) },
          { runTemplate, policyConfig: { a: 1, b: 2 }, links: links(b, a) },
          { runTemplate, policyConfig: { a: 1, b: 2 } }
        ]
        for (const given of others) expect(yield* store(given)).toMatchObject({ created: true })
        // Its links were replaced since: what is given is so again, and where nothing is given, nothing changes.
        yield* repo.replaceLinks({ revisionId: first.revision.id, links: links(b) })
        expect(yield* store({ runTemplate, policyConfig: { a: 1, b: 2 }, links: links(a, b) })).toMatchObject({
          created: false
        })
        expect(order((yield* repo.getActiveRevision(repositoryProfileId)).links)).toEqual([
          [a, 0],
          [b, 1]
        ])
        const { revision: bare } = yield* store({ runTemplate: {}, links: [] })
        yield* repo.replaceLinks({ revisionId: bare.id, links: links(b) })
        yield* store({ runTemplate: {} })
        expect(order((yield* repo.getActiveRevision(repositoryProfileId)).links)).toEqual([[b, 0]])
        yield* store({ runTemplate: {}, links: [] })
        expect(yield* repo.getActiveRevision(repositoryProfileId)).toEqual({ revision: bare, links: [] })
      }).pipe(Effect.provide(layer))
    )

    it.effect("numbers concurrently created revisions without gaps, and stores identical content once", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryProfileRepo
        const { id: repositoryProfileId } = yield* profileOfRepository
        const [a = ""] = yield* linkable(1)
        const store = (value: number) =>
          repo.createRevision({ repositoryProfileId, runTemplate: {}, policyConfig: { value }, links: links(a) })
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 64 }, (_, index) => (index % 2 === 0 ? 99 : index)),
          store,
          { concurrency: "unbounded" }
        )
        expect(outcomes.filter(({ created }) => created)).toHaveLength(33)
        const versions = [...new Set(outcomes.map(({ revision }) => revision.version))].toSorted(
          (one, other) => one - other
        )
        expect(versions).toEqual(Array.from({ length: 33 }, (_, index) => index + 1))
        expect(yield* shell("SELECT 1 FROM repository_profile_profile_links")).toHaveLength(33)
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores a revision completely or not at all, and names missing references", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryProfileRepo
        const { id: repositoryProfileId } = yield* profileOfRepository
        const other = yield* repo.createRevision({
          repositoryProfileId: (yield* profileOfRepository).id,
          runTemplate: {},
          setAsActive: false
        })
        const [a = ""] = yield* linkable(1)
        const store = (given: Partial<Given>) =>
          repo.createRevision({ repositoryProfileId, runTemplate: {}, links: links(a), ...given })
        expect(yield* refusalOf(store({ createdByUserId: "nobody" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "createdByUserId"
        })
        expect(yield* refusalOf(store({ links: links(a, "gone") }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "profileRevisionId"
        })
        expect(yield* refusalOf(store({ id: other.revision.id }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "repository_profile_revisions.id"
        })
        expect(yield* refusalOf(repo.createRevision({ repositoryProfileId: gone, runTemplate: {} }))).toMatchObject({
          _tag: "NotFound",
          entity: "RepositoryProfile"
        })
        const manyLinks = Array.from({ length: 1001 }, (_, index) => ({ profileRevisionId: `p${index}` }))
        const bad: ReadonlyArray<Partial<Given>> = [
          ...Object.values(badNames).flatMap(
            (text): ReadonlyArray<Partial<Given>> => [
              { id: text },
              { createdByUserId: text },
              { links: links(text) },
              ...(text === "" ? [] : [{ changeSummary: text }])
            ]
          ),
          { links: manyLinks },
          { links: links(a, a) },
          ...[0.5, Number.NaN, 2 ** 53, Infinity].map((precedence) => ({
            links: [{ profileRevisionId: a, precedence }]
          })),
          { policyConfig: { a: "x".repeat(10_000_000) } },
          { runTemplate: { env: { A: "x".repeat(10_000_000) } } },
          { policyConfig: { a: Number.NaN } },
          { policyConfig: { a: undefined } },
          { policyConfig: [] as unknown as Record<string, unknown> },
          { runTemplate: { harness: "none" } as unknown as Given["runTemplate"] }
        ]
        for (const given of bad)
          expect(yield* tagOf(store(given)), JSON.stringify(given).slice(0, 80)).toBe("InvalidInput")
        expect(yield* refusalOf(store({ links: links(a, a) }))).toMatchObject({
          issues: ["links.1.profileRevisionId: is given twice"]
        })
        expect((yield* repo.listRevisions({ repositoryProfileId })).items).toEqual([])
        expect(yield* shell("SELECT 1 FROM repository_profile_profile_links")).toEqual([])

        expect(yield* refusalOf(repo.getActiveRevision(repositoryProfileId))).toMatchObject({
          _tag: "NotFound",
          entity: "RepositoryProfileRevision"
        })
        expect(yield* refusalOf(repo.getActiveRevision(gone))).toMatchObject({
          _tag: "NotFound",
          entity: "RepositoryProfile"
        })
        for (const revisionId of [other.revision.id, goneRevision]) {
          expect(yield* refusalOf(repo.setActiveRevision({ repositoryProfileId, revisionId }))).toMatchObject({
            _tag: "ReferenceNotFound",
            entity: "RepositoryProfile",
            reference: "revisionId"
          })
        }
        expect(yield* tagOf(repo.setActiveRevision({ repositoryProfileId: gone, revisionId: other.revision.id }))).toBe(
          "NotFound"
        )
        expect(yield* tagOf(repo.setActiveRevision({ repositoryProfileId, revisionId: badNames.nul }))).toBe(
          "InvalidInput"
        )
        expect(
          yield* repo.setActiveRevision({
            repositoryProfileId: other.revision.repositoryProfileId,
            revisionId: other.revision.id
          })
        ).toMatchObject({
          activeRevisionId: Option.some(other.revision.id)
        })
        expect(yield* tagOf(repo.listRevisions({ repositoryProfileId: gone }))).toBe("NotFound")
        expect(yield* tagOf(repo.listRevisions({ repositoryProfileId, limit: 0 }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("replaces links as a set, and keeps the ids of those that stay", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryProfileRepo
        const { id: repositoryProfileId } = yield* profileOfRepository
        const count = name === "remote" ? volume(400, 40) : volume(400, 100)
        const ids = yield* linkable(count)
        const [a = "", b = "", c = ""] = ids
        const { revision } = yield* repo.createRevision({ repositoryProfileId, runTemplate: {}, links: links(a, b) })
        const { revision: other } = yield* repo.createRevision({
          repositoryProfileId,
          runTemplate: { harness: "codex" },
          links: links(a, b, c)
        })
        const kept = yield* repo.getRevision(other.id)
        const replace = (given: Parameters<typeof repo.replaceLinks>[0]["links"]) =>
          repo.replaceLinks({ revisionId: revision.id, links: given })
        const { links: before } = yield* repo.getRevision(revision.id)
        yield* TestClock.setTime(1000)
        const after = yield* replace([
          { profileRevisionId: b, precedence: 5, isRequired: false },
          { profileRevisionId: c, precedence: -2 }
        ])
        expect(order(after)).toEqual([
          [c, -2],
          [b, 5]
        ])
        expect(after[1]).toMatchObject({ id: before[1]?.id, createdAt: before[1]?.createdAt, isRequired: false })
        expect(after[0]).toMatchObject({ createdAt: { epochMillis: 1000 } })
        expect((yield* repo.getRevision(revision.id)).links).toEqual(after)
        for (const bad of [links(a, a), links(""), [{ profileRevisionId: a, precedence: 1.5 }]])
          expect(yield* tagOf(replace(bad))).toBe("InvalidInput")
        expect(yield* refusalOf(replace(links(a, "gone")))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "profileRevisionId"
        })
        expect((yield* repo.getRevision(revision.id)).links).toEqual(after)
        for (const given of [[], links(a)]) {
          expect(yield* refusalOf(repo.replaceLinks({ revisionId: "gone", links: given }))).toMatchObject({
            _tag: "NotFound",
            id: "gone"
          })
        }
        const few = yield* recordStatements(replace(links(a)))
        expect(yield* recordStatements(replace(links(...ids)))).toHaveLength(few.length)
        expect((yield* repo.getRevision(revision.id)).links).toHaveLength(count)
        expect(yield* replace([])).toEqual([])
        expect(yield* repo.getRevision(other.id)).toEqual(kept)

        // One of several at once wins whole.
        const sets = [1, 2, 3, 4].map((size) => links(...ids.slice(size * 10, size * 10 + size * 3)))
        const won = yield* Effect.forEach(sets, replace, { concurrency: "unbounded" })
        const last: ReadonlyArray<RepositoryProfileLink> = (yield* repo.getRevision(
          revision.id as RepositoryProfileRevisionId
        )).links
        expect(won).toContainEqual(last)
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
