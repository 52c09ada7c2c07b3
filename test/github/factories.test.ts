import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Option } from "effect"
import { GitHubInstallationRepo, GitHubInstallationRepositoryRepo, RepositoryRepo } from "@sealant/db"
import { GitHubInstallationStatus } from "@sealant/db/github"
import { Factories, layerTest } from "@sealant/db/testing"
import { refusalOf } from "../support/refusals.js"

const { make } = Factories

describe("factories of the source domain", () => {
  it.effect("create rows that the repositories can read", () =>
    Effect.gen(function* () {
      const repository = yield* make.repository({ externalId: "1", url: "u", isArchived: true })
      expect(yield* (yield* RepositoryRepo).getById(repository.id)).toEqual(repository)
      expect(repository).toMatchObject({
        provider: "github",
        owner: "acme",
        externalId: Option.some("1"),
        isArchived: true
      })

      const installations = yield* GitHubInstallationRepo
      for (const status of GitHubInstallationStatus.literals) {
        const installation = yield* make.installation({ status, permissions: { contents: "read" } })
        expect(yield* installations.getById(installation.id)).toEqual(installation)
        expect([installation.status, Option.isSome(installation.suspendedAt)]).toEqual([status, status === "suspended"])
      }

      const seen = yield* make.installationRepository({ name: "app", isPrivate: false })
      expect(yield* (yield* GitHubInstallationRepositoryRepo).findById(seen.id)).toEqual(Option.some(seen))
      expect(seen.fullName).toBe("acme/app")
      expect(yield* (yield* RepositoryRepo).getById(seen.repositoryId)).toMatchObject({
        externalId: Option.some(seen.externalRepositoryId),
        owner: "acme",
        name: "app"
      })

      const grant = yield* make.installationGrant({
        userId: "ada",
        installationId: seen.installationId,
        grantedByUserId: "eve"
      })
      expect((yield* installations.listGrants({ installationId: seen.installationId })).items).toEqual([grant])
      const revoked = yield* make.installationGrant({ userId: "eve", revokedAt: DateTime.unsafeMake(1) })
      expect(yield* installations.userHasGrant(revoked)).toBe(false)
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("create each referenced row once, and only valid rows", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (const externalRepositoryId of ["1", "2"]) {
        yield* make.installationRepository({
          installationId: "inst",
          repositoryId: `repo${externalRepositoryId}`,
          externalRepositoryId
        })
      }
      yield* make.installationGrant({ installationId: "inst" })
      const count = sql`SELECT (SELECT count(*) FROM repositories) AS repositories, (SELECT count(*) FROM github_app_installations) AS installations`
      expect(yield* count).toEqual([{ repositories: 2, installations: 1 }])
      expect(
        yield* refusalOf(
          make.installationRepository({ installationId: "inst", repositoryId: "repo1", externalRepositoryId: "3" })
        )
      ).toMatchObject({
        _tag: "AlreadyExists"
      })
      expect(yield* refusalOf(make.repository({ name: "x", externalId: "1" }))).toMatchObject({ _tag: "AlreadyExists" })
      expect(yield* refusalOf(make.installation({ suspendedAt: DateTime.unsafeMake(1) }))).toMatchObject({
        _tag: "InvalidInput"
      })
      expect(yield* count).toEqual([{ repositories: 2, installations: 1 }])
    }).pipe(Effect.provide(layerTest))
  )
})
