/**
 * How executions and workflows end.
 */
import { Chunk, Effect, Stream } from "effect"
import type { IssueWorkflowId } from "../domain/issue-workflow/IssueWorkflow.js"
import type { IssueWorkflowExecution } from "../domain/issue-workflow/IssueWorkflowExecution.js"
import type { IssueWorkflowLifecycleService } from "./IssueWorkflowLifecycle.js"
import { CancelWorkflow, FinishExecution } from "./IssueWorkflowViews.js"
import type { WorkflowRepositories } from "./makeIssueWorkflowLifecycle.js"
import { impossible, operationsOf } from "./operation.js"

const { input, operation } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflow")

type Endings = Pick<IssueWorkflowLifecycleService, "finish" | "cancel">

/** Why an execution ends that nobody ended by itself. */
const workflowEnded = "the workflow has ended"

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

  const endExecution = (before: IssueWorkflowExecution, { outcome, reason }: typeof FinishExecution.Type) =>
    Effect.gen(function*() {
      const { id: executionId } = before
      if (outcome === "cancelled") return yield* executions.cancel({ id: executionId, reason: reason ?? "" })
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

  return {
    finish: (given) =>
      Effect.gen(function*() {
        const request = yield* input("finish", FinishExecution)(given)
        const { executionId, pullRequests, workflow: ending } = request
        const before = yield* executions.getById(executionId)
        const execution = yield* endExecution(before, request)
        yield* Effect.forEach(pullRequests, (link) => executions.linkPullRequest({ ...link, executionId }), { discard: true })
        const workflow = ending === undefined
          ? yield* workflows.getById(before.issueWorkflowId)
          : yield* endWorkflow(before.issueWorkflowId, ending, workflowEnded)
        return { execution, workflow }
      }).pipe(operation(sql, "finish", { "execution.id": given.executionId })),

    cancel: (given) =>
      Effect.gen(function*() {
        const { id, ownerUserId, reason } = yield* input("cancel", CancelWorkflow)(given)
        if (ownerUserId !== undefined) yield* workflows.getForOwner({ ownerUserId, id })
        return yield* endWorkflow(id, "cancelled", reason)
      }).pipe(operation(sql, "cancel", { "workflow.id": given.id }))
  }
}
