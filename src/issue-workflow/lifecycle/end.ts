/**
 * Operations that end executions and workflows.
 */
import type { SqlClient } from "@effect/sql"
import { Array, Effect, Option } from "effect"
import { NotFound, ReferenceNotFound } from "../../Errors.js"
import type { Access } from "../../source/requireAccess.js"
import type { Write } from "../../sql/writeAll.js"
import { type CorruptRow } from "../../sql/rows.js"
import { type Decision, operationsOf } from "../../events/operation.js"
import { executionNotFound } from "../executionBatches.js"
import { CancelWorkflow } from "../IssueWorkflow.js"
import { type FinishedExecution, FinishExecution } from "../IssueWorkflowViews.js"
import { decideCancel, decideFinish } from "./decisions.js"
import { makeWorkflowStates, ownExecution, ownWorkflow } from "./state.js"
import { makeWorkflowWriter } from "./writes.js"

const { decided, decodeInput } = operationsOf("IssueWorkflowLifecycle", "IssueWorkflow")

export const makeWorkflowEndings = (sql: SqlClient.SqlClient, { pullRequestGuard }: Access) =>
  Effect.map(makeWorkflowStates(sql), (states) => {
    const { decisionOf } = makeWorkflowWriter(sql)

    const finish = (request: typeof FinishExecution.Type, now: number) =>
      Effect.gen(function* () {
        const { executionId, ownerUserId, pullRequests } = request
        const state = yield* request.workflow === undefined
          ? states.ofExecution(executionId)
          : states.ofEnding(executionId)
        const execution = ownExecution(state, ownerUserId)
        if (Option.isNone(execution)) return yield* executionNotFound(executionId)
        const workflow = Option.getOrThrow(state.workflow)
        const { active } = state
        const draft = yield* decideFinish({ execution: execution.value, workflow, active }, request)
        // With an owner, a pull request of a repository that the owner may not use is missing.
        const guards = pullRequests.map(({ pullRequestId }) =>
          pullRequestGuard(ownerUserId, executionId, pullRequestId)
        )
        const decision: Decision<FinishedExecution, CorruptRow | ReferenceNotFound> = decisionOf(
          draft,
          state.unchanged,
          now,
          (written) =>
            Effect.all({ execution: written.execution(execution.value), workflow: written.workflow(workflow) }),
          { guards }
        )
        return { ...decision, refusalOf: (failed: Write) => refusedLink(guards, failed) }
      })

    const cancel = ({ id, ownerUserId, reason }: typeof CancelWorkflow.Type, now: number) =>
      Effect.gen(function* () {
        const state = yield* states.ofWorkflow(id)
        const workflow = ownWorkflow(state, ownerUserId)
        if (Option.isNone(workflow)) return yield* new NotFound({ entity: "IssueWorkflow", id })
        const { active } = state
        const draft = yield* decideCancel({ workflow: workflow.value, active }, reason)
        return decisionOf(draft, state.unchanged, now, (written) => written.workflow(workflow.value))
      })

    return {
      finish: (request: typeof FinishExecution.Encoded) =>
        Effect.flatMap(decodeInput("finish", FinishExecution)(request), (decoded) =>
          decided(sql, "finish", { "execution.id": decoded.executionId })((now) => finish(decoded, now))
        ),

      cancel: (request: typeof CancelWorkflow.Encoded) =>
        Effect.flatMap(decodeInput("cancel", CancelWorkflow)(request), (decoded) =>
          decided(sql, "cancel", { "workflow.id": decoded.id })((now) => cancel(decoded, now))
        )
    }
  })

const refusedLink = (guards: ReadonlyArray<Write>, failed: Write) =>
  Array.contains(guards, failed)
    ? Effect.fail(
        new ReferenceNotFound({ entity: "IssueWorkflowExecutionPullRequestLink", reference: "pullRequestId" })
      )
    : undefined
