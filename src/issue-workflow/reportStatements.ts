/**
 * The writes of reports: validation results, changed files, the summary, artifacts, and links to pull requests. Shared
 * by `IssueWorkflowExecutionRepo` and the lifecycle operations.
 */
import type { SqlClient, Statement } from "@effect/sql"
import { DateTime, Effect } from "effect"
import type { InvalidInput } from "../Errors.js"
import { jsonOrNull } from "../sql/batch.js"
import { newUuid } from "../sql/ids.js"
import { columnList, givenColumns, type RowModel } from "../sql/rows.js"
import { guard, type Write } from "../sql/writeAll.js"
import { batchOf } from "./executionBatches.js"
import {
  type InsertArtifacts,
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionPullRequestLink,
  IssueWorkflowExecutionSummary,
  type LinkExecutionPullRequest,
  type ReplaceDiffFiles,
  type ReplaceValidationResults,
  type UpsertSummary
} from "./ExecutionReport.js"
import type { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"

/** The writes that replace the rows of an execution in a table: the first removes rows, the second stores the others. */
export interface Replacement {
  readonly remove: Write
  readonly store: Write
}

/**
 * Adds the stored rows to the result of a write. A report omits them: the documents of all its parts may be longer than
 * the longest response of a server.
 */
export const returning = <Row>(write: Write, model: RowModel<Row>): Write => ({
  ...write,
  sql: `${write.sql} RETURNING ${columnList(model)}`
})

// ?1: the execution, ?2: the rows, ?3: now.
const deleteText = (table: string, key: string, field: string) => `
  DELETE FROM ${table} WHERE execution_id = ?1 AND ${key} NOT IN (SELECT value ->> '${field}' FROM json_each(?2))`

const resultsTable = "issue_workflow_execution_validation_results"

// WHERE true: without it, SQLite parses ON CONFLICT as a join constraint (https://www.sqlite.org/lang_upsert.html).
const storeResultsText = `
  INSERT INTO ${resultsTable} (id, execution_id, check_key, status, duration_ms, message, details, created_at)
  SELECT value ->> 'id', ?1, value ->> 'checkKey', value ->> 'status', value ->> 'durationMs', value ->> 'message',
    value ->> 'details', ?3
  FROM json_each(?2) WHERE true
  ON CONFLICT (execution_id, check_key) DO UPDATE SET
    status = excluded.status, duration_ms = excluded.duration_ms, message = excluded.message, details = excluded.details`

const filesTable = "issue_workflow_execution_diff_files"

const storeFilesText = `
  INSERT INTO ${filesTable} (id, execution_id, change_type, path, old_path, additions, deletions, is_binary,
    patch_artifact_id, created_at)
  SELECT value ->> 'id', ?1, value ->> 'changeType', value ->> 'path', value ->> 'oldPath', value ->> 'additions',
    value ->> 'deletions', value ->> 'isBinary', value ->> 'patchArtifactId', ?3
  FROM json_each(?2) WHERE true
  ON CONFLICT (execution_id, path) DO UPDATE SET
    change_type = excluded.change_type, old_path = excluded.old_path, additions = excluded.additions,
    deletions = excluded.deletions, is_binary = excluded.is_binary, patch_artifact_id = excluded.patch_artifact_id`

const deleteResultsText = deleteText(resultsTable, "check_key", "checkKey")
const deleteFilesText = deleteText(filesTable, "path", "path")

const replacementOf = (
  texts: { readonly remove: string; readonly store: string },
  executionId: IssueWorkflowExecutionId,
  batch: string,
  now: number
): Replacement => ({
  remove: { sql: texts.remove, values: [executionId, batch] },
  store: { sql: texts.store, values: [executionId, batch, now] }
})

/** Builds the writes that replace the validation results of an execution. */
export const resultsReplacement = (
  { executionId, results }: typeof ReplaceValidationResults.Type,
  now: number
): Effect.Effect<Replacement, InvalidInput> =>
  Effect.map(
    batchOf("replaceValidationResults", "results", results, ({ details, ...result }) => ({
      ...result,
      id: `val_${newUuid(now)}`,
      details: jsonOrNull(details)
    })),
    (batch) => replacementOf({ remove: deleteResultsText, store: storeResultsText }, executionId, batch, now)
  )

/** Builds the writes that replace the changed files of an execution. */
export const filesReplacement = (
  { executionId, files }: typeof ReplaceDiffFiles.Type,
  now: number
): Effect.Effect<Replacement, InvalidInput> =>
  Effect.map(
    batchOf("replaceDiffFiles", "files", files, ({ isBinary, ...file }) => ({
      ...file,
      id: `dif_${newUuid(now)}`,
      isBinary: isBinary ? 1 : 0
    })),
    (batch) => replacementOf({ remove: deleteFilesText, store: storeFilesText }, executionId, batch, now)
  )

/** Stores the columns of the request. `updated_at` changes only if a column changes; otherwise it returns no row. */
export const upsertSummary = (
  sql: SqlClient.SqlClient,
  { executionId, ...fields }: typeof UpsertSummary.Type,
  now: number
) => {
  const columns = columnsOf(fields)
  const row = { generated_at: now, ...columns, execution_id: executionId, updated_at: now }
  return sql`
    INSERT INTO issue_workflow_execution_summaries ${sql.insert(row)} ${upsertClause(sql, Object.keys(columns))}
    RETURNING ${sql.literal(columnList(IssueWorkflowExecutionSummary))}`
}

/** Returns the columns that the request sets, with null for a cleared column. */
const columnsOf = (
  fields: Omit<typeof UpsertSummary.Type, "executionId">
): Readonly<Record<string, string | number | null>> => {
  const { assumptions, generatedAt, warnings } = fields
  return givenColumns({
    objective: fields.objective,
    linked_issue_ref: fields.linkedIssueRef,
    files_changed: fields.filesChanged,
    additions: fields.additions,
    deletions: fields.deletions,
    assumptions: assumptions === undefined ? undefined : JSON.stringify(assumptions),
    warnings: warnings === undefined ? undefined : JSON.stringify(warnings),
    summary_markdown: fields.summaryMarkdown,
    generated_at: generatedAt === undefined ? undefined : DateTime.toEpochMillis(generatedAt)
  })
}

/** Builds the ON CONFLICT clause: updates these columns of an existing summary if any of them differs. */
const upsertClause = (sql: SqlClient.SqlClient, columns: ReadonlyArray<string>): Statement.Fragment => {
  if (columns.length === 0) return sql`ON CONFLICT (execution_id) DO NOTHING`
  const assignments = columns.map((column) => sql.literal(`${column} = excluded.${column}`))
  const differences = columns.map((column) => sql.literal(`${column} IS NOT excluded.${column}`))
  return sql`ON CONFLICT (execution_id) DO UPDATE SET ${sql.csv(assignments)}, updated_at = excluded.updated_at WHERE ${sql.or(differences)}`
}

// ?1: the execution, ?2: the artifacts, ?3: now.
const insertArtifactsText = `
  INSERT INTO issue_workflow_execution_artifacts (id, execution_id, kind, storage_backend, storage_key, content_type,
    byte_size, checksum, inline_json, created_at)
  SELECT value ->> 'id', ?1, value ->> 'kind', value ->> 'storageBackend', value ->> 'storageKey', value ->> 'contentType',
    value ->> 'byteSize', value ->> 'checksum', value ->> 'inlineJson', ?3
  FROM json_each(?2)`

/** A new artifact, as it was decoded. */
export type NewArtifact = (typeof InsertArtifacts.Type)["artifacts"][number]

/** Sets the ids of artifacts that have none. */
export const withArtifactIds = (artifacts: ReadonlyArray<NewArtifact>, now: number) =>
  artifacts.map((artifact) => ({ ...artifact, id: artifact.id ?? `art_${newUuid(now)}` }))

/** Builds the write that stores artifacts. */
export const insertArtifacts = (
  executionId: IssueWorkflowExecutionId,
  artifacts: ReturnType<typeof withArtifactIds>,
  now: number
): Effect.Effect<Write, InvalidInput> =>
  Effect.map(
    batchOf("insertArtifacts", "artifacts", artifacts, (row) => ({ ...row, inlineJson: jsonOrNull(row.inlineJson) })),
    (batch) => ({ sql: insertArtifactsText, values: [executionId, batch, now] })
  )

const storedArtifactsText = `
  SELECT ${columnList(IssueWorkflowExecutionArtifact)} FROM issue_workflow_execution_artifacts
  WHERE id IN (SELECT value FROM json_each(?1))`.trim()

/** Builds the read of the stored artifacts with these ids. */
export const artifactsById = (ids: ReadonlyArray<string>): Write => ({
  sql: storedArtifactsText,
  values: [JSON.stringify(ids)]
})

/** Builds the guard that no artifact with these ids is stored. */
export const noArtifacts = (ids: ReadonlyArray<string>): Write =>
  guard(`NOT EXISTS (SELECT 1 FROM issue_workflow_execution_artifacts WHERE id IN (SELECT value FROM json_each(?1)))`, [
    JSON.stringify(ids)
  ])

/** Links an execution to a pull request. Returns no row if there is a link. */
export const linkPullRequest = (
  sql: SqlClient.SqlClient,
  { executionId, pullRequestId, relation }: typeof LinkExecutionPullRequest.Type,
  now: number
) => sql`
  INSERT INTO issue_workflow_execution_pull_request_links (execution_id, pull_request_id, relation, linked_at)
  VALUES (${executionId}, ${pullRequestId}, ${relation}, ${now})
  ON CONFLICT (execution_id, pull_request_id) DO NOTHING
  RETURNING ${sql.literal(columnList(IssueWorkflowExecutionPullRequestLink))}`
