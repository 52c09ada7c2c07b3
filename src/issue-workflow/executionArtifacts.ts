/**
 * What executions leave behind: artifacts, and the pull requests that they worked on.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { v7 } from "uuid"
import { conditionsOf, walk } from "../sql/filters.js"
import { targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { batchOf, documentOf, executionNotFound, executionOwnerScope, nameMissingOf, requireExecution, workflowOwnerScope } from "./executionBatches.js"
import {
  ArtifactFilter,
  InsertArtifacts,
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionPullRequestLink,
  LinkExecutionPullRequest,
  PullRequestLinkFilter
} from "./ExecutionReport.js"
import type { IssueWorkflowExecutionService } from "./IssueWorkflowExecutionRepo.js"

const artifactOperations = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecutionArtifact")
const linkOperations = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecutionPullRequestLink")

const table = "issue_workflow_execution_artifacts"

// ?1: the execution, ?2: the artifacts, ?3: now.
const insertText = `
  INSERT INTO ${table} (id, execution_id, kind, storage_backend, storage_key, content_type, byte_size, checksum,
    inline_json, created_at)
  SELECT value ->> 'id', ?1, value ->> 'kind', value ->> 'storageBackend', value ->> 'storageKey', value ->> 'contentType',
    value ->> 'byteSize', value ->> 'checksum', value ->> 'inlineJson', ?3
  FROM json_each(?2)
  RETURNING ${columnList(IssueWorkflowExecutionArtifact)}`

type Artifacts = Pick<IssueWorkflowExecutionService, "insertArtifacts" | "listArtifacts" | "streamArtifacts" | "getArtifact">

export const makeArtifacts = Effect.gen(function*() {
  const { input, present, read, write } = artifactOperations
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(IssueWorkflowExecutionArtifact))
  const artifacts = yield* rowsOf(IssueWorkflowExecutionArtifact)
  const { along } = conditionsOf(sql)
  const ofOwner = executionOwnerScope(sql)

  const insert = ({ artifacts: given, executionId }: typeof InsertArtifacts.Type) =>
    Effect.gen(function*() {
      if (given.length === 0) {
        yield* requireExecution(sql, { id: executionId })
        return []
      }
      const rows = given.map((artifact) => ({ ...artifact, id: artifact.id ?? `art_${v7()}` }))
      const batch = yield* batchOf("insertArtifacts", "artifacts", rows, (row) => ({ ...row, inlineJson: documentOf(row.inlineJson) }))
      const now = yield* Clock.currentTimeMillis
      const stored = yield* artifacts.all(sql.unsafe(insertText, [executionId, batch, now]))
      // RETURNING gives its rows in no order.
      const byId = new Map<string, IssueWorkflowExecutionArtifact>(stored.map((artifact) => [artifact.id, artifact]))
      return rows.flatMap(({ id }) => byId.get(id) ?? [])
    })

  const listArtifacts: IssueWorkflowExecutionService["listArtifacts"] = (request) =>
    Effect.gen(function*() {
      const { executionId, kind, ownerUserId } = yield* input("listArtifacts", ArtifactFilter)(request)
      const start = yield* Page.start("IssueWorkflowExecutionRepo.listArtifacts", request)
      const conditions = [...along("execution_id", executionId), ...along("kind", kind), ofOwner({ id: executionId, ownerUserId })]
      const rows = yield* artifacts.all(walk(sql, { columns, table }, [conditions], start))
      return Page.make(rows, start, ({ createdAt, id }) => [createdAt, id])
    }).pipe(read("listArtifacts", { "execution.id": request.executionId }))

  const service: Artifacts = {
    insertArtifacts: (request) =>
      input("insertArtifacts", InsertArtifacts)(request).pipe(
        Effect.flatMap(insert),
        write("insertArtifacts", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], { "execution.id": request.executionId }),
        // It is all that an artifact refers to.
        Effect.catchTag("ReferenceNotFound", () => executionNotFound(request.executionId))
      ),

    listArtifacts,

    streamArtifacts: (filter) => Page.stream((page) => listArtifacts({ ...filter, ...page })),

    getArtifact: (by) => {
      const { id, ownerUserId } = targetOf(by)
      const ofExecutionOwner = ownerUserId === undefined
        ? sql`true`
        : sql`execution_id IN (
            SELECT id FROM issue_workflow_executions
            WHERE id = issue_workflow_execution_artifacts.execution_id ${workflowOwnerScope(sql)({ ownerUserId })})`
      return artifacts.first(sql`
        SELECT ${columns} FROM issue_workflow_execution_artifacts WHERE id = ${id} AND ${ofExecutionOwner}`).pipe(
        Effect.flatMap(present(id)),
        read("getArtifact", { "artifact.id": id })
      )
    }
  }
  return service
})

type PullRequests = Pick<IssueWorkflowExecutionService, "linkPullRequest" | "listPullRequests">

export const makePullRequests = Effect.gen(function*() {
  const { input, read, write } = linkOperations
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(IssueWorkflowExecutionPullRequestLink))
  const links = yield* rowsOf(IssueWorkflowExecutionPullRequestLink)

  const link = ({ executionId, pullRequestId, relation }: typeof LinkExecutionPullRequest.Type) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const inserted = yield* links.first(sql`
        INSERT INTO issue_workflow_execution_pull_request_links (execution_id, pull_request_id, relation, linked_at)
        VALUES (${executionId}, ${pullRequestId}, ${relation}, ${now})
        ON CONFLICT (execution_id, pull_request_id) DO NOTHING
        RETURNING ${columns}`)
      if (Option.isSome(inserted)) return inserted.value
      const linked = yield* links.first(sql`
        SELECT ${columns} FROM issue_workflow_execution_pull_request_links
        WHERE execution_id = ${executionId} AND pull_request_id = ${pullRequestId}`)
      // It went in between, with the execution or the pull request.
      return yield* Option.match(linked, { onSome: Effect.succeed, onNone: () => Effect.fail(executionNotFound(executionId)) })
    })

  const service: PullRequests = {
    linkPullRequest: (request) =>
      input("linkPullRequest", LinkExecutionPullRequest)(request).pipe(
        Effect.flatMap(link),
        write("linkPullRequest", ["ReferenceNotFound", "InvalidInput"], { "execution.id": request.executionId }),
        Effect.catchTag("ReferenceNotFound", nameMissingOf(sql, request.executionId, [
          { field: "pullRequestId", table: "pull_requests", id: Option.some(request.pullRequestId) }
        ]))
      ),

    listPullRequests: (request) =>
      Effect.gen(function*() {
        const { executionId, ownerUserId } = yield* input("listPullRequests", PullRequestLinkFilter)(request)
        const start = yield* Page.start("IssueWorkflowExecutionRepo.listPullRequests", request)
        const rows = yield* links.all(sql`
          SELECT ${columns} FROM issue_workflow_execution_pull_request_links
          WHERE execution_id = ${executionId} AND ${executionOwnerScope(sql)({ id: executionId, ownerUserId })}
            AND ${Page.below(sql, start, "linked_at", "pull_request_id")}
          ORDER BY linked_at DESC, pull_request_id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ linkedAt, pullRequestId }) => [linkedAt, pullRequestId])
      }).pipe(read("listPullRequests", { "execution.id": request.executionId }))
  }
  return service
})
