/**
 * Pull requests, over the table `pull_requests`.
 *
 * Guarantees:
 * - A pull request is one row, found by its id, its external id, or its number in its repository. The row keeps its id
 *   and all references to it.
 * - A merged pull request stays merged, whatever is reported later.
 * - Out-of-order reports change nothing: a report with `syncedAt` never overwrites a later one.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Context, Effect, Layer, Option, type Stream } from "effect"
import { InvalidTransition } from "../Errors.js"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { operations } from "../sql/operations.js"
import type { Page, PageRequest } from "../sql/page.js"
import { resolveForeignKeyError } from "../sql/references.js"
import type { ByExternalId, ByNumber } from "./ProviderRow.js"
import { isNewer, makeProviderRows } from "./providerRows.js"
import { PullRequest, PullRequestFilter, pullRequestTransitions, UpsertPullRequest } from "./PullRequest.js"

/**
 * Methods of `PullRequestRepo`.
 *
 * Internal: pull requests are shared by all users of their repository, and no method checks access. Not for request
 * handlers, unless `GitHubInstallationRepositoryRepo.mayUse` returned true for the repository.
 */
export interface PullRequestService {
  /**
   * Stores a provider's report of a pull request. Updates the row that has the id, else the external id, else the
   * number in the repository; creates a row if none matches. Returns the row. An existing row keeps its id.
   *
   * - The first identity that matches a row decides, and the row takes the other identities from the report. If another
   *   row has one of them, the call fails: report that row first.
   * - Omitted fields keep their value, null clears a field. `updatedAt` changes only if a value changes.
   * - The states `open` and `draft` clear `closedAt`, unless the report sets it.
   * - A row with a later `syncedAt` than the report is returned unchanged, even if it is merged and the report has
   *   another state.
   *
   * A failed call writes nothing. Fails with:
   * - `InvalidTransition` if the row is merged, the report has another state, and the row is not newer by `syncedAt`;
   * - `AlreadyExists`, with the columns, if another row has the external id or the number;
   * - `ReferenceNotFound`, with the field, if the repository or the author does not exist;
   * - `InvalidInput` if a field is invalid.
   */
  readonly upsert: (
    pullRequest: typeof UpsertPullRequest.Encoded
  ) => Effect.Effect<
    PullRequest,
    InvalidTransition | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /** Returns the pull request, or none if it does not exist. */
  readonly findById: (id: string) => Effect.Effect<Option.Option<PullRequest>, PersistenceError>

  /** Returns the pull request. Fails with `NotFound`. */
  readonly getById: (id: string) => Effect.Effect<PullRequest, NotFound | PersistenceError>

  /**
   * Returns the pull request with this number in the repository, or none. Fails with `InvalidInput` if the provider is
   * unknown, or the number or the id is invalid.
   */
  readonly findByNumber: (
    request: typeof ByNumber.Encoded
  ) => Effect.Effect<Option.Option<PullRequest>, InvalidInput | PersistenceError>

  /**
   * Returns the pull request with this external id, or none. Fails with `InvalidInput` if the provider is unknown or
   * the id is invalid.
   */
  readonly findByExternalId: (
    request: typeof ByExternalId.Encoded
  ) => Effect.Effect<Option.Option<PullRequest>, InvalidInput | PersistenceError>

  /**
   * Lists the pull requests of a repository, newest row first. The list of an unknown repository is empty. Fails with
   * `InvalidInput` if the cursor is malformed, the limit is out of range, the state is unknown, or the repository is
   * `undefined`.
   */
  readonly list: (
    request: PageRequest & typeof PullRequestFilter.Encoded
  ) => Effect.Effect<Page<PullRequest>, InvalidInput | PersistenceError>

  /** Streams the items of `list`, reading page by page. Fails as `list` does. */
  readonly stream: (
    filter: typeof PullRequestFilter.Encoded
  ) => Stream.Stream<PullRequest, InvalidInput | PersistenceError>
}

const pullRequestOperations = operations("PullRequestRepo", "PullRequest")

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { findExisting, reads, store } = yield* makeProviderRows(pullRequestOperations, {
    model: PullRequest,
    table: "pull_requests",
    service: "PullRequestRepo",
    prefix: "pr",
    states: pullRequestTransitions,
    filter: PullRequestFilter
  })

  type Upserted = Effect.Effect<PullRequest, Effect.Effect.Error<ReturnType<typeof store>> | InvalidTransition>

  const upsert = (report: typeof UpsertPullRequest.Type): Upserted =>
    Effect.flatMap(store(report), Option.match({ onSome: Effect.succeed, onNone: () => explainRefusal(report) }))

  /**
   * Explains an upsert that wrote nothing: returns a newer row, or fails with `InvalidTransition`. Repeats the upsert
   * if the row was deleted or changed between the two statements.
   */
  const explainRefusal = (report: typeof UpsertPullRequest.Type): Upserted =>
    Effect.flatMap(findExisting(report), (found): Upserted => {
      const { state: to } = report
      if (Option.isNone(found)) return upsert(report)
      const { id, state: from } = found.value
      if (isNewer(found.value, report)) return Effect.succeed(found.value)
      return to === undefined || from === to || pullRequestTransitions.allows(from, to)
        ? upsert(report)
        : Effect.fail(new InvalidTransition({ entity: "PullRequest", id, from, to }))
    })

  const service: PullRequestService = {
    ...reads,

    upsert: (request) =>
      pullRequestOperations
        .decodeInput(
          "upsert",
          UpsertPullRequest
        )(request)
        .pipe(
          Effect.flatMap(upsert),
          pullRequestOperations.traced("upsert", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
          Effect.catchTag(
            "ReferenceNotFound",
            resolveForeignKeyError(sql, () => [
              { field: "repositoryId", table: "repositories", id: Option.some(request.repositoryId) },
              { field: "authorUserId", table: "user", id: Option.fromNullable(request.authorUserId) }
            ])
          )
        )
  }
  return service
})

/** Pull requests, as their provider reports them. */
export class PullRequestRepo extends Context.Tag("@sealant/db/PullRequestRepo")<PullRequestRepo, PullRequestService>() {
  /** The layer over `SqlClient`. */
  static readonly layer: Layer.Layer<PullRequestRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
