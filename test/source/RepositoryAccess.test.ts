import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { GitHub, GitHubInstallationRepo, GitHubInstallationRepositoryRepo, RepositoryRepo, Source } from "@sealant/db"
import { RepositoryAccess } from "@sealant/db/source"
import { ada, eve, layers, type Services, tagOf } from "../github/support.js"
import { databaseLayers, seedUser } from "../support/database.js"

const acme = { id: "acme", externalInstallationId: "1", accountLogin: "acme", accountType: "organization" } as const

/** The repository `acme/app` that the installation `acme` contains; Ada has a grant on it. */
const installed = Effect.gen(function* () {
  const installations = yield* GitHubInstallationRepo
  const contained = yield* GitHubInstallationRepositoryRepo
  const repositories = yield* RepositoryRepo
  const { id: installationId } = yield* installations.upsert(acme)
  const { id: repositoryId } = yield* repositories.upsert({
    provider: "github",
    externalId: "7",
    owner: "acme",
    name: "app"
  })
  const app = { externalRepositoryId: "7", owner: "acme", name: "app" }
  yield* contained.sync({ installationId, repositories: [app] })
  yield* installations.grantToUser({ installationId, userId: ada })
  const mayUse = (userId: string = ada) => contained.mayUse({ userId, repositoryId })
  return { app, contained, installationId, installations, mayUse, repositories, repositoryId }
})

/** The contract of `mayUse` and `userHasGrant`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`mayUse (${name})`, () => {
    it.effect(
      "is true for a grant on an active installation that contains the repository, and false for other users",
      () =>
        Effect.gen(function* () {
          const { contained, mayUse, repositoryId } = yield* installed
          expect(yield* mayUse()).toBe(true)
          expect(yield* mayUse(eve)).toBe(false)
          expect(yield* mayUse("nobody")).toBe(false)
          expect(yield* contained.mayUse({ userId: ada, repositoryId: "nowhere" })).toBe(false)
          expect(yield* tagOf(contained.mayUse({ userId: "", repositoryId }))).toBe("InvalidInput")
        }).pipe(Effect.provide(layer))
    )

    it.effect("is false after the grant was revoked, and while the repository is removed", () =>
      Effect.gen(function* () {
        const { app, contained, installationId, installations, mayUse } = yield* installed
        yield* installations.revokeGrant({ installationId, userId: ada })
        expect(yield* mayUse()).toBe(false)
        yield* installations.grantToUser({ installationId, userId: ada })
        expect(yield* mayUse()).toBe(true)
        yield* contained.sync({ installationId, repositories: [] })
        expect(yield* mayUse()).toBe(false)
        yield* contained.sync({ installationId, repositories: [app] })
        expect(yield* mayUse()).toBe(true)
      }).pipe(Effect.provide(layer))
    )

    it.effect("is false while the installation is suspended and after it was deleted, and so is userHasGrant", () =>
      Effect.gen(function* () {
        const { contained, installationId, installations, mayUse } = yield* installed
        const hasGrant = installations.userHasGrant({ installationId, userId: ada })
        expect(yield* hasGrant).toBe(true)
        for (const status of ["suspended", "deleted"] as const) {
          yield* installations.setStatus({ id: installationId, status })
          expect([status, yield* hasGrant, yield* mayUse()]).toEqual([status, false, false])
          expect((yield* contained.listForUser({ userId: ada })).items).toEqual([])
          const listed = (statuses?: ReadonlyArray<"active" | "suspended" | "deleted">) =>
            Effect.map(installations.listForUser({ userId: ada, statuses }), ({ items }) => items.length)
          expect([yield* listed(), yield* listed([status]), yield* listed(["active"]), yield* listed([])]).toEqual([
            1, 1, 0, 0
          ])
        }
        yield* installations.setStatus({ id: installationId, status: "active" })
        expect([yield* hasGrant, yield* mayUse()]).toEqual([true, true])
      }).pipe(Effect.provide(layer))
    )

    it.effect(
      "is true for everybody on a repository that is marked open to all, until an installation contains it",
      () =>
        Effect.gen(function* () {
          const { contained, installationId, repositories } = yield* installed
          const demo = { owner: "acme", name: "demo", externalId: "8", provider: "github" } as const
          const { id: repositoryId, openToAll } = yield* repositories.upsert(demo)
          expect(openToAll).toBe(false)
          const mayUse = contained.mayUse({ userId: eve, repositoryId })
          expect(yield* mayUse).toBe(false)
          expect(yield* repositories.upsert({ ...demo, openToAll: true })).toMatchObject({
            id: repositoryId,
            openToAll: true
          })
          expect(yield* repositories.upsert(demo)).toMatchObject({ openToAll: true })
          expect(yield* mayUse).toBe(true)
          yield* contained.apply({
            installationId,
            added: [{ externalRepositoryId: "8", owner: "acme", name: "demo" }],
            removed: []
          })
          expect(yield* mayUse).toBe(false)
          expect(yield* contained.mayUse({ userId: ada, repositoryId })).toBe(true)
          // It was private to the installation for a while: the mark from before does not open it again.
          yield* contained.apply({ installationId, added: [], removed: ["8"] })
          expect(yield* mayUse).toBe(false)
          expect(yield* contained.mayUse({ userId: ada, repositoryId })).toBe(false)
        }).pipe(Effect.provide(layer))
    )
  })

suite("memory", layers.memory)
suite("file", layers.file)
suite("remote", layers.remote)

describe("RepositoryAccess set to open", () => {
  const layer = Layer.mergeAll(Source.layer, GitHub.layer, Layer.effectDiscard(seedUser(eve))).pipe(
    Layer.provide(RepositoryAccess.layer("open")),
    Layer.provideMerge(databaseLayers.memory)
  )

  it.effect("lets every user use every repository that exists", () =>
    Effect.gen(function* () {
      const repositories = yield* RepositoryRepo
      const { mayUse } = yield* GitHubInstallationRepositoryRepo
      const { id: repositoryId } = yield* repositories.upsert({ owner: "acme", name: "app" })
      expect(yield* mayUse({ userId: eve, repositoryId })).toBe(true)
      expect(yield* mayUse({ userId: eve, repositoryId: "nowhere" })).toBe(false)
    }).pipe(Effect.provide(layer))
  )
})
