/**
 * Factories of executions of issue workflows, and of what they report.
 */
import { SqlClient } from "@effect/sql"
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
import { asId, ensure, factory, type Given, insert, type Made } from "./rows.js"
import { attempt, sandbox } from "./sandboxes.js"
import { timesOf } from "./times.js"

/** The owner of a row, where it is there and has one. */
const ownerOf = (table: string, id: string | undefined) =>
  Effect.gen(function*() {
    if (id === undefined) return []
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly owner: string | null }>`SELECT owner_user_id AS owner FROM ${sql(table)} WHERE id = ${id}`
    return rows.flatMap(({ owner }) => owner ?? [])
  })

/**
 * An execution in the status that is given, `queued` if none is, of a new workflow if none is given. One that ended had
 * started, unless it was cancelled. Its sandbox and attempt are of the workflow's owner.
 */
export const execution = (given: Given<IssueWorkflowExecution> = {}): Made<IssueWorkflowExecution> =>
  Effect.gen(function*() {
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
      ...given,
      id,
      issueWorkflowId
    })
  }).pipe(factory("execution"))

/** The execution of this id, made when missing; a new one that is running when none is given. */
const executionOf = (given: string | undefined) =>
  Effect.gen(function*() {
    yield* ensure("issue_workflow_executions", given, (id) => execution({ id, status: "running" }))
    return given === undefined ? (yield* execution({ status: "running" })).id : IssueWorkflowExecutionId.make(given)
  })

/** An event of an execution, of a new one if none is given, after those that the execution has. */
export const executionEvent = (given: Given<IssueWorkflowExecutionEvent> = {}): Made<IssueWorkflowExecutionEvent> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const id = yield* idOrNew(asId(IssueWorkflowExecutionEventId, given.id), "evt", IssueWorkflowExecutionEventId.make)
    const executionId = yield* executionOf(given.executionId)
    const [next] = yield* sql<{ readonly sequence: number }>`
      SELECT coalesce(max(sequence), 0) + 1 AS sequence FROM issue_workflow_execution_events WHERE execution_id = ${executionId}`
    const words = { phase: "build", level: "info", eventType: "step", message: "a step" } as const
    return yield* insert("issue_workflow_execution_events", IssueWorkflowExecutionEvent, {
      sequence: next?.sequence ?? 1,
      sanitized: false,
      ...words,
      occurredAt: yield* DateTime.now,
      ...given,
      id,
      executionId
    })
  }).pipe(factory("executionEvent"))

/** The result of a check of an execution, of a new one if none is given: by default it passed. The check is named by the id. */
export const executionValidationResult = (
  given: Given<IssueWorkflowExecutionValidationResult> = {}
): Made<IssueWorkflowExecutionValidationResult> =>
  Effect.gen(function*() {
    const known = asId(IssueWorkflowExecutionValidationResultId, given.id)
    const id = yield* idOrNew(known, "val", IssueWorkflowExecutionValidationResultId.make)
    const executionId = yield* executionOf(given.executionId)
    return yield* insert("issue_workflow_execution_validation_results", IssueWorkflowExecutionValidationResult, {
      checkKey: id,
      status: "pass",
      createdAt: yield* DateTime.now,
      ...given,
      id,
      executionId
    })
  }).pipe(factory("executionValidationResult"))

/** An artifact of an execution, of a new one if none is given: by default an empty document in its row. */
export const executionArtifact = (given: Given<IssueWorkflowExecutionArtifact> = {}): Made<IssueWorkflowExecutionArtifact> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(IssueWorkflowExecutionArtifactId, given.id), "art", IssueWorkflowExecutionArtifactId.make)
    const executionId = yield* executionOf(given.executionId)
    const isElsewhere = !["inline", "database"].includes(given.storageBackend ?? "inline")
    return yield* insert("issue_workflow_execution_artifacts", IssueWorkflowExecutionArtifact, {
      kind: "other",
      storageBackend: "inline",
      ...(isElsewhere ? { storageKey: id } : { inlineJson: {} }),
      createdAt: yield* DateTime.now,
      ...given,
      id,
      executionId
    })
  }).pipe(factory("executionArtifact"))

/** A changed file of an execution, of a new one if none is given. Its path is made from the id. */
export const executionDiffFile = (given: Given<IssueWorkflowExecutionDiffFile> = {}): Made<IssueWorkflowExecutionDiffFile> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(IssueWorkflowExecutionDiffFileId, given.id), "dif", IssueWorkflowExecutionDiffFileId.make)
    const executionId = yield* executionOf(given.executionId)
    yield* ensure("issue_workflow_execution_artifacts", given.patchArtifactId, (id) => executionArtifact({ id, executionId, kind: "diff" }))
    return yield* insert("issue_workflow_execution_diff_files", IssueWorkflowExecutionDiffFile, {
      changeType: "modified",
      path: `src/${id}.ts`,
      additions: 1,
      deletions: 0,
      isBinary: false,
      createdAt: yield* DateTime.now,
      ...given,
      id,
      executionId
    })
  }).pipe(factory("executionDiffFile"))

/** The summary of an execution, of a new one if none is given: by default it changed nothing. */
export const executionSummary = (given: Given<IssueWorkflowExecutionSummary> = {}): Made<IssueWorkflowExecutionSummary> =>
  Effect.gen(function*() {
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
      ...given,
      executionId
    })
  }).pipe(factory("executionSummary"))

/** That an execution, a new one if none is given, worked on a pull request, on a new one if none is given. */
export const executionPullRequestLink = (
  given: Given<IssueWorkflowExecutionPullRequestLink> = {}
): Made<IssueWorkflowExecutionPullRequestLink> =>
  Effect.gen(function*() {
    const executionId = yield* executionOf(given.executionId)
    const pullRequestId = yield* pullRequestOf(given.pullRequestId)
    return yield* insert("issue_workflow_execution_pull_request_links", IssueWorkflowExecutionPullRequestLink, {
      relation: "created",
      linkedAt: yield* DateTime.now,
      ...given,
      executionId,
      pullRequestId
    })
  }).pipe(factory("executionPullRequestLink"))
