import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option, TestClock } from "effect"
import { type Repository, RepositoryId } from "../../src/source/Repository.js"
import { RepositoryRepo } from "../../src/source/RepositoryRepo.js"
import { seedIssue } from "../support/database.js"
import { badNames, layers, pages, refusalOf, type Services, shell, tagOf } from "../github/support.js"

const app = { provider: "github", owner: "acme", name: "app" } as const
const gone = RepositoryId.make("gone")

const nameOf = ({ name, owner }: Repository) => `${owner}/${name}`
const takenName = (name: string) => new RegExp(`^${name}~[0-9a-f-]{36}$`)

/** The contract of `RepositoryRepo`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`RepositoryRepo (${name})`, () => {
    it.effect("stores every field of the input, and finds it by each identity", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryRepo
        yield* TestClock.setTime(1000)
        const small = yield* repo.upsert({ owner: "acme", name: "small" })
        expect(small.id).toMatch(/^repo_/)
        expect(small).toMatchObject({
          provider: "generic",
          externalId: Option.none(),
          defaultBranch: "main",
          url: Option.none(),
          isArchived: false,
          lastSyncedAt: Option.none()
        })
        expect([small.createdAt.epochMillis, small.updatedAt.epochMillis]).toEqual([1000, 1000])
        const lastSyncedAt = DateTime.unsafeMake(500)
        const given = {
          ...app,
          externalId: "1",
          defaultBranch: "trunk",
          url: "https://github.com/acme/app",
          isArchived: true,
          lastSyncedAt
        }
        const full = yield* repo.upsert({ ...given, id: "given" })
        expect(full).toMatchObject({
          ...given,
          id: "given",
          externalId: Option.some("1"),
          url: Option.some("https://github.com/acme/app"),
          lastSyncedAt: Option.some(lastSyncedAt)
        })
        for (const found of [
          repo.findById(full.id),
          repo.findByExternalId({ provider: "github", externalId: "1" }),
          repo.findByOwnerAndName(app),
          repo.findByOwnerAndName({ ...app, owner: "ACME", name: "App" }),
          Effect.asSome(repo.getById(full.id))
        ])
          expect(yield* found).toEqual(Option.some(full))
        for (const missing of [
          repo.findById(gone),
          repo.findByExternalId({ provider: "gitlab", externalId: "1" }),
          repo.findByOwnerAndName({ ...app, provider: "gitlab" })
        ])
          expect(yield* missing).toEqual(Option.none())
        expect(yield* refusalOf(repo.getById(gone))).toMatchObject({
          _tag: "NotFound",
          entity: "Repository",
          id: "gone"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("updates present fields, clears null ones, keeps absent ones, and records the times of changes", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryRepo
        const first = yield* repo.upsert({
          ...app,
          externalId: "1",
          url: "u",
          defaultBranch: "trunk",
          isArchived: true
        })
        yield* TestClock.adjust("1 second")
        expect(yield* repo.upsert(app)).toEqual(first)
        expect(yield* repo.upsert({ id: first.id, owner: "acme", name: "app" })).toEqual(first)
        const synced = yield* repo.upsert({ ...app, lastSyncedAt: DateTime.unsafeMake(700) })
        expect(synced).toMatchObject({
          lastSyncedAt: Option.some(DateTime.unsafeMake(700)),
          updatedAt: first.updatedAt
        })
        const cleared = yield* repo.upsert({
          ...app,
          externalId: null,
          url: null,
          lastSyncedAt: null,
          isArchived: false
        })
        expect(cleared).toMatchObject({
          id: first.id,
          externalId: Option.none(),
          url: Option.none(),
          lastSyncedAt: Option.none(),
          isArchived: false,
          defaultBranch: "trunk"
        })
        expect([cleared.createdAt.epochMillis, cleared.updatedAt.epochMillis]).toEqual([0, 1000])
      }).pipe(Effect.provide(layer))
    )

    it.effect("identifies a repository by its id, then the provider's id, then its name", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryRepo
        const { id } = yield* repo.upsert(app)
        const steps: ReadonlyArray<Parameters<typeof repo.upsert>[0]> = [
          { ...app, externalId: "1" }, // its external id becomes known
          { ...app, externalId: "1", name: "renamed" },
          { ...app, externalId: "1", owner: "other", name: "renamed" }, // transferred
          { ...app, externalId: "1", owner: "Other", name: "RENAMED" }, // written in another way
          { ...app, owner: "other", name: "renamed" },
          { ...app, externalId: "2", owner: "other", name: "renamed" }, // deleted, and made again under its name
          { ...app, id, externalId: "3", owner: "third", name: "moved" },
          { ...app, id: "no such row", externalId: "3" },
          { ...app, id: "no such row", externalId: "4" },
          { ...app, provider: "gitlab", id, externalId: "4" }
        ]
        for (const step of steps) {
          const stored = yield* repo.upsert(step)
          expect(stored).toMatchObject({ ...step, id, externalId: Option.some(step.externalId ?? "1") })
          expect(yield* repo.getById(id)).toEqual(stored)
        }
        expect((yield* repo.list({})).items).toHaveLength(1)
        // The same ids and names elsewhere are other repositories.
        expect((yield* repo.upsert({ ...app, externalId: "4" })).id).not.toBe(id)
        expect((yield* repo.upsert({ ...app, provider: "generic", externalId: "4" })).id).not.toBe(id)
        expect((yield* repo.list({})).items).toHaveLength(3)
      }).pipe(Effect.provide(layer))
    )

    it.effect("renames a stale row whose name another repository takes, and keeps its dependants", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryRepo
        const a = yield* repo.upsert({ ...app, externalId: "1", name: "a" })
        const b = yield* repo.upsert({ ...app, externalId: "2", name: "b" })
        yield* seedIssue("of-b", b.id)
        yield* TestClock.adjust("1 second")

        // b was deleted or renamed without a notification: a has its name now.
        const renamed = yield* repo.upsert({ ...app, externalId: "1", name: "B" })
        expect(renamed).toMatchObject({ id: a.id, name: "B" })
        const stale = yield* repo.getById(b.id)
        expect(stale.name).toMatch(takenName("b"))
        expect(stale).toMatchObject({ owner: "acme", externalId: Option.some("2") })
        expect(stale.updatedAt.epochMillis).toBe(1000)
        expect(yield* repo.findByOwnerAndName({ ...app, name: "b" })).toEqual(Option.some(renamed))
        expect(yield* shell("SELECT repository_id FROM issues")).toEqual([{ repository_id: b.id }])

        // Its notification arrives later: the row is found by its external id, and takes its current name.
        expect(nameOf(yield* repo.upsert({ ...app, externalId: "2", name: "c" }))).toBe("acme/c")
        // And back, in either order.
        yield* repo.upsert({ ...app, externalId: "2", name: "B" })
        yield* repo.upsert({ ...app, externalId: "1", name: "c" })
        expect([nameOf(yield* repo.getById(a.id)), nameOf(yield* repo.getById(b.id))]).toEqual(["acme/c", "acme/B"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("moves an external id to the row that the caller names by id", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryRepo
        const a = yield* repo.upsert({ ...app, externalId: "1", name: "a" })
        const b = yield* repo.upsert({ ...app, externalId: "2", name: "b" })
        const c = yield* repo.upsert({ ...app, name: "c" })
        const taken = yield* repo.upsert({ ...app, id: c.id, externalId: "2", name: "a" })
        expect(taken).toMatchObject({ id: c.id, externalId: Option.some("2"), name: "a" })
        expect(yield* repo.getById(b.id)).toMatchObject({ name: "b", externalId: Option.none() })
        const stale = yield* repo.getById(a.id)
        expect(stale.externalId).toEqual(Option.some("1"))
        expect(stale.name).toMatch(takenName("a"))
        // An external id that is kept, at a provider where it is another's.
        yield* repo.upsert({ provider: "gitlab", externalId: "2", owner: "acme", name: "z" })
        const moved = yield* repo.upsert({ provider: "gitlab", id: c.id, owner: "acme", name: "a" })
        expect(moved).toMatchObject({ provider: "gitlab", externalId: Option.some("2") })
        expect(yield* repo.findByExternalId({ provider: "gitlab", externalId: "2" })).toEqual(Option.some(moved))
      }).pipe(Effect.provide(layer))
    )

    it.effect("creates one row when many callers write the same identity", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryRepo
        const spellings = ["app", "App", "APP", "aPP"]
        const stored = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, index) => ({
            ...app,
            name: spellings[index % 4] ?? "app",
            ...(index % 3 === 0 ? { externalId: "1" } : {})
          })),
          repo.upsert,
          { concurrency: "unbounded" }
        )
        expect(new Set(stored.map(({ id }) => id)).size).toBe(1)
        expect((yield* repo.list({})).items).toHaveLength(1)

        // Two repositories that take each other's names all the time are two still.
        const b = yield* repo.upsert({ ...app, externalId: "2", name: "b" })
        yield* Effect.forEach(
          Array.from({ length: 40 }, (_, index) => ({
            ...app,
            externalId: index % 2 === 0 ? "1" : "2",
            name: index % 3 === 0 ? "app" : "b"
          })),
          repo.upsert,
          { concurrency: "unbounded" }
        )
        const ids = (yield* repo.list({})).items.map(({ id }) => id)
        expect(new Set(ids)).toEqual(new Set([b.id, stored[0]?.id]))
        expect(ids).toHaveLength(2)
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input, and stores nothing", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryRepo
        for (const [rule, bad] of Object.entries(badNames)) {
          const error = yield* refusalOf(repo.upsert({ ...app, name: bad }))
          expect(error, rule).toMatchObject({ _tag: "InvalidInput", operation: "RepositoryRepo.upsert" })
          if (bad !== "") expect(JSON.stringify(error)).not.toContain(bad)
          for (const field of ["id", "owner", "externalId", "defaultBranch", "url"] as const) {
            expect(yield* tagOf(repo.upsert({ ...app, [field]: bad })), `${field} ${rule}`).toBe("InvalidInput")
          }
          expect(yield* tagOf(repo.findByExternalId({ provider: "github", externalId: bad }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.findByOwnerAndName({ ...app, owner: bad }))).toBe("InvalidInput")
        }
        expect(yield* tagOf(repo.upsert({ ...app, name: "x".repeat(256) }))).toBe("InvalidInput")
        expect(yield* tagOf(repo.upsert({ ...app, provider: "svn" as "github" }))).toBe("InvalidInput")
        expect(yield* tagOf(repo.findByExternalId({ provider: "svn" as "github", externalId: "1" }))).toBe(
          "InvalidInput"
        )
        expect(yield* tagOf(repo.upsert({ ...app, lastSyncedAt: DateTime.unsafeMake(-1) }))).toBe("InvalidInput")
        for (const page of [{ limit: 0 }, { limit: 501 }, { limit: Number.NaN }, { cursor: "!" }]) {
          expect(yield* tagOf(repo.list(page))).toBe("InvalidInput")
        }
        expect((yield* repo.list({})).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("deletes a repository with its dependants", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryRepo
        const { id } = yield* repo.upsert({ ...app, externalId: "1" })
        yield* seedIssue("issue", id)
        yield* repo.delete(id)
        expect(yield* tagOf(repo.delete(id))).toBe("NotFound")
        expect(yield* shell("SELECT id FROM issues")).toEqual([])
        expect((yield* repo.upsert({ ...app, externalId: "1" })).id).not.toBe(id)
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists newest first while rows are inserted and deleted", () =>
      Effect.gen(function* () {
        const repo = yield* RepositoryRepo
        yield* shell(`
          INSERT INTO repositories (id, owner, name, created_at, updated_at)
          SELECT printf('r%05d', value), 'acme', value, value / 7, 0 FROM generate_series(0, 9999)`)
        let round = 0
        const meanwhile = Effect.suspend(() => {
          round++
          return Effect.all([
            Effect.zipRight(TestClock.setTime(100_000 + round), repo.upsert({ owner: "new", name: `n${round}` })),
            repo.delete(RepositoryId.make(`r0${1000 + round}`)),
            repo.delete(RepositoryId.make(`r0${9999 - round}`))
          ])
        })
        const seen = (yield* pages(repo.list, 500, meanwhile)).map(({ id }) => id)
        expect(new Set(seen).size).toBe(seen.length)
        expect(seen.slice(0, 2)).toEqual(["r09999", "r09998"])
        const there = new Set(seen)
        const left = yield* shell<{ readonly id: RepositoryId }>("SELECT id FROM repositories WHERE owner = 'acme'")
        expect(left.length).toBeGreaterThan(9900)
        expect(left.filter(({ id }) => !there.has(id))).toEqual([])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
