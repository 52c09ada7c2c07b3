/**
 * Reports of executions: validation results and changed files, replaced as sets, and the summary.
 */
import { SqlClient, type Statement } from "@effect/sql"
import { Clock, DateTime, Effect, Option } from "effect"
import { type InvalidInput, type NotFound, type PersistenceError, ReferenceNotFound } from "../Errors.js"
import { jsonOrNull } from "../sql/batch.js"
import { operations } from "../sql/operations.js"
import { columnList, givenColumns, type RowsOf, rowsOf } from "../sql/rows.js"
import { batchOf, executionNotFound, requireExecution } from "./executionBatches.js"
import {
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult,
  ReplaceDiffFiles,
  ReplaceValidationResults,
  UpsertSummary
} from "./ExecutionReport.js"
import type { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"
import { newUuid } from "../sql/ids.js"

/** Methods for validation results, changed files and the summary. Part of `IssueWorkflowExecutionService`. */
export interface ExecutionReportMethods {
  /**
   * Replaces all validation results of the execution in one transaction. A check that had a result keeps its id and
   * `createdAt`. Returns the results in the order of the request.
   *
   * Fails with `NotFound` if the execution does not exist, with `InvalidInput` if a result is invalid or a check occurs
   * twice.
   */
  readonly replaceValidationResults: (
    request: typeof ReplaceValidationResults.Encoded
  ) => Effect.Effect<ReadonlyArray<IssueWorkflowExecutionValidationResult>, NotFound | InvalidInput | PersistenceError>

  /**
   * Replaces all changed files of the execution in one transaction. A path that had a row keeps its id and `createdAt`.
   * Returns the files in the order of the request.
   *
   * Fails with `NotFound` if the execution does not exist, with `ReferenceNotFound` (`patchArtifactId`) if a patch is
   * not an artifact of this execution, with `InvalidInput` if a file is invalid or a path occurs twice.
   */
  readonly replaceDiffFiles: (
    request: typeof ReplaceDiffFiles.Encoded
  ) => Effect.Effect<
    ReadonlyArray<IssueWorkflowExecutionDiffFile>,
    NotFound | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Updates the summary of the execution, or creates it. Omitted fields keep their value, and are empty in a new
   * summary; null clears a field. `generatedAt` defaults to the time of the first call. `updatedAt` changes only if a
   * value changes.
   *
   * Fails with `NotFound` if the execution does not exist, with `InvalidInput` if a field is invalid.
   */
  readonly upsertSummary: (
    summary: typeof UpsertSummary.Encoded
  ) => Effect.Effect<IssueWorkflowExecutionSummary, NotFound | InvalidInput | PersistenceError>
}

const results = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecutionValidationResult")
const diffs = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecutionDiffFile")
const summary = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecutionSummary")

/** A table whose rows of one execution are replaced as a set. Parameters: ?1 the execution, ?2 the rows, ?3 now. */
interface RowSet<A> {
  readonly rows: RowsOf<A>
  readonly deleteText: string
  readonly storeText: string
  readonly keyOf: (row: A) => string
}

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
    status = excluded.status, duration_ms = excluded.duration_ms, message = excluded.message, details = excluded.details
  RETURNING ${columnList(IssueWorkflowExecutionValidationResult)}`

const filesTable = "issue_workflow_execution_diff_files"

const storeFilesText = `
  INSERT INTO ${filesTable} (id, execution_id, change_type, path, old_path, additions, deletions, is_binary,
    patch_artifact_id, created_at)
  SELECT value ->> 'id', ?1, value ->> 'changeType', value ->> 'path', value ->> 'oldPath', value ->> 'additions',
    value ->> 'deletions', value ->> 'isBinary', value ->> 'patchArtifactId', ?3
  FROM json_each(?2) WHERE true
  ON CONFLICT (execution_id, path) DO UPDATE SET
    change_type = excluded.change_type, old_path = excluded.old_path, additions = excluded.additions,
    deletions = excluded.deletions, is_binary = excluded.is_binary, patch_artifact_id = excluded.patch_artifact_id
  RETURNING ${columnList(IssueWorkflowExecutionDiffFile)}`

export const makeReports = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const summaries = yield* rowsOf(IssueWorkflowExecutionSummary)
  const summaryColumns = sql.literal(columnList(IssueWorkflowExecutionSummary))

  const resultSet: RowSet<IssueWorkflowExecutionValidationResult> = {
    rows: yield* rowsOf(IssueWorkflowExecutionValidationResult),
    deleteText: deleteText(resultsTable, "check_key", "checkKey"),
    storeText: storeResultsText,
    keyOf: ({ checkKey }) => checkKey
  }

  const fileSet: RowSet<IssueWorkflowExecutionDiffFile> = {
    rows: yield* rowsOf(IssueWorkflowExecutionDiffFile),
    deleteText: deleteText(filesTable, "path", "path"),
    storeText: storeFilesText,
    keyOf: ({ path }) => path
  }

  /** Replaces the rows of the execution with the batch, in one transaction. Returns the rows in the order of `keys`. */
  const replace = <A>(
    set: RowSet<A>,
    executionId: IssueWorkflowExecutionId,
    keys: ReadonlyArray<string>,
    batch: string
  ) =>
    Effect.gen(function* () {
      yield* requireExecution(sql, { id: executionId })
      const now = yield* Clock.currentTimeMillis
      yield* sql.unsafe(set.deleteText, [executionId, batch])
      const stored = yield* set.rows.findAll(sql.unsafe(set.storeText, [executionId, batch, now]))
      // RETURNING has no defined order (https://www.sqlite.org/lang_returning.html).
      const byKey = new Map(stored.map((row) => [set.keyOf(row), row]))
      return keys.flatMap((key) => byKey.get(key) ?? [])
    }).pipe(sql.withTransaction)

  const storeResults = ({ executionId, results }: typeof ReplaceValidationResults.Type) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const batch = yield* batchOf("replaceValidationResults", "results", results, ({ details, ...result }) => ({
        ...result,
        id: `val_${newUuid(now)}`,
        details: jsonOrNull(details)
      }))
      const keys = results.map(({ checkKey }) => checkKey)
      return yield* replace(resultSet, executionId, keys, batch)
    })

  const storeFiles = ({ executionId, files }: typeof ReplaceDiffFiles.Type) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const batch = yield* batchOf("replaceDiffFiles", "files", files, ({ isBinary, ...file }) => ({
        ...file,
        id: `dif_${newUuid(now)}`,
        isBinary: isBinary ? 1 : 0
      }))
      const paths = files.map(({ path }) => path)
      return yield* replace(fileSet, executionId, paths, batch)
    })

  /** Stores the columns of the request. `updated_at` changes only if a column changes. */
  const storeSummary = ({ executionId, ...fields }: typeof UpsertSummary.Type) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const columns = columnsOf(fields)
      const stored = yield* summaries.findOne(sql`
        INSERT INTO issue_workflow_execution_summaries ${sql.insert({
          generated_at: now,
          ...columns,
          execution_id: executionId,
          updated_at: now
        })} ${upsertClause(sql, Object.keys(columns))}
        RETURNING ${summaryColumns}`)
      if (Option.isSome(stored)) return stored.value
      const unchanged = yield* summaries.findOne(sql`
        SELECT ${summaryColumns} FROM issue_workflow_execution_summaries WHERE execution_id = ${executionId}`)
      return yield* Option.match(unchanged, {
        onSome: Effect.succeed,
        onNone: () => Effect.fail(executionNotFound(executionId))
      })
    })

  return {
    replaceValidationResults: (request: typeof ReplaceValidationResults.Encoded) =>
      results
        .decodeInput(
          "replaceValidationResults",
          ReplaceValidationResults
        )(request)
        .pipe(
          Effect.flatMap(storeResults),
          results.traced("replaceValidationResults", ["InvalidInput"], { "execution.id": request.executionId })
        ),

    replaceDiffFiles: (request: typeof ReplaceDiffFiles.Encoded) =>
      diffs
        .decodeInput(
          "replaceDiffFiles",
          ReplaceDiffFiles
        )(request)
        .pipe(
          Effect.flatMap(storeFiles),
          diffs.traced("replaceDiffFiles", ["ReferenceNotFound", "InvalidInput"], {
            "execution.id": request.executionId
          }),
          // The transaction has checked the execution, so the missing reference is an artifact.
          Effect.catchTag(
            "ReferenceNotFound",
            ({ entity }) => new ReferenceNotFound({ entity, reference: "patchArtifactId" })
          )
        ),

    upsertSummary: (request: typeof UpsertSummary.Encoded) =>
      summary
        .decodeInput(
          "upsertSummary",
          UpsertSummary
        )(request)
        .pipe(
          Effect.flatMap(storeSummary),
          summary.traced("upsertSummary", ["ReferenceNotFound", "InvalidInput"], {
            "execution.id": request.executionId
          }),
          Effect.catchTag("ReferenceNotFound", () => executionNotFound(request.executionId))
        )
  }
})

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
