/**
 * Artifacts of executions, and links of executions to pull requests.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Effect, Option, type Stream } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { conditionsOf, keysetQuery } from "../sql/filters.js"
import { type ById, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import {
  executionNotFound,
  executionOwnerScope,
  requireExecution,
  resolveExecutionReferenceError,
  workflowOwnerScope
} from "./executionBatches.js"
import {
  ArtifactFilter,
  InsertArtifacts,
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionPullRequestLink,
  LinkExecutionPullRequest,
  PullRequestLinkFilter
} from "./ExecutionReport.js"
import { insertArtifacts, linkPullRequest, returning, withArtifactIds } from "./reportStatements.js"

/** Methods for artifacts and links to pull requests. Part of `IssueWorkflowExecutionService`. */
export interface ExecutionArtifactMethods {
  /**
   * Stores artifacts, all of them or none. Generates ids where `id` is not set. Returns them in the order of the
   * request.
   *
   * Fails with `NotFound` if the execution does not exist, with `AlreadyExists` if an id exists or occurs twice, with
   * `InvalidInput` if an artifact is invalid or its storage backend requires a `storageKey`.
   */
  readonly insertArtifacts: (
    request: typeof InsertArtifacts.Encoded
  ) => Effect.Effect<
    ReadonlyArray<IssueWorkflowExecutionArtifact>,
    NotFound | AlreadyExists | InvalidInput | PersistenceError
  >

  /**
   * Lists the artifacts of an execution, optionally those of one kind, newest first. The list of an unknown execution
   * is empty. Fails with `InvalidInput` if the cursor is malformed, the limit is out of range, or the kind is unknown.
   */
  readonly listArtifacts: (
    request: Page.PageRequest & typeof ArtifactFilter.Encoded
  ) => Effect.Effect<Page.Page<IssueWorkflowExecutionArtifact>, InvalidInput | PersistenceError>

  /** Streams the items of `listArtifacts`, reading page by page. Fails as `listArtifacts` does. */
  readonly streamArtifacts: (
    filter: typeof ArtifactFilter.Encoded
  ) => Stream.Stream<IssueWorkflowExecutionArtifact, InvalidInput | PersistenceError>

  /** Returns the artifact. Fails with `NotFound`. */
  readonly getArtifact: (id: ById) => Effect.Effect<IssueWorkflowExecutionArtifact, NotFound | PersistenceError>

  /**
   * Links the execution to a pull request. An existing link is returned unchanged, even if its relation differs.
   *
   * Fails with `NotFound` if the execution does not exist, with `ReferenceNotFound` (`pullRequestId`) if the pull
   * request does not exist, with `InvalidInput` if the relation is unknown or an id is invalid.
   */
  readonly linkPullRequest: (
    link: typeof LinkExecutionPullRequest.Encoded
  ) => Effect.Effect<
    IssueWorkflowExecutionPullRequestLink,
    NotFound | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Lists the links of an execution to pull requests, newest first. The list of an unknown execution is empty. Fails
   * with `InvalidInput` if the cursor is malformed or the limit is out of range.
   */
  readonly listPullRequests: (
    request: Page.PageRequest & typeof PullRequestLinkFilter.Encoded
  ) => Effect.Effect<Page.Page<IssueWorkflowExecutionPullRequestLink>, InvalidInput | PersistenceError>
}

const artifactOperations = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecutionArtifact")
const linkOperations = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecutionPullRequestLink")

const table = "issue_workflow_execution_artifacts"

export const makeArtifacts = Effect.gen(function* () {
  const { decodeFilter, decodeInput, orNotFound, traced } = artifactOperations
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(IssueWorkflowExecutionArtifact))
  const artifacts = yield* rowsOf(IssueWorkflowExecutionArtifact)
  const { indexedBy } = conditionsOf(sql)
  const ofOwner = executionOwnerScope(sql)

  const insert = ({ artifacts: newArtifacts, executionId }: typeof InsertArtifacts.Type) =>
    Effect.gen(function* () {
      if (newArtifacts.length === 0) {
        yield* requireExecution(sql, { id: executionId })
        return []
      }
      const now = yield* Clock.currentTimeMillis
      const rows = withArtifactIds(newArtifacts, now)
      const write = returning(yield* insertArtifacts(executionId, rows, now), IssueWorkflowExecutionArtifact)
      const stored = yield* artifacts.findAll(sql.unsafe(write.sql, [...write.values]))
      // RETURNING has no defined order (https://www.sqlite.org/lang_returning.html).
      const byId = new Map<string, IssueWorkflowExecutionArtifact>(stored.map((artifact) => [artifact.id, artifact]))
      return rows.flatMap(({ id }) => byId.get(id) ?? [])
    })

  const listArtifacts = (request: Page.PageRequest & typeof ArtifactFilter.Encoded) =>
    Effect.gen(function* () {
      const { executionId, kind, ownerUserId } = yield* decodeFilter("listArtifacts", ArtifactFilter)(request)
      const start = yield* Page.start("IssueWorkflowExecutionRepo.listArtifacts", request)
      const conditions = [
        ...indexedBy("execution_id", executionId),
        ...indexedBy("kind", kind),
        ofOwner({ id: executionId, ownerUserId })
      ]
      const found = yield* artifacts.findPage(keysetQuery(sql, { columns, table }, [conditions], start))
      return Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
    }).pipe(traced("listArtifacts", { "execution.id": request.executionId }))

  return {
    insertArtifacts: (request: typeof InsertArtifacts.Encoded) =>
      decodeInput(
        "insertArtifacts",
        InsertArtifacts
      )(request).pipe(
        Effect.flatMap(insert),
        traced("insertArtifacts", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], {
          "execution.id": request.executionId
        }),
        // The only reference of an artifact is its execution.
        Effect.catchTag("ReferenceNotFound", () => executionNotFound(request.executionId))
      ),

    listArtifacts,

    streamArtifacts: (filter: typeof ArtifactFilter.Encoded) =>
      Page.stream((page) => listArtifacts({ ...filter, ...page })),

    getArtifact: (by: ById) => {
      const { id, ownerUserId } = targetOf(by)
      const ofExecutionOwner =
        ownerUserId === undefined
          ? sql`true`
          : sql`execution_id IN (
            SELECT id FROM issue_workflow_executions
            WHERE id = issue_workflow_execution_artifacts.execution_id ${workflowOwnerScope(sql)({ ownerUserId })})`
      return artifacts
        .findOne(sql`
        SELECT ${columns} FROM issue_workflow_execution_artifacts WHERE id = ${id} AND ${ofExecutionOwner}`)
        .pipe(Effect.flatMap(orNotFound(id)), traced("getArtifact", { "artifact.id": id }))
    }
  }
})

export const makePullRequests = Effect.gen(function* () {
  const { decodeFilter, decodeInput, traced } = linkOperations
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(IssueWorkflowExecutionPullRequestLink))
  const links = yield* rowsOf(IssueWorkflowExecutionPullRequestLink)

  const link = (request: typeof LinkExecutionPullRequest.Type) =>
    Effect.gen(function* () {
      const { executionId, pullRequestId } = request
      const inserted = yield* links.findOne(linkPullRequest(sql, request, yield* Clock.currentTimeMillis))
      if (Option.isSome(inserted)) return inserted.value
      const linked = yield* links.findOne(sql`
        SELECT ${columns} FROM issue_workflow_execution_pull_request_links
        WHERE execution_id = ${executionId} AND pull_request_id = ${pullRequestId}`)
      // None if the execution or the pull request was deleted between the two statements, and the link with it.
      return yield* Option.match(linked, {
        onSome: Effect.succeed,
        onNone: () => Effect.fail(executionNotFound(executionId))
      })
    })

  return {
    linkPullRequest: (request: typeof LinkExecutionPullRequest.Encoded) =>
      decodeInput(
        "linkPullRequest",
        LinkExecutionPullRequest
      )(request).pipe(
        Effect.flatMap(link),
        traced("linkPullRequest", ["ReferenceNotFound", "InvalidInput"], { "execution.id": request.executionId }),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveExecutionReferenceError(sql, request.executionId, [
            { field: "pullRequestId", table: "pull_requests", id: Option.some(request.pullRequestId) }
          ])
        )
      ),

    listPullRequests: (request: Page.PageRequest & typeof PullRequestLinkFilter.Encoded) =>
      Effect.gen(function* () {
        const { executionId, ownerUserId } = yield* decodeFilter("listPullRequests", PullRequestLinkFilter)(request)
        const start = yield* Page.start("IssueWorkflowExecutionRepo.listPullRequests", request)
        const found = yield* links.findPage(sql`
          SELECT ${columns} FROM issue_workflow_execution_pull_request_links
          WHERE execution_id = ${executionId} AND ${executionOwnerScope(sql)({ id: executionId, ownerUserId })}
            AND ${Page.afterCursor(sql, start, "linked_at", "pull_request_id")}
          ORDER BY linked_at DESC, pull_request_id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ linkedAt, pullRequestId }) => [linkedAt, pullRequestId])
      }).pipe(traced("listPullRequests", { "execution.id": request.executionId }))
  }
})
