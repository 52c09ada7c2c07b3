/**
 * All of one execution, as of one moment.
 */
import { SqlClient } from "@effect/sql"
import { Array, Effect, type Option } from "effect"
import type { Page } from "../../internal/page.js"
import { part, together } from "../../internal/parts.js"
import { operations } from "../../internal/query.js"
import { joinedRows } from "../../internal/rows.js"
import { IssueWorkflowExecutionEvent } from "./ExecutionEvent.js"
import { pageOfEvents } from "./executionEvents.js"
import {
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult
} from "./ExecutionReport.js"
import { IssueWorkflowExecution, type IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"
import type { IssueWorkflowExecutionService } from "./IssueWorkflowExecutionRepo.js"

const { present, read } = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecution")

/** An execution and what it has reported. */
export interface ExecutionDetail {
  readonly execution: IssueWorkflowExecution
  readonly summary: Option.Option<IssueWorkflowExecutionSummary>
  /** The first 50 events, in their order; `listEvents` goes on from the cursor. */
  readonly events: Page<IssueWorkflowExecutionEvent>
  /** By check. */
  readonly validationResults: ReadonlyArray<IssueWorkflowExecutionValidationResult>
  /** By path. */
  readonly diffFiles: ReadonlyArray<IssueWorkflowExecutionDiffFile>
  /** Newest first. */
  readonly artifacts: ReadonlyArray<IssueWorkflowExecutionArtifact>
}

const eventLimit = 50

const execution = part(IssueWorkflowExecution, "issue_workflow_executions", "id = ?1")

const summaries = part(IssueWorkflowExecutionSummary, "issue_workflow_execution_summaries", "execution_id = ?1")

const events = part(
  IssueWorkflowExecutionEvent,
  "issue_workflow_execution_events",
  "execution_id = ?1",
  `ORDER BY sequence LIMIT ${eventLimit + 1}`
)

const results = part(
  IssueWorkflowExecutionValidationResult,
  "issue_workflow_execution_validation_results",
  "execution_id = ?1",
  "ORDER BY check_key LIMIT -1"
)

const files = part(IssueWorkflowExecutionDiffFile, "issue_workflow_execution_diff_files", "execution_id = ?1", "ORDER BY path LIMIT -1")

const artifacts = part(
  IssueWorkflowExecutionArtifact,
  "issue_workflow_execution_artifacts",
  "execution_id = ?1",
  "ORDER BY created_at DESC, id DESC LIMIT -1"
)

const detailText = together([execution, summaries, events, results, files, artifacts])

export const makeDetail = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const run = yield* joinedRows

  const getDetail: IssueWorkflowExecutionService["getDetail"] = (id: IssueWorkflowExecutionId) =>
    Effect.gen(function*() {
      const rows = yield* run(sql.unsafe(detailText, [id]))
      return {
        execution: yield* Effect.flatMap(Effect.map(execution.rowsIn(rows), Array.head), present(id)),
        summary: Array.head(yield* summaries.rowsIn(rows)),
        events: pageOfEvents(yield* events.rowsIn(rows), eventLimit),
        validationResults: yield* results.rowsIn(rows),
        diffFiles: yield* files.rowsIn(rows),
        artifacts: yield* artifacts.rowsIn(rows)
      }
    }).pipe(read("getDetail", { "execution.id": id }))
  return { getDetail }
})
