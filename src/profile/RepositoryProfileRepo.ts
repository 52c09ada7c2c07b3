/**
 * Profiles of repositories and their revisions, over the tables `repository_profiles`, `repository_profile_revisions`
 * and `repository_profile_profile_links`.
 *
 * Guarantees:
 * - A revision is stored completely or not at all, and is immutable, except for its links, which are replaced as a set.
 *   Revisions are numbered 1, 2, 3 and so on, without gaps, also with concurrent writers.
 * - Revisions are deduplicated by their content at creation, links included: creating an identical revision returns the
 *   existing one. Content excludes the author and, for links with an explicit precedence, their order in the list.
 * - The active revision of a profile is one of its own revisions.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, Effect, Layer, Option } from "effect"
import {
  type AlreadyExists,
  type InvalidInput,
  type NotFound,
  type PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import { type ById, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { repositoryAccess } from "../source/RepositoryAccess.js"
import {
  CreateRepositoryProfile,
  type CreateRepositoryProfileRevision,
  type ReplaceLinks,
  RepositoryProfile,
  RepositoryProfileFilter,
  RepositoryProfileId,
  type RepositoryProfileLink,
  RepositoryProfileRevision,
  RepositoryProfileRevisionFilter,
  SetActiveRepositoryProfileRevision,
  UpdateRepositoryProfile
} from "./RepositoryProfile.js"
import {
  type CreatedRepositoryProfileRevision,
  makeRevisions,
  type RepositoryProfileRevisionGraph
} from "./repositoryProfileRevisions.js"
import { makeVersioned } from "./versioned.js"

export { CreatedRepositoryProfileRevision, RepositoryProfileRevisionGraph } from "./repositoryProfileRevisions.js"

/**
 * Methods of `RepositoryProfileRepo`. A repository profile belongs to its repository: `ownerUserId` is the calling
 * user, and profiles of repositories which that user may not use (`RepositoryAccess`) are treated as missing.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface RepositoryProfileService {
  /**
   * Creates an active repository profile without revisions, with a new id if the input has none.
   *
   * Fails with:
   * - `AlreadyExists` if the id is taken, or another profile of the repository has the name.
   * - `ReferenceNotFound` (`repositoryId`) if the repository does not exist.
   * - `InvalidInput` if a text is empty or too long.
   */
  readonly create: (
    profile: typeof CreateRepositoryProfile.Encoded
  ) => Effect.Effect<RepositoryProfile, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** Finds a repository profile by id. Returns `None` if it does not exist. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<RepositoryProfile>, PersistenceError>

  /** Returns the repository profile. Fails with `NotFound` if it does not exist. */
  readonly getById: (id: ById) => Effect.Effect<RepositoryProfile, NotFound | PersistenceError>

  /**
   * Lists the profiles of a repository, optionally by status, newest first. Fails with `InvalidInput` if the cursor is
   * malformed, the limit is out of range, or the status is unknown.
   */
  readonly list: (
    request: Page.PageRequest & typeof RepositoryProfileFilter.Encoded
  ) => Effect.Effect<Page.Page<RepositoryProfile>, InvalidInput | PersistenceError>

  /**
   * Updates the fields that the request contains. `updatedAt` changes only if a value differs.
   *
   * Fails with:
   * - `NotFound` if the profile does not exist.
   * - `AlreadyExists` if another profile of the repository has the name.
   * - `InvalidInput` if a text is empty or too long.
   */
  readonly update: (
    request: typeof UpdateRepositoryProfile.Encoded
  ) => Effect.Effect<RepositoryProfile, NotFound | AlreadyExists | InvalidInput | PersistenceError>

  /** Archives the profile. Idempotent. Fails with `NotFound` if it does not exist. */
  readonly archive: (id: ById) => Effect.Effect<RepositoryProfile, NotFound | PersistenceError>

  /** Unarchives the profile. Idempotent. Fails with `NotFound` if it does not exist. */
  readonly unarchive: (id: ById) => Effect.Effect<RepositoryProfile, NotFound | PersistenceError>

  /**
   * Creates a revision with its links and the next number, and activates it unless `setAsActive` is false.
   *
   * If the profile has a revision that was created with the same content, activates and returns that one, with
   * `created: false`. Its links may have been replaced since: they are replaced by `links`, or stay unchanged if
   * `links` is absent.
   *
   * Fails with:
   * - `NotFound` if the profile does not exist.
   * - `ReferenceNotFound` with the field (`createdByUserId`, `profileRevisionId`) if a referenced row does not exist.
   * - `AlreadyExists` if the id is taken.
   * - `InvalidInput` if a document is invalid, there are more than 1,000 links, or two links refer to the same
   *   revision.
   */
  readonly createRevision: (
    request: typeof CreateRepositoryProfileRevision.Encoded
  ) => Effect.Effect<
    CreatedRepositoryProfileRevision,
    NotFound | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Lists the revisions of the profile, latest first. Fails with `NotFound` if the profile does not exist, and with
   * `InvalidInput` if the cursor is malformed or the limit is out of range.
   */
  readonly listRevisions: (
    request: Page.PageRequest & typeof RepositoryProfileRevisionFilter.Encoded
  ) => Effect.Effect<Page.Page<RepositoryProfileRevision>, NotFound | InvalidInput | PersistenceError>

  /** Returns the revision with its links, as a consistent snapshot. Fails with `NotFound` if it does not exist. */
  readonly getRevision: (id: ById) => Effect.Effect<RepositoryProfileRevisionGraph, NotFound | PersistenceError>

  /**
   * Returns the active revision of the profile with its links, as a consistent snapshot. Fails with `NotFound` of a
   * `RepositoryProfile` if the profile does not exist, of a `RepositoryProfileRevision` if it has no active revision.
   */
  readonly getActiveRevision: (
    repositoryProfileId: ById
  ) => Effect.Effect<RepositoryProfileRevisionGraph, NotFound | PersistenceError>

  /**
   * Activates a revision of the profile. `updatedAt` changes only if another revision was active.
   *
   * Fails with:
   * - `NotFound` if the profile does not exist.
   * - `ReferenceNotFound` (`revisionId`) if the revision does not exist or belongs to another profile.
   * - `InvalidInput` if an id is invalid.
   */
  readonly setActiveRevision: (
    request: typeof SetActiveRepositoryProfileRevision.Encoded
  ) => Effect.Effect<RepositoryProfile, NotFound | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Replaces the links of a revision, and returns them ordered by precedence. A link that exists already keeps its id
   * and `createdAt`.
   *
   * Fails with:
   * - `NotFound` if the revision does not exist.
   * - `ReferenceNotFound` (`profileRevisionId`) if a linked revision does not exist. With `ownerUserId`, also if it
   *   belongs to a profile of another user, unless a revision of this repository profile has a link to it already.
   * - `InvalidInput` if there are more than 1,000 links, or two links refer to the same revision.
   */
  readonly replaceLinks: (
    request: typeof ReplaceLinks.Encoded
  ) => Effect.Effect<
    ReadonlyArray<RepositoryProfileLink>,
    NotFound | ReferenceNotFound | InvalidInput | PersistenceError
  >
}

const { decodeFilter, decodeInput, traced } = operations("RepositoryProfileRepo", "RepositoryProfile")

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(RepositoryProfile))
  const profiles = yield* rowsOf(RepositoryProfile)
  const mayUse = yield* repositoryAccess
  const versioned = yield* makeVersioned<RepositoryProfile, RepositoryProfileRevision>({
    model: RepositoryProfile,
    service: "RepositoryProfileRepo",
    entity: "RepositoryProfile",
    table: "repository_profiles",
    scope: "repository_id",
    isWithin: (userId) => mayUse(userId, sql`repository_profiles.repository_id`),
    revisionModel: RepositoryProfileRevision,
    revisionEntity: "RepositoryProfileRevision",
    revisionTable: "repository_profile_revisions",
    parent: "repository_profile_id"
  })

  const service: RepositoryProfileService = {
    create: (request) =>
      Effect.gen(function* () {
        const { description, name, ownerUserId, repositoryId, ...rest } = yield* decodeInput(
          "create",
          CreateRepositoryProfile
        )(request)
        const id = yield* idOrNew(rest.id, "rpf", RepositoryProfileId.make)
        const now = yield* Clock.currentTimeMillis
        const isUsable = ownerUserId === undefined ? sql`true` : mayUse(ownerUserId, sql`${repositoryId}`)
        const created = yield* profiles.findOne(sql`
          INSERT INTO repository_profiles (id, repository_id, name, description, created_at, updated_at)
          SELECT ${id}, ${repositoryId}, ${name}, ${description ?? null}, ${now}, ${now} WHERE ${isUsable}
          RETURNING ${columns}`)
        return Option.isSome(created)
          ? created.value
          : yield* new ReferenceNotFound({ entity: "RepositoryProfile", reference: "repositoryId" })
      }).pipe(
        traced("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            { field: "repositoryId", table: "repositories", id: Option.some(request.repositoryId) }
          ])
        )
      ),

    findById: (by) => versioned.find(targetOf(by)).pipe(traced("findById", { "profile.id": targetOf(by).id })),

    getById: (by) => versioned.get(targetOf(by)).pipe(traced("getById", { "profile.id": targetOf(by).id })),

    list: (request) =>
      Effect.gen(function* () {
        const { ownerUserId, repositoryId, status } = yield* decodeFilter("list", RepositoryProfileFilter)(request)
        const start = yield* Page.start("RepositoryProfileRepo.list", request)
        const isUsable = ownerUserId === undefined ? [] : [mayUse(ownerUserId, sql`${repositoryId}`)]
        return yield* versioned.list(repositoryId, status, start, isUsable)
      }).pipe(traced("list", { "repository.id": request.repositoryId })),

    update: (request) =>
      Effect.gen(function* () {
        const { id, ownerUserId, ...changes } = yield* decodeInput("update", UpdateRepositoryProfile)(request)
        return yield* versioned.update({ id, ownerUserId }, changes)
      }).pipe(traced("update", ["AlreadyExists", "InvalidInput"], { "profile.id": request.id })),

    archive: (by) => versioned.archive(targetOf(by)).pipe(traced("archive", { "profile.id": targetOf(by).id })),

    unarchive: (by) => versioned.unarchive(targetOf(by)).pipe(traced("unarchive", { "profile.id": targetOf(by).id })),

    ...(yield* makeRevisions(versioned, mayUse)),

    listRevisions: (request) =>
      Effect.gen(function* () {
        const { ownerUserId, repositoryProfileId: id } = yield* decodeFilter(
          "listRevisions",
          RepositoryProfileRevisionFilter
        )(request)
        const start = yield* Page.start("RepositoryProfileRepo.listRevisions", request)
        return yield* versioned.listRevisions({ id, ownerUserId }, start)
      }).pipe(traced("listRevisions", { "profile.id": request.repositoryProfileId })),

    setActiveRevision: (request) =>
      Effect.gen(function* () {
        const {
          ownerUserId,
          repositoryProfileId: id,
          revisionId
        } = yield* decodeInput("setActiveRevision", SetActiveRepositoryProfileRevision)(request)
        return yield* versioned.setActiveRevision({ id, ownerUserId }, revisionId)
      }).pipe(traced("setActiveRevision", { "profile.id": request.repositoryProfileId }))
  }
  return service
})

/** Profiles of repositories and their revisions. */
export class RepositoryProfileRepo extends Context.Tag("@sealant/db/RepositoryProfileRepo")<
  RepositoryProfileRepo,
  RepositoryProfileService
>() {
  /** The layer of `RepositoryProfileRepo` over `SqlClient`. */
  static readonly layer: Layer.Layer<RepositoryProfileRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
