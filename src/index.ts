/**
 * `@sealant/db`: the persistence layer of a control plane that runs AI coding agents in sandboxes, as Effect services
 * over one libSQL database.
 */
export * as Database from "./Database.js"
export * as Metrics from "./Metrics.js"
export * as Migrations from "./Migrations.js"
export * as Sandboxes from "./Sandboxes.js"

export {
  AlreadyExists,
  Forbidden,
  IdempotencyConflict,
  InvalidInput,
  InvalidTransition,
  LeaseLost,
  LeaseLostReason,
  NotFound,
  PersistenceError,
  PersistenceErrorReason,
  ReferenceNotFound,
  SequenceConflict
} from "./Errors.js"
export type { Page, PageRequest } from "./internal/page.js"
export type { StateMachine } from "./internal/transitions.js"

export { CreateUser, Email, EnsureUser, UpdateUser, User, UserId } from "./domain/auth/User.js"
export { CreateSession, ExtendSession, Session, SessionId, SessionToken } from "./domain/auth/Session.js"
export { SessionRepo, type SessionService } from "./domain/auth/SessionRepo.js"
export { UserRepo, type UserService } from "./domain/auth/UserRepo.js"
export { ConsumeVerification, CreateVerification, Verification, VerificationId } from "./domain/auth/Verification.js"
export { VerificationRepo, type VerificationService } from "./domain/auth/VerificationRepo.js"
export { IssueId } from "./domain/issue-workflow/Issue.js"
export { IssueWorkflowId } from "./domain/issue-workflow/IssueWorkflow.js"
export { PullRequestId } from "./domain/issue-workflow/PullRequest.js"
export { ProfileRevisionId } from "./domain/profile/Profile.js"
export { RepositoryProfileRevisionId } from "./domain/profile/RepositoryProfile.js"
export { RepositoryId } from "./domain/source/Repository.js"
export {
  type ClaimedDelivery,
  defaultDeliveryAttempts,
  DeliveryFailure,
  DeliveryFilter,
  GitHubWebhookDelivery,
  GitHubWebhookDeliveryId,
  GitHubWebhookDeliveryStatus,
  gitHubWebhookDeliveryTransitions,
  IgnoredDelivery,
  maxPayloadBytes,
  RecordDelivery,
  WebhookLease,
  WebhookLeaseOutcome
} from "./domain/source/GitHubWebhookDelivery.js"
export { GitHubWebhookDeliveryRepo, type GitHubWebhookDeliveryService } from "./domain/source/GitHubWebhookDeliveryRepo.js"

export {
  CreateSandbox,
  LinkAttempt,
  Sandbox,
  SandboxId,
  SandboxRunLink,
  SandboxRunRelation,
  SandboxStatus,
  sandboxTransitions
} from "./domain/sandbox/Sandbox.js"
export {
  AttemptCancellation,
  AttemptEnd,
  AttemptStart,
  QueueAttempt,
  SandboxAttempt,
  SandboxAttemptId,
  SandboxAttemptSnapshot,
  SandboxAttemptStatus,
  sandboxAttemptTransitions,
  SandboxAttemptTriggerType,
  SetSnapshot
} from "./domain/sandbox/SandboxAttempt.js"
export {
  RuntimeReport,
  SandboxRuntimeAdapter,
  SandboxRuntimeInstance,
  SandboxRuntimeStatus,
  sandboxRuntimeTransitions
} from "./domain/sandbox/SandboxRuntimeInstance.js"
export { SandboxAttemptFilter, SandboxFilter } from "./domain/sandbox/filters.js"
export { SandboxAttemptRepo, type SandboxAttemptService } from "./domain/sandbox/SandboxAttemptRepo.js"
export { SandboxRepo, type SandboxService } from "./domain/sandbox/SandboxRepo.js"
export { SandboxRuntimeInstanceRepo, type SandboxRuntimeInstanceService } from "./domain/sandbox/SandboxRuntimeInstanceRepo.js"

export {
  attemptsExhausted,
  type ClaimedJob,
  defaultMaxAttempts,
  EndedJob,
  EnqueueJob,
  JobFailure,
  JobSuccess,
  Lease,
  LeaseOutcome,
  type QueueStats,
  unreadableJob,
  WorkspaceBuildJob,
  WorkspaceBuildJobId,
  WorkspaceBuildJobStatus,
  workspaceBuildJobTransitions
} from "./domain/build-job/WorkspaceBuildJob.js"
export { type ClaimRequest, WorkspaceBuildJobRepo, type WorkspaceBuildJobService } from "./domain/build-job/WorkspaceBuildJobRepo.js"

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
} from "./domain/issue-workflow/IssueWorkflowExecution.js"
export {
  type AppendedEvents,
  AppendEvents,
  IssueWorkflowExecutionEvent,
  IssueWorkflowExecutionEventId,
  IssueWorkflowExecutionEventLevel,
  ListEvents,
  NewExecutionEvent,
  TailEvents
} from "./domain/issue-workflow/ExecutionEvent.js"
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
} from "./domain/issue-workflow/ExecutionReport.js"
export {
  type ExecutionDetail,
  IssueWorkflowExecutionRepo,
  type IssueWorkflowExecutionService
} from "./domain/issue-workflow/IssueWorkflowExecutionRepo.js"

export {
  PackageCacheQuery,
  PackageResolutionCacheEntry,
  PackageResolutionKey,
  StoreResolution,
  TimeToLive
} from "./domain/package-cache/PackageResolutionCacheEntry.js"
export {
  PackageResolutionCacheRepo,
  type PackageResolutionCacheService,
  type ResolveRequest
} from "./domain/package-cache/PackageResolutionCacheRepo.js"

export {
  Acknowledge,
  Actor,
  ControlPlaneActorType,
  ControlPlaneEvent,
  ControlPlaneEventConsumer,
  ControlPlaneSubjectId,
  ControlPlaneSubjectType,
  ListSubjectEvents,
  ReadEvents
} from "./domain/control-plane/ControlPlaneEvent.js"

export * as BuildWorker from "./lifecycle/BuildWorker.js"
export { actingAs, ControlPlaneEvents, type ControlPlaneEventsService } from "./lifecycle/ControlPlaneEvents.js"
export { SandboxLifecycle, type SandboxLifecycleService } from "./lifecycle/SandboxLifecycle.js"
export {
  type Build,
  BuildFailed,
  BuildFinished,
  type Launch,
  LaunchSandbox,
  type SandboxDetail,
  SandboxStatusView,
  type SandboxView,
  type Supervision
} from "./lifecycle/SandboxViews.js"
export {
  type ProcessOptions as WebhookProcessOptions,
  type RunOptions as WebhookRunOptions,
  WebhookFailure,
  type WebhookHandler,
  WebhookOutcome
} from "./lifecycle/WebhookHandler.js"
export { WebhookInbox, type WebhookInboxService } from "./lifecycle/WebhookInbox.js"

// The documents that rows hold. They stand in a folder of their own because browsers take them without the engine.
export * from "./payloads/index.js"
