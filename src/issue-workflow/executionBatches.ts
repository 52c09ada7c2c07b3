/**
 * Functions that the parts of `IssueWorkflowExecutionRepo` share: batches, owner scopes, and errors for missing
 * executions.
 */
import type { SqlClient, Statement } from "@effect/sql"
import { Effect } from "effect"
import { type InvalidInput, NotFound, type ReferenceNotFound } from "../Errors.js"
import * as Batch from "../sql/batch.js"
import type { OwnerScope, Target } from "../sql/ownerScope.js"
import { resolveForeignKeyError, type Reference } from "../sql/references.js"

/** Encodes a batch of one method as one parameter. Fails as `batchOf` of `sql/batch.ts` does. */
export const batchOf = <A>(
  method: string,
  field: string,
  items: ReadonlyArray<A>,
  toRow: (item: A) => object
): Effect.Effect<string, InvalidInput> => Batch.batchOf(`IssueWorkflowExecutionRepo.${method}`, field, items, toRow)

/**
 * Builds the condition that an execution belongs to the owner, for the end of a WHERE clause over
 * `issue_workflow_executions`. Empty without an owner. The owner of an execution is the owner of its workflow.
 */
export const workflowOwnerScope =
  (sql: SqlClient.SqlClient) =>
  ({ ownerUserId }: OwnerScope): Statement.Fragment =>
    ownerUserId === undefined
      ? sql``
      : sql`AND EXISTS (
        SELECT 1 FROM issue_workflows AS workflow
        WHERE workflow.id = issue_workflow_executions.issue_workflow_id AND workflow.owner_user_id = ${ownerUserId})`

/** Builds the same condition for a statement that reads rows of this execution from another table. */
export const executionOwnerScope =
  (sql: SqlClient.SqlClient) =>
  ({ id, ownerUserId }: Target): Statement.Fragment =>
    ownerUserId === undefined
      ? sql`true`
      : sql`EXISTS (SELECT 1 FROM issue_workflow_executions WHERE id = ${id} ${workflowOwnerScope(sql)({ ownerUserId })})`

const exists = (sql: SqlClient.SqlClient, target: Target) =>
  Effect.map(
    sql`SELECT 1 FROM issue_workflow_executions WHERE id = ${target.id} ${workflowOwnerScope(sql)(target)}`,
    ({ length }) => length > 0
  )

/** Builds the error for an execution that does not exist. */
export const executionNotFound = (id: string) => new NotFound({ entity: "IssueWorkflowExecution", id })

/** Fails with `NotFound` if the execution does not exist or belongs to another owner than the target's. */
export const requireExecution = (sql: SqlClient.SqlClient, target: Target) =>
  Effect.flatMap(exists(sql, target), (found) => (found ? Effect.void : Effect.fail(executionNotFound(target.id))))

/**
 * Resolves a foreign key error of a write on an execution. Fails with `NotFound` if the execution does not exist, else
 * with `ReferenceNotFound`, with the field of the missing reference.
 */
export const resolveExecutionReferenceError = (
  sql: SqlClient.SqlClient,
  executionId: string,
  others: ReadonlyArray<Reference>
) => {
  const resolveOthers = resolveForeignKeyError(sql, () => others)
  return (error: ReferenceNotFound): Effect.Effect<never, NotFound | ReferenceNotFound> =>
    error.reference !== "unknown"
      ? resolveOthers(error)
      : exists(sql, { id: executionId }).pipe(
          Effect.orElseSucceed(() => true),
          Effect.flatMap(
            (found): Effect.Effect<never, NotFound | ReferenceNotFound> =>
              found ? resolveOthers(error) : Effect.fail(executionNotFound(executionId))
          )
        )
}
