/**
 * `@sealant/db`: the persistence layer of a control plane that runs AI coding agents in sandboxes, as Effect services
 * over one libSQL database.
 */
export * as ControlPlane from "./ControlPlane.js"
export * as Auth from "./Auth.js"
export * as Database from "./Database.js"
export * as IssueWorkflows from "./IssueWorkflows.js"
export * as LegacyImport from "./LegacyImport.js"
export * as Metrics from "./Metrics.js"
export * as Migrations from "./Migrations.js"
export * as Profiles from "./Profiles.js"
export * as Maintenance from "./Maintenance.js"
export * as Retention from "./Retention.js"
export * as Sandboxes from "./Sandboxes.js"
export * as Source from "./Source.js"

export {
  AlreadyExists,
  Forbidden,
  IdempotencyConflict,
  InvalidInput,
  InvalidTransition,
  JournalReset,
  LeaseLost,
  LeaseLostReason,
  NotFound,
  PersistenceError,
  PersistenceErrorReason,
  ReferenceNotFound,
  SequenceConflict
} from "./Errors.js"
export type { ById, OwnedId } from "./internal/ownerScope.js"
export type { Page, PageRequest } from "./internal/page.js"
export type { StateMachine } from "./internal/transitions.js"

export { Account, AccountCredential, AccountId, LinkAccount, ProviderAccount, UpdateTokens } from "./domain/auth/Account.js"
export { AccountRepo, type AccountService } from "./domain/auth/AccountRepo.js"
export { CreateUser, Email, EnsureUser, UpdateUser, User, UserId } from "./domain/auth/User.js"
export { CreateSession, ExtendSession, Session, SessionId, SessionToken } from "./domain/auth/Session.js"
export { SessionRepo, type SessionService } from "./domain/auth/SessionRepo.js"
export { UserRepo, type UserService } from "./domain/auth/UserRepo.js"
export { ConsumeVerification, CreateVerification, Verification, VerificationId } from "./domain/auth/Verification.js"
export { VerificationRepo, type VerificationService } from "./domain/auth/VerificationRepo.js"
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
  type InboxStats,
  maxPayloadBytes,
  RecordDelivery,
  WebhookLease,
  WebhookLeaseOutcome
} from "./domain/source/GitHubWebhookDelivery.js"
export { GitHubWebhookDeliveryRepo, type GitHubWebhookDeliveryService } from "./domain/source/GitHubWebhookDeliveryRepo.js"
export {
  Repository,
  RepositoryByExternalId,
  RepositoryByName,
  RepositoryId,
  RepositoryName,
  RepositoryProvider,
  UpsertRepository
} from "./domain/source/Repository.js"
export { RepositoryAccess } from "./domain/source/RepositoryAccess.js"
export { RepositoryRepo, type RepositoryService } from "./domain/source/RepositoryRepo.js"
export {
  GitHubAccountType,
  GitHubInstallation,
  GitHubInstallationId,
  GitHubInstallationStatus,
  gitHubInstallationTransitions,
  GitHubInstallationUser,
  GitHubInstallationUserGrant,
  GitHubRepositorySelection,
  GrantGitHubInstallation,
  UpsertGitHubInstallation,
  UserInstallationFilter
} from "./domain/source/GitHubInstallation.js"
export { GitHubInstallationRepo, type GitHubInstallationService } from "./domain/source/GitHubInstallationRepo.js"
export {
  GitHubInstallationRepository,
  GitHubInstallationRepositoryId,
  InstallationRepositoryByExternalId,
  InstallationRepositoryByRepository,
  InstallationRepositoryFilter,
  maxSyncedRepositories,
  RepositoryUser,
  ApplyInstallationChange,
  SyncInstallationRepositories,
  type SyncResult,
  UserRepositoryFilter
} from "./domain/source/GitHubInstallationRepository.js"
export {
  GitHubInstallationRepositoryRepo,
  type GitHubInstallationRepositoryService
} from "./domain/source/GitHubInstallationRepositoryRepo.js"
export {
  CreateProfile,
  OwnedProfile,
  Profile,
  ProfileFilter,
  ProfileId,
  ProfileRevisionId,
  ProfileSlug,
  ProfileStatus,
  profileTransitions,
  UpdateProfile
} from "./domain/profile/Profile.js"
export {
  CreateProfileRevision,
  ProfileEnvVar,
  ProfileEnvVarId,
  ProfileRevision,
  ProfileRevisionFilter,
  ProfileSecretBinding,
  ProfileSecretBindingId,
  ProfileSshKeyBinding,
  ProfileSshKeyPurpose,
  ProfileSshSettings,
  SetActiveProfileRevision
} from "./domain/profile/ProfileRevision.js"
export { ProfileRepo, type ProfileRevisionGraph, type ProfileService } from "./domain/profile/ProfileRepo.js"
export {
  CreateRepositoryProfile,
  CreateRepositoryProfileRevision,
  ReplaceLinks,
  RepositoryProfile,
  RepositoryProfileFilter,
  RepositoryProfileId,
  RepositoryProfileLink,
  RepositoryProfileLinkId,
  RepositoryProfileRevision,
  RepositoryProfileRevisionFilter,
  RepositoryProfileRevisionId,
  SetActiveRepositoryProfileRevision,
  UpdateRepositoryProfile
} from "./domain/profile/RepositoryProfile.js"
export {
  RepositoryProfileRepo,
  type RepositoryProfileRevisionGraph,
  type RepositoryProfileService
} from "./domain/profile/RepositoryProfileRepo.js"

export {
  AttemptLinkFilter,
  CreateSandbox,
  LinkAttempt,
  RenameSandbox,
  Sandbox,
  SandboxId,
  SandboxRunLink,
  SandboxRunRelation,
  SandboxStatus,
  sandboxTransitions,
  SetSandboxStatus
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
  JobState,
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
  Issue,
  IssueFilter,
  IssueId,
  IssuePullRequestLink,
  IssuePullRequestLinkFilter,
  IssuePullRequestRelation,
  IssueState,
  issueTransitions,
  LinkIssuePullRequest,
  UpsertIssue
} from "./domain/issue-workflow/Issue.js"
export { IssueRepo, type IssueService } from "./domain/issue-workflow/IssueRepo.js"
export { ByExternalId, ByNumber } from "./domain/issue-workflow/ProviderRow.js"
export {
  PullRequest,
  PullRequestFilter,
  PullRequestId,
  PullRequestState,
  pullRequestTransitions,
  UpsertPullRequest
} from "./domain/issue-workflow/PullRequest.js"
export { PullRequestRepo, type PullRequestService } from "./domain/issue-workflow/PullRequestRepo.js"
export {
  CreateIssueWorkflow,
  IssueWorkflow,
  IssueWorkflowFilter,
  IssueWorkflowId,
  IssueWorkflowStatus,
  issueWorkflowTransitions
} from "./domain/issue-workflow/IssueWorkflow.js"
export { IssueWorkflowRepo, type IssueWorkflowService } from "./domain/issue-workflow/IssueWorkflowRepo.js"
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
  IssueWorkflowExecutionEnd,
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
  EncryptionKey,
  EncryptionKeyId,
  EncryptionKeyStatus,
  encryptionKeyTransitions,
  type KeyRotation,
  type KeyStatus,
  RotateKeys
} from "./domain/secret/EncryptionKey.js"
export {
  EncryptionKeyInUse,
  EncryptionKeyProblem,
  EncryptionKeyUnavailable,
  SecretInUse,
  SecretUnreadable
} from "./domain/secret/errors.js"
export { type GivenKey, KeyRing, KeyRingConfigError, type KeyRingService, type RingKey } from "./domain/secret/KeyRing.js"
export {
  CreateSecret,
  FindSecretVersion,
  maxSecretBytes,
  PutSecret,
  RenameSecret,
  RevealSecret,
  Secret,
  SecretFilter,
  SecretId,
  SecretValue,
  SecretVersion,
  SecretVersionFilter,
  SecretVersionId,
  SecretVersionMetadata,
  SecretVersionNumber
} from "./domain/secret/Secret.js"
export { SecretRepo, type SecretService } from "./domain/secret/SecretRepo.js"
export { SecretVault, type SecretVaultService } from "./domain/secret/SecretVault.js"
export { CreateSshKey, RenameSshKey, SshKey, SshKeyFilter, SshKeyId } from "./domain/secret/SshKey.js"
export { SshKeyRepo, type SshKeyService } from "./domain/secret/SshKeyRepo.js"

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
  ControlPlaneJournal,
  ControlPlaneSubjectId,
  ControlPlaneSubjectType,
  JournalEpoch,
  JournalState,
  ListSubjectEvents,
  ReadEvents,
  TailJournal
} from "./domain/control-plane/ControlPlaneEvent.js"

export { SandboxLaunchKey } from "./domain/sandbox/SandboxLaunchKey.js"
export { IssueWorkflowExecutionKey } from "./domain/issue-workflow/IssueWorkflowExecutionKey.js"
export { ImportedSource, ImportedTable, ImportReport, RowsOfKind } from "./domain/control-plane/ImportedSource.js"
export { ImportReject } from "./domain/control-plane/ImportReject.js"

export * as BuildWorker from "./lifecycle/BuildWorker.js"
export * as Supervisor from "./lifecycle/Supervisor.js"
export * as GitHubWebhooks from "./lifecycle/GitHubWebhooks.js"
export { actingAs, ControlPlaneEvents, type ControlPlaneEventsService } from "./lifecycle/ControlPlaneEvents.js"
export { IssueWorkflowLifecycle, type IssueWorkflowLifecycleService } from "./lifecycle/IssueWorkflowLifecycle.js"
export {
  CancelWorkflow,
  type FinishedExecution,
  FinishExecution,
  LaunchForExecution,
  type OpenedWorkflow,
  OpenWorkflow,
  type ReportedExecution,
  ReportExecution,
  type StartedExecution,
  StartExecution,
  type WorkflowDetail,
  type WorkflowSupervision,
  type WorkflowView,
  WorkflowViewFilter
} from "./lifecycle/IssueWorkflowViews.js"
export { SandboxLifecycle, type SandboxLifecycleService } from "./lifecycle/SandboxLifecycle.js"
export {
  type Build,
  BuildFailed,
  BuildFinished,
  DeleteSandbox,
  type Launch,
  LaunchSandbox,
  type SandboxDetail,
  SandboxStatusView,
  SandboxViewFilter,
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
