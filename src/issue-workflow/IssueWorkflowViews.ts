/**
 * Requests and results of `IssueWorkflowLifecycle`.
 */
import { Schema } from "effect"
import { UserId } from "../auth/User.js"
import { AppendedEvents, AppendEvents } from "./ExecutionEvent.js"
import {
  InsertArtifacts,
  LinkExecutionPullRequest,
  ReplaceDiffFiles,
  ReplaceValidationResults,
  UpsertSummary
} from "./ExecutionReport.js"
import { Issue } from "./Issue.js"
import { CreateIssueWorkflow, IssueWorkflow, IssueWorkflowFilter, IssueWorkflowId } from "./IssueWorkflow.js"
import {
  IssueWorkflowExecution,
  IssueWorkflowExecutionId,
  IssueWorkflowExecutionTriggerType
} from "./IssueWorkflowExecution.js"
import { Sandbox, SandboxId } from "../sandbox/Sandbox.js"
import { ownerScopeField, Count, existing, Name, RawProse } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { Page } from "../sql/pageSchemas.js"
import { LaunchSandbox } from "../sandbox/SandboxViews.js"

/** Request to open a workflow for an owner. `repositoryId` defaults to the repository of the issue. */
export const OpenWorkflow = Schema.Struct({ ...CreateIssueWorkflow.fields, ownerUserId: UserId })

/** The result of `open`. */
export const OpenedWorkflow = Schema.Struct({
  workflow: Model.Row(IssueWorkflow),
  /** False if the workflow existed before. */
  created: Schema.Boolean
})
export interface OpenedWorkflow extends Schema.Schema.Type<typeof OpenedWorkflow> {}

/**
 * Request to launch a sandbox for an execution. `repositoryId` defaults to the repository of the workflow,
 * `triggerType` to issue.
 */
export const LaunchForExecution = LaunchSandbox.omit(
  "id",
  "ownerUserId",
  "idempotencyKey",
  "requestedByUserId",
  "issueId"
)

/**
 * Request to start an execution: in an existing sandbox (`sandboxId`), in a new one (`launch`), or without a sandbox.
 * `triggerType` defaults to manual.
 */
export const StartExecution = Schema.Struct({
  issueWorkflowId: IssueWorkflowId,
  /** Limits the request to workflows of this user. */
  ownerUserId: ownerScopeField(UserId),
  id: Schema.optional(IssueWorkflowExecutionId),
  sandboxId: Schema.optional(SandboxId),
  launch: Schema.optional(LaunchForExecution),
  triggerType: Schema.optional(IssueWorkflowExecutionTriggerType),
  requestedByUserId: Schema.optional(UserId),
  /** Identifies the request within the workflow: a repeat returns the first result. */
  idempotencyKey: Schema.optional(Name)
}).pipe(
  Schema.filter(
    ({ launch, sandboxId }) =>
      launch === undefined ||
      sandboxId === undefined || { path: ["launch"], message: "must be omitted when sandboxId is set" }
  )
)

/** The result of `startExecution`: the execution and its sandbox. */
export const StartedExecution = Schema.Struct({
  execution: Model.Row(IssueWorkflowExecution),
  sandbox: Schema.optionalWith(Model.Row(Sandbox), { as: "Option" }),
  /** False if the idempotency key belongs to an earlier execution, which is returned. */
  created: Schema.Boolean
})
export interface StartedExecution extends Schema.Schema.Type<typeof StartedExecution> {}

/**
 * Report of an execution. Omitted parts stay unchanged. Validation results and changed files are replaced as sets; the
 * summary is updated as by `upsertSummary`.
 */
export const ReportExecution = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  /** Limits the request to executions of this user's workflows. */
  ownerUserId: ownerScopeField(UserId),
  /** Identifies the report within the execution: a repeat does not store its events and artifacts again. */
  idempotencyKey: Schema.optional(Name),
  events: Schema.optional(AppendEvents.fields.events),
  validationResults: Schema.optional(ReplaceValidationResults.fields.results),
  diffFiles: Schema.optional(ReplaceDiffFiles.fields.files),
  artifacts: Schema.optional(InsertArtifacts.fields.artifacts),
  summary: Schema.optional(UpsertSummary.omit("executionId"))
})

/** The result of `report`. */
export const ReportedExecution = Schema.Struct({ execution: Model.Row(IssueWorkflowExecution), events: AppendedEvents })
export interface ReportedExecution extends Schema.Schema.Type<typeof ReportedExecution> {}

// Each pull request is one statement under the write lock.
export const mostPullRequests = 100

/** Request to end an execution, link its pull requests, and optionally end its workflow. */
export const FinishExecution = Schema.Struct({
  executionId: existing(IssueWorkflowExecutionId),
  /** Limits the request to executions of this user's workflows. */
  ownerUserId: ownerScopeField(UserId),
  outcome: Schema.Literal("succeeded", "failed", "cancelled"),
  /** The reason: `cancelReason` of a cancelled execution, the message of the last event of a failed one. */
  reason: Schema.optional(RawProse),
  pullRequests: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({
        pullRequestId: LinkExecutionPullRequest.fields.pullRequestId,
        relation: LinkExecutionPullRequest.fields.relation
      })
    ).pipe(Schema.maxItems(mostPullRequests, { message: () => `must be up to ${mostPullRequests}` })),
    { default: () => [] }
  ),
  /** The final status of the workflow. Default: the workflow stays active. */
  workflow: Schema.optional(Schema.Literal("completed", "failed"))
}).pipe(
  Schema.filter(
    ({ outcome, reason }) =>
      outcome !== "succeeded" ||
      reason === undefined || { path: ["reason"], message: "must be omitted when the outcome is succeeded" }
  )
)

/** The result of `finish`. */
export const FinishedExecution = Schema.Struct({
  execution: Model.Row(IssueWorkflowExecution),
  workflow: Model.Row(IssueWorkflow)
})
export interface FinishedExecution extends Schema.Schema.Type<typeof FinishedExecution> {}

/** Result of one pass of supervision over executions. */
export const WorkflowSupervision = Schema.Struct({
  /** The number of executions that were ended. */
  ended: Count,
  /** The number of executions that could not be handled. Each is logged with its id. */
  failed: Count
})
export interface WorkflowSupervision extends Schema.Schema.Type<typeof WorkflowSupervision> {}

/**
 * Filter for listing the workflows of an owner. A workflow must have one of `statuses`, if set; an empty list matches
 * no workflow. `includeArchived` defaults to false.
 */
export const WorkflowViewFilter = Schema.Struct({
  ownerUserId: UserId,
  statuses: IssueWorkflowFilter.fields.statuses,
  includeArchived: IssueWorkflowFilter.fields.includeArchived
})

/** Filter for listing the workflows of all owners; see `WorkflowViewFilter`. */
export const AllWorkflowFilter = Schema.Struct({
  ...WorkflowViewFilter.fields,
  ownerUserId: ownerScopeField(UserId)
})

/** A workflow with its issue and its newest execution. */
export const WorkflowView = Schema.Struct({
  workflow: Model.Row(IssueWorkflow),
  issue: Model.Row(Issue),
  latestExecution: Schema.optionalWith(Model.Row(IssueWorkflowExecution), { as: "Option" })
})
export interface WorkflowView extends Schema.Schema.Type<typeof WorkflowView> {}

/** A consistent snapshot of a workflow, its issue and its executions. */
export const WorkflowDetail = Schema.Struct({
  workflow: Model.Row(IssueWorkflow),
  issue: Model.Row(Issue),
  /** The newest 50 executions. `IssueWorkflowExecutionRepo.list` continues from the cursor. */
  executions: Page(Model.Row(IssueWorkflowExecution))
})
export interface WorkflowDetail extends Schema.Schema.Type<typeof WorkflowDetail> {}
