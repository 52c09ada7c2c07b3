import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option } from "effect"
import { ProfileStatus } from "../../src/profile/Profile.js"
import { ProfileRepo } from "../../src/profile/ProfileRepo.js"
import { RepositoryProfileRepo } from "../../src/profile/RepositoryProfileRepo.js"
import {
  profile,
  profileEnvVar,
  profileRevision,
  profileSecretBinding,
  profileSshKeyBinding,
  profileSshSettings,
  repositoryProfile,
  repositoryProfileLink,
  repositoryProfileRevision
} from "../../src/testing/profiles.js"
import { memoryLayer } from "../support/database.js"
import { refusalOf } from "../support/refusals.js"

const layer = Layer.provideMerge(Layer.merge(ProfileRepo.layer, RepositoryProfileRepo.layer), memoryLayer)

describe("factories of profiles", () => {
  for (const status of ProfileStatus.literals) {
    it.effect(`create a profile that is ${status} and readable by its repository`, () =>
      Effect.gen(function* () {
        const made = yield* profile({ status })
        expect(yield* (yield* ProfileRepo).getById(made.id)).toEqual(made)
        const ofRepository = yield* repositoryProfile({ status })
        expect(yield* (yield* RepositoryProfileRepo).getById(ofRepository.id)).toEqual(ofRepository)
        expect([made.status, ofRepository.status]).toEqual([status, status])
      }).pipe(Effect.provide(layer))
    )
  }

  it.effect("keep the input, and create each referenced row once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const createdAt = DateTime.unsafeMake(5)
      const made = yield* profile({
        id: "p",
        ownerUserId: "ada",
        slug: "s",
        description: "d",
        activeRevisionId: "r",
        createdAt
      })
      expect(made).toMatchObject({
        id: "p",
        ownerUserId: "ada",
        slug: "s",
        name: "s",
        description: Option.some("d"),
        activeRevisionId: Option.some("r"),
        createdAt,
        archivedAt: Option.none()
      })
      const revision = yield* profileRevision({
        profileId: "p",
        createdByUserId: "bob",
        configPatch: { harness: "codex" }
      })
      expect(revision).toMatchObject({
        profileId: "p",
        version: 2,
        createdByUserId: Option.some("bob"),
        configPatch: { harness: "codex" }
      })
      expect((yield* profileRevision({ ownerUserId: "ada" })).version).toBe(1)
      const ofRepository = yield* repositoryProfile({ id: "rp", repositoryId: "app", activeRevisionId: "rr" })
      expect(ofRepository).toMatchObject({ name: "rp", repositoryId: "app", activeRevisionId: Option.some("rr") })
      const next = yield* repositoryProfileRevision({ repositoryProfileId: "rp", policyConfig: { a: 1 } })
      expect(next).toMatchObject({ version: 2, policyConfig: Option.some({ a: 1 }) })
      expect(yield* sql`SELECT id FROM user ORDER BY id`).toEqual([{ id: "ada" }, { id: "bob" }])
      expect(yield* refusalOf(profile({ ownerUserId: "ada", slug: "s" }))).toMatchObject({ _tag: "AlreadyExists" })
    }).pipe(Effect.provide(layer))
  )

  it.effect("create parts of a revision that the repository can read", () =>
    Effect.gen(function* () {
      const repo = yield* ProfileRepo
      const repositoryProfiles = yield* RepositoryProfileRepo
      const ofIt = { profileRevisionId: "r" }
      const envVars = [yield* profileEnvVar(ofIt), yield* profileEnvVar({ ...ofIt, key: "OTHER", value: "v" })]
      const secretBindings = [
        yield* profileSecretBinding(ofIt),
        yield* profileSecretBinding({
          ...ofIt,
          targetKey: "T",
          secretId: "s",
          secretVersionId: "s-1",
          isRequired: false
        })
      ]
      const sshSettings = yield* profileSshSettings({ ...ofIt, enabled: true, hostAllowlist: ["h"] })
      const sshKeys = [
        yield* profileSshKeyBinding({ ...ofIt, sshKeyId: "k", purpose: "git-auth" }),
        yield* profileSshKeyBinding({ ...ofIt, sshKeyId: "k" })
      ]
      const graph = yield* repo.getRevision(sshSettings.profileRevisionId)
      expect(graph).toMatchObject({ envVars, secretBindings, sshSettings: Option.some(sshSettings), sshKeys })
      const link = yield* repositoryProfileLink({ profileRevisionId: "r", precedence: 3 })
      expect((yield* repositoryProfiles.getRevision(link.repositoryProfileRevisionId)).links).toEqual([link])
      expect(link).toMatchObject({ profileRevisionId: "r", precedence: 3, isRequired: true })
      const alone = yield* Effect.all([
        profileEnvVar(),
        profileSecretBinding(),
        profileSshSettings(),
        profileSshKeyBinding(),
        repositoryProfileLink()
      ])
      expect(alone).toHaveLength(5)
      // Of another owner, there is none.
      const { secretId } = yield* profileSecretBinding()
      expect(yield* refusalOf(profileSecretBinding({ ...ofIt, targetKey: "X", secretId }))).toMatchObject({
        _tag: "ReferenceNotFound"
      })
    }).pipe(Effect.provide(layer))
  )
})
