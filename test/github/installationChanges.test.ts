/**
 * Added and removed repositories of an installation, as changes.
 */
import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, FastCheck as fc, type Layer, Option, TestClock } from "effect"
import type { GitHubInstallationId } from "../../src/github/GitHubInstallation.js"
import { GitHubInstallationRepo } from "../../src/github/GitHubInstallationRepo.js"
import { GitHubInstallationRepositoryRepo } from "../../src/github/GitHubInstallationRepositoryRepo.js"
import { RepositoryRepo } from "../../src/source/RepositoryRepo.js"
import { recordStatements } from "../support/plans.js"
import { badNames, layers, pages, refusalOf, type Services, tagOf } from "./support.js"
import { volume } from "../support/volume.js"

const at = (millis: number) => DateTime.unsafeMake(millis)
const repository = (id: number | string) => ({ externalRepositoryId: String(id), owner: "acme", name: `r${id}` })

const installation = (externalInstallationId: string) =>
  Effect.flatMap(GitHubInstallationRepo, (repo) =>
    repo.upsert({ externalInstallationId, accountLogin: "acme", accountType: "organization" })
  )

/** What an installation sees. */
const seen = (installationId: GitHubInstallationId) =>
  Effect.gen(function* () {
    const repo = yield* GitHubInstallationRepositoryRepo
    const rows = yield* pages((page) => repo.listForInstallation({ installationId, ...page }), 100)
    return rows.map(({ externalRepositoryId, fullName }) => `${externalRepositoryId} ${fullName}`).toSorted()
  })

const suite = (name: string, layer: Layer.Layer<Services | SqlClient.SqlClient>) =>
  describe(`GitHubInstallationRepositoryRepo.apply (${name})`, () => {
    it.effect("adds and removes the named repositories, keeps the rest, and returns the changes", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepositoryRepo
        const { id: installationId } = yield* installation("x")
        yield* repo.sync({ installationId, repositories: [1, 2, 3].map(repository) })
        yield* TestClock.adjust("1 second")
        const change = {
          installationId,
          added: [repository(4), { ...repository(2), name: "renamed" }],
          removed: ["1", "unheard-of"]
        }
        expect(yield* repo.apply(change)).toEqual({ added: 1, updated: 1, removed: 1 })
        expect(yield* seen(installationId)).toEqual(["2 acme/renamed", "3 acme/r3", "4 acme/r4"])
        expect(yield* repo.apply(change)).toEqual({ added: 0, updated: 0, removed: 0 })
        expect(yield* repo.apply({ installationId, added: [], removed: [] })).toEqual({
          added: 0,
          updated: 0,
          removed: 0
        })
        const back = yield* repo.findByExternalId({ installationId, externalRepositoryId: "1" })
        expect(yield* repo.apply({ installationId, added: [repository(1)], removed: [] })).toEqual({
          added: 1,
          updated: 0,
          removed: 0
        })
        expect(
          (yield* repo.findByExternalId({ installationId, externalRepositoryId: "1" })).pipe((row) =>
            row._tag === "Some" ? row.value.id : ""
          )
        ).toBe(back._tag === "Some" ? back.value.id : undefined)
      }).pipe(Effect.provide(layer))
    )

    it.effect("an out-of-order change does not revert a later change", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepositoryRepo
        const { id: installationId } = yield* installation("x")
        yield* TestClock.setTime(100)
        yield* repo.apply({ installationId, added: [repository(1), repository(2)], removed: [], at: at(50) })
        yield* repo.apply({ installationId, added: [], removed: ["1"], at: at(70) })
        expect(yield* repo.apply({ installationId, added: [repository(1)], removed: ["2"], at: at(60) })).toEqual({
          added: 0,
          updated: 0,
          removed: 1
        })
        expect(yield* repo.apply({ installationId, added: [repository(2)], removed: [], at: at(59) })).toEqual({
          added: 0,
          updated: 0,
          removed: 0
        })
        expect(yield* seen(installationId)).toEqual([])
        yield* repo.sync({ installationId, repositories: [repository(1)] })
        expect(yield* repo.apply({ installationId, added: [], removed: ["1"], at: at(99) })).toEqual({
          added: 0,
          updated: 0,
          removed: 0
        })
        expect(yield* seen(installationId)).toEqual(["1 acme/r1"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("an out-of-order change does not revert a later sync", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepositoryRepo
        const { id: installationId } = yield* installation("x")
        yield* TestClock.setTime(100)
        yield* repo.sync({ installationId, repositories: [repository(1), repository(2)] })
        yield* repo.apply({ installationId, added: [], removed: ["2"], at: at(150) })
        yield* TestClock.setTime(300)
        yield* repo.sync({ installationId, repositories: [] })
        // One that the sync removed, and one that it found removed.
        expect(
          yield* repo.apply({ installationId, added: [repository(1), repository(2)], removed: [], at: at(200) })
        ).toEqual({ added: 0, updated: 0, removed: 0 })
        expect(yield* seen(installationId)).toEqual([])
        expect(yield* repo.apply({ installationId, added: [repository(1)], removed: [], at: at(301) })).toEqual({
          added: 1,
          updated: 0,
          removed: 0
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("an out-of-order change does not restore an old name", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepositoryRepo
        const repositories = yield* RepositoryRepo
        const { id: installationId } = yield* installation("x")
        yield* TestClock.setTime(1000)
        const renamed = {
          provider: "github",
          externalId: "1",
          owner: "acme",
          name: "renamed",
          defaultBranch: "trunk",
          isArchived: true
        } as const
        const { id } = yield* repositories.upsert({ ...renamed, lastSyncedAt: at(60) })
        yield* repo.apply({
          installationId,
          added: [{ ...repository(1), defaultBranch: "main", isArchived: false }, repository(2)],
          removed: [],
          at: at(50)
        })
        expect(yield* seen(installationId)).toEqual(["1 acme/renamed", "2 acme/r2"])
        expect(yield* repositories.getById(id)).toMatchObject({
          ...renamed,
          externalId: Option.some("1"),
          lastSyncedAt: Option.some(at(60))
        })
        // A later change has that name; the change of time 70 is older than the stored one.
        yield* repo.apply({ installationId, added: [{ ...repository(1), name: "again" }], removed: [], at: at(70) })
        expect(yield* repositories.getById(id)).toMatchObject({ name: "again", lastSyncedAt: Option.some(at(70)) })
        // Two that would have one name: the one of which nothing later is known has it.
        yield* repo.apply({
          installationId,
          added: [
            { ...repository(1), name: "old" },
            { ...repository(3), name: "Again" }
          ],
          removed: [],
          at: at(70)
        })
        yield* repositories.upsert({ ...renamed, name: "r9", lastSyncedAt: at(90) })
        yield* repo.apply({
          installationId,
          added: [
            { ...repository(1), name: "old" },
            { ...repository(4), name: "R9" }
          ],
          removed: [],
          at: at(80)
        })
        expect(yield* seen(installationId)).toEqual(["1 acme/old", "2 acme/r2", "3 acme/Again", "4 acme/R9"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input without a partial write", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepositoryRepo
        const { id: installationId } = yield* installation("x")
        const change = { installationId, added: [repository(1)], removed: ["2"] }
        for (const bad of [
          { ...change, added: [repository(1), repository(1)] },
          { ...change, removed: ["1"] },
          { ...change, added: [{ ...repository(1), name: badNames.huge }] },
          { ...change, removed: [badNames.nul] },
          { ...change, removed: Array.from({ length: 100_001 }, (_, index) => String(index + 2)) }
        ])
          expect(yield* tagOf(repo.apply(bad))).toBe("InvalidInput")
        expect(yield* refusalOf(repo.apply({ ...change, installationId: "gone" }))).toMatchObject({
          _tag: "NotFound",
          entity: "GitHubInstallation"
        })
        expect(yield* seen(installationId)).toEqual([])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("changes of an installation", () => {
  it.effect("apply two thousand rows with as many statements as one", () =>
    Effect.gen(function* () {
      const repo = yield* GitHubInstallationRepositoryRepo
      const { id: installationId } = yield* installation("x")
      const many = Array.from({ length: 2000 }, (_, index) => repository(index))
      const one = yield* recordStatements(repo.apply({ installationId, added: [repository("a")], removed: ["b"] }))
      const all = yield* recordStatements(
        repo.apply({
          installationId,
          added: many,
          removed: many.map(({ externalRepositoryId }) => `x${externalRepositoryId}`)
        })
      )
      expect(all.length).toBe(one.length)
      expect(yield* seen(installationId)).toHaveLength(2001)
    }).pipe(Effect.provide(layers.memory))
  )

  const ids = fc.uniqueArray(fc.constantFrom("1", "2", "3", "4", "5"))
  const changes = fc.array(fc.tuple(ids, ids), { minLength: 1, maxLength: 6 })

  it.effect.prop(
    "have the same result as a full sync",
    [ids, changes],
    ([first, changes]) =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepositoryRepo
        const changed = (yield* installation("changed")).id
        const synced = (yield* installation("synced")).id
        const whole = new Set(first)
        yield* repo.sync({ installationId: changed, repositories: first.map(repository) })
        for (const [added, removed] of changes) {
          yield* TestClock.adjust("1 second")
          const left = removed.filter((id) => !added.includes(id))
          yield* repo.apply({ installationId: changed, added: added.map(repository), removed: left })
          for (const id of left) whole.delete(id)
          for (const id of added) whole.add(id)
          yield* repo.sync({ installationId: synced, repositories: [...whole].map(repository) })
          expect(yield* seen(changed)).toEqual(yield* seen(synced))
        }
      }).pipe(Effect.provide(layers.memory)),
    { fastCheck: { numRuns: volume(40, 10) } }
  )
})
