/**
 * The environment of a build: the environment variables and the secrets of the profiles of its sandbox. It is resolved
 * for each build, and stored nowhere.
 *
 * Guarantees:
 * - Values are `Redacted`. Errors, logs and spans contain neither values nor keys of the key ring.
 * - Only profiles of the owner of the sandbox are resolved: no secret is revealed to another user, also not by the
 *   links of a repository profile.
 * - A binding to a version of a secret resolves to this version, every other binding to the latest one.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Context, Effect, Either, Layer, Option, Redacted, Schema } from "effect"
import { type InvalidInput, NotFound, type PersistenceError } from "../Errors.js"
import { UserId } from "../auth/User.js"
import type { EncryptionKeyUnavailable, SecretUnreadable } from "../secret/errors.js"
import { KeyRing } from "../secret/KeyRing.js"
import { makeKeysOf } from "../secret/keys.js"
import { SecretVersion } from "../secret/Secret.js"
import { decryptVersion } from "../secret/versions.js"
import { optionalAsStored } from "../sql/columns.js"
import { operations } from "../sql/operations.js"
import { joinedRows } from "../sql/rows.js"
import { part, unionQuery } from "../sql/unions.js"
import { ProfileRevisionId } from "./Profile.js"
import { ProfileEnvVar, ProfileSecretBinding } from "./ProfileRevision.js"
import { RepositoryProfileLink, RepositoryProfileRevisionId } from "./RepositoryProfile.js"

/**
 * The owner of a sandbox, and the revisions of its profiles, as `Option` like in rows of attempts, or as ids.
 */
export const ResolveEnvironment = Schema.Struct({
  ownerUserId: UserId,
  profileRevisionId: optionalAsStored(ProfileRevisionId),
  repositoryProfileRevisionId: optionalAsStored(RepositoryProfileRevisionId)
})

/** A variable of a build. */
export const EnvironmentVariable = Schema.Struct({
  key: Schema.String,
  value: Schema.RedactedFromSelf(Schema.String),
  /** True for the value of a secret, which must not appear in images and logs. */
  isSecret: Schema.Boolean
})
export interface EnvironmentVariable extends Schema.Schema.Type<typeof EnvironmentVariable> {}

/** The environment of a build. */
export const Environment = Schema.Struct({
  /** Ordered by key. Each key occurs once. */
  variables: Schema.Array(EnvironmentVariable),
  /** The keys of optional bindings whose secret cannot be revealed. */
  missing: Schema.Array(Schema.String)
})
export interface Environment extends Schema.Schema.Type<typeof Environment> {}

/** Methods of `BuildEnvironment`. */
export interface BuildEnvironmentService {
  /**
   * Resolves the environment variables and the secret bindings of the revisions. Internal: for workers, not for request
   * handlers.
   *
   * Order: first the profiles that the repository profile links to, by precedence, then the profile of the request. A
   * later key replaces an earlier one. Links to profiles of other owners are skipped, unless the link is required. The
   * variables of the specification (`env`) are not included; they take precedence.
   *
   * A binding with `isRequired: false` whose secret cannot be revealed is reported in `missing`. For a required binding
   * or link, fails with:
   * - `NotFound` of a `SecretVersion` if the secret has no version, of a `ProfileRevision` if the linked profile belongs
   *   to another owner;
   * - `EncryptionKeyUnavailable` if this process does not hold the key of the version;
   * - `SecretUnreadable` if the stored data cannot be decrypted.
   *
   * Fails with `NotFound` of a `ProfileRevision` if the profile of the request does not exist or belongs to another
   * owner, and with `InvalidInput` if an id is invalid.
   */
  readonly resolve: (
    request: typeof ResolveEnvironment.Encoded
  ) => Effect.Effect<
    Environment,
    NotFound | EncryptionKeyUnavailable | SecretUnreadable | InvalidInput | PersistenceError
  >
}

const { decodeInput, traced } = operations("BuildEnvironment", "ProfileRevision")

/** The id of a revision whose profile belongs to the owner. */
class OwnRevision extends Schema.Class<OwnRevision>("OwnRevision")({ id: ProfileRevisionId }) {}

const ofSelected = "profile_revision_id IN (SELECT id FROM selected)"

const parts = {
  own: part(OwnRevision, "profile_revisions", "id IN (SELECT id FROM selected)"),
  links: part(RepositoryProfileLink, "repository_profile_profile_links", "repository_profile_revision_id = ?3"),
  envVars: part(ProfileEnvVar, "profile_env_vars", ofSelected),
  bindings: part(ProfileSecretBinding, "profile_secret_bindings", ofSelected),
  versions: part(
    SecretVersion,
    "secret_versions",
    `id IN (
      SELECT coalesce(b.secret_version_id, (
        SELECT id FROM secret_versions WHERE secret_id = b.secret_id ORDER BY version DESC LIMIT 1))
      FROM profile_secret_bindings AS b WHERE b.${ofSelected})`
  )
}

// ?1: id of the owner, ?2: id of the profile revision, ?3: id of the repository profile revision.
const text = `
  WITH selected (id) AS MATERIALIZED (
    SELECT r.id FROM profile_revisions AS r CROSS JOIN profiles AS p ON p.id = r.profile_id
    WHERE p.owner_user_id = ?1 AND r.id IN (
      SELECT ?2 UNION ALL
      SELECT profile_revision_id FROM repository_profile_profile_links WHERE repository_profile_revision_id = ?3))
  ${unionQuery(Object.values(parts))}`

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const run = yield* joinedRows
  const keys = yield* makeKeysOf(yield* KeyRing.optional)

  const read = ({ ownerUserId, profileRevisionId, repositoryProfileRevisionId }: typeof ResolveEnvironment.Type) =>
    Effect.gen(function* () {
      const ids = [ownerUserId, profileRevisionId ?? null, repositoryProfileRevisionId ?? null]
      const rows = yield* run(sql.unsafe(text, ids))
      return {
        own: new Set<string>((yield* parts.own.rowsIn(rows)).map(({ id }) => id)),
        links: yield* parts.links.rowsIn(rows),
        envVars: yield* parts.envVars.rowsIn(rows),
        bindings: yield* parts.bindings.rowsIn(rows),
        versions: yield* parts.versions.rowsIn(rows)
      }
    })

  const reveal = (
    { secretId, secretVersionId }: ProfileSecretBinding,
    versions: ReadonlyArray<SecretVersion>,
    ownerUserId: string
  ) =>
    Effect.gen(function* () {
      const [version] = Option.match(secretVersionId, {
        onSome: (pinned) => versions.filter(({ id }) => id === pinned),
        // The statement reads the latest version besides pinned ones.
        onNone: () =>
          versions.filter((each) => each.secretId === secretId).toSorted((one, other) => other.version - one.version)
      })
      if (version === undefined) return yield* new NotFound({ entity: "SecretVersion", id: secretId })
      return yield* decryptVersion(keys, version, ownerUserId)
    })

  const resolve = (request: typeof ResolveEnvironment.Type) =>
    Effect.gen(function* () {
      const { bindings, envVars, links, own, versions } = yield* read(request)
      const { ownerUserId, profileRevisionId } = request
      const variables = new Map<string, Omit<EnvironmentVariable, "key"> | undefined>()
      for (const { id, isRequired } of orderOf(links, profileRevisionId)) {
        if (!own.has(id) && isRequired) return yield* new NotFound({ entity: "ProfileRevision", id })
        for (const { key, profileRevisionId, value } of envVars) {
          if (profileRevisionId === id) variables.set(key, { value: Redacted.make(value), isSecret: false })
        }
        for (const binding of bindings.filter(({ profileRevisionId }) => profileRevisionId === id)) {
          const revealed = yield* Effect.either(reveal(binding, versions, ownerUserId))
          if (Either.isLeft(revealed) && binding.isRequired) return yield* Effect.fail(revealed.left)
          variables.set(
            binding.targetKey,
            Either.isRight(revealed) ? { value: revealed.right, isSecret: true } : undefined
          )
        }
      }
      return environmentOf(variables)
    })

  const service: BuildEnvironmentService = {
    resolve: (request) =>
      decodeInput(
        "resolve",
        ResolveEnvironment
      )(request).pipe(Effect.flatMap(resolve), traced("resolve", { "user.id": request.ownerUserId }))
  }
  return service
})

/** Returns the revisions in the order in which they apply. */
const orderOf = (links: ReadonlyArray<RepositoryProfileLink>, profileRevisionId: ProfileRevisionId | undefined) => [
  ...links
    .toSorted(
      (one, other) => one.precedence - other.precedence || (one.profileRevisionId < other.profileRevisionId ? -1 : 1)
    )
    .map(({ isRequired, profileRevisionId: id }) => ({ id, isRequired })),
  ...(profileRevisionId === undefined ? [] : [{ id: profileRevisionId, isRequired: true }])
]

const environmentOf = (variables: ReadonlyMap<string, Omit<EnvironmentVariable, "key"> | undefined>): Environment => {
  const sorted = [...variables].toSorted(([one], [other]) => (one < other ? -1 : 1))
  return {
    variables: sorted.flatMap(([key, variable]) => (variable === undefined ? [] : [{ key, ...variable }])),
    missing: sorted.flatMap(([key, variable]) => (variable === undefined ? [key] : []))
  }
}

/** The environment of builds. */
export class BuildEnvironment extends Context.Tag("@sealant/db/BuildEnvironment")<
  BuildEnvironment,
  BuildEnvironmentService
>() {
  /**
   * The layer of `BuildEnvironment` over `SqlClient`, with the keys of the `KeyRing` of the context. Without a `KeyRing`
   * no secret can be revealed.
   */
  static readonly layer: Layer.Layer<BuildEnvironment, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
