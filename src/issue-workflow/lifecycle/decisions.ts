/**
 * The decisions of lifecycle operations on executions and workflows: rows in, changes out. Pure, and so tested without
 * a database.
 */
import { Either, Option } from "effect"
import { AlreadyExists, IdempotencyConflict, InvalidTransition, NotFound, ReferenceNotFound } from "../../Errors.js"
import { hasEnded, type Sandbox } from "../../sandbox/Sandbox.js"
import type { SandboxAttemptId } from "../../sandbox/SandboxAttempt.js"
import { isActive } from "../../sql/transitions.js"
import { type IssueWorkflow, issueWorkflowTransitions } from "../IssueWorkflow.js"
import type { FinishExecution, OpenWorkflow, StartExecution } from "../IssueWorkflowViews.js"
import { type ExecutionView, WorkflowDraft, type WorkflowEnd } from "./draft.js"
import { endActive, endExecution, type Ending, moveExecution } from "./executionEndings.js"
import type { OpenState, StartedBefore, StartState } from "./startState.js"

/** The cancel reason of an execution whose workflow has ended. */
export const workflowEnded = "the workflow has ended"

type Decided = Either.Either<WorkflowDraft, InvalidTransition>

/** Begins an execution. */
export const decideBegin = (execution: ExecutionView): Decided => {
  const draft = new WorkflowDraft()
  return Either.map(moveExecution(draft, execution, { to: "running" }), () => draft)
}

/** Begins a queued execution, because its agent has reported. */
export const decideReport = (execution: ExecutionView): WorkflowDraft => {
  const draft = new WorkflowDraft()
  if (execution.status === "queued") draft.moveExecution(execution, { to: "running" })
  return draft
}

interface Workflow {
  readonly workflow: IssueWorkflow
  /** The active executions of the workflow. */
  readonly active: ReadonlyArray<ExecutionView>
}

/** Ends a workflow, and cancels its active executions. A repeat with the same status cancels those that are left. */
const endWorkflow = (
  draft: WorkflowDraft,
  { active, workflow }: Workflow,
  end: WorkflowEnd,
  reason: string
): Decided => {
  const { id, status } = workflow
  if (status === end.to) draft.recordWorkflow(workflow)
  else if (issueWorkflowTransitions.allows(status, end.to)) draft.endWorkflow(workflow, end)
  else return Either.left(new InvalidTransition({ entity: "IssueWorkflow", id, from: status, to: end.to }))
  for (const execution of active) endActive(draft, execution, { outcome: "cancelled", reason })
  return Either.right(draft)
}

type Finish = Pick<typeof FinishExecution.Type, "outcome" | "pullRequests" | "reason" | "workflow">

/** Ends an execution, links its pull requests, and ends its workflow if requested. */
export const decideFinish = (
  { active, execution, workflow }: Workflow & { readonly execution: ExecutionView },
  { outcome, pullRequests, reason, workflow: end }: Finish
): Decided => {
  const draft = new WorkflowDraft()
  const ended = endExecution(draft, execution, { outcome, reason })
  if (Either.isLeft(ended)) return Either.left(ended.left)
  for (const link of pullRequests) draft.linkPullRequest({ ...link, executionId: execution.id })
  const others = active.filter(({ id }) => id !== execution.id)
  return end === undefined
    ? Either.right(draft)
    : endWorkflow(draft, { workflow, active: others }, { to: end }, workflowEnded)
}

/** Cancels a workflow and its active executions. */
export const decideCancel = (state: Workflow, reason: string): Decided =>
  endWorkflow(new WorkflowDraft(), state, { to: "cancelled", reason }, reason)

/** Ends an execution that no caller ends. */
export const decideLeft = (execution: ExecutionView, ending: Ending): WorkflowDraft | undefined => {
  if (!isActive(execution)) return undefined
  const draft = new WorkflowDraft()
  endActive(draft, execution, ending)
  return draft
}

/** The workflow that `open` returns, or else whether it may create one. */
export type Opening =
  | { readonly kind: "existing"; readonly workflow: IssueWorkflow }
  | { readonly kind: "new" }
  /** Another workflow has the id, or is active on the issue. Reported only to an owner who may use the issue. */
  | { readonly kind: "refused"; readonly error: AlreadyExists }

/** Finds the existing workflow of the owner, which a repeat returns. */
export const decideOpen = (
  { active, withId }: Pick<OpenState, "active" | "withId">,
  { issueId, ownerUserId }: Pick<typeof OpenWorkflow.Type, "issueId" | "ownerUserId">
): Opening => {
  const isOwn = (workflow: IssueWorkflow) =>
    Option.contains(workflow.ownerUserId, ownerUserId) && workflow.issueId === issueId
  const existing = Option.filter(
    Option.orElse(withId, () => active),
    isOwn
  )
  if (Option.isSome(existing)) return { kind: "existing", workflow: existing.value }
  if (Option.isNone(withId) && Option.isNone(active)) return { kind: "new" }
  const column = Option.isSome(withId) ? "id" : "issue_id"
  return {
    kind: "refused",
    error: new AlreadyExists({ entity: "IssueWorkflow", constraint: `issue_workflows.${column}` })
  }
}

/** An execution that was started before, or the place of a new one. */
export type Start =
  | { readonly kind: "before"; readonly started: StartedBefore }
  | {
      readonly kind: "new"
      readonly workflow: IssueWorkflow
      /** An existing sandbox, and its attempt if no execution has it. */
      readonly sandbox: Option.Option<Sandbox>
      readonly attemptId: Option.Option<SandboxAttemptId>
    }

type StartRequest = Pick<
  typeof StartExecution.Type,
  "idempotencyKey" | "issueWorkflowId" | "launch" | "ownerUserId" | "sandboxId"
>

/** Decides where an execution starts. `fingerprints` are those of the request, also of earlier releases. */
export const decideStart = (
  state: Omit<StartState, "unchanged">,
  request: StartRequest,
  fingerprints: ReadonlyArray<string>
): Either.Either<Start, NotFound | InvalidTransition | IdempotencyConflict | ReferenceNotFound> => {
  const { idempotencyKey: key, issueWorkflowId, launch, ownerUserId, sandboxId } = request
  const found = Option.filter(
    state.workflow,
    (workflow) => ownerUserId === undefined || Option.contains(workflow.ownerUserId, ownerUserId)
  )
  const missing = new NotFound({ entity: "IssueWorkflow", id: issueWorkflowId })
  if (Option.isNone(found)) return Either.left(missing)
  const workflow = found.value
  if (key !== undefined && Option.isSome(state.before)) {
    return fingerprints.includes(state.before.value.requestFingerprint)
      ? Either.right({ kind: "before", started: state.before.value })
      : Either.left(new IdempotencyConflict({ key }))
  }
  // As in `getDetail`: missing for an owner who may no longer use the repository.
  if (!state.mayUseIssue) return Either.left(missing)
  const { archivedAt, id, status } = workflow
  if (status !== "active" || Option.isSome(archivedAt)) {
    const from = Option.isSome(archivedAt) ? "archived" : status
    return Either.left(new InvalidTransition({ entity: "IssueWorkflow", id, from, to: "active" }))
  }
  if (launch !== undefined && Option.isNone(workflow.ownerUserId)) {
    return Either.left(new ReferenceNotFound({ entity: "IssueWorkflow", reference: "ownerUserId" }))
  }
  const start = { kind: "new", workflow, sandbox: Option.none(), attemptId: Option.none() } as const
  if (sandboxId === undefined) return Either.right(start)
  if (Option.isNone(state.sandbox)) {
    return Either.left(new ReferenceNotFound({ entity: "IssueWorkflowExecution", reference: "sandboxId" }))
  }
  const { latestAttemptId, status: sandboxStatus } = state.sandbox.value
  return hasEnded(sandboxStatus)
    ? Either.left(new InvalidTransition({ entity: "Sandbox", id: sandboxId, from: sandboxStatus, to: "running" }))
    : Either.right({
        ...start,
        sandbox: state.sandbox,
        attemptId: Option.filter(latestAttemptId, () => !state.isTaken)
      })
}
