/**
 * Issues and their links to pull requests, over the tables `issues` and `issue_pull_request_links`.
 *
 * What it guarantees:
 * - An issue is one row, however it is told of: by our id, by the provider's, or by its number in its repository. What is
 *   renumbered, transferred to another repository, closed or opened again keeps its id, and all that refers to it.
 * - What was told late changes nothing: where `syncedAt` is given, nothing that came from the provider earlier takes the
 *   place of what came later, in whatever order they arrive.
 * - An issue and a pull request that are linked may be of two repositories: providers let `fixes acme/app#7` cross them,
 *   and a transferred issue leaves its pull requests behind.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option, Stream } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import type { Page, PageRequest } from "../sql/page.js"
import type {
  DeletedIssue,
  Issue,
  IssueFilter,
  IssueId,
  IssuePullRequestLink,
  IssuePullRequestLinkFilter,
  LinkIssuePullRequest,
  UpsertIssue
} from "./Issue.js"
import { make } from "./makeIssueRepo.js"
import type { ByExternalId, ByNumber } from "./ProviderRow.js"

/**
 * Methods of `IssueRepo`.
 *
 * Internal: issues are shared by all users of their repository, and no method checks that a user may use it: not for request handlers,
 * unless `GitHubInstallationRepositoryRepo.mayUse` returned true for the repository.
 */
export interface IssueService {
  /**
   * Stores what the provider tells of an issue, in the row that is found by the given id, else by provider and external
   * id, else by provider, repository and number; in a new one when none of them finds any. Returns the row, with the id
   * that it had before.
   *
   * - The first identity that finds a row decides; the row then takes the others from what is given. Where one of those
   *   is another row's, the two cannot both be right, and it is for the caller to tell of the other one first.
   * - What is left out stays as it is, and null clears. `updatedAt` moves when something is another than before.
   * - An issue that is open has no `closedAt`, unless one is given.
   * - When the row was synced later than the given `syncedAt`, it is returned as it is.
   *
   * Fails with `AlreadyExists` that names the columns when another row holds the external id or the number, with
   * `ReferenceNotFound` that names the field when the repository, the author or the assignee is not there, with
   * `InvalidInput` for a field out of shape. Then nothing is written.
   */
  readonly upsert: (
    issue: typeof UpsertIssue.Encoded
  ) => Effect.Effect<Issue, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Closes an issue that its provider has deleted, and cancels the active workflow and the executions on it in the same
   * transaction, with events in the journal. The row stays, because other rows refer to it. Returns the issue, or none if it
   * does not exist. Idempotent. Fails with `InvalidInput` for an unknown provider or an invalid id.
   */
  readonly markDeleted: (
    deleted: typeof DeletedIssue.Encoded
  ) => Effect.Effect<Option.Option<Issue>, InvalidInput | PersistenceError>

  /** The issue, if it is there. */
  readonly findById: (id: IssueId) => Effect.Effect<Option.Option<Issue>, PersistenceError>

  /** The issue. Fails with `NotFound`. */
  readonly getById: (id: IssueId) => Effect.Effect<Issue, NotFound | PersistenceError>

  /** The issue that has this number in the repository, if there is one. Fails with `InvalidInput` for what is no number or id. */
  readonly findByNumber: (
    request: typeof ByNumber.Encoded
  ) => Effect.Effect<Option.Option<Issue>, InvalidInput | PersistenceError>

  /** The issue that the provider knows by this id, if there is one. Fails with `InvalidInput` for an unknown provider or what is no id. */
  readonly findByExternalId: (
    request: typeof ByExternalId.Encoded
  ) => Effect.Effect<Option.Option<Issue>, InvalidInput | PersistenceError>

  /**
   * The issues of a repository, in one state if it is given, newest row first; none when there is no such repository.
   * Fails with `InvalidInput` for a foreign cursor, a limit out of range, an unknown state, or a repository that is
   * `undefined`.
   */
  readonly list: (
    request: PageRequest & typeof IssueFilter.Encoded
  ) => Effect.Effect<Page<Issue>, InvalidInput | PersistenceError>

  /** All that `list` would give, read page by page as it is taken. Fails as `list` does. */
  readonly stream: (filter: typeof IssueFilter.Encoded) => Stream.Stream<Issue, InvalidInput | PersistenceError>

  /**
   * Tells that a pull request has to do with the issue. One that is linked to it already stays as it was linked, also
   * when the relation is another.
   *
   * Fails with `NotFound` when there is no such issue, with `ReferenceNotFound` (`pullRequestId`) when there is no such
   * pull request, with `InvalidInput` for an unknown relation or what is no id.
   */
  readonly linkPullRequest: (
    link: typeof LinkIssuePullRequest.Encoded
  ) => Effect.Effect<IssuePullRequestLink, NotFound | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * The links of an issue to pull requests, last linked first; none when there is no such issue. Fails with
   * `InvalidInput` for a foreign cursor or a limit out of range.
   */
  readonly listPullRequests: (
    request: PageRequest & typeof IssuePullRequestLinkFilter.Encoded
  ) => Effect.Effect<Page<IssuePullRequestLink>, InvalidInput | PersistenceError>
}

export class IssueRepo extends Context.Tag("@sealant/db/IssueRepo")<IssueRepo, IssueService>() {
  /** The issues over `SqlClient`. */
  static readonly layer: Layer.Layer<IssueRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
