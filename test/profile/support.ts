/**
 * Helpers of the tests of this domain: its repositories over each database, two tenants with secrets and keys, and
 * repositories.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Layer } from "effect"
import { UserId } from "../../src/auth/User.js"
import { ProfileId, ProfileRevisionId } from "../../src/profile/Profile.js"
import { ProfileRepo, type ProfileService } from "../../src/profile/ProfileRepo.js"
import { RepositoryProfileId, RepositoryProfileRevisionId } from "../../src/profile/RepositoryProfile.js"
import { RepositoryProfileRepo } from "../../src/profile/RepositoryProfileRepo.js"
import { overDatabases, seedRepository, seedUser } from "../support/database.js"
import { shell } from "../support/lists.js"

export const ada = UserId.make("ada")
export const eve = UserId.make("eve")

export const gone = ProfileId.make("gone")
export const goneRevision = ProfileRevisionId.make("gone")
export const goneRepositoryProfile = RepositoryProfileId.make("gone")
export const goneRepositoryRevision = RepositoryProfileRevisionId.make("gone")

const seedSecret = (id: string, ownerUserId: string) =>
  Effect.zipRight(
    shell(
      "INSERT INTO secrets (id, owner_user_id, name, created_at, updated_at) VALUES (?1, ?2, ?1, 0, 0)",
      id,
      ownerUserId
    ),
    shell(
      "INSERT INTO secret_versions (id, secret_id, version, encrypted_value, created_at) VALUES (?1 || '-1', ?1, 1, 'x', 0)",
      id
    )
  )

const seedSshKey = (id: string, ownerUserId: string) =>
  shell(
    "INSERT INTO ssh_keys (id, owner_user_id, name, public_key, fingerprint, created_at, updated_at) VALUES (?1, ?2, ?1, ?1, ?1, 0, 0)",
    id,
    ownerUserId
  )

/**
 * Of Ada and Eve, two secrets each with a version (`ada-secret`, `ada-secret-1`, `ada-other`, ...) and an SSH key
 * (`ada-key`); the repositories `rep` and `other`.
 */
const seed = Effect.gen(function* () {
  for (const user of [ada, eve]) {
    yield* seedUser(user)
    yield* seedSecret(`${user}-secret`, user)
    yield* seedSecret(`${user}-other`, user)
    yield* seedSshKey(`${user}-key`, user)
  }
  yield* Effect.forEach(["rep", "other"], seedRepository)
}).pipe(Effect.orDie)

export type Services = ProfileRepo | RepositoryProfileRepo | SqlClient.SqlClient

const repositories = Layer.merge(Layer.merge(ProfileRepo.layer, RepositoryProfileRepo.layer), Layer.effectDiscard(seed))

/** The repositories over a database with what `seed` puts there. */
export const layers = overDatabases(repositories)

/** A new profile; its slug is that of no other. */
export const profileOf = (ownerUserId: string) =>
  Effect.flatMap(ProfileRepo, (repo) =>
    Effect.flatMap(
      Effect.sync(() => `slug-${++count}`),
      (slug) => repo.create({ ownerUserId, slug, name: slug })
    )
  )

/** A new profile of the repository `rep`. */
export const profileOfRepository = Effect.flatMap(RepositoryProfileRepo, (repo) =>
  Effect.flatMap(
    Effect.sync(() => `profile ${++count}`),
    (name) => repo.create({ repositoryId: "rep", name })
  )
)

let count = 0

/** A revision with all that can belong to one. */
export const full = {
  configPatch: { harness: "codex", env: { A: "1" }, packages: ["git"] },
  envVars: [
    { key: "B_2", value: "é 🐳\n\"'" },
    { key: "_a", value: "" }
  ],
  secretBindings: [
    { targetKey: "TOKEN", secretId: "ada-secret", secretVersionId: "ada-secret-1", isRequired: false },
    { targetKey: "OTHER", secretId: "ada-other" }
  ],
  sshSettings: {
    enabled: true,
    listenPort: 22,
    hostAllowlist: ["*.example.com", "10.0.0.0/8"],
    sessionTimeoutMinutes: 30,
    authorizedKeysRef: "keys"
  },
  sshKeys: [{ sshKeyId: "ada-key", purpose: "git-auth" }, { sshKeyId: "ada-key" }],
  createdByUserId: "eve",
  changeSummary: "all of it"
} as const satisfies Omit<Parameters<ProfileService["createRevision"]>[0], "profileId">

export { pages, shell } from "../support/lists.js"
export { badNames, refusalOf, tagOf } from "../support/refusals.js"
