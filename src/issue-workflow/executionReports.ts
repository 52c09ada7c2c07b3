/**
 * Reports of executions: validation results and changed files, replaced as sets, and the summary.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Effect, Option } from "effect"
import { type InvalidInput, type NotFound, type PersistenceError, ReferenceNotFound } from "../Errors.js"
import { operations } from "../sql/operations.js"
import { columnList, type RowModel, type RowsOf, rowsOf } from "../sql/rows.js"
import { executionNotFound, requireExecution } from "./executionBatches.js"
import {
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult,
  ReplaceDiffFiles,
  ReplaceValidationResults,
  UpsertSummary
} from "./ExecutionReport.js"
import type { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"
import { filesReplacement, type Replacement, resultsReplacement, returning, upsertSummary } from "./reportStatements.js"

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

export const makeReports = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const resultRows = yield* rowsOf(IssueWorkflowExecutionValidationResult)
  const fileRows = yield* rowsOf(IssueWorkflowExecutionDiffFile)
  const summaries = yield* rowsOf(IssueWorkflowExecutionSummary)
  const summaryColumns = sql.literal(columnList(IssueWorkflowExecutionSummary))

  /** Replaces the rows of the execution, in one transaction. Returns the rows in the order of `keys`. */
  const replace = <A>(
    rows: RowsOf<A>,
    executionId: IssueWorkflowExecutionId,
    model: RowModel<A>,
    { remove, store }: Replacement,
    keyOf: (row: A) => string,
    keys: ReadonlyArray<string>
  ) =>
    Effect.gen(function* () {
      yield* requireExecution(sql, { id: executionId })
      yield* sql.unsafe(remove.sql, [...remove.values])
      const { sql: text, values } = returning(store, model)
      const stored = yield* rows.findAll(sql.unsafe(text, [...values]))
      // RETURNING has no defined order (https://www.sqlite.org/lang_returning.html).
      const byKey = new Map(stored.map((row) => [keyOf(row), row]))
      return keys.flatMap((key) => byKey.get(key) ?? [])
    }).pipe(sql.withTransaction)

  const storeResults = (request: typeof ReplaceValidationResults.Type) =>
    Effect.gen(function* () {
      const replacement = yield* resultsReplacement(request, yield* Clock.currentTimeMillis)
      const keys = request.results.map(({ checkKey }) => checkKey)
      return yield* replace(
        resultRows,
        request.executionId,
        IssueWorkflowExecutionValidationResult,
        replacement,
        ({ checkKey }) => checkKey,
        keys
      )
    })

  const storeFiles = (request: typeof ReplaceDiffFiles.Type) =>
    Effect.gen(function* () {
      const replacement = yield* filesReplacement(request, yield* Clock.currentTimeMillis)
      const keys = request.files.map(({ path }) => path)
      return yield* replace(
        fileRows,
        request.executionId,
        IssueWorkflowExecutionDiffFile,
        replacement,
        ({ path }) => path,
        keys
      )
    })

  const storeSummary = (request: typeof UpsertSummary.Type) =>
    Effect.gen(function* () {
      const { executionId } = request
      const stored = yield* summaries.findOne(upsertSummary(sql, request, yield* Clock.currentTimeMillis))
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
