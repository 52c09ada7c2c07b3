/**
 * The transition that ends one execution, shared by the lifecycles of workflows and sandboxes.
 */
import { Effect } from "effect"
import type { IssueWorkflowExecution } from "../IssueWorkflowExecution.js"
import type { IssueWorkflowExecutionRepo } from "../IssueWorkflowExecutionRepo.js"
import { storableText } from "../../sql/columns.js"
import { isActive } from "../../sql/transitions.js"
import type { FinishExecution } from "../IssueWorkflowViews.js"
import { impossible } from "../../events/operation.js"

type Ending = Pick<typeof FinishExecution.Type, "outcome" | "reason">

/** The outcomes of an execution whose sandbox has ended. */
export const sandboxFailed: Ending = { outcome: "failed", reason: "the sandbox has failed" }
export const sandboxStopped: Ending = { outcome: "cancelled", reason: "the sandbox was stopped" }

export const makeExecutionEndings = (executions: IssueWorkflowExecutionRepo["Type"]) => {
  /** Appends the reason of a failure as an event. Called before the end, so that tails deliver the event. */
  const appendFailure = (executionId: IssueWorkflowExecution["id"], message: string) =>
    executions
      .appendEvents({
        executionId,
        events: [{ phase: "finish", level: "error", eventType: "failed", message }]
      })
      .pipe(impossible("SequenceConflict", "AlreadyExists"))

  /** Ends the execution. A repeat with the same outcome changes nothing. */
  const endExecution = (before: IssueWorkflowExecution, { outcome, reason }: Ending) =>
    Effect.gen(function* () {
      const { id: executionId } = before
      if (outcome === "cancelled") {
        return yield* executions.cancel({ id: executionId, reason: storableText(reason ?? "") })
      }
      // Only a running execution can succeed or fail.
      if (before.status === "queued") yield* executions.start(executionId)
      if (outcome === "succeeded") return yield* executions.succeed(executionId)
      if (reason !== undefined && isActive(before)) yield* appendFailure(executionId, reason)
      return yield* executions.fail(executionId)
    })

  return { endExecution }
}
