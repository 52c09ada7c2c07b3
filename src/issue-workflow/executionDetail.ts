/**
 * The detail of an execution: the execution and its reports, read in one statement.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Array, Effect, Schema } from "effect"
import * as Model from "../sql/model.js"
import { type ById, targetOf } from "../sql/ownerScope.js"
import { Page } from "../sql/page.js"
import { part, unionQuery } from "../sql/unions.js"
import { operations } from "../sql/operations.js"
import { joinedRows } from "../sql/rows.js"
import { IssueWorkflowExecutionEvent } from "./ExecutionEvent.js"
import { pageOfEvents } from "./executionEvents.js"
import {
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult
} from "./ExecutionReport.js"
import { IssueWorkflowExecution } from "./IssueWorkflowExecution.js"

const { orNotFound, traced } = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecution")

/** An execution and its reports. */
export const ExecutionDetail = Schema.Struct({
  execution: Model.Row(IssueWorkflowExecution),
  summary: Schema.optionalWith(Model.Row(IssueWorkflowExecutionSummary), { as: "Option" }),
  /** The first 50 events, ordered by sequence. `listEvents` continues from the cursor. */
  events: Page(Model.Row(IssueWorkflowExecutionEvent)),
  /** Ordered by check. */
  validationResults: Schema.Array(Model.Row(IssueWorkflowExecutionValidationResult)),
  /** Ordered by path. */
  diffFiles: Schema.Array(Model.Row(IssueWorkflowExecutionDiffFile)),
  /** Newest first. */
  artifacts: Schema.Array(Model.Row(IssueWorkflowExecutionArtifact))
})
export interface ExecutionDetail extends Schema.Schema.Type<typeof ExecutionDetail> {}

const eventLimit = 50

const detailOf = (executionId: string) => {
  const condition = `execution_id = ${executionId}`
  const parts = {
    execution: part(IssueWorkflowExecution, "issue_workflow_executions", `id = ${executionId}`),
    summaries: part(IssueWorkflowExecutionSummary, "issue_workflow_execution_summaries", condition),
    events: part(
      IssueWorkflowExecutionEvent,
      "issue_workflow_execution_events",
      condition,
      `ORDER BY sequence LIMIT ${eventLimit + 1}`
    ),
    results: part(
      IssueWorkflowExecutionValidationResult,
      "issue_workflow_execution_validation_results",
      condition,
      "ORDER BY check_key LIMIT -1"
    ),
    files: part(
      IssueWorkflowExecutionDiffFile,
      "issue_workflow_execution_diff_files",
      condition,
      "ORDER BY path LIMIT -1"
    ),
    artifacts: part(
      IssueWorkflowExecutionArtifact,
      "issue_workflow_execution_artifacts",
      condition,
      "ORDER BY created_at DESC, id DESC LIMIT -1"
    )
  }
  return { parts, text: unionQuery(Object.values(parts)) }
}

// ?1: the execution, ?2: the owner.
const details = {
  ofId: detailOf("?1"),
  ofIdAndOwner: detailOf(`(
    SELECT x.id FROM issue_workflow_executions AS x CROSS JOIN issue_workflows AS w ON w.id = x.issue_workflow_id
    WHERE x.id = ?1 AND w.owner_user_id = ?2)`)
}

export const makeDetail = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const run = yield* joinedRows

  const getDetail = (by: ById) =>
    Effect.gen(function* () {
      const { id, ownerUserId } = targetOf(by)
      const { parts, text } = ownerUserId === undefined ? details.ofId : details.ofIdAndOwner
      const { artifacts, events, execution, files, results, summaries } = parts
      const rows = yield* run(sql.unsafe(text, ownerUserId === undefined ? [id] : [id, ownerUserId]))
      return {
        execution: yield* Effect.flatMap(Effect.map(execution.rowsIn(rows), Array.head), orNotFound(id)),
        summary: Array.head(yield* summaries.rowsIn(rows)),
        events: pageOfEvents({ rows: yield* events.rowsIn(rows), isCut: false }, eventLimit),
        validationResults: yield* results.rowsIn(rows),
        diffFiles: yield* files.rowsIn(rows),
        artifacts: yield* artifacts.rowsIn(rows)
      }
    }).pipe(traced("getDetail", { "execution.id": targetOf(by).id }))
  return { getDetail }
})
