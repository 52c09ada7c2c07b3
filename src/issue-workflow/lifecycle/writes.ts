/**
 * The writes of a draft: a guard that the rows are unchanged, then one statement for each change.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import type { Decision } from "../../events/operation.js"
import { type CorruptRow, rowReader } from "../../sql/rows.js"
import { toWrite, type Write } from "../../sql/writeAll.js"
import { appendOne } from "../eventStatements.js"
import { executionStatements } from "../executionStatements.js"
import { IssueWorkflow } from "../IssueWorkflow.js"
import { IssueWorkflowExecution } from "../IssueWorkflowExecution.js"
import { linkPullRequest } from "../reportStatements.js"
import { workflowStatements } from "../workflowStatements.js"
import type { Change, WorkflowDraft } from "./draft.js"

type Rows = ReadonlyArray<Readonly<Record<string, unknown>>>

/** The rows after the writes. A row that the operation did not write is returned as it was read. */
export interface Written {
  readonly execution: (before: IssueWorkflowExecution) => Effect.Effect<IssueWorkflowExecution, CorruptRow>
  readonly workflow: (before: IssueWorkflow) => Effect.Effect<IssueWorkflow, CorruptRow>
  /** The rows of the additional writes. */
  readonly others: ReadonlyArray<Rows>
}

/** Writes in addition to those of a draft. */
interface Additional {
  /** Other guards, before all changes. */
  readonly guards?: ReadonlyArray<Write>
  /** Other writes, after the changes. */
  readonly writes?: ReadonlyArray<Write>
}

const readExecution = rowReader(IssueWorkflowExecution)
const readWorkflow = rowReader(IssueWorkflow)

export const makeWorkflowWriter = (sql: SqlClient.SqlClient) => {
  const executions = executionStatements(sql)
  const workflows = workflowStatements(sql)

  const executionWrite = (change: Extract<Change, { readonly kind: "execution" }>, now: number) => {
    const target = { id: change.id }
    switch (change.to) {
      case "running":
        return executions.start(target, now)
      case "cancelled":
        return executions.cancel(target, change.reason, now)
      default:
        return executions.end(target, change.to, now)
    }
  }

  const writeOf = (change: Change, now: number): Write => {
    switch (change.kind) {
      case "execution":
        return toWrite(executionWrite(change, now))
      case "workflow":
        return toWrite(
          workflows.end({ id: change.id }, change.to, change.to === "cancelled" ? change.reason : null, now)
        )
      case "failure": {
        const { executionId, message } = change
        const event = { phase: "finish", level: "error", eventType: "failed", message } as const
        return appendOne(executionId, event, now)
      }
      case "link":
        return toWrite(linkPullRequest(sql, change.link, now))
    }
  }

  /** Builds the writes of the changes of a draft. */
  const writesOf = ({ changes }: WorkflowDraft, now: number): ReadonlyArray<Write> =>
    changes.map((change) => writeOf(change, now))

  /** Builds the decision of a draft. `result` receives the written rows. */
  const decisionOf = <A, E>(
    draft: WorkflowDraft,
    unchanged: Write,
    now: number,
    result: (written: Written) => Effect.Effect<A, E>,
    { guards = [], writes = [] }: Additional = {}
  ): Decision<A, E> => {
    const changes = writesOf(draft, now)
    const isEmpty = changes.length + writes.length + draft.transitions.length === 0
    return {
      writes: isEmpty ? [] : [unchanged, ...guards, ...changes, ...writes],
      transitions: draft.transitions,
      result: (rows) => result(writtenOf(draft.changes, rows.slice(1 + guards.length)))
    }
  }

  return { decisionOf, writesOf }
}

const writtenOf = (changes: ReadonlyArray<Change>, rows: ReadonlyArray<Rows>): Written => {
  const last = (kind: "execution" | "workflow", id: string) => {
    const index = changes.findLastIndex((change) => change.kind === kind && change.id === id)
    return Option.fromNullable(rows[index]?.[0])
  }
  return {
    execution: (before) =>
      Option.match(last("execution", before.id), { onNone: () => Effect.succeed(before), onSome: readExecution }),
    workflow: (before) =>
      Option.match(last("workflow", before.id), { onNone: () => Effect.succeed(before), onSome: readWorkflow }),
    others: rows.slice(changes.length)
  }
}
