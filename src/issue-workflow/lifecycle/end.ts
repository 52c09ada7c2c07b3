/**
 * How executions and workflows end.
 */
import { Chunk, Effect, Stream } from "effect"
import { ReferenceNotFound } from "../../Errors.js"
import { type ById, scoped } from "../../sql/ownerScope.js"
import type { Access } from "../../sandbox/lifecycle/access.js"
import { makeExecutionEndings } from "./executionEndings.js"
import type { IssueWorkflowLifecycleService } from "../IssueWorkflowLifecycle.js"
import { CancelWorkflow, FinishExecution } from "../IssueWorkflowViews.js"
import type { WorkflowRepositories } from "../makeIssueWorkflowLifecycle.js"
import { impossible, operationsOf } from "../../events/operation.js"
import { workflowEnded } from "./supervise.js"

const { input, operation } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflow")

type Endings = Pick<IssueWorkflowLifecycleService, "finish" | "cancel">

export const makeWorkflowEndings = ({ executions, sql, workflows }: WorkflowRepositories, { mayLinkPullRequest }: Access): Endings => {
  const { endExecution } = makeExecutionEndings(executions)
  const enders = { completed: workflows.complete, failed: workflows.fail, cancelled: workflows.cancel }

  /** Ends a workflow, and what goes on of it. */
  const endWorkflow = (by: ById, to: keyof typeof enders, reason: string) =>
    Effect.gen(function*() {
      const ended = yield* enders[to](by)
      const live = yield* Stream.runCollect(executions.stream({ issueWorkflowId: ended.id, statuses: ["queued", "running"] })).pipe(
        impossible("InvalidInput")
      )
      yield* Effect.forEach(Chunk.toReadonlyArray(live), ({ id }) => executions.cancel({ id, reason }), { discard: true }).pipe(
        impossible("NotFound", "InvalidTransition", "InvalidInput")
      )
      return ended
    })

  /** Links the pull requests. For an owner, one of a repository that the owner may not use does not exist. */
  const linkPullRequests = ({ executionId, ownerUserId, pullRequests }: typeof FinishExecution.Type) =>
    Effect.forEach(pullRequests, (link) =>
      Effect.gen(function*() {
        if (ownerUserId !== undefined && !(yield* mayLinkPullRequest(ownerUserId, executionId, link.pullRequestId))) {
          return yield* new ReferenceNotFound({ entity: "IssueWorkflowExecutionPullRequestLink", reference: "pullRequestId" })
        }
        yield* executions.linkPullRequest({ ...link, executionId })
      }), { discard: true })

  const finish = (request: typeof FinishExecution.Type) =>
    Effect.gen(function*() {
      const { executionId, ownerUserId, workflow: ending } = request
      const before = yield* executions.getById(scoped(executionId, ownerUserId))
      const execution = yield* endExecution(before, request)
      yield* linkPullRequests(request)
      const workflow = ending === undefined
        ? yield* workflows.getById(before.issueWorkflowId)
        : yield* endWorkflow(before.issueWorkflowId, ending, workflowEnded)
      return { execution, workflow }
    })

  return {
    finish: (given) =>
      Effect.flatMap(input("finish", FinishExecution)(given), (request) =>
        finish(request).pipe(operation(sql, "finish", { "execution.id": request.executionId }))),

    cancel: (given) =>
      Effect.flatMap(input("cancel", CancelWorkflow)(given), ({ id, ownerUserId, reason }) =>
        endWorkflow(scoped(id, ownerUserId), "cancelled", reason).pipe(operation(sql, "cancel", { "workflow.id": id })))
  }
}
