/**
 * The statements and rules of `IssueRepo`. How its rows follow their provider stands in `providerRows.ts`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect, Option } from "effect"
import { NotFound } from "../Errors.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { endWithIssue } from "../events/deletions.js"
import {
  DeletedIssue,
  Issue,
  IssueFilter,
  IssuePullRequestLink,
  IssuePullRequestLinkFilter,
  issueTransitions,
  LinkIssuePullRequest,
  UpsertIssue
} from "./Issue.js"
import type { IssueService } from "./IssueRepo.js"
import { makeProviderRows } from "./providerRows.js"

const own = operations("IssueRepo", "Issue")
const linkOperations = operations("IssueRepo", "IssuePullRequestLink")

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const linkColumns = sql.literal(columnList(IssuePullRequestLink))
  const links = yield* rowsOf(IssuePullRequestLink)
  const { look, reads, store } = yield* makeProviderRows(own, {
    model: Issue,
    table: "issues",
    service: "IssueRepo",
    prefix: "issue",
    states: issueTransitions,
    filter: IssueFilter
  })

  /** What was not written came late, and the row stays as it is; or the row went in between, and this is a new one. */
  const upsert = (told: typeof UpsertIssue.Type): Effect.Effect<Issue, Effect.Effect.Error<ReturnType<typeof store>>> =>
    Effect.flatMap(store(told), Option.match({
      onSome: Effect.succeed,
      onNone: () => Effect.flatMap(look(told), Option.match({ onSome: Effect.succeed, onNone: () => upsert(told) }))
    }))

  const issues = yield* rowsOf(Issue)
  const columns = sql.literal(columnList(Issue))

  const markDeleted = ({ at, externalId, provider }: typeof DeletedIssue.Type) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const deletedAt = DateTime.toEpochMillis(at)
      // Deliveries from before the deletion may still arrive: synced_at keeps them from opening the issue again.
      const closed = yield* issues.first(sql`
        UPDATE issues SET
          state = 'closed', closed_at = coalesce(closed_at, ${deletedAt}), synced_at = max(coalesce(synced_at, 0), ${deletedAt}),
          updated_at = ${now}
        WHERE provider = ${provider} AND external_id = ${externalId}
        RETURNING ${columns}`)
      if (Option.isSome(closed)) yield* endWithIssue(sql, closed.value.id)
      return closed
    })

  const link = ({ issueId, pullRequestId, relation }: typeof LinkIssuePullRequest.Type) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      // DO NOTHING would give no row back: this changes nothing, and gives the one that is there.
      return yield* links.one(sql`
        INSERT INTO issue_pull_request_links (issue_id, pull_request_id, relation, linked_at)
        VALUES (${issueId}, ${pullRequestId}, ${relation}, ${now})
        ON CONFLICT (issue_id, pull_request_id) DO UPDATE SET relation = relation
        RETURNING ${linkColumns}`)
    })

  const service: IssueService = {
    ...reads,

    upsert: (request) =>
      own.input("upsert", UpsertIssue)(request).pipe(
        Effect.flatMap(upsert),
        own.write("upsert", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "repositoryId", table: "repositories", id: Option.some(request.repositoryId) },
          { field: "authorUserId", table: "user", id: Option.fromNullable(request.authorUserId) },
          { field: "assigneeUserId", table: "user", id: Option.fromNullable(request.assigneeUserId) }
        ]))
      ),

    markDeleted: (request) =>
      own.input("markDeleted", DeletedIssue)(request).pipe(
        Effect.flatMap((deleted) => sql.withTransaction(markDeleted(deleted))),
        own.read("markDeleted")
      ),

    linkPullRequest: (request) =>
      linkOperations.input("linkPullRequest", LinkIssuePullRequest)(request).pipe(
        Effect.flatMap(link),
        linkOperations.write("linkPullRequest", ["ReferenceNotFound", "InvalidInput"], { "issue.id": request.issueId }),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "issueId", table: "issues", id: Option.some(request.issueId) },
          { field: "pullRequestId", table: "pull_requests", id: Option.some(request.pullRequestId) }
        ])),
        Effect.catchIf(
          (error) => error._tag === "ReferenceNotFound" && error.reference === "issueId",
          () => new NotFound({ entity: "Issue", id: request.issueId })
        )
      ),

    listPullRequests: (request) =>
      Effect.gen(function*() {
        const { issueId } = yield* linkOperations.input("listPullRequests", IssuePullRequestLinkFilter)(request)
        const start = yield* Page.start("IssueRepo.listPullRequests", request)
        const rows = yield* links.all(sql`
          SELECT ${linkColumns} FROM issue_pull_request_links
          WHERE issue_id = ${issueId} AND ${Page.below(sql, start, "linked_at", "pull_request_id")}
          ORDER BY linked_at DESC, pull_request_id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ linkedAt, pullRequestId }) => [linkedAt, pullRequestId])
      }).pipe(linkOperations.read("listPullRequests", { "issue.id": request.issueId }))
  }
  return service
})
