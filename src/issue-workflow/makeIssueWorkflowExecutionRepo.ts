/**
 * The statements and rules of `IssueWorkflowExecutionRepo` that concern executions themselves. What they report stands in
 * `executionEvents.ts`, `executionTail.ts`, `executionReports.ts`, `executionArtifacts.ts` and `executionDetail.ts`.
 */
import { SqlClient, type Statement } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { AlreadyExists, type InvalidInput, ReferenceNotFound } from "../Errors.js"
import { existing } from "../sql/columns.js"
import { idOrNew } from "../sql/ids.js"
import { conditionsOf, walk } from "../sql/filters.js"
import { type ById, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { isReferenceNotFound, nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { finishedAt } from "../sql/finishedAt.js"
import { makeArtifacts, makePullRequests } from "./executionArtifacts.js"
import { nameMissingOf, workflowOwnerScope } from "./executionBatches.js"
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

/** The rule of the trigger, for each of its references. */
const rules = { sandboxId: `${ofAnotherOwner} (sandboxId)`, sandboxAttemptId: `${ofAnotherOwner} (sandboxAttemptId)` }

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

  const ofOwner = workflowOwnerScope(sql)

  const find = (target: Target) =>
    executions.first(sql`SELECT ${columns} FROM issue_workflow_executions WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), present(target.id))

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
      const { issueWorkflowId, ownerUserId, statuses } = yield* input("list", ExecutionFilter)(request)
      const start = yield* Page.start("IssueWorkflowExecutionRepo.list", request)
      const ofWorkflowOwner = ownerUserId === undefined
        ? []
        : [sql`EXISTS (SELECT 1 FROM issue_workflows WHERE id = ${issueWorkflowId} AND owner_user_id = ${ownerUserId})`]
      const walks = [[...along("issue_workflow_id", issueWorkflowId), ...asideIn("status", statuses), ...ofWorkflowOwner]]
      const rows = statuses?.length === 0 ? [] : yield* executions.all(walk(sql, { columns, table: "issue_workflow_executions" }, walks, start))
      return Page.make(rows, start, (execution) => [execution.createdAt, execution.id])
    }).pipe(read("list", { "workflow.id": request.issueWorkflowId }))

  /**
   * Moves an execution from where `to` can be entered, or says why it did not move. One that is in `to` already stays as
   * it is.
   */
  const move = (target: Target, to: IssueWorkflowExecutionStatus, set: (now: number) => Statement.Fragment) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const moved = yield* executions.first(sql`
        UPDATE issue_workflow_executions SET status = ${to}, ${set(now)}, updated_at = ${now}
        WHERE id = ${target.id} ${ofOwner(target)} AND ${sql.in("status", issueWorkflowExecutionTransitions.sources(to))}
        RETURNING ${columns}`)
      return Option.isSome(moved) ? moved.value : yield* Effect.flatMap(get(target), unmoved(target.id, to))
    })

  const finish = (now: number) => finishedAt(sql, now)

  const targeted = (method: string, by: ById): Effect.Effect<Target, InvalidInput> => {
    const { id, ...scope } = targetOf(by)
    return Effect.map(input(method, existing(IssueWorkflowExecutionId))(id), (known) => ({ ...scope, id: known }))
  }

  const linkAttempt = ({ executionId, ownerUserId, sandboxAttemptId, sandboxId }: typeof LinkSandboxAttempt.Type) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const linked = yield* executions.first(sql`
        UPDATE issue_workflow_executions SET
          sandbox_attempt_id = ${sandboxAttemptId},
          sandbox_id = coalesce(
            ${sandboxId ?? null}, (SELECT sandbox_id FROM sandbox_run_links WHERE run_id = ${sandboxAttemptId}), sandbox_id),
          updated_at = ${now}
        WHERE id = ${executionId} ${ofOwner({ ownerUserId })} AND sandbox_attempt_id IS NOT ${sandboxAttemptId}
          AND (sandbox_attempt_id IS NULL OR finished_at IS NULL)
        RETURNING ${columns}`)
      if (Option.isSome(linked)) return linked.value
      const execution = yield* get({ id: executionId, ownerUserId })
      if (Option.contains(execution.sandboxAttemptId, sandboxAttemptId)) return execution
      return yield* new AlreadyExists({
        entity: "IssueWorkflowExecution",
        constraint: "issue_workflow_executions.sandbox_attempt_id"
      })
    })

  /**
   * Names which of the two references the trigger refused: it has one message for both. The sandbox is named unless the
   * workflow's owner has it, as if it did not exist, whatever the attempt is.
   */
  const nameStranger = (workflow: Statement.Fragment, { sandboxAttemptId, sandboxId }: References) => <E>(error: E) =>
    Effect.gen(function*() {
      if (!isReferenceNotFound(error) || error.reference !== ofAnotherOwner) return yield* Effect.fail(error)
      const own = sandboxId === undefined || sandboxAttemptId === undefined ? [] : yield* sql`
        SELECT 1 FROM issue_workflows AS workflow, sandboxes AS sandbox
        WHERE workflow.id = ${workflow} AND sandbox.id = ${sandboxId}
          AND sandbox.owner_user_id = coalesce(workflow.owner_user_id, sandbox.owner_user_id)`.pipe(Effect.orElseSucceed(() => []))
      const isAttempt = sandboxId === undefined || own.length > 0
      return yield* new ReferenceNotFound({ entity: error.entity, reference: isAttempt ? rules.sandboxAttemptId : rules.sandboxId })
    })

  const referencesOf = ({ sandboxAttemptId, sandboxId }: References) => [
    { field: "sandboxId", table: "sandboxes", id: Option.fromNullable(sandboxId), rule: rules.sandboxId },
    { field: "sandboxAttemptId", table: "sandbox_attempts", id: Option.fromNullable(sandboxAttemptId), rule: rules.sandboxAttemptId }
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

    findById: (by) => find(targetOf(by)).pipe(read("findById", { "execution.id": targetOf(by).id })),

    findBySandboxAttemptId: (by) => {
      const { id: attemptId, ...scope } = targetOf(by)
      return executions.first(sql`
        SELECT ${columns} FROM issue_workflow_executions WHERE sandbox_attempt_id = ${attemptId} ${ofOwner(scope)}`).pipe(
        read("findBySandboxAttemptId", { "run.id": attemptId })
      )
    },

    getById: (by) => get(targetOf(by)).pipe(read("getById", { "execution.id": targetOf(by).id })),

    list,

    stream: (filter) => Page.stream((page) => list({ ...filter, ...page })),

    start: (by) =>
      targeted("start", by).pipe(
        Effect.flatMap((target) => move(target, "running", (now) => sql`started_at = ${now}`)),
        read("start", { "execution.id": targetOf(by).id })
      ),

    succeed: (by) =>
      targeted("succeed", by).pipe(
        Effect.flatMap((target) => move(target, "succeeded", finish)),
        read("succeed", { "execution.id": targetOf(by).id })
      ),

    fail: (by) =>
      targeted("fail", by).pipe(
        Effect.flatMap((target) => move(target, "failed", finish)),
        read("fail", { "execution.id": targetOf(by).id })
      ),

    cancel: (request) =>
      input("cancel", CancelExecution)(request).pipe(
        Effect.flatMap(({ reason, ...target }) => move(target, "cancelled", (now) => sql`cancel_reason = ${reason}, ${finish(now)}`)),
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
