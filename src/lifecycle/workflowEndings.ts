/**
 * How executions and workflows end.
 */
import { Chunk, Effect, Stream } from "effect"
import type { IssueWorkflowId } from "../domain/issue-workflow/IssueWorkflow.js"
import { type IssueWorkflowExecution, IssueWorkflowExecutionId } from "../domain/issue-workflow/IssueWorkflowExecution.js"
import { storableText } from "../internal/columns.js"
import { Limit } from "../internal/expiry.js"
import { scoped } from "../internal/ownerScope.js"
import type { IssueWorkflowLifecycleService } from "./IssueWorkflowLifecycle.js"
import { CancelWorkflow, FinishExecution } from "./IssueWorkflowViews.js"
import type { WorkflowRepositories } from "./makeIssueWorkflowLifecycle.js"
import { impossible, operationsOf } from "./operation.js"

const { input, operation } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflow")

type Endings = Pick<IssueWorkflowLifecycleService, "finish" | "cancel" | "supervise">

/** Why an execution ends that nobody ended by itself. */
const workflowEnded = "the workflow has ended"
const sandboxFailed = { outcome: "failed", reason: "the sandbox has failed" } as const
const sandboxStopped = { outcome: "cancelled", reason: "the sandbox was stopped" } as const

export const makeWorkflowEndings = ({ executions, sql, workflows }: WorkflowRepositories): Endings => {
  const enders = { completed: workflows.complete, failed: workflows.fail, cancelled: workflows.cancel }

  /** Ends a workflow, and what goes on of it. */
  const endWorkflow = (id: IssueWorkflowId, to: keyof typeof enders, reason: string) =>
    Effect.gen(function*() {
      const ended = yield* enders[to](id)
      const live = yield* Stream.runCollect(executions.stream({ issueWorkflowId: id, statuses: ["queued", "running"] })).pipe(
        impossible("InvalidInput")
      )
      yield* Effect.forEach(Chunk.toReadonlyArray(live), ({ id }) => executions.cancel({ id, reason }), { discard: true }).pipe(
        impossible("NotFound", "InvalidTransition", "InvalidInput")
      )
      return ended
    })

  const endExecution = (before: IssueWorkflowExecution, { outcome, reason }: Pick<typeof FinishExecution.Type, "outcome" | "reason">) =>
    Effect.gen(function*() {
      const { id: executionId } = before
      if (outcome === "cancelled") return yield* executions.cancel({ id: executionId, reason: storableText(reason ?? "") })
      // What succeeds or fails has run.
      if (before.status === "queued") yield* executions.start(executionId)
      if (outcome === "succeeded") return yield* executions.succeed(executionId)
      if (reason !== undefined && (before.status === "queued" || before.status === "running")) yield* tellFailure(executionId, reason)
      return yield* executions.fail(executionId)
    })

  /** Before the end, so that whoever tails the events sees it. */
  const tellFailure = (executionId: IssueWorkflowExecution["id"], message: string) =>
    executions.appendEvents({ executionId, events: [{ phase: "finish", level: "error", eventType: "failed", message }] }).pipe(
      impossible("SequenceConflict", "AlreadyExists")
    )

  const finish = (request: typeof FinishExecution.Type) =>
    Effect.gen(function*() {
      const { executionId, ownerUserId, pullRequests, workflow: ending } = request
      const before = yield* executions.getById(scoped(executionId, ownerUserId))
      const execution = yield* endExecution(before, request)
      yield* Effect.forEach(pullRequests, (link) => executions.linkPullRequest({ ...link, executionId }), { discard: true })
      const workflow = ending === undefined
        ? yield* workflows.getById(before.issueWorkflowId)
        : yield* endWorkflow(before.issueWorkflowId, ending, workflowEnded)
      return { execution, workflow }
    })

  /** What has lost its sandbox: it failed or was stopped, or the attempt in it did or was asked to. */
  const lost = (limit: number) =>
    sql<{ readonly id: string; readonly failed: 0 | 1 }>`
      SELECT e.id, coalesce(a.status = 'failed', 0) OR coalesce(s.status = 'failed', 0) AS failed
      FROM issue_workflow_executions AS e
      LEFT JOIN sandbox_attempts AS a ON a.id = e.sandbox_attempt_id
      LEFT JOIN sandboxes AS s ON s.id = e.sandbox_id
      WHERE e.status IN ('queued', 'running')
        AND (a.status IN ('failed', 'cancelled') OR a.stop_requested_at IS NOT NULL OR s.status IN ('failed', 'stopped'))
      LIMIT ${limit}`

  return {
    finish: (given) =>
      Effect.flatMap(input("finish", FinishExecution)(given), (request) =>
        finish(request).pipe(operation(sql, "finish", { "execution.id": request.executionId }))),

    cancel: (given) =>
      Effect.flatMap(input("cancel", CancelWorkflow)(given), ({ id, ownerUserId, reason }) =>
        Effect.gen(function*() {
          if (ownerUserId !== undefined) yield* workflows.getForOwner({ ownerUserId, id })
          return yield* endWorkflow(id, "cancelled", reason)
        }).pipe(operation(sql, "cancel", { "workflow.id": id }))),

    supervise: ({ limit }) =>
      Effect.gen(function*() {
        const found = yield* lost(yield* input("supervise", Limit)(limit))
        for (const { failed, id } of found) {
          const before = yield* executions.getById(IssueWorkflowExecutionId.make(id, { disableValidation: true }))
          yield* endExecution(before, failed === 1 ? sandboxFailed : sandboxStopped)
        }
        return { ended: found.length }
      }).pipe(impossible("NotFound", "InvalidTransition"), operation(sql, "supervise"))
  }
}
