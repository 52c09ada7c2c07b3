/**
 * The references of an execution to its sandbox and attempt: the link to an attempt, and errors for refused references.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Statement } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { AlreadyExists, ReferenceNotFound } from "../Errors.js"
import { operations } from "../sql/operations.js"
import { isReferenceNotFound } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { resolveExecutionReferenceError, workflowOwnerScope } from "./executionBatches.js"
import { IssueWorkflowExecution, LinkSandboxAttempt } from "./IssueWorkflowExecution.js"

const { decodeInput, orNotFound, traced } = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecution")

/** The message of the trigger that refuses both references. */
const ofAnotherOwner = "issue_workflow_executions: a sandbox or attempt of another owner"

/** The message of the trigger, made specific to each reference. */
const rules = {
  sandboxId: `${ofAnotherOwner} (sandboxId)`,
  sandboxAttemptId: `${ofAnotherOwner} (sandboxAttemptId)`
}

/** The references of an execution that the trigger may refuse. */
interface SandboxReferences {
  readonly sandboxId?: string | undefined
  readonly sandboxAttemptId?: string | undefined
}

export const makeSandboxReferences = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(IssueWorkflowExecution))
  const executions = yield* rowsOf(IssueWorkflowExecution)
  const ofOwner = workflowOwnerScope(sql)

  /**
   * Resolves which of the two references the trigger refused, because it has one message for both. Names the sandbox
   * unless it belongs to the owner of the workflow, whatever the attempt is: the same error as for a missing sandbox.
   */
  const resolveOwnerError =
    (workflow: Statement.Fragment, { sandboxAttemptId, sandboxId }: SandboxReferences) =>
    <E>(error: E) =>
      Effect.gen(function* () {
        if (!isReferenceNotFound(error) || error.reference !== ofAnotherOwner) return yield* Effect.fail(error)
        const own =
          sandboxId === undefined || sandboxAttemptId === undefined
            ? []
            : yield* sql`
          SELECT 1 FROM issue_workflows AS workflow, sandboxes AS sandbox
          WHERE workflow.id = ${workflow} AND sandbox.id = ${sandboxId}
            AND sandbox.owner_user_id = coalesce(workflow.owner_user_id, sandbox.owner_user_id)`.pipe(
                Effect.orElseSucceed(() => [])
              )
        const isAttempt = sandboxId === undefined || own.length > 0
        const reference = isAttempt ? rules.sandboxAttemptId : rules.sandboxId
        return yield* new ReferenceNotFound({ entity: error.entity, reference })
      })

  /** Returns the two references, as `resolveForeignKeyError` expects them. */
  const referencesOf = ({ sandboxAttemptId, sandboxId }: SandboxReferences) => [
    { field: "sandboxId", table: "sandboxes", id: Option.fromNullable(sandboxId), rule: rules.sandboxId },
    {
      field: "sandboxAttemptId",
      table: "sandbox_attempts",
      id: Option.fromNullable(sandboxAttemptId),
      rule: rules.sandboxAttemptId
    }
  ]

  const linkAttempt = ({ executionId, ownerUserId, sandboxAttemptId, sandboxId }: typeof LinkSandboxAttempt.Type) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const linked = yield* executions.findOne(sql`
        UPDATE issue_workflow_executions SET
          sandbox_attempt_id = ${sandboxAttemptId},
          sandbox_id = coalesce(
            ${sandboxId ?? null}, (SELECT sandbox_id FROM sandbox_run_links WHERE run_id = ${sandboxAttemptId}), sandbox_id),
          updated_at = ${now}
        WHERE id = ${executionId} ${ofOwner({ ownerUserId })} AND sandbox_attempt_id IS NOT ${sandboxAttemptId}
          AND (sandbox_attempt_id IS NULL OR finished_at IS NULL)
        RETURNING ${columns}`)
      if (Option.isSome(linked)) return linked.value
      const execution = yield* executions
        .findOne(sql`
        SELECT ${columns} FROM issue_workflow_executions WHERE id = ${executionId} ${ofOwner({ ownerUserId })}`)
        .pipe(Effect.flatMap(orNotFound(executionId)))
      if (Option.contains(execution.sandboxAttemptId, sandboxAttemptId)) return execution
      return yield* new AlreadyExists({
        entity: "IssueWorkflowExecution",
        constraint: "issue_workflow_executions.sandbox_attempt_id"
      })
    })

  const linkSandboxAttempt = (request: typeof LinkSandboxAttempt.Encoded) =>
    decodeInput(
      "linkSandboxAttempt",
      LinkSandboxAttempt
    )(request).pipe(
      Effect.flatMap(linkAttempt),
      traced("linkSandboxAttempt", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], {
        "execution.id": request.executionId
      }),
      Effect.catchTag(
        "ReferenceNotFound",
        resolveOwnerError(
          sql`(SELECT issue_workflow_id FROM issue_workflow_executions WHERE id = ${request.executionId})`,
          request
        )
      ),
      Effect.catchTag(
        "ReferenceNotFound",
        resolveExecutionReferenceError(sql, request.executionId, referencesOf(request))
      )
    )

  return { linkSandboxAttempt, referencesOf, resolveOwnerError }
})
