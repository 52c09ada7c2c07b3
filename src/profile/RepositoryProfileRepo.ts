/**
 * Profiles of repositories and their revisions, over the tables `repository_profiles`, `repository_profile_revisions`
 * and `repository_profile_profile_links`.
 *
 * What it guarantees:
 * - A revision is stored whole or not at all, and never changes, but for its links, which are replaced as a set.
 *   Revisions are numbered 1, 2, 3 and so on, without gaps, however many writers there are.
 * - A profile has no two revisions that were stored with the same content, links included: storing one again gives the
 *   one that is there. The order of links says nothing where they have their precedence, nor does who stored it.
 * - The active revision is one of this very profile.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import type { ById } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import { make } from "./makeRepositoryProfileRepo.js"
import type {
  CreateRepositoryProfile,
  CreateRepositoryProfileRevision,
  ReplaceLinks,
  RepositoryProfile,
  RepositoryProfileFilter,
  RepositoryProfileLink,
  RepositoryProfileRevision,
  RepositoryProfileRevisionFilter,
  SetActiveRepositoryProfileRevision,
  UpdateRepositoryProfile
} from "./RepositoryProfile.js"

/** A revision of a repository profile and its links. */
export interface RepositoryProfileRevisionGraph {
  readonly revision: RepositoryProfileRevision
  /** By precedence, and by the revision that is linked where two have the same. */
  readonly links: ReadonlyArray<RepositoryProfileLink>
}

/**
 * Methods of `RepositoryProfileRepo`. A repository profile belongs to its repository: `ownerUserId` is the calling
 * user, and profiles of repositories which that user may not use (`RepositoryAccess`) are treated as missing.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface RepositoryProfileService {
  /**
   * Stores a repository profile, active and without a revision, with a new id when none is given.
   *
   * Fails with `AlreadyExists` when the id is taken, or the name by another profile of the repository; with
   * `ReferenceNotFound` (`repositoryId`) when there is no such repository; with `InvalidInput` for a text that is empty
   * or too long.
   */
  readonly create: (
    profile: typeof CreateRepositoryProfile.Encoded
  ) => Effect.Effect<RepositoryProfile, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** The repository profile, if it is there. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<RepositoryProfile>, PersistenceError>

  /** The repository profile. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<RepositoryProfile, NotFound | PersistenceError>

  /**
   * The profiles of a repository, in a status if one is given, newest first. Fails with `InvalidInput` for a foreign
   * cursor, a limit out of range or an unknown status.
   */
  readonly list: (
    request: PageRequest & typeof RepositoryProfileFilter.Encoded
  ) => Effect.Effect<Page<RepositoryProfile>, InvalidInput | PersistenceError>

  /**
   * Changes what is given. `updatedAt` moves when something is another than before.
   *
   * Fails with `NotFound`, with `AlreadyExists` when another profile of its repository has the name, with `InvalidInput`
   * for a text that is empty or too long.
   */
  readonly update: (
    request: typeof UpdateRepositoryProfile.Encoded
  ) => Effect.Effect<RepositoryProfile, NotFound | AlreadyExists | InvalidInput | PersistenceError>

  /** Puts the profile away. One that is put away already is returned as it is. Fails with `NotFound`. */
  readonly archive: (id: ById) => Effect.Effect<RepositoryProfile, NotFound | PersistenceError>

  /** Takes back `archive`. A profile that is not put away is returned as it is. Fails with `NotFound`. */
  readonly restore: (id: ById) => Effect.Effect<RepositoryProfile, NotFound | PersistenceError>

  /**
   * Stores a revision with its links, under the next number, and makes it the active one unless `setAsActive` is false.
   * When the profile has a revision that was stored with the same content, that one is made active and returned, and
   * `created` is false; should its links have been replaced since, they are made what is given, and stay as they are when
   * none are given.
   *
   * Fails with `NotFound` when there is no such profile, with `ReferenceNotFound` that names the field
   * (`createdByUserId`, `profileRevisionId`) when what it refers to is not there, with `AlreadyExists` when the given id
   * is taken, with `InvalidInput` for a document out of shape, more than 1,000 links, or a revision that is linked twice.
   */
  readonly createRevision: (
    request: typeof CreateRepositoryProfileRevision.Encoded
  ) => Effect.Effect<
    { readonly revision: RepositoryProfileRevision; readonly created: boolean },
    NotFound | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * The revisions of a profile, the last one first. Fails with `NotFound` when there is no such profile, with
   * `InvalidInput` for a foreign cursor or a limit out of range.
   */
  readonly listRevisions: (
    request: PageRequest & typeof RepositoryProfileRevisionFilter.Encoded
  ) => Effect.Effect<Page<RepositoryProfileRevision>, NotFound | InvalidInput | PersistenceError>

  /** The revision with its links, as of one moment. Fails with `NotFound`. */
  readonly getRevision: (
    id: ById
  ) => Effect.Effect<RepositoryProfileRevisionGraph, NotFound | PersistenceError>

  /**
   * The active revision of a profile with its links, as of one moment. Fails with `NotFound`: of a `RepositoryProfile`
   * when there is none, of a `RepositoryProfileRevision` when it has no active one.
   */
  readonly getActiveRevision: (
    repositoryProfileId: ById
  ) => Effect.Effect<RepositoryProfileRevisionGraph, NotFound | PersistenceError>

  /**
   * Makes a revision of the profile the active one. `updatedAt` moves when another was.
   *
   * Fails with `NotFound` when there is no such profile, with `ReferenceNotFound` (`revisionId`) when there is no such
   * revision or it is one of another profile, with `InvalidInput` for an id that is none.
   */
  readonly setActiveRevision: (
    request: typeof SetActiveRepositoryProfileRevision.Encoded
  ) => Effect.Effect<RepositoryProfile, NotFound | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Makes the links of a revision what is given, and returns them by precedence. A link that stays keeps its id and
   * `createdAt`.
   *
   * Fails with `NotFound` when there is no such revision, with `ReferenceNotFound` (`profileRevisionId`) when a revision
   * of a profile is not there, or belongs to a profile of another user than `ownerUserId` and no revision of this
   * repository profile has a link to it, with `InvalidInput` for more than 1,000 links or a revision that is linked twice.
   */
  readonly replaceLinks: (
    request: typeof ReplaceLinks.Encoded
  ) => Effect.Effect<ReadonlyArray<RepositoryProfileLink>, NotFound | ReferenceNotFound | InvalidInput | PersistenceError>
}

export class RepositoryProfileRepo extends Context.Tag("@sealant/db/RepositoryProfileRepo")<
  RepositoryProfileRepo,
  RepositoryProfileService
>() {
  /** The repository profiles over `SqlClient`. */
  static readonly layer: Layer.Layer<RepositoryProfileRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
