/**
 * What the parts of `IssueWorkflowExecutionRepo` share: batches as one parameter, and how an execution is missed.
 */
import type { SqlClient, Statement } from "@effect/sql"
import { Effect } from "effect"
import { type InvalidInput, NotFound, type ReferenceNotFound } from "../Errors.js"
import * as Batch from "../sql/batch.js"
import type { OwnerScope, Target } from "../sql/ownerScope.js"
import { nameMissing, type Reference } from "../sql/references.js"

/** A batch of one method, as `sql/batch.ts` makes it. */
export const batchOf = <A>(
  method: string,
  field: string,
  items: ReadonlyArray<A>,
  toRow: (item: A) => object
): Effect.Effect<string, InvalidInput> => Batch.batchOf(`IssueWorkflowExecutionRepo.${method}`, field, items, toRow)

/** A document inside a row of a batch: as text, so that it is stored as it was written. */
export const documentOf = (document: object | undefined): string | null =>
  document === undefined ? null : JSON.stringify(document)

/**
 * Builds the condition that an execution belongs to the owner, for the end of a WHERE clause over `issue_workflow_executions`;
 * an empty fragment for any owner. The owner of an execution is the owner of its workflow.
 */
export const workflowOwnerScope = (sql: SqlClient.SqlClient) => ({ ownerUserId }: OwnerScope): Statement.Fragment =>
  ownerUserId === undefined
    ? sql``
    : sql`AND EXISTS (
        SELECT 1 FROM issue_workflows AS workflow
        WHERE workflow.id = issue_workflow_executions.issue_workflow_id AND workflow.owner_user_id = ${ownerUserId})`

/** The same over a table whose column `execution_id` is this execution. */
export const executionOwnerScope = (sql: SqlClient.SqlClient) => ({ id, ownerUserId }: Target): Statement.Fragment =>
  ownerUserId === undefined
    ? sql`true`
    : sql`EXISTS (SELECT 1 FROM issue_workflow_executions WHERE id = ${id} ${workflowOwnerScope(sql)({ ownerUserId })})`

const isThere = (sql: SqlClient.SqlClient, target: Target) =>
  Effect.map(
    sql`SELECT 1 FROM issue_workflow_executions WHERE id = ${target.id} ${workflowOwnerScope(sql)(target)}`,
    ({ length }) => length > 0
  )

/** That there is no such execution. */
export const executionNotFound = (id: string) => new NotFound({ entity: "IssueWorkflowExecution", id })

/** Fails with `NotFound` when the execution does not exist or belongs to another owner than that of the target. */
export const requireExecution = (sql: SqlClient.SqlClient, target: Target) =>
  Effect.flatMap(isThere(sql, target), (found) => found ? Effect.void : Effect.fail(executionNotFound(target.id)))

/**
 * After a write on an execution was refused for a reference that the engine did not name: `NotFound` when it is the
 * execution that is not there, else the field that is missing.
 */
export const nameMissingOf = (sql: SqlClient.SqlClient, executionId: string, others: ReadonlyArray<Reference>) => {
  const named = nameMissing(sql, others)
  return (error: ReferenceNotFound): Effect.Effect<never, NotFound | ReferenceNotFound> =>
    error.reference !== "unknown" ? named(error) : isThere(sql, { id: executionId }).pipe(
      Effect.orElseSucceed(() => true),
      Effect.flatMap((found): Effect.Effect<never, NotFound | ReferenceNotFound> =>
        found ? named(error) : Effect.fail(executionNotFound(executionId)))
    )
}
