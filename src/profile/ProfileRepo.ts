/**
 * Profiles of users and their revisions, over the tables `profiles`, `profile_revisions`, `profile_env_vars`,
 * `profile_secret_bindings`, `profile_ssh_settings` and `profile_ssh_key_bindings`.
 *
 * Guarantees:
 * - The owner of a profile is immutable. Revisions bind only secrets and SSH keys of that owner.
 * - Rows of another owner are reported as `NotFound` or `ReferenceNotFound`, like missing rows.
 * - A revision is stored completely or not at all, and is immutable. Revisions are numbered 1, 2, 3 and so on, without
 *   gaps, also with concurrent writers.
 * - Revisions are deduplicated by content: creating an identical revision returns the existing one. Content excludes
 *   the order of variables, secrets, keys and hosts, the author, and the change summary.
 * - The active revision of a profile is one of its own revisions.
 * - Spans, logs and errors do not contain values of environment variables.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, Effect, Layer, Option } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import { type ById, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { CreateProfile, Profile, ProfileFilter, ProfileId, ProfileSlug, UpdateProfile } from "./Profile.js"
import {
  type CreateProfileRevision,
  ProfileRevision,
  ProfileRevisionFilter,
  SetActiveProfileRevision
} from "./ProfileRevision.js"
import { type CreatedProfileRevision, makeRevisions, type ProfileRevisionGraph } from "./profileRevisions.js"
import { makeVersioned } from "./versioned.js"

export { CreatedProfileRevision, ProfileRevisionGraph } from "./profileRevisions.js"

/**
 * Methods of `ProfileRepo`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface ProfileService {
  /**
   * Creates an active profile without revisions, with a new id if the input has none.
   *
   * Fails with:
   * - `AlreadyExists` if the id is taken, or another profile of the owner has the slug.
   * - `ReferenceNotFound` (`ownerUserId`) if the user does not exist.
   * - `InvalidInput` if a text is empty or too long.
   */
  readonly create: (
    profile: typeof CreateProfile.Encoded
  ) => Effect.Effect<Profile, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** Finds a profile by id. Returns `None` if it does not exist. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<Profile>, PersistenceError>

  /** Returns the profile. Fails with `NotFound` if it does not exist. */
  readonly getById: (id: ById) => Effect.Effect<Profile, NotFound | PersistenceError>

  /** Finds the profile of the owner with this slug. Fails with `InvalidInput` if the slug is empty. */
  readonly findBySlug: (
    request: typeof ProfileSlug.Encoded
  ) => Effect.Effect<Option.Option<Profile>, InvalidInput | PersistenceError>

  /**
   * Lists the profiles of the owner, optionally by status, newest first. Fails with `InvalidInput` if the cursor is
   * malformed, the limit is out of range, or the status is unknown.
   */
  readonly list: (
    request: Page.PageRequest & typeof ProfileFilter.Encoded
  ) => Effect.Effect<Page.Page<Profile>, InvalidInput | PersistenceError>

  /**
   * Updates the fields that the request contains. `updatedAt` changes only if a value differs.
   *
   * Fails with:
   * - `NotFound` if the profile does not exist, or belongs to another owner than `ownerUserId`.
   * - `AlreadyExists` if another profile of the owner has the slug.
   * - `InvalidInput` if a text is empty or too long, or `ownerUserId` is `undefined`.
   */
  readonly update: (
    request: typeof UpdateProfile.Encoded
  ) => Effect.Effect<Profile, NotFound | AlreadyExists | InvalidInput | PersistenceError>

  /** Archives the profile. Idempotent. Fails with `NotFound` if it does not exist. */
  readonly archive: (id: ById) => Effect.Effect<Profile, NotFound | PersistenceError>

  /** Unarchives the profile. Idempotent. Fails with `NotFound` if it does not exist. */
  readonly unarchive: (id: ById) => Effect.Effect<Profile, NotFound | PersistenceError>

  /**
   * Creates a revision with the next number, and activates it unless `setAsActive` is false. If the profile has a
   * revision with the same content, activates and returns that one, with `created: false`.
   *
   * Fails with:
   * - `NotFound` if the profile does not exist, or belongs to another owner than `ownerUserId`.
   * - `ReferenceNotFound` with the field (`createdByUserId`, `secretId`, `secretVersionId`, `sshKeyId`) if a referenced
   *   row does not exist, a secret or key belongs to another owner, or a version belongs to another secret.
   * - `AlreadyExists` if the id is taken.
   * - `InvalidInput` if the input violates a rule of `CreateProfileRevision`.
   */
  readonly createRevision: (
    request: typeof CreateProfileRevision.Encoded
  ) => Effect.Effect<
    CreatedProfileRevision,
    NotFound | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Lists the revisions of the profile, latest first.
   *
   * Fails with `NotFound` if the profile does not exist, or belongs to another owner than `ownerUserId`. Fails with
   * `InvalidInput` if the cursor is malformed, the limit is out of range, or `ownerUserId` is `undefined`.
   */
  readonly listRevisions: (
    request: Page.PageRequest & typeof ProfileRevisionFilter.Encoded
  ) => Effect.Effect<Page.Page<ProfileRevision>, NotFound | InvalidInput | PersistenceError>

  /**
   * Returns the revision with the rows that belong to it, as a consistent snapshot. Fails with `NotFound` if it does
   * not exist.
   */
  readonly getRevision: (id: ById) => Effect.Effect<ProfileRevisionGraph, NotFound | PersistenceError>

  /**
   * Returns the active revision of the profile with the rows that belong to it, as a consistent snapshot. Fails with
   * `NotFound` of a `Profile` if the profile does not exist, of a `ProfileRevision` if it has no active revision.
   */
  readonly getActiveRevision: (profileId: ById) => Effect.Effect<ProfileRevisionGraph, NotFound | PersistenceError>

  /**
   * Activates a revision of the profile. `updatedAt` changes only if another revision was active.
   *
   * Fails with:
   * - `NotFound` if the profile does not exist, or belongs to another owner than `ownerUserId`.
   * - `ReferenceNotFound` (`revisionId`) if the revision does not exist or belongs to another profile.
   * - `InvalidInput` if an id is invalid, or `ownerUserId` is `undefined`.
   */
  readonly setActiveRevision: (
    request: typeof SetActiveProfileRevision.Encoded
  ) => Effect.Effect<Profile, NotFound | ReferenceNotFound | InvalidInput | PersistenceError>
}

const { decodeFilter, decodeInput, traced } = operations("ProfileRepo", "Profile")

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Profile))
  const profiles = yield* rowsOf(Profile)
  const versioned = yield* makeVersioned<Profile, ProfileRevision>({
    model: Profile,
    service: "ProfileRepo",
    entity: "Profile",
    table: "profiles",
    scope: "owner_user_id",
    isWithin: (userId) => sql`owner_user_id = ${userId}`,
    revisionModel: ProfileRevision,
    revisionEntity: "ProfileRevision",
    revisionTable: "profile_revisions",
    parent: "profile_id"
  })

  const service: ProfileService = {
    create: (request) =>
      Effect.gen(function* () {
        const {
          description,
          id: requestedId,
          name,
          ownerUserId,
          slug
        } = yield* decodeInput("create", CreateProfile)(request)
        const id = yield* idOrNew(requestedId, "prf", ProfileId.make)
        const now = yield* Clock.currentTimeMillis
        return yield* profiles.single(sql`
          INSERT INTO profiles (id, owner_user_id, slug, name, description, created_at, updated_at)
          VALUES (${id}, ${ownerUserId}, ${slug}, ${name}, ${description ?? null}, ${now}, ${now})
          RETURNING ${columns}`)
      }).pipe(
        traced("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            { field: "ownerUserId", table: "user", id: Option.some(request.ownerUserId) }
          ])
        )
      ),

    findById: (by) => versioned.find(targetOf(by)).pipe(traced("findById", { "profile.id": targetOf(by).id })),

    getById: (by) => versioned.get(targetOf(by)).pipe(traced("getById", { "profile.id": targetOf(by).id })),

    findBySlug: (request) =>
      Effect.gen(function* () {
        const { ownerUserId, slug } = yield* decodeInput("findBySlug", ProfileSlug)(request)
        return yield* profiles.findOne(sql`
          SELECT ${columns} FROM profiles WHERE owner_user_id = ${ownerUserId} AND slug = ${slug}`)
      }).pipe(traced("findBySlug", { "user.id": request.ownerUserId })),

    list: (request) =>
      Effect.gen(function* () {
        const { ownerUserId, status } = yield* decodeFilter("list", ProfileFilter)(request)
        const start = yield* Page.start("ProfileRepo.list", request)
        return yield* versioned.list(ownerUserId, status, start)
      }).pipe(traced("list", { "user.id": request.ownerUserId })),

    update: (request) =>
      Effect.gen(function* () {
        const { id, ownerUserId, ...changes } = yield* decodeInput("update", UpdateProfile)(request)
        return yield* versioned.update({ id, ownerUserId }, changes)
      }).pipe(traced("update", ["AlreadyExists", "InvalidInput"], { "profile.id": request.id })),

    archive: (by) => versioned.archive(targetOf(by)).pipe(traced("archive", { "profile.id": targetOf(by).id })),

    unarchive: (by) => versioned.unarchive(targetOf(by)).pipe(traced("unarchive", { "profile.id": targetOf(by).id })),

    ...(yield* makeRevisions(versioned)),

    listRevisions: (request) =>
      Effect.gen(function* () {
        const { ownerUserId, profileId } = yield* decodeFilter("listRevisions", ProfileRevisionFilter)(request)
        const start = yield* Page.start("ProfileRepo.listRevisions", request)
        return yield* versioned.listRevisions({ id: profileId, ownerUserId }, start)
      }).pipe(traced("listRevisions", { "profile.id": request.profileId })),

    setActiveRevision: (request) =>
      Effect.gen(function* () {
        const { ownerUserId, profileId, revisionId } = yield* decodeInput(
          "setActiveRevision",
          SetActiveProfileRevision
        )(request)
        return yield* versioned.setActiveRevision({ id: profileId, ownerUserId }, revisionId)
      }).pipe(traced("setActiveRevision", { "profile.id": request.profileId }))
  }
  return service
})

/** Profiles of users and their revisions. */
export class ProfileRepo extends Context.Tag("@sealant/db/ProfileRepo")<ProfileRepo, ProfileService>() {
  /** The layer of `ProfileRepo` over `SqlClient`. */
  static readonly layer: Layer.Layer<ProfileRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
