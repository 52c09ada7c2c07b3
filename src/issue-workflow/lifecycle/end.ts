/**
 * Operations that end executions and workflows.
 */
import { Effect } from "effect"
import { ReferenceNotFound } from "../../Errors.js"
import { scoped } from "../../sql/ownerScope.js"
import type { Access } from "../../source/requireAccess.js"
import { makeExecutionEndings } from "./executionEndings.js"
import { CancelWorkflow, type IssueWorkflow } from "../IssueWorkflow.js"
import { FinishExecution } from "../IssueWorkflowViews.js"
import type { WorkflowRepositories } from "./repositories.js"
import { impossible, operationsOf } from "../../events/operation.js"
import { workflowEnded } from "./supervise.js"

const { decodeInput, operation } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflow")

export const makeWorkflowEndings = (
  { executions, sql, workflows }: WorkflowRepositories,
  { mayLinkPullRequest }: Access
) => {
  const { endExecution } = makeExecutionEndings(executions)
  const transitions = { completed: workflows.succeed, failed: workflows.fail }

  /** Cancels the active executions of an ended workflow. */
  const cancelExecutions = (ended: IssueWorkflow, reason: string) =>
    Effect.gen(function* () {
      const active = yield* sql<{ readonly id: string }>`
        SELECT id FROM issue_workflow_executions
        WHERE issue_workflow_id = ${ended.id} AND +status IN ('queued', 'running') ORDER BY created_at DESC, id DESC`
      yield* Effect.forEach(active, ({ id }) => executions.cancel({ id, reason }), { discard: true }).pipe(
        impossible("NotFound", "InvalidTransition", "InvalidInput")
      )
      return ended
    })

  /** Links the pull requests. With an owner, a pull request of a repository that the owner may not use is missing. */
  const linkPullRequests = ({ executionId, ownerUserId, pullRequests }: typeof FinishExecution.Type) =>
    Effect.forEach(
      pullRequests,
      (link) =>
        Effect.gen(function* () {
          if (ownerUserId !== undefined && !(yield* mayLinkPullRequest(ownerUserId, executionId, link.pullRequestId))) {
            return yield* new ReferenceNotFound({
              entity: "IssueWorkflowExecutionPullRequestLink",
              reference: "pullRequestId"
            })
          }
          yield* executions.linkPullRequest({ ...link, executionId })
        }),
      { discard: true }
    )

  const finish = (request: typeof FinishExecution.Type) =>
    Effect.gen(function* () {
      const { executionId, ownerUserId, workflow: workflowStatus } = request
      const before = yield* executions.getById(scoped(executionId, ownerUserId))
      const execution = yield* endExecution(before, request)
      yield* linkPullRequests(request)
      const workflow =
        workflowStatus === undefined
          ? yield* workflows.getById(before.issueWorkflowId)
          : yield* cancelExecutions(yield* transitions[workflowStatus](before.issueWorkflowId), workflowEnded)
      return { execution, workflow }
    })

  return {
    finish: (request: typeof FinishExecution.Encoded) =>
      Effect.flatMap(decodeInput("finish", FinishExecution)(request), (decoded) =>
        finish(decoded).pipe(operation(sql, "finish", { "execution.id": decoded.executionId }))
      ),

    cancel: (request: typeof CancelWorkflow.Encoded) =>
      Effect.flatMap(decodeInput("cancel", CancelWorkflow)(request), (decoded) =>
        workflows.cancel(decoded).pipe(
          Effect.flatMap((cancelled) => cancelExecutions(cancelled, decoded.reason)),
          operation(sql, "cancel", { "workflow.id": decoded.id })
        )
      )
  }
}
