/**
 * What goes into the lifecycle of an issue workflow, and what comes out of it.
 */
import { type Option, Schema } from "effect"
import { UserId } from "../auth/User.js"
import { type AppendedEvents, AppendEvents } from "./ExecutionEvent.js"
import {
  InsertArtifacts,
  LinkExecutionPullRequest,
  ReplaceDiffFiles,
  ReplaceValidationResults,
  UpsertSummary
} from "./ExecutionReport.js"
import type { Issue } from "./Issue.js"
import { CreateIssueWorkflow, type IssueWorkflow, IssueWorkflowFilter, IssueWorkflowId } from "./IssueWorkflow.js"
import {
  type IssueWorkflowExecution,
  IssueWorkflowExecutionId,
  IssueWorkflowExecutionTriggerType
} from "./IssueWorkflowExecution.js"
import { type Sandbox, SandboxId } from "../sandbox/Sandbox.js"
import { confinedTo, existing, Name, Prose, RawProse } from "../sql/columns.js"
import type { Page } from "../sql/page.js"
import { LaunchSandbox } from "../sandbox/SandboxViews.js"

/** The work on an issue that an owner wants begun. `repositoryId` left out means that of the issue. */
export const OpenWorkflow = Schema.Struct({ ...CreateIssueWorkflow.fields, ownerUserId: UserId })

/** A workflow that is worked on, and whether it was begun now. */
export interface OpenedWorkflow {
  readonly workflow: IssueWorkflow
  /** False when it was there already. */
  readonly created: boolean
}

/** The sandbox that is launched for an execution. Left out, the repository is that of the workflow, the trigger the issue. */
export const LaunchForExecution = LaunchSandbox.omit("ownerUserId", "idempotencyKey", "requestedByUserId", "issueId")

/**
 * A try to solve the issue of a workflow: in a sandbox that is there (`sandboxId`), in one that is launched for it
 * (`launch`), or in none so far. `triggerType` left out means manual.
 */
export const StartExecution = Schema.Struct({
  issueWorkflowId: IssueWorkflowId,
  /** Only a workflow of this user. */
  ownerUserId: confinedTo(UserId),
  id: Schema.optional(IssueWorkflowExecutionId),
  sandboxId: Schema.optional(SandboxId),
  launch: Schema.optional(LaunchForExecution),
  triggerType: Schema.optional(IssueWorkflowExecutionTriggerType),
  requestedByUserId: Schema.optional(UserId),
  /** Stands for this request on this workflow: a replay gives the first result. */
  idempotencyKey: Schema.optional(Name)
}).pipe(
  Schema.filter(({ launch, sandboxId }) =>
    launch === undefined || sandboxId === undefined || { path: ["launch"], message: "is for an execution without a sandboxId" })
)

/** An execution, and the sandbox that it is to work in. */
export interface StartedExecution {
  readonly execution: IssueWorkflowExecution
  readonly sandbox: Option.Option<Sandbox>
  /** False when an idempotency key gave an earlier one. */
  readonly created: boolean
}

/**
 * What an execution tells at once. What is left out is not touched; validation results and changed files are replaced as
 * sets, and the fields of the summary as `upsertSummary` does.
 */
export const ReportExecution = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  /** Only an execution of this user's workflow. */
  ownerUserId: confinedTo(UserId),
  /** Stands for this report of this execution: events and artifacts of a replay are not stored again. */
  idempotencyKey: Schema.optional(Name),
  events: Schema.optional(AppendEvents.fields.events),
  validationResults: Schema.optional(ReplaceValidationResults.fields.results),
  diffFiles: Schema.optional(ReplaceDiffFiles.fields.files),
  artifacts: Schema.optional(InsertArtifacts.fields.artifacts),
  summary: Schema.optional(UpsertSummary.omit("executionId"))
})

/** What became of a report. */
export interface ReportedExecution {
  readonly execution: IssueWorkflowExecution
  readonly events: AppendedEvents
}

// Each is a statement under the write lock.
export const mostPullRequests = 100

/** How an execution ended, the pull requests that it worked on, and whether its workflow ends with it. */
export const FinishExecution = Schema.Struct({
  executionId: existing(IssueWorkflowExecutionId),
  /** Only an execution of this user's workflow. */
  ownerUserId: confinedTo(UserId),
  outcome: Schema.Literal("succeeded", "failed", "cancelled"),
  /** Why it did not succeed: kept with a cancelled execution, told as the last event of a failed one. */
  reason: Schema.optional(RawProse),
  pullRequests: Schema.optionalWith(
    Schema.Array(Schema.Struct({
      pullRequestId: LinkExecutionPullRequest.fields.pullRequestId,
      relation: LinkExecutionPullRequest.fields.relation
    })).pipe(Schema.maxItems(mostPullRequests, { message: () => `must be up to ${mostPullRequests} of them` })),
    { default: () => [] }
  ),
  /** How the workflow ends; left out, it goes on. */
  workflow: Schema.optional(Schema.Literal("completed", "failed"))
}).pipe(
  Schema.filter(({ outcome, reason }) =>
    outcome !== "succeeded" || reason === undefined || { path: ["reason"], message: "is for an execution that did not succeed" })
)

/** An execution that has ended, and its workflow. */
export interface FinishedExecution {
  readonly execution: IssueWorkflowExecution
  readonly workflow: IssueWorkflow
}

/** Result of one pass of supervision over executions. */
export interface WorkflowSupervision {
  /** Executions that ended. */
  readonly ended: number
  /** Executions that could not be handled; each is logged by its id. */
  readonly failed: number
}

/** A workflow that is given up, and why. */
export const CancelWorkflow = Schema.Struct({
  id: existing(IssueWorkflowId),
  /** Only a workflow of this user. */
  ownerUserId: confinedTo(UserId),
  reason: Prose
})

/** Which workflows of an owner a list shows. Several statuses mean any of them, an empty list of them none. */
export const WorkflowViewFilter = Schema.Struct({
  ownerUserId: UserId,
  statuses: IssueWorkflowFilter.fields.statuses,
  includeArchived: IssueWorkflowFilter.fields.includeArchived
})

/** A workflow, its issue, and its newest execution. */
export interface WorkflowView {
  readonly workflow: IssueWorkflow
  readonly issue: Issue
  readonly latestExecution: Option.Option<IssueWorkflowExecution>
}

/** A workflow, its issue, and its executions, as of one moment. */
export interface WorkflowDetail {
  readonly workflow: IssueWorkflow
  readonly issue: Issue
  /** The newest 50; `IssueWorkflowExecutionRepo.list` goes on from the cursor. */
  readonly executions: Page<IssueWorkflowExecution>
}
