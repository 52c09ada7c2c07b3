/**
 * The rows on which `open` and `startExecution` decide, each read by one statement, with the guard that they are
 * unchanged. This file and `start.ts` have the statements on the table `issue_workflow_execution_keys`.
 */
import type { SqlClient, Statement } from "@effect/sql"
import { Effect, Option } from "effect"
import type { Access } from "../../source/requireAccess.js"
import { joinedRows, partColumnList, partOf } from "../../sql/rows.js"
import { guard, type Write } from "../../sql/writeAll.js"
import { Sandbox } from "../../sandbox/Sandbox.js"
import { IssueWorkflow } from "../IssueWorkflow.js"
import { IssueWorkflowExecution } from "../IssueWorkflowExecution.js"
import type { OpenWorkflow, StartExecution } from "../IssueWorkflowViews.js"

/** The workflows that `open` may return. */
export interface OpenState {
  /** The workflow with the id of the request, if it has one. */
  readonly withId: Option.Option<IssueWorkflow>
  /** The active workflow on the issue, unless it is archived. */
  readonly active: Option.Option<IssueWorkflow>
  readonly unchanged: Write
}

/** The rows that determine where an execution may start. */
export interface StartState {
  readonly workflow: Option.Option<IssueWorkflow>
  /** Whether the owner of the workflow may use the repository of the issue. True for a workflow without an owner. */
  readonly mayUseIssue: boolean
  /** The sandbox of the request, if it belongs to the owner of the workflow. */
  readonly sandbox: Option.Option<Sandbox>
  /** Whether another execution has the latest attempt of the sandbox. */
  readonly isTaken: boolean
  /** The execution that was started with the idempotency key of the request. */
  readonly before: Option.Option<StartedBefore>
  readonly unchanged: Write
}

/** An execution in its current state. Its sandbox may have been deleted. */
export interface StartedBefore {
  readonly requestFingerprint: string
  readonly execution: IssueWorkflowExecution
  readonly sandbox: Option.Option<Sandbox>
}

const workflowPart = partOf(IssueWorkflow, "w")
const activePart = partOf(IssueWorkflow, "x")
const sandboxPart = partOf(Sandbox, "s")
const executionPart = partOf(IssueWorkflowExecution, "e")
const sandboxBeforePart = partOf(Sandbox, "b")

const openColumns = `${partColumnList(IssueWorkflow, "w")}, ${partColumnList(IssueWorkflow, "x")}`
const startColumns = [
  partColumnList(IssueWorkflow, "w"),
  partColumnList(Sandbox, "s"),
  partColumnList(IssueWorkflowExecution, "e"),
  partColumnList(Sandbox, "b")
].join(", ")

type Row = Readonly<Record<string, unknown>>

export const makeStartStates = (sql: SqlClient.SqlClient, { mayUseIssueOf }: Pick<Access, "mayUseIssueOf">) =>
  Effect.map(joinedRows, (rows) => {
    const literal = sql.literal

    /** Builds the guard that `source` still has the version that was read. */
    const unchangedSince = (version: Statement.Fragment, source: Statement.Fragment, row: Row | undefined) => {
      const [condition, values] = sql`(SELECT ${version} FROM ${source}) IS ${row?.["version"] ?? null}`.compile()
      return guard(condition, values)
    }

    const ofOpen = ({ id, issueId }: typeof OpenWorkflow.Type) =>
      Effect.gen(function* () {
        const version = sql`json_array(w.id, x.id)`
        const source = sql`(SELECT 1)
          LEFT JOIN issue_workflows AS w INDEXED BY sqlite_autoindex_issue_workflows_1 ON w.id = ${id ?? null}
          LEFT JOIN issue_workflows AS x INDEXED BY sqlite_autoindex_issue_workflows_1 ON x.id = (
            SELECT id FROM issue_workflows
            WHERE issue_id = ${issueId} AND +status = 'active' AND +archived_at IS NULL
            ORDER BY created_at DESC, id DESC LIMIT 1)`
        const [row] = yield* rows(sql`SELECT ${literal(openColumns)}, ${version} AS version FROM ${source}`)
        const state: OpenState = {
          withId: row === undefined ? Option.none() : yield* workflowPart(row),
          active: row === undefined ? Option.none() : yield* activePart(row),
          unchanged: unchangedSince(version, source, row)
        }
        return state
      })

    const ofStart = ({ idempotencyKey, issueWorkflowId, sandboxId }: typeof StartExecution.Type) =>
      Effect.gen(function* () {
        const mayUse = sql`(w.owner_user_id IS NULL OR ${mayUseIssueOf(sql`w.owner_user_id`, sql`w.issue_id`)})`
        const isTaken = sql`EXISTS (
          SELECT 1 FROM issue_workflow_executions WHERE sandbox_attempt_id = s.latest_run_id)`
        // A transfer of the issue may give the workflow another one.
        const version = sql`json_array(w.status, w.archived_at, w.owner_user_id, w.issue_id, w.repository_id, ${mayUse},
          s.status, s.latest_run_id, ${isTaken}, k.execution_id)`
        const source = sql`issue_workflows AS w
          LEFT JOIN sandboxes AS s INDEXED BY sqlite_autoindex_sandboxes_1
            ON s.id = ${sandboxId ?? null} AND s.owner_user_id = w.owner_user_id
          LEFT JOIN issue_workflow_execution_keys AS k
            ON k.issue_workflow_id = w.id AND k.idempotency_key = ${idempotencyKey ?? null}
          LEFT JOIN issue_workflow_executions AS e INDEXED BY sqlite_autoindex_issue_workflow_executions_1
            ON e.id = k.execution_id
          LEFT JOIN sandboxes AS b INDEXED BY sqlite_autoindex_sandboxes_1 ON b.id = e.sandbox_id
          WHERE w.id = ${issueWorkflowId}`
        const [row] = yield* rows(sql`
          SELECT ${literal(startColumns)}, ${mayUse} AS "mayUse", ${isTaken} AS "isTaken",
            k.request_fingerprint AS "requestFingerprint", ${version} AS version
          FROM ${source}`)
        const sandboxBefore = row === undefined ? Option.none() : yield* sandboxBeforePart(row)
        const state: StartState = {
          workflow: row === undefined ? Option.none() : yield* workflowPart(row),
          mayUseIssue: row?.["mayUse"] === 1,
          sandbox: row === undefined ? Option.none() : yield* sandboxPart(row),
          isTaken: row?.["isTaken"] === 1,
          before: Option.map(row === undefined ? Option.none() : yield* executionPart(row), (execution) => ({
            requestFingerprint: String(row?.["requestFingerprint"]),
            execution,
            sandbox: sandboxBefore
          })),
          unchanged: unchangedSince(version, source, row)
        }
        return state
      })

    return { ofOpen, ofStart }
  })
