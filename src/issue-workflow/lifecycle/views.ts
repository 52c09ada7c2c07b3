/**
 * Views of workflows for their owners: a workflow with its issue and executions.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Option } from "effect"
import { Issue } from "../Issue.js"
import { IssueWorkflow } from "../IssueWorkflow.js"
import { IssueWorkflowExecution } from "../IssueWorkflowExecution.js"
import { repositoryAccess } from "../../source/RepositoryAccess.js"
import { NotFound } from "../../Errors.js"
import { unionByStatus } from "../../sql/filters.js"
import * as Page from "../../sql/page.js"
import { joinedPage, partColumnList, partOf, requiredPart } from "../../sql/rows.js"
import { AllWorkflowFilter, WorkflowViewFilter } from "../IssueWorkflowViews.js"
import { operationsOf } from "../../events/operation.js"

const { decodeFilter, traced } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflow")

const workflowPart = partOf(IssueWorkflow, "w")
const issuePart = partOf(Issue, "i")
const executionPart = partOf(IssueWorkflowExecution, "e")

type Row = Readonly<Record<string, unknown>>

const viewOf = (row: Row) =>
  Effect.gen(function* () {
    const workflow = yield* requiredPart(workflowPart(row), "IssueWorkflow")
    const issue = yield* requiredPart(issuePart(row), "Issue")
    return { workflow, issue, latestExecution: yield* executionPart(row) }
  })

const executionLimit = 50

export const makeWorkflowViews = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const page = yield* joinedPage
  const mayUse = yield* repositoryAccess
  const columns = sql.literal(
    [partColumnList(IssueWorkflow, "w"), partColumnList(Issue, "i"), partColumnList(IssueWorkflowExecution, "e")].join(
      ", "
    )
  )
  // CROSS JOIN: the workflow is the outer loop, and the issue is found by its primary key, whatever the statistics are.
  const source = sql`issue_workflows AS w CROSS JOIN issues AS i ON i.id = w.issue_id`

  const getDetail = ({ id, ownerUserId }: { readonly ownerUserId: string; readonly id: string }) =>
    Effect.gen(function* () {
      // One statement for a consistent snapshot. The LIMIT of the subquery preserves the order of the executions.
      const found = yield* page(
        sql`
        SELECT ${columns} FROM ${source} LEFT JOIN (
          SELECT * FROM issue_workflow_executions WHERE issue_workflow_id = ${id}
          ORDER BY created_at DESC, id DESC LIMIT ${executionLimit + 1}) AS e ON true
        WHERE w.id = ${id} AND w.owner_user_id = ${ownerUserId} AND ${mayUse(ownerUserId, sql`i.repository_id`)}`,
        viewOf
      )
      const [first] = found.rows
      if (first === undefined) return yield* new NotFound({ entity: "IssueWorkflow", id })
      const { issue, workflow } = first
      const executions = { ...found, rows: found.rows.flatMap((view) => Option.toArray(view.latestExecution)) }
      const start = { at: 0, id: "", limit: executionLimit }
      return { workflow, issue, executions: Page.make(executions, start, ({ createdAt, id }) => [createdAt, id]) }
    }).pipe(traced("getDetail", { "workflow.id": id }))

  const list = (request: Page.PageRequest & typeof WorkflowViewFilter.Encoded) =>
    Effect.gen(function* () {
      const { includeArchived, ownerUserId, statuses } = yield* decodeFilter("list", WorkflowViewFilter)(request)
      const start = yield* Page.start("IssueWorkflowLifecycle.list", request)
      const found = yield* page(
        sql`
        SELECT ${columns} FROM ${source} LEFT JOIN issue_workflow_executions AS e ON e.id = (
          SELECT id FROM issue_workflow_executions WHERE issue_workflow_id = w.id ORDER BY created_at DESC, id DESC LIMIT 1)
        WHERE w.owner_user_id = ${ownerUserId} AND ${mayUse(ownerUserId, sql`i.repository_id`)}
          AND ${Page.afterCursor(sql, start, "w.created_at", "w.id")}
          AND (${includeArchived} OR w.archived_at IS NULL)
          AND (${statuses === undefined} OR w.status IN (SELECT value FROM json_each(${JSON.stringify(statuses ?? [])})))
        ORDER BY w.created_at DESC, w.id DESC LIMIT ${start.limit + 1}`,
        viewOf
      )
      return Page.make(found, start, ({ workflow }) => [workflow.createdAt, workflow.id])
    }).pipe(traced("list"))

  const listAll = (request: Page.PageRequest & typeof AllWorkflowFilter.Encoded) =>
    Effect.gen(function* () {
      const { includeArchived, ownerUserId, statuses } = yield* decodeFilter("listAll", AllWorkflowFilter)(request)
      const start = yield* Page.start("IssueWorkflowLifecycle.listAll", request)
      if (statuses?.length === 0) return { items: [], nextCursor: Option.none() }
      const ofOwner = ownerUserId === undefined ? [] : [sql`w.owner_user_id = ${ownerUserId}`]
      const matching = includeArchived ? [] : [sql`+w.archived_at IS NULL`]
      const after = Page.afterCursor(sql, start, "w.created_at", "w.id")
      const ranges = unionByStatus(sql, statuses, ofOwner, "w.status")
      const sources = ranges.map((range) => sql`FROM issue_workflows AS w WHERE ${sql.and([...range, after])}`)
      const floor = matching.length === 0 ? Option.none() : yield* Page.floorOf(sql, sources, "w.created_at", "w.id")
      const examined = Page.untilFloor(sql, floor, "w.created_at", "w.id")
      const branches = ranges.map(
        (range) => sql`
          SELECT ${columns} FROM ${source} LEFT JOIN issue_workflow_executions AS e ON e.id = (
            SELECT id FROM issue_workflow_executions WHERE issue_workflow_id = w.id
            ORDER BY created_at DESC, id DESC LIMIT 1)
          WHERE ${sql.and([...range, ...matching, after, examined])}`
      )
      const found = yield* page(
        sql`
        ${sql.join(" UNION ALL ", false)(branches)}
        ORDER BY "w.createdAt" DESC, "w.id" DESC LIMIT ${start.limit + 1}`,
        viewOf
      )
      return Page.makeExamined(found, start, floor, ({ workflow }) => [workflow.createdAt, workflow.id])
    }).pipe(traced("listAll"))

  return { getDetail, list, listAll }
})
