/**
 * What users see and may use: lists by name, the filter by installation, and access through an installation.
 */
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, TestClock } from "effect"
import { GitHubInstallationRepo } from "../../src/github/GitHubInstallationRepo.js"
import { GitHubInstallationRepositoryRepo } from "../../src/github/GitHubInstallationRepositoryRepo.js"
import * as GitHub from "../../src/github/index.js"
import { RepositoryAccess } from "../../src/source/RepositoryAccess.js"
import { ada, eve, layers, pages, refusalOf, type Services } from "./support.js"

const at = (millis: number) => DateTime.unsafeMake(millis)

const install = (id: string, accountLogin: string) =>
  Effect.flatMap(GitHubInstallationRepo, (repo) =>
    repo.upsert({ id, externalInstallationId: id, accountLogin, accountType: "organization" })
  )

const grant = (installationId: string, userId: string = ada) =>
  Effect.flatMap(GitHubInstallationRepo, (repo) => repo.grantToUser({ installationId, userId }))

const repository = (externalRepositoryId: string, name: string) => ({ externalRepositoryId, owner: "acme", name })

/** Two installations that both contain repository 1. */
const installed = Effect.gen(function* () {
  const repositories = yield* GitHubInstallationRepositoryRepo
  yield* install("x", "acme")
  yield* install("y", "Beta")
  for (const id of ["x", "y"]) yield* grant(id)
  yield* repositories.sync({
    installationId: "x",
    repositories: [repository("1", "delta"), repository("2", "Alpha"), repository("3", "charlie")]
  })
  yield* TestClock.adjust("1 second")
  yield* repositories.sync({ installationId: "y", repositories: [repository("1", "delta"), repository("4", "Bravo")] })
})

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`lists of users (${name})`, () => {
    it.effect("the installations of a user are in the order of their names, page by page", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        for (const [id, login] of Object.entries({ a: "gamma", b: "Alpha", c: "beta", d: "alpha", e: "Delta" })) {
          yield* install(id, login)
          yield* grant(id)
          yield* TestClock.adjust("1 second")
        }
        yield* grant("a", eve)
        const byName = pages((page) => repo.listForUser({ userId: ada, orderBy: "name", ...page }), 2)
        expect((yield* byName).map(({ id }) => id)).toEqual(["b", "d", "c", "e", "a"])
        yield* repo.setStatus({ id: "c", status: "suspended" })
        const active = yield* repo.listForUser({ userId: ada, orderBy: "name", statuses: ["active"] })
        expect(active.items.map(({ id }) => id)).toEqual(["b", "d", "e", "a"])

        const newest = yield* repo.listForUser({ userId: ada, limit: 1 })
        const cursor = Option.getOrThrow(newest.nextCursor)
        for (const bad of [{ cursor }, { cursor: "!" }, { limit: 0 }]) {
          expect(yield* refusalOf(repo.listForUser({ userId: ada, orderBy: "name", ...bad }))).toMatchObject({
            _tag: "InvalidInput"
          })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("the repositories of a user are in the order of their names, each once", () =>
      Effect.gen(function* () {
        yield* installed
        const repo = yield* GitHubInstallationRepositoryRepo
        const byName = (filter: object) =>
          Effect.map(
            pages((page) => repo.listForUser({ userId: ada, orderBy: "name", ...filter, ...page }), 2),
            (rows) => rows.map(({ installationId, name }) => `${name} ${installationId}`)
          )
        expect(yield* byName({})).toEqual(["Alpha x", "Bravo y", "charlie x", "delta y"])
        expect(yield* byName({ search: "A" })).toEqual(["Alpha x", "Bravo y", "charlie x", "delta y"])
        expect(yield* byName({ search: "/c" })).toEqual(["charlie x"])
        expect(yield* byName({ installationId: "x" })).toEqual(["Alpha x", "charlie x", "delta x"])
        expect(yield* byName({ installationId: "gone" })).toEqual([])
        expect((yield* repo.listForUser({ userId: eve, orderBy: "name" })).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("the repositories of a user are listed through one installation while it can be used", () =>
      Effect.gen(function* () {
        yield* installed
        const repo = yield* GitHubInstallationRepositoryRepo
        const through = (installationId: string) =>
          Effect.map(
            pages((page) => repo.listForUser({ userId: ada, installationId, ...page }), 2),
            (rows) => rows.map(({ name }) => name).toSorted()
          )
        expect(yield* through("x")).toEqual(["Alpha", "charlie", "delta"])
        expect(yield* through("y")).toEqual(["Bravo", "delta"])
        yield* (yield* GitHubInstallationRepo).revokeGrant({ installationId: "y", userId: ada })
        expect(yield* through("y")).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a user may use a repository through an active installation with a grant that contains it", () =>
      Effect.gen(function* () {
        yield* installed
        const repo = yield* GitHubInstallationRepositoryRepo
        const installations = yield* GitHubInstallationRepo
        const { id } = Option.getOrThrow(
          yield* repo.findByExternalId({ installationId: "y", externalRepositoryId: "1" })
        )
        const mayUse = (userId: string = ada) => repo.mayUse({ userId, installationRepositoryId: id })
        expect([yield* mayUse(), yield* mayUse(eve), yield* mayUse("gone")]).toEqual([true, false, false])
        expect(yield* repo.mayUse({ userId: ada, installationRepositoryId: "gone" })).toBe(false)
        // The other installation still contains the repository.
        yield* installations.setStatus({ id: "y", status: "suspended" })
        expect(yield* mayUse()).toBe(false)
        yield* installations.setStatus({ id: "y", status: "active" })
        yield* installations.revokeGrant({ installationId: "y", userId: ada })
        expect(yield* mayUse()).toBe(false)
        yield* grant("y")
        yield* repo.apply({ installationId: "y", added: [], removed: ["1"] })
        expect(yield* mayUse()).toBe(false)
        for (const bad of [
          { userId: ada, installationRepositoryId: "" },
          { userId: "", installationRepositoryId: id },
          JSON.parse(JSON.stringify({ userId: ada }))
        ]) {
          expect(yield* refusalOf(repo.mayUse(bad))).toMatchObject({ _tag: "InvalidInput" })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("without the check of grants, every user may use the repositories of active installations", () =>
      Effect.gen(function* () {
        yield* installed
        const context = yield* Layer.build(
          Layer.fresh(GitHub.layer).pipe(Layer.provide(RepositoryAccess.layer("open")))
        )
        const repo = yield* Effect.provide(GitHubInstallationRepositoryRepo, context)
        const { id } = Option.getOrThrow(
          yield* repo.findByExternalId({ installationId: "x", externalRepositoryId: "2" })
        )
        const mayUse = repo.mayUse({ userId: eve, installationRepositoryId: id })
        expect(yield* mayUse).toBe(true)
        yield* (yield* GitHubInstallationRepo).setStatus({ id: "x", status: "deleted" })
        expect(yield* mayUse).toBe(false)
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.effect("one repository of an installation is stored and returned", () =>
      Effect.gen(function* () {
        yield* installed
        const repo = yield* GitHubInstallationRepositoryRepo
        const added = yield* repo.upsert({
          id: "mine",
          installationId: "x",
          ...repository("9", "nine"),
          isPrivate: false
        })
        expect(added).toMatchObject({ id: "mine", fullName: "acme/nine", isPrivate: false, removedAt: Option.none() })
        const renamed = yield* repo.upsert({ id: "other", installationId: "x", ...repository("9", "ten") })
        expect(renamed).toMatchObject({ id: "mine", repositoryId: added.repositoryId, name: "ten", isPrivate: false })
        // An earlier report changes nothing.
        expect(yield* repo.upsert({ installationId: "x", ...repository("9", "old"), at: at(0) })).toEqual(renamed)
        const listed = yield* repo.listForInstallation({ installationId: "x" })
        expect(listed.items).toHaveLength(4)
        const refusals = [
          [{ installationId: "gone", ...repository("9", "nine") }, "NotFound"],
          [{ id: "mine", installationId: "y", ...repository("9", "ten") }, "AlreadyExists"],
          [{ installationId: "x", ...repository("9", "") }, "InvalidInput"]
        ] as const
        for (const [request, tag] of refusals) {
          expect(yield* refusalOf(repo.upsert(request))).toMatchObject({ _tag: tag })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("a report changes a repository in all installations, and a removal ends it in all", () =>
      Effect.gen(function* () {
        yield* installed
        const repo = yield* GitHubInstallationRepositoryRepo
        const rows = Effect.forEach(["x", "y"], (installationId) =>
          Effect.flatten(repo.findByExternalId({ installationId, externalRepositoryId: "1" }))
        )
        const repositoryId = (yield* rows)[0]?.repositoryId ?? ""
        yield* TestClock.adjust("1 second")
        const report = { repositoryId, owner: "acme", name: "new", isPrivate: false, pushedAt: at(5) }
        expect([yield* repo.update(report), yield* repo.update(report)]).toEqual([2, 0])
        expect(yield* rows).toMatchObject([
          { fullName: "acme/new", isPrivate: false, defaultBranch: "main", pushedAt: Option.some(at(5)) },
          { fullName: "acme/new", isPrivate: false }
        ])
        yield* repo.update({ repositoryId, owner: "acme", name: "new" })
        expect((yield* rows)[0]).toMatchObject({ pushedAt: Option.some(at(5)), isPrivate: false })
        expect(yield* repo.update({ repositoryId: "gone", owner: "acme", name: "new" })).toBe(0)
        expect(yield* refusalOf(repo.update({ ...report, pushedAt: at(-1) }))).toMatchObject({ _tag: "InvalidInput" })

        const removal = { repositoryId, at: at(60_000) }
        expect([yield* repo.markDeleted(removal), yield* repo.markDeleted(removal)]).toEqual([2, 0])
        yield* repo.apply({ installationId: "x", added: [repository("1", "new")], removed: [], at: at(50_000) })
        expect((yield* rows).map(({ removedAt }) => Option.isSome(removedAt))).toEqual([true, true])
        yield* repo.apply({ installationId: "x", added: [repository("1", "new")], removed: [], at: at(70_000) })
        expect((yield* rows).map(({ removedAt }) => Option.isSome(removedAt))).toEqual([false, true])
      }).pipe(Effect.provide(layer))
    )

    it.effect("an upsert of an installation accepts null for the instants that it can lack", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        const acme = { externalInstallationId: "1", accountLogin: "acme", accountType: "organization" } as const
        const none = { installedAt: null, suspendedAt: null, lastSyncedAt: null }
        const empty = {
          installedAt: Option.none(),
          suspendedAt: Option.none(),
          lastSyncedAt: Option.none()
        }
        const first = yield* repo.upsert({ ...acme, ...none })
        expect(first).toMatchObject({ status: "active", ...empty })
        expect(yield* repo.upsert({ ...acme, status: "suspended", ...none })).toMatchObject(empty)
        const suspended = yield* repo.upsert({ ...acme, suspendedAt: at(5), installedAt: at(4) })
        expect(suspended).toMatchObject({ suspendedAt: Option.some(at(5)), installedAt: Option.some(at(4)) })
        expect(yield* repo.upsert({ ...acme, ...none })).toMatchObject({ ...empty, installedAt: Option.some(at(4)) })
        expect(yield* repo.upsert({ ...acme, status: "active", ...none })).toMatchObject({ status: "active" })
      }).pipe(Effect.provide(layer))
    )

    it.effect("a change of the status of an installation can set the instant of its last sync", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        yield* install("x", "acme")
        const set = (more: object) => repo.setStatus({ id: "x", status: "active", ...more })
        expect(yield* set({ lastSyncedAt: at(5) })).toMatchObject({ lastSyncedAt: Option.some(at(5)) })
        expect(yield* set({})).toMatchObject({ lastSyncedAt: Option.some(at(5)) })
        expect(yield* set({ lastSyncedAt: null })).toMatchObject({ lastSyncedAt: Option.none() })
        expect(yield* refusalOf(set({ lastSyncedAt: at(-1) }))).toMatchObject({ _tag: "InvalidInput" })
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
