import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, type Layer, Option, TestClock } from "effect"
import { GitHubInstallationId } from "../../src/github/GitHubInstallation.js"
import { GitHubInstallationRepo } from "../../src/github/GitHubInstallationRepo.js"
import {
  GitHubInstallationRepositoryId,
  type SyncInstallationRepositories
} from "../../src/github/GitHubInstallationRepository.js"
import { GitHubInstallationRepositoryRepo } from "../../src/github/GitHubInstallationRepositoryRepo.js"
import { RepositoryId } from "../../src/source/Repository.js"
import { RepositoryRepo } from "../../src/source/RepositoryRepo.js"
import { seedIssue } from "../support/database.js"
import { turns } from "../support/eventLoop.js"
import { recordStatements } from "../support/plans.js"
import { ada, badNames, eve, layers, pages, refusalOf, type Services, shell, tagOf } from "./support.js"
import { volume } from "../support/volume.js"

const installationId = GitHubInstallationId.make("inst")
const other = GitHubInstallationId.make("other")
const gone = GitHubInstallationId.make("gone")
const at = (millis: number) => DateTime.unsafeMake(millis)

/** A repository of `acme`, as GitHub sends it. */
const told = (externalRepositoryId: string, name: string) => ({ externalRepositoryId, owner: "acme", name })

const many = (length: number, nameOf = (index: number) => `r${index}`) =>
  Array.from({ length }, (_, index) => told(String(index), nameOf(index)))

type Input = (typeof SyncInstallationRepositories.Encoded)["repositories"]

const sync = (repositories: Input, of = installationId) =>
  Effect.flatMap(GitHubInstallationRepositoryRepo, (repo) => repo.sync({ installationId: of, repositories }))

/** The names that an installation sees, by GitHub's id. */
const seenBy = (of: GitHubInstallationId) =>
  Effect.gen(function* () {
    const repo = yield* GitHubInstallationRepositoryRepo
    const rows = yield* pages((page) => repo.listForInstallation({ installationId: of, ...page }), 500)
    return Object.fromEntries(rows.map(({ externalRepositoryId, name }) => [externalRepositoryId, name]))
  })

const installed = Effect.gen(function* () {
  const repo = yield* GitHubInstallationRepo
  for (const id of [installationId, other])
    yield* repo.upsert({ id, externalInstallationId: id, accountLogin: "acme", accountType: "organization" })
})

/** The contract of `GitHubInstallationRepositoryRepo`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`GitHubInstallationRepositoryRepo (${name})`, () => {
    it.effect("stores every field of the input, in its rows and in those of the repositories", () =>
      Effect.gen(function* () {
        yield* installed
        const repo = yield* GitHubInstallationRepositoryRepo
        yield* TestClock.setTime(1000)
        const full = {
          ...told("1", "app"),
          fullName: "Acme / app",
          defaultBranch: "trunk",
          isPrivate: false,
          isArchived: true,
          pushedAt: at(7),
          url: "https://github.com/acme/app"
        }
        expect(yield* repo.sync({ installationId, repositories: [full, told("2", "small")] })).toEqual({
          added: 2,
          updated: 0,
          removed: 0
        })
        const [app, small] = [yield* findOne("1"), yield* findOne("2")]
        expect(app).toMatchObject({
          installationId,
          externalRepositoryId: "1",
          owner: "acme",
          name: "app",
          fullName: "Acme / app",
          defaultBranch: "trunk",
          isPrivate: false,
          isArchived: true,
          pushedAt: Option.some(at(7)),
          lastSyncedAt: Option.some(at(1000)),
          removedAt: Option.none(),
          createdAt: at(1000),
          updatedAt: at(1000)
        })
        expect(app.id).toMatch(/^ghr_/)
        expect(small).toMatchObject({
          fullName: "acme/small",
          defaultBranch: "main",
          isPrivate: true,
          isArchived: false,
          pushedAt: Option.none()
        })
        expect(yield* repo.findById(app.id)).toEqual(Option.some(app))
        expect(yield* repo.findByRepositoryId({ installationId, repositoryId: app.repositoryId })).toEqual(
          Option.some(app)
        )
        expect(yield* (yield* RepositoryRepo).getById(app.repositoryId)).toMatchObject({
          provider: "github",
          externalId: Option.some("1"),
          owner: "acme",
          name: "app",
          defaultBranch: "trunk",
          isArchived: true,
          url: Option.some("https://github.com/acme/app"),
          lastSyncedAt: Option.some(at(1000))
        })
        expect((yield* (yield* GitHubInstallationRepo).getById(installationId)).lastSyncedAt).toEqual(
          Option.some(at(1000))
        )

        // What is left out stays, null clears; what is only confirmed is no update.
        yield* TestClock.setTime(2000)
        const cleared = { ...told("1", "app"), pushedAt: null, url: null, fullName: "Acme / app" }
        expect(yield* repo.sync({ installationId, repositories: [cleared, told("2", "small")] })).toEqual({
          added: 0,
          updated: 1,
          removed: 0
        })
        expect(yield* findOne("1")).toEqual(
          withFields(app, { pushedAt: Option.none(), lastSyncedAt: Option.some(at(2000)), updatedAt: at(2000) })
        )
        expect(yield* findOne("2")).toEqual(withFields(small, { lastSyncedAt: Option.some(at(2000)) }))
        const repository = yield* (yield* RepositoryRepo).getById(app.repositoryId)
        expect(repository).toMatchObject({
          url: Option.none(),
          defaultBranch: "trunk",
          isArchived: true,
          updatedAt: at(2000)
        })

        for (const missing of [
          repo.findById(GitHubInstallationRepositoryId.make("gone")),
          repo.findByExternalId({ installationId: other, externalRepositoryId: "1" }),
          repo.findByRepositoryId({ installationId: other, repositoryId: app.repositoryId }),
          repo.findByRepositoryId({ installationId, repositoryId: RepositoryId.make("gone") })
        ])
          expect(yield* missing).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("removes rows that are not in the set, and keeps their ids when they return", () =>
      Effect.gen(function* () {
        yield* installed
        const repo = yield* GitHubInstallationRepositoryRepo
        yield* sync([told("1", "a"), told("2", "b")])
        const before = yield* findOne("1")
        yield* TestClock.setTime(1000)
        expect(yield* sync([told("2", "b"), told("3", "c")])).toEqual({ added: 1, updated: 0, removed: 1 })
        const removed = yield* findOne("1")
        expect(removed).toEqual(
          withFields(before, {
            removedAt: Option.some(at(1000)),
            updatedAt: at(1000),
            lastSyncedAt: Option.some(at(1000))
          })
        )
        expect(yield* repo.findByRepositoryId({ installationId, repositoryId: before.repositoryId })).toEqual(
          Option.some(removed)
        )
        expect(yield* seenBy(installationId)).toEqual({ 2: "b", 3: "c" })
        const all = yield* repo.listForInstallation({ installationId, includeRemoved: true })
        expect(all.items.map(({ externalRepositoryId }) => externalRepositoryId).toSorted()).toEqual(["1", "2", "3"])
        yield* TestClock.setTime(2000)
        // The first removal stands.
        expect(yield* sync([told("2", "b"), told("3", "c")])).toEqual({ added: 0, updated: 0, removed: 0 })
        expect(yield* findOne("1")).toEqual(withFields(removed, { lastSyncedAt: Option.some(at(2000)) }))
        expect(yield* sync([told("1", "a2")])).toEqual({ added: 1, updated: 0, removed: 2 })
        expect(yield* findOne("1")).toMatchObject({
          id: before.id,
          repositoryId: before.repositoryId,
          name: "a2",
          removedAt: Option.none()
        })
        expect(yield* sync([])).toEqual({ added: 0, updated: 0, removed: 1 })
        expect(yield* seenBy(installationId)).toEqual({})
        expect((yield* (yield* RepositoryRepo).list({})).items).toHaveLength(3)
      }).pipe(Effect.provide(layer))
    )

    it.effect("applies renames, transfers and swaps within one set", () =>
      Effect.gen(function* () {
        yield* installed
        yield* sync([told("1", "a"), told("2", "b"), told("3", "c")])
        const before = yield* Effect.forEach(["1", "2", "3"], findOne)
        const sets = [
          [told("1", "b"), told("2", "a"), told("3", "c")],
          [told("1", "c"), told("2", "b"), told("3", "a")],
          [told("1", "A"), told("2", "B"), { ...told("3", "c"), owner: "org" }],
          [{ ...told("1", "a"), owner: "org" }, told("2", "c"), told("3", "b")]
        ]
        for (const set of sets) {
          const result = yield* sync(set)
          expect(result).toMatchObject({ added: 0, removed: 0 })
          for (const [index, row] of (yield* Effect.forEach(["1", "2", "3"], findOne)).entries()) {
            expect(row).toMatchObject({
              id: before[index]?.id,
              repositoryId: before[index]?.repositoryId,
              owner: set[index]?.owner,
              name: set[index]?.name
            })
            expect(yield* (yield* RepositoryRepo).getById(row.repositoryId)).toMatchObject({
              owner: set[index]?.owner,
              name: set[index]?.name
            })
          }
        }
        // One is renamed, and another one is made under its old name, in either order.
        for (const set of [
          [told("1", "x"), told("4", "a")],
          [told("5", "x"), told("1", "y"), told("4", "a")]
        ])
          yield* sync(set)
        expect((yield* findOne("1")).repositoryId).toBe(before[0]?.repositoryId)
        const rows = yield* Effect.forEach(["1", "4", "5"], findOne)
        expect(new Set(rows.map(({ repositoryId }) => repositoryId)).size).toBe(3)
      }).pipe(Effect.provide(layer))
    )

    it.effect("reuses existing repositories, and renames those whose name was taken over", () =>
      Effect.gen(function* () {
        yield* installed
        const repositories = yield* RepositoryRepo
        const known = yield* repositories.upsert({ provider: "github", owner: "ACME", name: "App", url: "u" })
        const stale = yield* repositories.upsert({ provider: "github", externalId: "9", owner: "acme", name: "lib" })
        yield* seedIssue("of-stale", stale.id)
        yield* sync([told("1", "app"), told("8", "old")])
        expect(yield* repositories.getById(known.id)).toMatchObject({
          externalId: Option.some("1"),
          owner: "acme",
          name: "app",
          url: Option.some("u")
        })
        yield* sync([told("1", "app"), told("8", "lib")])
        expect((yield* findOne("1")).repositoryId).toBe(known.id)
        const gaveWay = yield* repositories.getById(stale.id)
        expect(gaveWay.name).toMatch(/^lib~/)
        expect(gaveWay.externalId).toEqual(Option.some("9"))
        expect(yield* shell("SELECT repository_id FROM issues")).toEqual([{ repository_id: stale.id }])
        yield* sync([told("1", "app"), told("9", "lib2")], other)
        expect((yield* repositories.getById(stale.id)).name).toBe("lib2")

        // Deleted, and made again under its name: the repository follows, the installation sees another one.
        expect(yield* sync([told("2", "app"), told("8", "lib")])).toEqual({ added: 1, updated: 0, removed: 1 })
        const repo = yield* GitHubInstallationRepositoryRepo
        const again = yield* findOne("2")
        expect(again.repositoryId).toBe(known.id)
        expect(yield* repo.findByRepositoryId({ installationId, repositoryId: known.id })).toEqual(Option.some(again))
        // Both turn up after all.
        expect(yield* sync([told("2", "app"), told("1", "app1"), told("8", "lib")])).toEqual({
          added: 1,
          updated: 0,
          removed: 0
        })
        expect((yield* findOne("2")).repositoryId).toBe(known.id)
        expect((yield* findOne("1")).repositoryId).not.toBe(known.id)
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores two repositories that swapped their names", () =>
      Effect.gen(function* () {
        yield* installed
        const repositories = yield* RepositoryRepo
        yield* sync([told("1", "a"), told("2", "b")])
        const [one, two] = [yield* findOne("1"), yield* findOne("2")]
        // The caller names the rows by id, with swapped names.
        yield* repositories.upsert({ id: one.repositoryId, externalId: "2", owner: "acme", name: "b" })
        yield* repositories.upsert({ id: two.repositoryId, externalId: "1", owner: "acme", name: "a" })
        yield* TestClock.setTime(1000)
        expect(yield* sync([told("1", "a"), told("2", "b")])).toEqual({ added: 0, updated: 2, removed: 0 })
        expect(yield* findOne("1")).toMatchObject({
          id: one.id,
          repositoryId: two.repositoryId,
          removedAt: Option.none(),
          updatedAt: at(1000)
        })
        expect(yield* findOne("2")).toMatchObject({
          id: two.id,
          repositoryId: one.repositoryId,
          removedAt: Option.none()
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("syncs two thousand rows with as many statements as one, and more in pieces", () =>
      Effect.gen(function* () {
        yield* installed
        const statements = (set: ReturnType<typeof many>) =>
          Effect.map(recordStatements(sync(set)), (all) => all.map(({ text }) => text))
        const few = yield* statements(many(1))
        expect(few.length).toBeLessThanOrEqual(8)
        expect(yield* statements(many(2000))).toEqual(few)
        const pieces = name === "file" ? 5 : volume(5, 2)
        const count = pieces * 2000
        expect((yield* statements(many(count))).length).toBe(pieces * (few.length - 3) + 3 + pieces)
        expect(yield* sync(many(count, (index) => `r${index ^ 1}`))).toEqual({ added: 0, updated: count, removed: 0 })
        const seen = yield* seenBy(installationId)
        expect(Object.keys(seen)).toHaveLength(count)
        expect([seen["0"], seen["1"], seen[`${count - 1}`]]).toEqual(["r1", "r0", `r${count - 2}`])
        expect(yield* statements(many(2))).toEqual(few)
        expect(yield* seenBy(installationId)).toEqual({ 0: "r0", 1: "r1" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("yields to other work between its statements", () =>
      Effect.gen(function* () {
        yield* installed
        let count = 0
        const others = yield* Effect.fork(
          Effect.forever(
            Effect.zipRight(
              turns(1),
              Effect.sync(() => count++)
            )
          )
        )
        yield* sync(many(100))
        expect(count).toBeGreaterThanOrEqual(6)
        yield* Fiber.interrupt(others)

        // And nobody sees half a sync.
        const seen: Array<number> = []
        const readers = yield* Effect.fork(
          Effect.forever(
            Effect.zipRight(
              turns(1),
              Effect.map(seenBy(installationId), (names) => seen.push(Object.keys(names).length))
            )
          )
        )
        for (const size of [200, 50, 300, 0]) yield* sync(many(size))
        yield* Fiber.interrupt(readers)
        expect(seen.length).toBeGreaterThan(0)
        expect(seen.filter((size) => ![100, 200, 50, 300, 0].includes(size))).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores one of the sets when many sync concurrently", () =>
      Effect.gen(function* () {
        yield* installed
        const sets = Array.from({ length: 12 }, (_, index) =>
          many(20, (item) => `r${(item + index) % 20}`).slice(0, 10 + (index % 5))
        )
        yield* Effect.forEach(sets, (set, index) => sync(set, index % 3 === 0 ? other : installationId), {
          concurrency: "unbounded"
        })
        const asSeen = (set: Input) =>
          Object.fromEntries(set.map(({ externalRepositoryId, name }) => [externalRepositoryId, name]))
        for (const of of [installationId, other]) expect(sets.map(asSeen)).toContainEqual(yield* seenBy(of))
        const [row] = yield* shell<{ readonly rows: number; readonly ids: number }>(
          "SELECT count(*) AS rows, count(DISTINCT external_id) AS ids FROM repositories"
        )
        expect(row?.rows).toBe(row?.ids)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid sets, and changes nothing", () =>
      Effect.gen(function* () {
        yield* installed
        yield* sync([told("1", "a")])
        const bad: ReadonlyArray<Input> = [
          ...Object.values(badNames).flatMap((bad) => [
            [told(bad, "x")],
            [told("2", bad)],
            [{ ...told("2", "x"), owner: bad }]
          ]),
          ...Object.values(badNames).flatMap((bad) => [
            [{ ...told("2", "x"), fullName: bad }],
            [{ ...told("2", "x"), defaultBranch: bad }],
            [{ ...told("2", "x"), url: bad }]
          ]),
          [told("2", "x".repeat(256))],
          [{ ...told("2", "x"), owner: "x".repeat(999) }],
          [{ ...told("2", "x"), isPrivate: 1 as unknown as boolean }],
          [{ ...told("2", "x"), pushedAt: at(-1) }]
        ]
        for (const [index, set] of bad.entries()) expect(yield* tagOf(sync(set)), String(index)).toBe("InvalidInput")
        for (const [set, path] of [
          [[told("2", "x"), told("2", "y")], "1.externalRepositoryId"],
          [[told("2", "x"), told("3", "X")], "1.name"]
        ] as const) {
          expect(yield* refusalOf(sync(set))).toMatchObject({
            _tag: "InvalidInput",
            issues: [`repositories.${path}: is given twice`]
          })
        }
        // These are two to the database, as they are to GitHub.
        expect(yield* sync([told("1", "a"), told("2", "É"), told("3", "é")])).toMatchObject({ added: 2 })
        expect(yield* refusalOf(sync([], gone))).toMatchObject({
          _tag: "NotFound",
          entity: "GitHubInstallation",
          id: "gone"
        })
        expect(yield* refusalOf(sync([told("7", "z")], gone))).toMatchObject({ _tag: "NotFound" })
        expect(yield* seenBy(installationId)).toEqual({ 1: "a", 2: "É", 3: "é" })
        expect((yield* (yield* RepositoryRepo).list({})).items).toHaveLength(3)
        const repo = yield* GitHubInstallationRepositoryRepo
        for (const bad of Object.values(badNames)) {
          expect(yield* tagOf(repo.findByExternalId({ installationId, externalRepositoryId: bad }))).toBe(
            "InvalidInput"
          )
          expect(yield* tagOf(repo.findByRepositoryId({ installationId, repositoryId: bad }))).toBe("InvalidInput")
          if (bad === "") continue
          expect(yield* tagOf(repo.listForInstallation({ installationId, search: bad }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.listForUser({ userId: ada, search: bad }))).toBe("InvalidInput")
        }
        for (const page of [{ limit: 0 }, { limit: 501 }, { cursor: "!" }]) {
          expect(yield* tagOf(repo.listForInstallation({ installationId, ...page }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.listForUser({ userId: ada, ...page }))).toBe("InvalidInput")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("search matches its text literally, including wildcard characters", () =>
      Effect.gen(function* () {
        yield* installed
        yield* (yield* GitHubInstallationRepo).grantToUser({ installationId, userId: ada })
        const names = ["100%", "a_b", "axb", "back\\slash", "Web-App", "web.app"]
        yield* sync(names.map((name, index) => told(String(index), name)))
        const repo = yield* GitHubInstallationRepositoryRepo
        const searches = {
          "%": ["100%"],
          _: ["a_b"],
          a_b: ["a_b"],
          "\\": ["back\\slash"],
          "\\%": [],
          web: ["Web-App", "web.app"],
          "acme/": names,
          "ACME/W": ["Web-App", "web.app"],
          "": names,
          nothing: []
        }
        for (const [search, expected] of Object.entries(searches)) {
          for (const list of [
            pages((page) => repo.listForInstallation({ installationId, search, ...page }), 2),
            pages((page) => repo.listForUser({ userId: ada, search, ...page }), 2)
          ]) {
            expect((yield* list).map(({ name }) => name).toSorted(), search).toEqual(expected.toSorted())
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists a user's granted, active and not removed repositories once each", () =>
      Effect.gen(function* () {
        yield* installed
        const installations = yield* GitHubInstallationRepo
        const repo = yield* GitHubInstallationRepositoryRepo
        yield* sync([told("1", "a"), told("2", "b"), told("3", "c")])
        yield* TestClock.adjust("1 second")
        yield* sync([told("2", "b"), told("3", "c"), told("4", "d")], other)
        const seen = (userId = ada) =>
          Effect.map(
            pages((page) => repo.listForUser({ userId, ...page }), 1),
            (rows) => rows.map(({ installationId, name }) => [name, installationId])
          )
        expect(yield* seen()).toEqual([])
        yield* installations.grantToUser({ installationId, userId: ada })
        expect(yield* seen()).toEqual([
          ["c", "inst"],
          ["b", "inst"],
          ["a", "inst"]
        ])
        yield* installations.grantToUser({ installationId: other, userId: ada })
        expect(yield* seen()).toEqual([
          ["d", "other"],
          ["c", "other"],
          ["b", "other"],
          ["a", "inst"]
        ])
        expect(yield* seen(eve)).toEqual([])
        yield* sync([told("2", "b")], other)
        expect(yield* seen()).toEqual([
          ["c", "inst"],
          ["b", "other"],
          ["a", "inst"]
        ])
        yield* installations.revokeGrant({ installationId, userId: ada })
        expect(yield* seen()).toEqual([["b", "other"]])
        for (const status of ["suspended", "deleted"] as const) {
          yield* installations.setStatus({ id: other, status })
          expect(yield* seen()).toEqual([])
          expect((yield* repo.listForInstallation({ installationId: other })).items).toHaveLength(1)
        }
        yield* installations.grantToUser({ installationId, userId: ada })
        expect(yield* seen()).toEqual([
          ["c", "inst"],
          ["b", "inst"],
          ["a", "inst"]
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists thousands of rows while rows are inserted and deleted", () =>
      Effect.gen(function* () {
        yield* installed
        const installations = yield* GitHubInstallationRepo
        const repo = yield* GitHubInstallationRepositoryRepo
        const count = name === "file" ? 10_000 : volume(10_000, 2000)
        yield* sync(many(count))
        yield* TestClock.adjust("1 second")
        yield* sync(many(300), other)
        for (const of of [installationId, other]) yield* installations.grantToUser({ installationId: of, userId: ada })
        // Some go, some go from one installation to the other, some come.
        let round = 0
        const meanwhile = Effect.suspend(() => {
          round++
          return Effect.all([
            shell(
              "UPDATE github_installation_repositories SET removed_at = 1 WHERE installation_id = 'other' AND CAST(external_repository_id AS INTEGER) % 40 = ?",
              round
            ),
            shell(
              "UPDATE github_installation_repositories SET removed_at = 1 WHERE external_repository_id = ?",
              `${0.7 * count + round}`
            ),
            shell(
              "DELETE FROM repositories WHERE external_id IN (?, ?)",
              `${0.6 * count + round}`,
              `${count - 1 - round}`
            ),
            sync([...many(300), told(`n${round}`, `n${round}`)].slice(round), other)
          ])
        })
        const walk = (list: Parameters<typeof pages<{ readonly repositoryId: string }, unknown, Services>>[0]) =>
          Effect.gen(function* () {
            const seen = (yield* pages(list, 500, meanwhile)).map(({ repositoryId }): string => repositoryId)
            expect(new Set(seen).size).toBe(seen.length)
            const there = new Set(seen)
            const left = yield* shell<{ readonly id: string }>(`
              SELECT repository_id AS id FROM github_installation_repositories
              WHERE installation_id = 'inst' AND removed_at IS NULL`)
            expect(left.length).toBeGreaterThan(count - 150)
            expect(left.filter(({ id }) => !there.has(id))).toEqual([])
          })
        yield* walk((page) => repo.listForInstallation({ installationId, ...page }))
        yield* walk((page) => repo.listForUser({ userId: ada, ...page }))
      }).pipe(Effect.provide(layer))
    )
  })

const findOne = (externalRepositoryId: string) =>
  Effect.flatMap(GitHubInstallationRepositoryRepo, (repo) =>
    Effect.flatten(repo.findByExternalId({ installationId, externalRepositoryId }))
  )

/** The row with some fields as something else. */
const withFields = <A extends object>(row: A, fields: Partial<A>): A =>
  Object.assign(Object.create(Object.getPrototypeOf(row)), row, fields)

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
