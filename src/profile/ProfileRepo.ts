/**
 * Profiles of users and their revisions, over the tables `profiles`, `profile_revisions`, `profile_env_vars`,
 * `profile_secret_bindings`, `profile_ssh_settings` and `profile_ssh_key_bindings`.
 *
 * What it guarantees:
 * - A profile has one owner, for ever, and its revisions bind secrets and SSH keys of that owner only. What is another
 *   owner's counts as not there.
 * - A revision is stored whole or not at all, and never changes. Revisions are numbered 1, 2, 3 and so on, without gaps,
 *   however many writers there are.
 * - A profile has no two revisions that say the same: storing one again gives the one that is there. The order of
 *   variables, secrets, keys and hosts says nothing, nor does who stored it and with what summary.
 * - The active revision is one of this very profile.
 * - Values of environment variables reach no span, log or error.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import type { ById, OwnedId } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import { make } from "./makeProfileRepo.js"
import type {
  CreateProfile,
  OwnedProfile,
  Profile,
  ProfileFilter,
  ProfileSlug,
  UpdateProfile
} from "./Profile.js"
import type { CreateProfileRevision, ProfileRevision, ProfileRevisionFilter, SetActiveProfileRevision } from "./ProfileRevision.js"
import type { ProfileRevisionGraph } from "./profileRevisions.js"

export type { ProfileRevisionGraph } from "./profileRevisions.js"

/**
 * Methods of `ProfileRepo`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface ProfileService {
  /**
   * Stores a profile, active and without a revision, with a new id when none is given.
   *
   * Fails with `AlreadyExists` when the id is taken, or the slug by another profile of the owner; with
   * `ReferenceNotFound` (`ownerUserId`) when there is no such user; with `InvalidInput` for a text that is empty or too
   * long.
   */
  readonly create: (
    profile: typeof CreateProfile.Encoded
  ) => Effect.Effect<Profile, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** The profile, if it is there. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<Profile>, PersistenceError>

  /** The profile. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<Profile, NotFound | PersistenceError>

  /** The profile of this owner. Fails with `NotFound`, also when it is another owner's, and with `InvalidInput` when no owner is given. */
  readonly getForOwner: (request: typeof OwnedProfile.Encoded) => Effect.Effect<Profile, NotFound | InvalidInput | PersistenceError>

  /** The profile that has the slug among those of the owner, if there is one. Fails with `InvalidInput` for an empty one. */
  readonly findBySlug: (
    request: typeof ProfileSlug.Encoded
  ) => Effect.Effect<Option.Option<Profile>, InvalidInput | PersistenceError>

  /**
   * The profiles of an owner, in a status if one is given, newest first. Fails with `InvalidInput` for a foreign cursor, a
   * limit out of range or an unknown status.
   */
  readonly list: (
    request: PageRequest & typeof ProfileFilter.Encoded
  ) => Effect.Effect<Page<Profile>, InvalidInput | PersistenceError>

  /**
   * Changes what is given. `updatedAt` moves when something is another than before.
   *
   * Fails with `NotFound`, also when an owner is given and it is another's; with `AlreadyExists` when another profile of
   * its owner has the slug; with `InvalidInput` for a text that is empty or too long, or an owner that is `undefined`.
   */
  readonly update: (
    request: typeof UpdateProfile.Encoded
  ) => Effect.Effect<Profile, NotFound | AlreadyExists | InvalidInput | PersistenceError>

  /** Puts the profile away. One that is put away already is returned as it is. Fails with `NotFound`. */
  readonly archive: (id: ById) => Effect.Effect<Profile, NotFound | PersistenceError>

  /** The same for the profile of this owner. Fails with `NotFound`, also when it is another owner's, and with `InvalidInput` when no owner is given. */
  readonly archiveForOwner: (request: typeof OwnedProfile.Encoded) => Effect.Effect<Profile, NotFound | InvalidInput | PersistenceError>

  /** Takes back `archive`. A profile that is not put away is returned as it is. Fails with `NotFound`. */
  readonly restore: (id: ById) => Effect.Effect<Profile, NotFound | PersistenceError>

  /** The same for the profile of this owner. Fails with `NotFound`, also when it is another owner's, and with `InvalidInput` when no owner is given. */
  readonly restoreForOwner: (request: typeof OwnedProfile.Encoded) => Effect.Effect<Profile, NotFound | InvalidInput | PersistenceError>

  /**
   * Stores a revision with all that belongs to it, under the next number, and makes it the active one unless
   * `setAsActive` is false. When the profile has a revision that says the same, that one is made active and returned, and
   * `created` is false.
   *
   * Fails with `NotFound` when there is no such profile, or an owner is given and it is another's; with
   * `ReferenceNotFound` that names the field (`createdByUserId`, `secretId`, `secretVersionId`, `sshKeyId`) when what it
   * refers to is not there, a secret or a key is another owner's, or a version is one of another secret; with
   * `AlreadyExists` when the given id is taken; with `InvalidInput` for what `CreateProfileRevision` does not take.
   */
  readonly createRevision: (
    request: typeof CreateProfileRevision.Encoded
  ) => Effect.Effect<
    { readonly revision: ProfileRevision; readonly created: boolean },
    NotFound | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * The revisions of a profile, the last one first.
   *
   * Fails with `NotFound` when there is no such profile, or an owner is given and it is another's; with `InvalidInput`
   * for a foreign cursor, a limit out of range, or an owner that is `undefined`.
   */
  readonly listRevisions: (
    request: PageRequest & typeof ProfileRevisionFilter.Encoded
  ) => Effect.Effect<Page<ProfileRevision>, NotFound | InvalidInput | PersistenceError>

  /** The revision with all that belongs to it, as of one moment. Fails with `NotFound`. */
  readonly getRevision: (id: ById) => Effect.Effect<ProfileRevisionGraph, NotFound | PersistenceError>

  /** The same for a revision of a profile of this owner. Fails with `NotFound`, also when it is another owner's. */
  readonly getRevisionForOwner: (
    request: OwnedId
  ) => Effect.Effect<ProfileRevisionGraph, NotFound | PersistenceError>

  /**
   * The active revision of a profile with all that belongs to it, as of one moment. Fails with `NotFound`: of a `Profile`
   * when there is none, of a `ProfileRevision` when it has no active one.
   */
  readonly getActiveRevision: (profileId: ById) => Effect.Effect<ProfileRevisionGraph, NotFound | PersistenceError>

  /** The same for a profile of this owner. Fails with `NotFound`, also when it is another owner's. */
  readonly getActiveRevisionForOwner: (
    request: { readonly ownerUserId: string; readonly profileId: string }
  ) => Effect.Effect<ProfileRevisionGraph, NotFound | PersistenceError>

  /**
   * Makes a revision of the profile the active one. `updatedAt` moves when another was.
   *
   * Fails with `NotFound` when there is no such profile, or an owner is given and it is another's; with
   * `ReferenceNotFound` (`revisionId`) when there is no such revision or it is one of another profile; with
   * `InvalidInput` for an id that is none, or an owner that is `undefined`.
   */
  readonly setActiveRevision: (
    request: typeof SetActiveProfileRevision.Encoded
  ) => Effect.Effect<Profile, NotFound | ReferenceNotFound | InvalidInput | PersistenceError>
}

export class ProfileRepo extends Context.Tag("@sealant/db/ProfileRepo")<ProfileRepo, ProfileService>() {
  /** The profiles over `SqlClient`. */
  static readonly layer: Layer.Layer<ProfileRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
