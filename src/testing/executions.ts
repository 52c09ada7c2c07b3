/**
 * Factories of executions of issue workflows, and of their reports.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { DateTime, Effect } from "effect"
import { IssueWorkflowExecutionEvent, IssueWorkflowExecutionEventId } from "../issue-workflow/ExecutionEvent.js"
import {
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionArtifactId,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionDiffFileId,
  IssueWorkflowExecutionPullRequestLink,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult,
  IssueWorkflowExecutionValidationResultId
} from "../issue-workflow/ExecutionReport.js"
import { IssueWorkflowId } from "../issue-workflow/IssueWorkflow.js"
import { IssueWorkflowExecution, IssueWorkflowExecutionId } from "../issue-workflow/IssueWorkflowExecution.js"
import { idOrNew } from "../sql/ids.js"
import { pullRequestOf, workflow } from "./issues.js"
import { owner } from "./auth.js"
import { defined, asId, ensure, factory, type Given, insert, type Made } from "./rows.js"
import { attempt, sandbox } from "./sandboxes.js"
import { timesOf } from "./times.js"

/** Returns the owner of a row, or an empty list if the row does not exist or has no owner. */
const ownerOf = (table: string, id: string | undefined) =>
  Effect.gen(function* () {
    if (id === undefined) return []
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{
      readonly owner: string | null
    }>`SELECT owner_user_id AS owner FROM ${sql(table)} WHERE id = ${id}`
    return rows.flatMap(({ owner }) => owner ?? [])
  })

/**
 * Creates an execution, by default `queued` and of a new workflow. An ended execution has a start time, unless it was
 * cancelled. Its sandbox and attempt belong to the owner of the workflow.
 */
export const execution = (given: Given<IssueWorkflowExecution> = {}): Made<IssueWorkflowExecution> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(IssueWorkflowExecutionId, given.id), "wfx", IssueWorkflowExecutionId.make)
    const [known] = [
      ...(yield* ownerOf("issue_workflows", given.issueWorkflowId)),
      ...(yield* ownerOf("sandboxes", given.sandboxId)),
      ...(yield* ownerOf("sandbox_attempts", given.sandboxAttemptId))
    ]
    const ofOwner = { ownerUserId: yield* owner(known) }
    yield* ensure("issue_workflows", given.issueWorkflowId, (id) => workflow({ id, ...ofOwner }))
    const issueWorkflowId = asId(IssueWorkflowId, given.issueWorkflowId) ?? (yield* workflow(ofOwner)).id
    yield* ensure("sandboxes", given.sandboxId, (id) => sandbox({ id, ...ofOwner }))
    yield* ensure("sandbox_attempts", given.sandboxAttemptId, (id) => attempt({ id, ...ofOwner }))
    if (given.requestedByUserId !== undefined) yield* owner(given.requestedByUserId)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("issue_workflow_executions", IssueWorkflowExecution, {
      status: "queued",
      triggerType: "manual",
      queuedAt: now,
      createdAt: now,
      updatedAt: now,
      ...timesOf(given, now),
      ...defined(given),
      id,
      issueWorkflowId
    })
  }).pipe(factory("execution"))

/** Returns the id of an execution, and creates the execution if it does not exist. By default a new, running one. */
const executionOf = (given: string | undefined) =>
  Effect.gen(function* () {
    yield* ensure("issue_workflow_executions", given, (id) => execution({ id, status: "running" }))
    return given === undefined ? (yield* execution({ status: "running" })).id : IssueWorkflowExecutionId.make(given)
  })

/** Creates an event of an execution, by default of a new one, with the next sequence number. */
export const executionEvent = (given: Given<IssueWorkflowExecutionEvent> = {}): Made<IssueWorkflowExecutionEvent> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const id = yield* idOrNew(asId(IssueWorkflowExecutionEventId, given.id), "evt", IssueWorkflowExecutionEventId.make)
    const executionId = yield* executionOf(given.executionId)
    const [next] = yield* sql<{ readonly sequence: number }>`
      SELECT coalesce(max(sequence), 0) + 1 AS sequence FROM issue_workflow_execution_events WHERE execution_id = ${executionId}`
    const texts = { phase: "build", level: "info", eventType: "step", message: "a step" } as const
    return yield* insert("issue_workflow_execution_events", IssueWorkflowExecutionEvent, {
      sequence: next?.sequence ?? 1,
      sanitized: false,
      ...texts,
      occurredAt: yield* DateTime.now,
      ...defined(given),
      id,
      executionId
    })
  }).pipe(factory("executionEvent"))

/** Creates a validation result of an execution, by default of a new one, with status `pass` and the id as check key. */
export const executionValidationResult = (
  given: Given<IssueWorkflowExecutionValidationResult> = {}
): Made<IssueWorkflowExecutionValidationResult> =>
  Effect.gen(function* () {
    const known = asId(IssueWorkflowExecutionValidationResultId, given.id)
    const id = yield* idOrNew(known, "val", IssueWorkflowExecutionValidationResultId.make)
    const executionId = yield* executionOf(given.executionId)
    return yield* insert("issue_workflow_execution_validation_results", IssueWorkflowExecutionValidationResult, {
      checkKey: id,
      status: "pass",
      createdAt: yield* DateTime.now,
      ...defined(given),
      id,
      executionId
    })
  }).pipe(factory("executionValidationResult"))

/** Creates an artifact of an execution, by default of a new one, with an empty inline document. */
export const executionArtifact = (
  given: Given<IssueWorkflowExecutionArtifact> = {}
): Made<IssueWorkflowExecutionArtifact> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(
      asId(IssueWorkflowExecutionArtifactId, given.id),
      "art",
      IssueWorkflowExecutionArtifactId.make
    )
    const executionId = yield* executionOf(given.executionId)
    const isExternal = !["inline", "database"].includes(given.storageBackend ?? "inline")
    return yield* insert("issue_workflow_execution_artifacts", IssueWorkflowExecutionArtifact, {
      kind: "other",
      storageBackend: "inline",
      ...(isExternal ? { storageKey: id } : { inlineJson: {} }),
      createdAt: yield* DateTime.now,
      ...defined(given),
      id,
      executionId
    })
  }).pipe(factory("executionArtifact"))

/** Creates a changed file of an execution, by default of a new one. The path contains the id. */
export const executionDiffFile = (
  given: Given<IssueWorkflowExecutionDiffFile> = {}
): Made<IssueWorkflowExecutionDiffFile> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(
      asId(IssueWorkflowExecutionDiffFileId, given.id),
      "dif",
      IssueWorkflowExecutionDiffFileId.make
    )
    const executionId = yield* executionOf(given.executionId)
    yield* ensure("issue_workflow_execution_artifacts", given.patchArtifactId, (id) =>
      executionArtifact({ id, executionId, kind: "diff" })
    )
    return yield* insert("issue_workflow_execution_diff_files", IssueWorkflowExecutionDiffFile, {
      changeType: "modified",
      path: `src/${id}.ts`,
      additions: 1,
      deletions: 0,
      isBinary: false,
      createdAt: yield* DateTime.now,
      ...defined(given),
      id,
      executionId
    })
  }).pipe(factory("executionDiffFile"))

/** Creates the summary of an execution, by default of a new one, without changes. */
export const executionSummary = (
  given: Given<IssueWorkflowExecutionSummary> = {}
): Made<IssueWorkflowExecutionSummary> =>
  Effect.gen(function* () {
    const executionId = yield* executionOf(given.executionId)
    const now = yield* DateTime.now
    return yield* insert("issue_workflow_execution_summaries", IssueWorkflowExecutionSummary, {
      filesChanged: 0,
      additions: 0,
      deletions: 0,
      assumptions: [],
      warnings: [],
      generatedAt: now,
      updatedAt: now,
      ...defined(given),
      executionId
    })
  }).pipe(factory("executionSummary"))

/** Creates a link from an execution to a pull request that it created, by default between new ones. */
export const executionPullRequestLink = (
  given: Given<IssueWorkflowExecutionPullRequestLink> = {}
): Made<IssueWorkflowExecutionPullRequestLink> =>
  Effect.gen(function* () {
    const executionId = yield* executionOf(given.executionId)
    const pullRequestId = yield* pullRequestOf(given.pullRequestId)
    return yield* insert("issue_workflow_execution_pull_request_links", IssueWorkflowExecutionPullRequestLink, {
      relation: "created",
      linkedAt: yield* DateTime.now,
      ...defined(given),
      executionId,
      pullRequestId
    })
  }).pipe(factory("executionPullRequestLink"))
