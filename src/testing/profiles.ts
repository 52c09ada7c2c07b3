/**
 * Factories of profiles of users and of repositories, their revisions, and the rows of the revisions.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { DateTime, Effect } from "effect"
import { Profile, ProfileId, ProfileRevisionId } from "../profile/Profile.js"
import {
  ProfileEnvVar,
  ProfileEnvVarId,
  ProfileRevision,
  ProfileSecretBinding,
  ProfileSecretBindingId,
  ProfileSshKeyBinding,
  ProfileSshSettings
} from "../profile/ProfileRevision.js"
import {
  RepositoryProfile,
  RepositoryProfileId,
  RepositoryProfileLink,
  RepositoryProfileLinkId,
  RepositoryProfileRevision,
  RepositoryProfileRevisionId
} from "../profile/RepositoryProfile.js"
import { SecretId } from "../secret/Secret.js"
import { SshKeyId } from "../secret/SshKey.js"
import { idOrNew } from "../sql/ids.js"
import { columnList, type RowModel, rowsOf } from "../sql/rows.js"
import { owner } from "./auth.js"
import { defined, asId, ensure, factory, type Given, insert, type Made, next } from "./rows.js"
import { secret, secretVersion, sshKey } from "./secrets.js"
import { repositoryOf } from "./source.js"

/** Builds `archivedAt` for an archived profile. */
const archivedAt = ({ status }: { readonly status?: string | undefined }, now: DateTime.Utc) =>
  status === "archived" ? { archivedAt: now } : {}

/**
 * Creates a profile, by default `active` and of a new owner. The slug is the id, and the name is the slug. The revision
 * `activeRevisionId` is created for this profile if it does not exist.
 */
export const profile = (given: Given<Profile> = {}): Made<Profile> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(ProfileId, given.id), "prf", ProfileId.make)
    const ownerUserId = yield* owner(given.ownerUserId)
    const now = given.createdAt ?? (yield* DateTime.now)
    const slug = given.slug ?? id
    const { activeRevisionId, ...fields } = given
    const row = yield* insert("profiles", Profile, {
      name: slug,
      status: "active",
      createdAt: now,
      updatedAt: now,
      ...archivedAt(given, now),
      ...defined(fields),
      id,
      ownerUserId,
      slug
    })
    if (activeRevisionId === undefined) return row
    yield* ensure("profile_revisions", activeRevisionId, () => profileRevision({ id: activeRevisionId, profileId: id }))
    return yield* activated("profiles", Profile, id, activeRevisionId)
  }).pipe(factory("profile"))

/** Creates the next revision of a profile, by default of a new one, with an empty patch. */
export const profileRevision = (
  given: Given<ProfileRevision> & { readonly ownerUserId?: string | undefined } = {}
): Made<ProfileRevision> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(ProfileRevisionId, given.id), "prv", ProfileRevisionId.make)
    const { ownerUserId, ...fields } = given
    const ofOwner = ownerUserId === undefined ? {} : { ownerUserId }
    yield* ensure("profiles", given.profileId, (id) => profile({ id, ...ofOwner }))
    const profileId = asId(ProfileId, given.profileId) ?? (yield* profile(ofOwner)).id
    if (given.createdByUserId !== undefined) yield* owner(given.createdByUserId)
    return yield* insert("profile_revisions", ProfileRevision, {
      version: yield* next("profile_revisions", "version", "profile_id", profileId),
      fingerprint: id,
      configPatch: {},
      createdAt: yield* DateTime.now,
      ...defined(fields),
      id,
      profileId
    })
  }).pipe(factory("profileRevision"))

/** Creates an environment variable of a revision, by default of a new one, with the key `KEY` and an empty value. */
export const profileEnvVar = (given: Given<ProfileEnvVar> = {}): Made<ProfileEnvVar> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(ProfileEnvVarId, given.id), "env", ProfileEnvVarId.make)
    const profileRevisionId = yield* revisionOf(given.profileRevisionId)
    return yield* insert("profile_env_vars", ProfileEnvVar, {
      key: "KEY",
      value: "",
      createdAt: yield* DateTime.now,
      ...defined(given),
      id,
      profileRevisionId
    })
  }).pipe(factory("profileEnvVar"))

/** Creates a secret binding, by default of a new revision and a new secret of its owner, for the variable `SECRET`. */
export const profileSecretBinding = (given: Given<ProfileSecretBinding> = {}): Made<ProfileSecretBinding> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(ProfileSecretBindingId, given.id), "bnd", ProfileSecretBindingId.make)
    const profileRevisionId = yield* revisionOf(given.profileRevisionId)
    const secretId = yield* idOrNew(asId(SecretId, given.secretId), "sec", SecretId.make)
    const ownerUserId = yield* ownerOf(profileRevisionId)
    yield* ensure("secrets", secretId, () => secret({ id: secretId, ownerUserId }))
    yield* ensure("secret_versions", given.secretVersionId, (id) => secretVersion({ id, secretId }))
    return yield* insert("profile_secret_bindings", ProfileSecretBinding, {
      targetKey: "SECRET",
      isRequired: true,
      createdAt: yield* DateTime.now,
      ...defined(given),
      id,
      profileRevisionId,
      secretId
    })
  }).pipe(factory("profileSecretBinding"))

/** Creates the SSH settings of a revision, by default of a new one, disabled. */
export const profileSshSettings = (given: Given<ProfileSshSettings> = {}): Made<ProfileSshSettings> =>
  Effect.gen(function* () {
    const profileRevisionId = yield* revisionOf(given.profileRevisionId)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("profile_ssh_settings", ProfileSshSettings, {
      enabled: false,
      listenPort: 2222,
      hostAllowlist: [],
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      profileRevisionId
    })
  }).pipe(factory("profileSshSettings"))

/** Creates an SSH key binding, by default of a new revision and a new key of its owner, with the purpose `login`. */
export const profileSshKeyBinding = (given: Given<ProfileSshKeyBinding> = {}): Made<ProfileSshKeyBinding> =>
  Effect.gen(function* () {
    const profileRevisionId = yield* revisionOf(given.profileRevisionId)
    const sshKeyId = yield* idOrNew(asId(SshKeyId, given.sshKeyId), "ssh", SshKeyId.make)
    const ownerUserId = yield* ownerOf(profileRevisionId)
    yield* ensure("ssh_keys", sshKeyId, () => sshKey({ id: sshKeyId, ownerUserId }))
    return yield* insert("profile_ssh_key_bindings", ProfileSshKeyBinding, {
      purpose: "login",
      createdAt: yield* DateTime.now,
      ...defined(given),
      profileRevisionId,
      sshKeyId
    })
  }).pipe(factory("profileSshKeyBinding"))

/**
 * Creates a repository profile, by default `active` and of a new repository. The name is the id. The revision
 * `activeRevisionId` is created for this profile if it does not exist.
 */
export const repositoryProfile = (given: Given<RepositoryProfile> = {}): Made<RepositoryProfile> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(RepositoryProfileId, given.id), "rpf", RepositoryProfileId.make)
    const repositoryId = yield* repositoryOf(given.repositoryId)
    const now = given.createdAt ?? (yield* DateTime.now)
    const { activeRevisionId, ...fields } = given
    const row = yield* insert("repository_profiles", RepositoryProfile, {
      name: id,
      status: "active",
      createdAt: now,
      updatedAt: now,
      ...archivedAt(given, now),
      ...defined(fields),
      id,
      repositoryId
    })
    if (activeRevisionId === undefined) return row
    yield* ensure("repository_profile_revisions", activeRevisionId, () =>
      repositoryProfileRevision({ id: activeRevisionId, repositoryProfileId: id })
    )
    return yield* activated("repository_profiles", RepositoryProfile, id, activeRevisionId)
  }).pipe(factory("repositoryProfile"))

/** Creates the next revision of a repository profile, by default of a new one, with an empty template. */
export const repositoryProfileRevision = (
  given: Given<RepositoryProfileRevision> & { readonly repositoryId?: string | undefined } = {}
): Made<RepositoryProfileRevision> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(RepositoryProfileRevisionId, given.id), "rpv", RepositoryProfileRevisionId.make)
    const { repositoryId, ...fields } = given
    const ofRepository = repositoryId === undefined ? {} : { repositoryId }
    yield* ensure("repository_profiles", given.repositoryProfileId, (id) => repositoryProfile({ id, ...ofRepository }))
    const repositoryProfileId =
      asId(RepositoryProfileId, given.repositoryProfileId) ?? (yield* repositoryProfile(ofRepository)).id
    if (given.createdByUserId !== undefined) yield* owner(given.createdByUserId)
    return yield* insert("repository_profile_revisions", RepositoryProfileRevision, {
      version: yield* next("repository_profile_revisions", "version", "repository_profile_id", repositoryProfileId),
      fingerprint: id,
      runTemplate: {},
      createdAt: yield* DateTime.now,
      ...defined(fields),
      id,
      repositoryProfileId
    })
  }).pipe(factory("repositoryProfileRevision"))

/** Creates a link from a repository profile revision to a profile revision, by default between new ones. */
export const repositoryProfileLink = (given: Given<RepositoryProfileLink> = {}): Made<RepositoryProfileLink> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(RepositoryProfileLinkId, given.id), "lnk", RepositoryProfileLinkId.make)
    const known = given.repositoryProfileRevisionId
    yield* ensure("repository_profile_revisions", known, (id) => repositoryProfileRevision({ id }))
    const repositoryProfileRevisionId =
      asId(RepositoryProfileRevisionId, known) ?? (yield* repositoryProfileRevision()).id
    return yield* insert("repository_profile_profile_links", RepositoryProfileLink, {
      precedence: 0,
      isRequired: true,
      createdAt: yield* DateTime.now,
      ...defined(given),
      id,
      repositoryProfileRevisionId,
      profileRevisionId: yield* revisionOf(given.profileRevisionId)
    })
  }).pipe(factory("repositoryProfileLink"))

/** Returns the id of a profile revision, and creates the revision if it does not exist. By default a new one. */
const revisionOf = (given: string | undefined) =>
  Effect.gen(function* () {
    yield* ensure("profile_revisions", given, (id) => profileRevision({ id }))
    return given === undefined ? (yield* profileRevision()).id : ProfileRevisionId.make(given)
  })

const ownerOf = (revisionId: ProfileRevisionId) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [found] = yield* sql<{ readonly owner: string }>`
      SELECT owner_user_id AS owner FROM profiles
      WHERE id = (SELECT profile_id FROM profile_revisions WHERE id = ${revisionId})`
    return found?.owner ?? ""
  })

/** Activates a revision of a profile. */
const activated = <Row>(table: string, model: RowModel<Row>, id: string, revisionId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* rowsOf(model)
    return yield* rows.single(sql`
      UPDATE ${sql(table)} SET active_revision_id = ${revisionId} WHERE id = ${id}
      RETURNING ${sql.literal(columnList(model))}`)
  })
