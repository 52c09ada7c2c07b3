/**
 * The layer of issues, pull requests, workflows and executions, and of `IssueWorkflowLifecycle`, which launches
 * sandboxes.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { IssueRepo } from "./IssueRepo.js"
import { IssueWorkflowExecutionRepo } from "./IssueWorkflowExecutionRepo.js"
import { IssueWorkflowRepo } from "./IssueWorkflowRepo.js"
import { PullRequestRepo } from "./PullRequestRepo.js"
import { IssueWorkflowLifecycle } from "./IssueWorkflowLifecycle.js"
import * as Sandboxes from "../sandbox/index.js"

export {
  AppendedEvents,
  AppendEvents,
  IssueWorkflowExecutionEnd,
  IssueWorkflowExecutionEvent,
  IssueWorkflowExecutionEventId,
  IssueWorkflowExecutionEventLevel,
  ListEvents,
  NewExecutionEvent,
  TailEvents
} from "./ExecutionEvent.js"
export {
  ArtifactFilter,
  InsertArtifacts,
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionArtifactId,
  IssueWorkflowExecutionArtifactKind,
  IssueWorkflowExecutionArtifactStorage,
  IssueWorkflowExecutionChangeType,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionDiffFileId,
  IssueWorkflowExecutionPullRequestLink,
  IssueWorkflowExecutionPullRequestRelation,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult,
  IssueWorkflowExecutionValidationResultId,
  IssueWorkflowExecutionValidationStatus,
  LinkExecutionPullRequest,
  PullRequestLinkFilter,
  ReplaceDiffFiles,
  ReplaceValidationResults,
  UpsertSummary
} from "./ExecutionReport.js"
export {
  DeletedIssue,
  Issue,
  IssueFilter,
  IssueId,
  IssuePullRequestLink,
  IssuePullRequestLinkFilter,
  IssuePullRequestRelation,
  IssueState,
  issueTransitions,
  LinkIssuePullRequest,
  TransferIssue,
  UpsertIssue
} from "./Issue.js"
export { IssueRepo, type IssueService } from "./IssueRepo.js"
export {
  CancelWorkflow,
  CreateIssueWorkflow,
  IssueWorkflow,
  IssueWorkflowFilter,
  IssueWorkflowId,
  IssueWorkflowStatus,
  issueWorkflowTransitions
} from "./IssueWorkflow.js"
export {
  CancelExecution,
  CreateExecution,
  ExecutionFilter,
  IssueWorkflowExecution,
  IssueWorkflowExecutionId,
  IssueWorkflowExecutionStatus,
  issueWorkflowExecutionTransitions,
  IssueWorkflowExecutionTriggerType,
  LinkSandboxAttempt
} from "./IssueWorkflowExecution.js"
export { IssueWorkflowExecutionKey } from "./IssueWorkflowExecutionKey.js"
export {
  ExecutionDetail,
  IssueWorkflowExecutionRepo,
  type IssueWorkflowExecutionService
} from "./IssueWorkflowExecutionRepo.js"
export { IssueWorkflowLifecycle, type IssueWorkflowLifecycleService } from "./IssueWorkflowLifecycle.js"
export { IssueWorkflowRepo, type IssueWorkflowService } from "./IssueWorkflowRepo.js"
export {
  FinishedExecution,
  FinishExecution,
  LaunchForExecution,
  OpenedWorkflow,
  OpenWorkflow,
  ReportedExecution,
  ReportExecution,
  StartedExecution,
  StartExecution,
  WorkflowDetail,
  WorkflowSupervision,
  WorkflowView,
  WorkflowViewFilter,
  AllWorkflowFilter
} from "./IssueWorkflowViews.js"
export { ByExternalId, ByNumber } from "./ProviderRow.js"
export {
  PullRequest,
  PullRequestFilter,
  PullRequestId,
  PullRequestState,
  pullRequestTransitions,
  UpsertPullRequest
} from "./PullRequest.js"
export { PullRequestRepo, type PullRequestService } from "./PullRequestRepo.js"

/** The services of the layer. */
export type Services =
  | IssueWorkflowLifecycle
  | IssueRepo
  | PullRequestRepo
  | IssueWorkflowRepo
  | IssueWorkflowExecutionRepo

/** The layer of all these services over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = IssueWorkflowLifecycle.layer.pipe(
  Layer.provide(Sandboxes.layer),
  Layer.provideMerge(
    Layer.mergeAll(IssueRepo.layer, PullRequestRepo.layer, IssueWorkflowRepo.layer, IssueWorkflowExecutionRepo.layer)
  )
)
