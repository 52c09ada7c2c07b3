/**
 * What the parts of `IssueWorkflowExecutionRepo` share: batches as one parameter, and how an execution is missed.
 */
import type { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { type InvalidInput, NotFound, type ReferenceNotFound } from "../../Errors.js"
import * as Batch from "../../internal/batch.js"
import { nameMissing, type Reference } from "../../internal/references.js"
import type { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"

/** A batch of one method, as `internal/batch.ts` makes it. */
export const batchOf = <A>(
  method: string,
  field: string,
  items: ReadonlyArray<A>,
  toRow: (item: A) => object
): Effect.Effect<string, InvalidInput> => Batch.batchOf(`IssueWorkflowExecutionRepo.${method}`, field, items, toRow)

/** A document inside a row of a batch: as text, so that it is stored as it was written. */
export const documentOf = (document: object | undefined): string | null =>
  document === undefined ? null : JSON.stringify(document)

const isThere = (sql: SqlClient.SqlClient, id: string) =>
  Effect.map(sql`SELECT 1 FROM issue_workflow_executions WHERE id = ${id}`, ({ length }) => length > 0)

/** That there is no such execution. */
export const executionNotFound = (id: string) => new NotFound({ entity: "IssueWorkflowExecution", id })

/** Fails with `NotFound` when there is no such execution. */
export const requireExecution = (sql: SqlClient.SqlClient, id: IssueWorkflowExecutionId) =>
  Effect.flatMap(isThere(sql, id), (found) => found ? Effect.void : Effect.fail(executionNotFound(id)))

/**
 * After a write on an execution was refused for a reference that the engine did not name: `NotFound` when it is the
 * execution that is not there, else the field that is missing.
 */
export const nameMissingOf = (sql: SqlClient.SqlClient, executionId: string, others: ReadonlyArray<Reference>) => {
  const named = nameMissing(sql, others)
  return (error: ReferenceNotFound): Effect.Effect<never, NotFound | ReferenceNotFound> =>
    error.reference !== "unknown" ? named(error) : isThere(sql, executionId).pipe(
      Effect.orElseSucceed(() => true),
      Effect.flatMap((found): Effect.Effect<never, NotFound | ReferenceNotFound> =>
        found ? named(error) : Effect.fail(executionNotFound(executionId)))
    )
}
