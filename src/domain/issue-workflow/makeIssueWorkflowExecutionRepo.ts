/**
 * The statements and rules of `IssueWorkflowExecutionRepo` that concern executions themselves. What they report stands in
 * `executionEvents.ts`, `executionTail.ts`, `executionReports.ts`, `executionArtifacts.ts` and `executionDetail.ts`.
 */
import { SqlClient, type Statement } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { AlreadyExists, ReferenceNotFound } from "../../Errors.js"
import { idOrNew } from "../../internal/ids.js"
import { conditionsOf, walk } from "../../internal/lists.js"
import * as Page from "../../internal/page.js"
import { operations } from "../../internal/query.js"
import { isReferenceNotFound, nameMissing } from "../../internal/references.js"
import { columnList, rowsOf } from "../../internal/rows.js"
import { finishedAt } from "../../internal/runs.js"
import { makeArtifacts, makePullRequests } from "./executionArtifacts.js"
import { nameMissingOf } from "./executionBatches.js"
import { makeDetail } from "./executionDetail.js"
import { makeEvents } from "./executionEvents.js"
import { makeReports } from "./executionReports.js"
import { makeTail } from "./executionTail.js"
import {
  CancelExecution,
  CreateExecution,
  ExecutionFilter,
  IssueWorkflowExecution,
  IssueWorkflowExecutionId,
  type IssueWorkflowExecutionStatus,
  issueWorkflowExecutionTransitions,
  LinkSandboxAttempt
} from "./IssueWorkflowExecution.js"
import type { IssueWorkflowExecutionService } from "./IssueWorkflowExecutionRepo.js"

const { input, present, read, unmoved, write } = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecution")

const ofAnotherOwner = "issue_workflow_executions: a sandbox or attempt of another owner"

/** What of an execution may be refused. */
interface References {
  readonly sandboxId?: string | undefined
  readonly sandboxAttemptId?: string | undefined
}

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(IssueWorkflowExecution))
  const executions = yield* rowsOf(IssueWorkflowExecution)
  const { along, asideIn } = conditionsOf(sql)

  const byId = (id: IssueWorkflowExecutionId) =>
    executions.first(sql`SELECT ${columns} FROM issue_workflow_executions WHERE id = ${id}`)

  const getById = (id: IssueWorkflowExecutionId) => Effect.flatMap(byId(id), present(id))

  const insert = (execution: typeof CreateExecution.Type) =>
    Effect.gen(function*() {
      const id = yield* idOrNew(execution.id, "wfx", IssueWorkflowExecutionId.make)
      const now = yield* Clock.currentTimeMillis
      return yield* executions.one(sql`
        INSERT INTO issue_workflow_executions (id, issue_workflow_id, sandbox_id, sandbox_attempt_id, status, trigger_type,
          requested_by_user_id, queued_at, created_at, updated_at)
        VALUES (${id}, ${execution.issueWorkflowId}, ${execution.sandboxId ?? null}, ${execution.sandboxAttemptId ?? null},
          'queued', ${execution.triggerType}, ${execution.requestedByUserId ?? null}, ${now}, ${now}, ${now})
        RETURNING ${columns}`)
    })

  const list: IssueWorkflowExecutionService["list"] = (request) =>
    Effect.gen(function*() {
      const { issueWorkflowId, statuses } = yield* input("list", ExecutionFilter)(request)
      const start = yield* Page.start("IssueWorkflowExecutionRepo.list", request)
      const walks = [[...along("issue_workflow_id", issueWorkflowId), ...asideIn("status", statuses)]]
      const rows = statuses?.length === 0 ? [] : yield* executions.all(walk(sql, { columns, table: "issue_workflow_executions" }, walks, start))
      return Page.make(rows, start, (execution) => [execution.createdAt, execution.id])
    }).pipe(read("list", { "workflow.id": request.issueWorkflowId }))

  /**
   * Moves an execution from where `to` can be entered, or says why it did not move. One that is in `to` already stays as
   * it is.
   */
  const move = (id: IssueWorkflowExecutionId, to: IssueWorkflowExecutionStatus, set: (now: number) => Statement.Fragment) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const moved = yield* executions.first(sql`
        UPDATE issue_workflow_executions SET status = ${to}, ${set(now)}, updated_at = ${now}
        WHERE id = ${id} AND ${sql.in("status", issueWorkflowExecutionTransitions.sources(to))}
        RETURNING ${columns}`)
      return Option.isSome(moved) ? moved.value : yield* Effect.flatMap(getById(id), unmoved(id, to))
    })

  const finish = (now: number) => finishedAt(sql, now)

  const linkAttempt = ({ executionId, sandboxAttemptId, sandboxId }: typeof LinkSandboxAttempt.Type) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const linked = yield* executions.first(sql`
        UPDATE issue_workflow_executions SET
          sandbox_attempt_id = ${sandboxAttemptId},
          sandbox_id = coalesce(
            ${sandboxId ?? null}, (SELECT sandbox_id FROM sandbox_run_links WHERE run_id = ${sandboxAttemptId}), sandbox_id),
          updated_at = ${now}
        WHERE id = ${executionId} AND sandbox_attempt_id IS NOT ${sandboxAttemptId}
          AND (sandbox_attempt_id IS NULL OR finished_at IS NULL)
        RETURNING ${columns}`)
      if (Option.isSome(linked)) return linked.value
      const execution = yield* getById(executionId)
      if (Option.contains(execution.sandboxAttemptId, sandboxAttemptId)) return execution
      return yield* new AlreadyExists({
        entity: "IssueWorkflowExecution",
        constraint: "issue_workflow_executions.sandbox_attempt_id"
      })
    })

  /** Names which of the two is another owner's: the trigger speaks of both. What is neither is the other's business. */
  const nameStranger = (workflow: Statement.Fragment, { sandboxAttemptId, sandboxId }: References) => <E>(error: E) =>
    Effect.gen(function*() {
      if (!isReferenceNotFound(error) || error.reference !== ofAnotherOwner) return yield* Effect.fail(error)
      const strangers = sandboxId === undefined || sandboxAttemptId === undefined ? [] : yield* sql`
        SELECT 1 FROM issue_workflows AS workflow, sandboxes AS sandbox
        WHERE workflow.id = ${workflow} AND sandbox.id = ${sandboxId} AND sandbox.owner_user_id <> workflow.owner_user_id`.pipe(
        Effect.orElseSucceed(() => [])
      )
      const isSandbox = strangers.length > 0 || sandboxAttemptId === undefined
      return yield* new ReferenceNotFound({ entity: error.entity, reference: isSandbox ? "sandboxId" : "sandboxAttemptId" })
    })

  const referencesOf = ({ sandboxAttemptId, sandboxId }: References) => [
    { field: "sandboxId", table: "sandboxes", id: Option.fromNullable(sandboxId) },
    { field: "sandboxAttemptId", table: "sandbox_attempts", id: Option.fromNullable(sandboxAttemptId) }
  ]

  const service: IssueWorkflowExecutionService = {
    ...(yield* makeEvents),
    ...(yield* makeTail),
    ...(yield* makeReports),
    ...(yield* makeArtifacts),
    ...(yield* makePullRequests),
    ...(yield* makeDetail),

    create: (request) =>
      input("create", CreateExecution)(request).pipe(
        Effect.flatMap(insert),
        write("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameStranger(sql`${request.issueWorkflowId}`, request)),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "issueWorkflowId", table: "issue_workflows", id: Option.some(request.issueWorkflowId) },
          { field: "requestedByUserId", table: "user", id: Option.fromNullable(request.requestedByUserId) },
          ...referencesOf(request)
        ]))
      ),

    findById: (id) => byId(id).pipe(read("findById", { "execution.id": id })),

    findBySandboxAttemptId: (attemptId) =>
      executions.first(sql`SELECT ${columns} FROM issue_workflow_executions WHERE sandbox_attempt_id = ${attemptId}`).pipe(
        read("findBySandboxAttemptId", { "run.id": attemptId })
      ),

    getById: (id) => getById(id).pipe(read("getById", { "execution.id": id })),

    list,

    stream: (filter) => Page.stream((page) => list({ ...filter, ...page })),

    start: (id) =>
      input("start", IssueWorkflowExecutionId)(id).pipe(
        Effect.flatMap((id) => move(id, "running", (now) => sql`started_at = ${now}`)),
        read("start", { "execution.id": id })
      ),

    succeed: (id) =>
      input("succeed", IssueWorkflowExecutionId)(id).pipe(
        Effect.flatMap((id) => move(id, "succeeded", finish)),
        read("succeed", { "execution.id": id })
      ),

    fail: (id) =>
      input("fail", IssueWorkflowExecutionId)(id).pipe(
        Effect.flatMap((id) => move(id, "failed", finish)),
        read("fail", { "execution.id": id })
      ),

    cancel: (request) =>
      input("cancel", CancelExecution)(request).pipe(
        Effect.flatMap(({ id, reason }) => move(id, "cancelled", (now) => sql`cancel_reason = ${reason}, ${finish(now)}`)),
        read("cancel", { "execution.id": request.id })
      ),

    linkSandboxAttempt: (request) =>
      input("linkSandboxAttempt", LinkSandboxAttempt)(request).pipe(
        Effect.flatMap(linkAttempt),
        write("linkSandboxAttempt", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], { "execution.id": request.executionId }),
        Effect.catchTag("ReferenceNotFound", nameStranger(
          sql`(SELECT issue_workflow_id FROM issue_workflow_executions WHERE id = ${request.executionId})`,
          request
        )),
        Effect.catchTag("ReferenceNotFound", nameMissingOf(sql, request.executionId, referencesOf(request)))
      )
  }
  return service
})
