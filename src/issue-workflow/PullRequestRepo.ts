/**
 * Pull requests, over the table `pull_requests`.
 *
 * What it guarantees:
 * - A pull request is one row, however it is told of: by our id, by the provider's, or by its number in its repository.
 *   The id of the row stays, and all that refers to it.
 * - What is merged stays merged, whatever is told later.
 * - What was told late changes nothing: where `syncedAt` is given, nothing that came from the provider earlier takes the
 *   place of what came later, in whatever order they arrive.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option, Stream } from "effect"
import type {
  AlreadyExists,
  InvalidInput,
  InvalidTransition,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import type { Page, PageRequest } from "../sql/page.js"
import { make } from "./makePullRequestRepo.js"
import type { ByExternalId, ByNumber } from "./ProviderRow.js"
import type { PullRequest, PullRequestFilter, PullRequestId, UpsertPullRequest } from "./PullRequest.js"

/**
 * Methods of `PullRequestRepo`.
 *
 * Internal: pull requests are shared by all users of their repository, and no method checks that a user may use it:
 * not for request handlers, unless `GitHubInstallationRepositoryRepo.mayUse` returned true for the repository.
 */
export interface PullRequestService {
  /**
   * Stores what the provider tells of a pull request, in the row that is found by the given id, else by provider and
   * external id, else by provider, repository and number; in a new one when none of them finds any. Returns the row, with
   * the id that it had before.
   *
   * - The first identity that finds a row decides; the row then takes the others from what is given. Where one of those
   *   is another row's, the two cannot both be right, and it is for the caller to tell of the other one first.
   * - What is left out stays as it is, and null clears. `updatedAt` moves when something is another than before.
   * - A pull request that is open or a draft has no `closedAt`, unless one is given.
   * - When the row was synced later than the given `syncedAt`, it is returned as it is: also one that is merged by now,
   *   whatever the state that is given.
   *
   * Fails with `InvalidTransition` when the row is merged and another state is given, and nothing says that this came
   * late; with `AlreadyExists` that names the columns when another row holds the external id or the number, with
   * `ReferenceNotFound` that names the field when the repository or the author is not there, with `InvalidInput` for a
   * field out of shape. Then nothing is written.
   */
  readonly upsert: (
    pullRequest: typeof UpsertPullRequest.Encoded
  ) => Effect.Effect<
    PullRequest,
    InvalidTransition | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /** The pull request, if it is there. */
  readonly findById: (id: PullRequestId) => Effect.Effect<Option.Option<PullRequest>, PersistenceError>

  /** The pull request. Fails with `NotFound`. */
  readonly getById: (id: PullRequestId) => Effect.Effect<PullRequest, NotFound | PersistenceError>

  /** The pull request that has this number in the repository, if there is one. Fails with `InvalidInput` for what is no number or id. */
  readonly findByNumber: (
    request: typeof ByNumber.Encoded
  ) => Effect.Effect<Option.Option<PullRequest>, InvalidInput | PersistenceError>

  /** The pull request that the provider knows by this id, if there is one. Fails with `InvalidInput` for an unknown provider or what is no id. */
  readonly findByExternalId: (
    request: typeof ByExternalId.Encoded
  ) => Effect.Effect<Option.Option<PullRequest>, InvalidInput | PersistenceError>

  /**
   * The pull requests of a repository, in one state if it is given, newest row first; none when there is no such
   * repository. Fails with `InvalidInput` for a foreign cursor, a limit out of range, an unknown state, or a repository
   * that is `undefined`.
   */
  readonly list: (
    request: PageRequest & typeof PullRequestFilter.Encoded
  ) => Effect.Effect<Page<PullRequest>, InvalidInput | PersistenceError>

  /** All that `list` would give, read page by page as it is taken. Fails as `list` does. */
  readonly stream: (
    filter: typeof PullRequestFilter.Encoded
  ) => Stream.Stream<PullRequest, InvalidInput | PersistenceError>
}

export class PullRequestRepo extends Context.Tag("@sealant/db/PullRequestRepo")<PullRequestRepo, PullRequestService>() {
  /** The pull requests over `SqlClient`. */
  static readonly layer: Layer.Layer<PullRequestRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
