/**
 * The rows that a lifecycle operation of workflows decides on, read by one statement: an execution, its workflow, and the
 * active executions of the workflow.
 *
 * `version` contains the values on which decisions rely. `unchanged` builds the guard that compares it again inside the
 * write, under the write lock.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Effect, Option } from "effect"
import { type CorruptRow, joinedRows, partColumnList, partOf } from "../../sql/rows.js"
import { guard, type Write } from "../../sql/writeAll.js"
import { hasKeyOf, keysOf } from "../eventStatements.js"
import type { NewExecutionEvent } from "../ExecutionEvent.js"
import { IssueWorkflow } from "../IssueWorkflow.js"
import { IssueWorkflowExecution, type IssueWorkflowExecutionId } from "../IssueWorkflowExecution.js"
import { activeExecutions, activeOfWorkflow } from "./activeExecutions.js"
import type { ExecutionView } from "./draft.js"

/** An execution and its workflow, as they were read. */
export interface ExecutionState {
  readonly execution: Option.Option<IssueWorkflowExecution>
  readonly workflow: Option.Option<IssueWorkflow>
  /** The guard that these rows are unchanged. */
  readonly unchanged: Write
}

/** A workflow and its active executions, as they were read. */
export interface EndingState extends ExecutionState {
  /** The active executions of the workflow, newest first. Empty unless the operation ends the workflow. */
  readonly active: ReadonlyArray<ExecutionView>
}

/** The execution of a report. */
export interface ReportState extends ExecutionState {
  /** Whether an event with an id or a sequence of the report is stored. */
  readonly hasEvents: boolean
  /** Whether an artifact with an id of the report is stored. */
  readonly hasArtifacts: boolean
}

// INDEXED BY names the primary keys, because the planner scans a table that had one row when its statistics were
// collected.
const ofExecution = `issue_workflow_executions AS e INDEXED BY sqlite_autoindex_issue_workflow_executions_1
  JOIN issue_workflows AS w INDEXED BY sqlite_autoindex_issue_workflows_1 ON w.id = e.issue_workflow_id
  WHERE e.id = ?1`
const ofWorkflow = `issue_workflows AS w INDEXED BY sqlite_autoindex_issue_workflows_1 WHERE w.id = ?1`

const workflowVersion = "w.status, w.owner_user_id"
const executionVersion = `e.status, e.sandbox_id, e.sandbox_attempt_id, ${workflowVersion}`

const workflowColumns = partColumnList(IssueWorkflow, "w")
const executionColumns = `${partColumnList(IssueWorkflowExecution, "e")}, ${workflowColumns}`

const executionPart = partOf(IssueWorkflowExecution, "e")
const workflowPart = partOf(IssueWorkflow, "w")

type Row = Readonly<Record<string, unknown>>

/** Builds the text of a read, and its guard. */
const readOf = (columns: string, version: string, source: string) => {
  const versionOf = `json_array(${version})`
  const condition = `(SELECT ${versionOf} FROM ${source}) IS ?2`
  return {
    text: `SELECT ${columns}, ${versionOf} AS version FROM ${source}`,
    unchanged: (id: string, row: Row | undefined) => guard(condition, [id, row?.["version"] ?? null])
  }
}

const active = `${activeOfWorkflow} AS active`

const execution = readOf(executionColumns, executionVersion, ofExecution)
const ending = readOf(`${executionColumns}, ${active}`, `${executionVersion}, ${activeOfWorkflow}`, ofExecution)
const workflow = readOf(`${workflowColumns}, ${active}`, `${workflowVersion}, ${activeOfWorkflow}`, ofWorkflow)

// ?1: the execution, ?2: ids of events, ?3: sequences of events, ?4: ids of artifacts.
const report = readOf(
  `${executionColumns},
    EXISTS (SELECT 1 FROM issue_workflow_execution_events WHERE ${hasKeyOf}) AS "hasEvents",
    EXISTS (
      SELECT 1 FROM issue_workflow_execution_artifacts WHERE id IN (SELECT value FROM json_each(?4))) AS "hasArtifacts"`,
  executionVersion,
  ofExecution
)

/** Builds the reads of states. */
export const makeWorkflowStates = (sql: SqlClient.SqlClient) =>
  Effect.map(joinedRows, (rows) => {
    const read =
      ({ text, unchanged }: ReturnType<typeof readOf>) =>
      (id: string): Effect.Effect<EndingState, SqlError.SqlError | CorruptRow> =>
        Effect.flatMap(rows(sql.unsafe(text, [id])), ([row]) =>
          Effect.all({
            execution: row === undefined ? Effect.succeedNone : executionPart(row),
            workflow: row === undefined ? Effect.succeedNone : workflowPart(row),
            active: row?.["active"] === undefined ? Effect.succeed([]) : activeExecutions(row["active"]),
            unchanged: Effect.succeed(unchanged(id, row))
          })
        )

    /** Reads the execution of a report. */
    const ofReport = (
      executionId: IssueWorkflowExecutionId,
      events: ReadonlyArray<NewExecutionEvent>,
      artifactIds: ReadonlyArray<string>
    ): Effect.Effect<ReportState, SqlError.SqlError | CorruptRow> =>
      Effect.flatMap(
        rows(sql.unsafe(report.text, [...keysOf(executionId, events), JSON.stringify(artifactIds)])),
        ([row]) =>
          Effect.all({
            execution: row === undefined ? Effect.succeedNone : executionPart(row),
            workflow: row === undefined ? Effect.succeedNone : workflowPart(row),
            hasEvents: Effect.succeed(row?.["hasEvents"] === 1),
            hasArtifacts: Effect.succeed(row?.["hasArtifacts"] === 1),
            unchanged: Effect.succeed(report.unchanged(executionId, row))
          })
      )

    return {
      ofReport,
      /** Reads an execution and its workflow. */
      ofExecution: read(execution),
      /** Reads an execution, its workflow, and the active executions of the workflow. */
      ofEnding: read(ending),
      /** Reads a workflow and its active executions. */
      ofWorkflow: read(workflow)
    }
  })

/** Returns the execution, unless it does not exist or belongs to another owner than `ownerUserId`. */
export const ownExecution = ({ execution, workflow }: ExecutionState, ownerUserId: string | null | undefined) =>
  Option.filter(execution, () => ownerUserId === undefined || isOwnedBy(workflow, ownerUserId))

/** Returns the workflow, unless it does not exist or belongs to another owner than `ownerUserId`. */
export const ownWorkflow = ({ workflow }: ExecutionState, ownerUserId: string | null | undefined) =>
  Option.filter(workflow, () => ownerUserId === undefined || isOwnedBy(workflow, ownerUserId))

const isOwnedBy = (workflow: ExecutionState["workflow"], ownerUserId: string | null) =>
  Option.exists(workflow, (found) => ownerUserId !== null && Option.contains(found.ownerUserId, ownerUserId))
