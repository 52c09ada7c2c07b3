/**
 * `@sealant/db`: the persistence layer of a control plane that runs AI coding agents in sandboxes. It consists of
 * Effect services over one libSQL database.
 */
export * as ControlPlane from "./ControlPlane.js"
export * as Auth from "./auth/index.js"
export * as Database from "./Database.js"
export * as GitHub from "./github/index.js"
export * as IssueWorkflows from "./issue-workflow/index.js"
export * as LegacyImport from "./LegacyImport.js"
export * as Metrics from "./Metrics.js"
export * as Migrations from "./Migrations.js"
export * as Profiles from "./profile/index.js"
export * as Maintenance from "./Maintenance.js"
export * as Retention from "./Retention.js"
export * as Sandboxes from "./sandbox/index.js"
export * as Secrets from "./secret/index.js"
export * as Source from "./source/index.js"

export {
  AlreadyExists,
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
export type { ById, OwnedId } from "./sql/ownerScope.js"
export type { Page, PageRequest } from "./sql/page.js"
export type { StateMachine } from "./sql/transitions.js"

export { Account, AccountCredential, AccountId, LinkAccount, ProviderAccount, UpdateTokens } from "./auth/Account.js"
export { AccountRepo, type AccountService } from "./auth/AccountRepo.js"
export { CreateUser, Email, EnsureUser, UpdateUser, User, UserId } from "./auth/User.js"
export { CreateSession, ExtendSession, Session, SessionId, SessionToken } from "./auth/Session.js"
export { SessionRepo, type SessionService } from "./auth/SessionRepo.js"
export { UserRepo, type UserService } from "./auth/UserRepo.js"
export { ConsumeVerification, CreateVerification, Verification, VerificationId } from "./auth/Verification.js"
export { VerificationRepo, type VerificationService } from "./auth/VerificationRepo.js"
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
} from "./github/GitHubWebhookDelivery.js"
export { GitHubWebhookDeliveryRepo, type GitHubWebhookDeliveryService } from "./github/GitHubWebhookDeliveryRepo.js"
export {
  Repository,
  RepositoryByExternalId,
  RepositoryByName,
  RepositoryId,
  RepositoryName,
  RepositoryProvider,
  UpsertRepository
} from "./source/Repository.js"
export { RepositoryAccess } from "./source/RepositoryAccess.js"
export { RepositoryRepo, type RepositoryService } from "./source/RepositoryRepo.js"
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
} from "./github/GitHubInstallation.js"
export { GitHubInstallationRepo, type GitHubInstallationService } from "./github/GitHubInstallationRepo.js"
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
} from "./github/GitHubInstallationRepository.js"
export {
  GitHubInstallationRepositoryRepo,
  type GitHubInstallationRepositoryService
} from "./github/GitHubInstallationRepositoryRepo.js"
export {
  CreateProfile,
  Profile,
  ProfileFilter,
  ProfileId,
  ProfileRevisionId,
  ProfileSlug,
  ProfileStatus,
  profileTransitions,
  UpdateProfile
} from "./profile/Profile.js"
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
} from "./profile/ProfileRevision.js"
export { ProfileRepo, type ProfileRevisionGraph, type ProfileService } from "./profile/ProfileRepo.js"
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
} from "./profile/RepositoryProfile.js"
export {
  RepositoryProfileRepo,
  type RepositoryProfileRevisionGraph,
  type RepositoryProfileService
} from "./profile/RepositoryProfileRepo.js"

export {
  AttemptLinkFilter,
  CreateSandbox,
  LinkAttempt,
  RenameSandbox,
  Sandbox,
  SandboxId,
  SandboxAttemptLink,
  SandboxAttemptRelation,
  SandboxStatus,
  sandboxTransitions,
  SetSandboxStatus
} from "./sandbox/Sandbox.js"
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
} from "./sandbox/SandboxAttempt.js"
export {
  RuntimeReport,
  SandboxRuntimeAdapter,
  SandboxRuntimeInstance,
  SandboxRuntimeStatus,
  sandboxRuntimeTransitions
} from "./sandbox/SandboxRuntimeInstance.js"
export { SandboxAttemptFilter, SandboxFilter } from "./sandbox/filters.js"
export { SandboxAttemptRepo, type SandboxAttemptService } from "./sandbox/SandboxAttemptRepo.js"
export { SandboxRepo, type SandboxService } from "./sandbox/SandboxRepo.js"
export { SandboxRuntimeInstanceRepo, type SandboxRuntimeInstanceService } from "./sandbox/SandboxRuntimeInstanceRepo.js"

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
} from "./build-job/WorkspaceBuildJob.js"
export {
  type ClaimRequest,
  WorkspaceBuildJobRepo,
  type WorkspaceBuildJobService
} from "./build-job/WorkspaceBuildJobRepo.js"

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
} from "./issue-workflow/Issue.js"
export { IssueRepo, type IssueService } from "./issue-workflow/IssueRepo.js"
export { ByExternalId, ByNumber } from "./issue-workflow/ProviderRow.js"
export {
  PullRequest,
  PullRequestFilter,
  PullRequestId,
  PullRequestState,
  pullRequestTransitions,
  UpsertPullRequest
} from "./issue-workflow/PullRequest.js"
export { PullRequestRepo, type PullRequestService } from "./issue-workflow/PullRequestRepo.js"
export {
  CancelWorkflow,
  CreateIssueWorkflow,
  IssueWorkflow,
  IssueWorkflowFilter,
  IssueWorkflowId,
  IssueWorkflowStatus,
  issueWorkflowTransitions
} from "./issue-workflow/IssueWorkflow.js"
export { IssueWorkflowRepo, type IssueWorkflowService } from "./issue-workflow/IssueWorkflowRepo.js"
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
} from "./issue-workflow/IssueWorkflowExecution.js"
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
} from "./issue-workflow/ExecutionEvent.js"
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
} from "./issue-workflow/ExecutionReport.js"
export {
  type ExecutionDetail,
  IssueWorkflowExecutionRepo,
  type IssueWorkflowExecutionService
} from "./issue-workflow/IssueWorkflowExecutionRepo.js"

export {
  EncryptionKey,
  EncryptionKeyId,
  EncryptionKeyStatus,
  encryptionKeyTransitions,
  type KeyRotation,
  type KeyStatus,
  RotateKeys
} from "./secret/EncryptionKey.js"
export {
  EncryptionKeyInUse,
  EncryptionKeyProblem,
  EncryptionKeyUnavailable,
  SecretInUse,
  SecretUnreadable
} from "./secret/errors.js"
export { type GivenKey, KeyRing, KeyRingConfigError, type KeyRingService, type RingKey } from "./secret/KeyRing.js"
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
} from "./secret/Secret.js"
export { SecretRepo, type SecretService } from "./secret/SecretRepo.js"
export { SecretVault, type SecretVaultService } from "./secret/SecretVault.js"
export { CreateSshKey, RenameSshKey, SshKey, SshKeyFilter, SshKeyId } from "./secret/SshKey.js"
export { SshKeyRepo, type SshKeyService } from "./secret/SshKeyRepo.js"

export {
  PackageCacheQuery,
  PackageResolutionCacheEntry,
  PackageResolutionKey,
  StoreResolution,
  TimeToLive
} from "./package-cache/PackageResolutionCacheEntry.js"
export {
  PackageResolutionCacheRepo,
  type PackageResolutionCacheService,
  type ResolveRequest
} from "./package-cache/PackageResolutionCacheRepo.js"

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
} from "./events/ControlPlaneEvent.js"

export { SandboxLaunchKey } from "./sandbox/SandboxLaunchKey.js"
export { IssueWorkflowExecutionKey } from "./issue-workflow/IssueWorkflowExecutionKey.js"
export { ImportedSource, ImportedTable, ImportReport, RowsOfKind } from "./legacy/ImportedSource.js"
export { ImportReject } from "./legacy/ImportReject.js"

export * as BuildWorker from "./build-job/BuildWorker.js"
export * as Supervisor from "./supervision/Supervisor.js"
export * as GitHubWebhooks from "./github/GitHubWebhooks.js"
export { actingAs, ControlPlaneEvents, type ControlPlaneEventsService } from "./events/ControlPlaneEvents.js"
export { IssueWorkflowLifecycle, type IssueWorkflowLifecycleService } from "./issue-workflow/IssueWorkflowLifecycle.js"
export {
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
} from "./issue-workflow/IssueWorkflowViews.js"
export { SandboxLifecycle, type SandboxLifecycleService } from "./sandbox/SandboxLifecycle.js"
export {
  type Build,
  BuildFailed,
  BuildFinished,
  CancelSandbox,
  DeleteSandbox,
  type Launch,
  LaunchSandbox,
  type SandboxDetail,
  SandboxStatusView,
  SandboxViewFilter,
  type SandboxView,
  type Supervision
} from "./sandbox/SandboxViews.js"
export {
  type ProcessOptions as WebhookProcessOptions,
  type RunOptions as WebhookRunOptions,
  WebhookFailure,
  type WebhookHandler,
  WebhookOutcome
} from "./github/WebhookHandler.js"
export { WebhookInbox, type WebhookInboxService } from "./github/WebhookInbox.js"

// The JSON documents of rows. They are in a separate folder because browsers import them without the engine.
export * from "./payloads/index.js"
