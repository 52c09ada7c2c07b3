/**
 * Issues and their links to pull requests, over the tables `issues` and `issue_pull_request_links`.
 *
 * Guarantees:
 * - An issue is one row, found by its id, its external id, or its number in its repository. An issue that is
 *   renumbered, transferred to another repository, closed or reopened keeps its row, its id and all references to it.
 *   GitHub gives a transferred issue a new external id, so its row is found only if `markTransferred` reports both ids.
 * - Out-of-order reports change nothing: a report with `syncedAt` never overwrites a later one.
 * - An issue and a linked pull request may be in different repositories. Providers accept `fixes acme/app#7` across
 *   repositories, and a transferred issue leaves its pull requests behind.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, DateTime, Effect, Layer, Option, type Stream } from "effect"
import { NotFound } from "../Errors.js"
import type { AlreadyExists, InvalidInput, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { endWithIssue } from "../events/deletions.js"
import { operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import {
  DeletedIssue,
  Issue,
  IssueFilter,
  IssuePullRequestLink,
  IssuePullRequestLinkFilter,
  issueTransitions,
  LinkIssuePullRequest,
  TransferIssue,
  UpsertIssue
} from "./Issue.js"
import { moveIssue } from "./issueTransfer.js"
import type { ByExternalId, ByNumber } from "./ProviderRow.js"
import { makeProviderRows } from "./providerRows.js"

/**
 * Methods of `IssueRepo`.
 *
 * Internal: issues are shared by all users of their repository, and no method checks access. Not for request handlers,
 * unless `GitHubInstallationRepositoryRepo.mayUse` returned true for the repository.
 */
export interface IssueService {
  /**
   * Stores a provider's report of an issue. Updates the row that has the id, else the external id, else the number in
   * the repository; creates a row if none matches. Returns the row. An existing row keeps its id.
   *
   * - The first identity that matches a row decides, and the row takes the other identities from the report. If another
   *   row has one of them, the call fails: report that row first.
   * - Omitted fields keep their value, null clears a field. `updatedAt` changes only if a value changes.
   * - `state: "open"` clears `closedAt`, unless the report sets it.
   * - A row with a later `syncedAt` than the report is returned unchanged.
   *
   * A failed call writes nothing. Fails with:
   * - `AlreadyExists`, with the columns, if another row has the external id or the number;
   * - `ReferenceNotFound`, with the field, if the repository, the author or the assignee does not exist;
   * - `InvalidInput` if a field is invalid.
   */
  readonly upsert: (
    issue: typeof UpsertIssue.Encoded
  ) => Effect.Effect<Issue, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Records that an issue was transferred to another repository, where its provider gave it a new id. The row with the
   * former id takes the new identity, and the fields of the report by the rules of `upsert`. It keeps its id and all
   * references to it. Without such a row, stores the report as `upsert` does.
   *
   * If the new identity has a row, too, because it was reported before its transfer, that row is merged: the issue
   * takes its fields, workflows, attempts and pull requests, and the row is deleted. If both have an active workflow,
   * that of the deleted row is cancelled, with its executions and with events in the journal.
   *
   * Idempotent. Fails as `upsert` does, and then writes nothing.
   */
  readonly markTransferred: (
    transfer: typeof TransferIssue.Encoded
  ) => Effect.Effect<Issue, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Closes an issue that its provider has deleted, and cancels its active workflow and executions in the same
   * transaction, with events in the journal. The row stays, because other rows refer to it. Returns the issue, or none
   * if it does not exist. Idempotent. Fails with `InvalidInput` if the provider is unknown or the id is invalid.
   */
  readonly markDeleted: (
    deleted: typeof DeletedIssue.Encoded
  ) => Effect.Effect<Option.Option<Issue>, InvalidInput | PersistenceError>

  /** Returns the issue, or none if it does not exist. */
  readonly findById: (id: string) => Effect.Effect<Option.Option<Issue>, PersistenceError>

  /** Returns the issue. Fails with `NotFound`. */
  readonly getById: (id: string) => Effect.Effect<Issue, NotFound | PersistenceError>

  /**
   * Returns the issue with this number in the repository, or none. Fails with `InvalidInput` if the provider is
   * unknown, or the number or the id is invalid.
   */
  readonly findByNumber: (
    request: typeof ByNumber.Encoded
  ) => Effect.Effect<Option.Option<Issue>, InvalidInput | PersistenceError>

  /**
   * Returns the issue with this external id, or none. Fails with `InvalidInput` if the provider is unknown or the id is
   * invalid.
   */
  readonly findByExternalId: (
    request: typeof ByExternalId.Encoded
  ) => Effect.Effect<Option.Option<Issue>, InvalidInput | PersistenceError>

  /**
   * Lists the issues of a repository, newest row first. The list of an unknown repository is empty. Fails with
   * `InvalidInput` if the cursor is malformed, the limit is out of range, the state is unknown, or the repository is
   * `undefined`.
   */
  readonly list: (
    request: Page.PageRequest & typeof IssueFilter.Encoded
  ) => Effect.Effect<Page.Page<Issue>, InvalidInput | PersistenceError>

  /** Streams the items of `list`, reading page by page. Fails as `list` does. */
  readonly stream: (filter: typeof IssueFilter.Encoded) => Stream.Stream<Issue, InvalidInput | PersistenceError>

  /**
   * Links a pull request to the issue. An existing link is returned unchanged, even if its relation differs.
   *
   * Fails with `NotFound` if the issue does not exist, with `ReferenceNotFound` (`pullRequestId`) if the pull request
   * does not exist, with `InvalidInput` if the relation is unknown or an id is invalid.
   */
  readonly linkPullRequest: (
    link: typeof LinkIssuePullRequest.Encoded
  ) => Effect.Effect<IssuePullRequestLink, NotFound | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Lists the links of an issue to pull requests, newest first. The list of an unknown issue is empty. Fails with
   * `InvalidInput` if the cursor is malformed or the limit is out of range.
   */
  readonly listPullRequests: (
    request: Page.PageRequest & typeof IssuePullRequestLinkFilter.Encoded
  ) => Effect.Effect<Page.Page<IssuePullRequestLink>, InvalidInput | PersistenceError>
}

const issueOperations = operations("IssueRepo", "Issue")
const linkOperations = operations("IssueRepo", "IssuePullRequestLink")

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const issues = yield* rowsOf(Issue)
  const columns = sql.literal(columnList(Issue))
  const links = yield* rowsOf(IssuePullRequestLink)
  const linkColumns = sql.literal(columnList(IssuePullRequestLink))
  const { findExisting, reads, store } = yield* makeProviderRows(issueOperations, {
    model: Issue,
    table: "issues",
    service: "IssueRepo",
    prefix: "issue",
    states: issueTransitions,
    filter: IssueFilter
  })

  /** Stores the report, or returns the newer row. Repeats if that row was deleted between the two statements. */
  const upsert = (
    report: typeof UpsertIssue.Type
  ): Effect.Effect<Issue, Effect.Effect.Error<ReturnType<typeof store>>> =>
    Effect.flatMap(
      store(report),
      Option.match({
        onSome: Effect.succeed,
        onNone: () =>
          Effect.flatMap(findExisting(report), Option.match({ onSome: Effect.succeed, onNone: () => upsert(report) }))
      })
    )

  const markDeleted = ({ at, externalId, provider }: typeof DeletedIssue.Type) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const deletedAt = DateTime.toEpochMillis(at)
      // Earlier deliveries may still arrive: synced_at keeps them from reopening the issue.
      const closed = yield* issues.findOne(sql`
        UPDATE issues SET
          state = 'closed', closed_at = coalesce(closed_at, ${deletedAt}), synced_at = max(coalesce(synced_at, 0), ${deletedAt}),
          updated_at = ${now}
        WHERE provider = ${provider} AND external_id = ${externalId}
        RETURNING ${columns}`)
      if (Option.isSome(closed)) yield* endWithIssue(sql, closed.value.id)
      return closed
    })

  const link = ({ issueId, pullRequestId, relation }: typeof LinkIssuePullRequest.Type) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      // After DO NOTHING, RETURNING returns no row. This update changes nothing and returns the existing row.
      return yield* links.single(sql`
        INSERT INTO issue_pull_request_links (issue_id, pull_request_id, relation, linked_at)
        VALUES (${issueId}, ${pullRequestId}, ${relation}, ${now})
        ON CONFLICT (issue_id, pull_request_id) DO UPDATE SET relation = relation
        RETURNING ${linkColumns}`)
    })

  const service: IssueService = {
    ...reads,

    upsert: (request) =>
      issueOperations
        .decodeInput(
          "upsert",
          UpsertIssue
        )(request)
        .pipe(
          Effect.flatMap(upsert),
          issueOperations.traced("upsert", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
          Effect.catchTag(
            "ReferenceNotFound",
            resolveForeignKeyError(sql, () => referencesOf(request))
          )
        ),

    markTransferred: (request) =>
      issueOperations
        .decodeInput(
          "markTransferred",
          TransferIssue
        )(request)
        .pipe(
          Effect.flatMap((transfer) =>
            sql.withTransaction(Effect.zipRight(moveIssue(sql, transfer), upsert(transfer.to)))
          ),
          issueOperations.traced("markTransferred", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
          Effect.catchTag(
            "ReferenceNotFound",
            resolveForeignKeyError(sql, () => referencesOf(request.to))
          )
        ),

    markDeleted: (request) =>
      issueOperations
        .decodeInput(
          "markDeleted",
          DeletedIssue
        )(request)
        .pipe(
          Effect.flatMap((deleted) => sql.withTransaction(markDeleted(deleted))),
          issueOperations.traced("markDeleted")
        ),

    linkPullRequest: (request) =>
      linkOperations
        .decodeInput(
          "linkPullRequest",
          LinkIssuePullRequest
        )(request)
        .pipe(
          Effect.flatMap(link),
          linkOperations.traced("linkPullRequest", ["ReferenceNotFound", "InvalidInput"], {
            "issue.id": request.issueId
          }),
          Effect.catchTag(
            "ReferenceNotFound",
            resolveForeignKeyError(sql, () => [
              { field: "issueId", table: "issues", id: Option.some(request.issueId) },
              { field: "pullRequestId", table: "pull_requests", id: Option.some(request.pullRequestId) }
            ])
          ),
          Effect.catchIf(
            (error) => error._tag === "ReferenceNotFound" && error.reference === "issueId",
            () => new NotFound({ entity: "Issue", id: request.issueId })
          )
        ),

    listPullRequests: (request) =>
      Effect.gen(function* () {
        const { issueId } = yield* linkOperations.decodeFilter("listPullRequests", IssuePullRequestLinkFilter)(request)
        const start = yield* Page.start("IssueRepo.listPullRequests", request)
        const found = yield* links.findPage(sql`
          SELECT ${linkColumns} FROM issue_pull_request_links
          WHERE issue_id = ${issueId} AND ${Page.afterCursor(sql, start, "linked_at", "pull_request_id")}
          ORDER BY linked_at DESC, pull_request_id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ linkedAt, pullRequestId }) => [linkedAt, pullRequestId])
      }).pipe(linkOperations.traced("listPullRequests", { "issue.id": request.issueId }))
  }
  return service
})

/** The references of a report, for the error that names the missing one. */
const referencesOf = ({ assigneeUserId, authorUserId, repositoryId }: typeof UpsertIssue.Encoded) => [
  { field: "repositoryId", table: "repositories", id: Option.some(repositoryId) },
  { field: "authorUserId", table: "user", id: Option.fromNullable(authorUserId) },
  { field: "assigneeUserId", table: "user", id: Option.fromNullable(assigneeUserId) }
]

/** Issues and their links to pull requests. */
export class IssueRepo extends Context.Tag("@sealant/db/IssueRepo")<IssueRepo, IssueService>() {
  /** The layer over `SqlClient`. */
  static readonly layer: Layer.Layer<IssueRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
