/**
 * `@sealant/db`: the persistence layer of a control plane that runs AI coding agents in sandboxes. It consists of
 * Effect services over one libSQL database.
 *
 * This entry exports the services, layers, row models and errors. Inputs, filters, ids, enumerations and transitions
 * come from one subpath per feature, such as `@sealant/db/sandbox`.
 */

// The database and its operation.
export * as ControlPlane from "./ControlPlane.js"
export * as Database from "./Database.js"
export * as LegacyImport from "./LegacyImport.js"
export * as Maintenance from "./Maintenance.js"
export * as Metrics from "./Metrics.js"
export * as Migrations from "./Migrations.js"
export * as Retention from "./Retention.js"
export * as Supervisor from "./supervision/Supervisor.js"
export { ImportReject } from "./legacy/ImportReject.js"
export { ImportedSource } from "./legacy/ImportedSource.js"

// Types and errors of all services.
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
  QuotaExceeded,
  ReferenceNotFound,
  SequenceConflict
} from "./Errors.js"
export type { ById, OwnedId } from "./sql/ownerScope.js"
export type { StateMachine, Wait, Waits } from "./sql/transitions.js"
export { Row } from "./sql/model.js"
export { Page, PageRequest } from "./sql/page.js"

// Auth.
export * as Auth from "./auth/index.js"
export { Account } from "./auth/Account.js"
export { AccountRepo } from "./auth/AccountRepo.js"
export { Session } from "./auth/Session.js"
export { SessionRepo } from "./auth/SessionRepo.js"
export { User } from "./auth/User.js"
export { UserRepo } from "./auth/UserRepo.js"
export { Verification } from "./auth/Verification.js"
export { VerificationRepo } from "./auth/VerificationRepo.js"

// Secrets and SSH keys.
export * as Secrets from "./secret/index.js"
export { EncryptionKey } from "./secret/EncryptionKey.js"
export { EncryptionKeyInUse, EncryptionKeyUnavailable, SecretInUse, SecretUnreadable } from "./secret/errors.js"
export { KeyRing, KeyRingConfigError } from "./secret/KeyRing.js"
export { Secret, SecretVersion, SecretVersionMetadata } from "./secret/Secret.js"
export { SecretRepo } from "./secret/SecretRepo.js"
export { SecretVault } from "./secret/SecretVault.js"
export { SshKey } from "./secret/SshKey.js"
export { SshKeyRepo } from "./secret/SshKeyRepo.js"

// Profiles.
export * as Profiles from "./profile/index.js"
export { BuildEnvironment } from "./profile/BuildEnvironment.js"
export { Profile } from "./profile/Profile.js"
export { ProfileRepo } from "./profile/ProfileRepo.js"
export {
  ProfileEnvVar,
  ProfileRevision,
  ProfileSecretBinding,
  ProfileSshKeyBinding,
  ProfileSshSettings
} from "./profile/ProfileRevision.js"
export { RepositoryProfile, RepositoryProfileLink, RepositoryProfileRevision } from "./profile/RepositoryProfile.js"
export { RepositoryProfileRepo } from "./profile/RepositoryProfileRepo.js"

// Source repositories and GitHub.
export * as Source from "./source/index.js"
export { Repository } from "./source/Repository.js"
export { RepositoryRepo } from "./source/RepositoryRepo.js"
export * as GitHub from "./github/index.js"
export { GitHubInstallation, GitHubInstallationUserGrant } from "./github/GitHubInstallation.js"
export { GitHubInstallationRepo } from "./github/GitHubInstallationRepo.js"
export { GitHubInstallationRepository } from "./github/GitHubInstallationRepository.js"
export { GitHubInstallationRepositoryRepo } from "./github/GitHubInstallationRepositoryRepo.js"
export { GitHubWebhookDelivery } from "./github/GitHubWebhookDelivery.js"
export { GitHubWebhookDeliveryRepo } from "./github/GitHubWebhookDeliveryRepo.js"
export * as GitHubWebhooks from "./github/GitHubWebhooks.js"
export { WebhookInbox } from "./github/WebhookInbox.js"
export { WebhookInboxFlow } from "./github/WebhookInboxFlow.js"

// The cache of package resolutions.
export * as PackageCache from "./package-cache/index.js"
export { PackageResolutionCacheEntry } from "./package-cache/PackageResolutionCacheEntry.js"
export { PackageResolutionCacheRepo } from "./package-cache/PackageResolutionCacheRepo.js"

// The journal of state changes.
export * as Events from "./events/index.js"
export {
  ControlPlaneAdminEvent,
  ControlPlaneEvent,
  ControlPlaneEventConsumer,
  ControlPlaneJournal
} from "./events/ControlPlaneEvent.js"
export { ControlPlaneEvents } from "./events/ControlPlaneEvents.js"

// Build jobs.
export * as BuildJobs from "./build-job/index.js"
export * as BuildWorker from "./build-job/BuildWorker.js"
export { BuildQueueFlow, BuildQueueKey, BuildQueueLane, BuildQueuePause } from "./build-job/BuildQueue.js"
export { BuildQueueRepo } from "./build-job/BuildQueueRepo.js"
export { OwnerLimitDefaults, OwnerLimits } from "./build-job/OwnerLimits.js"
export { OwnerLimitsRepo } from "./build-job/OwnerLimitsRepo.js"
export { WorkspaceBuildJob } from "./build-job/WorkspaceBuildJob.js"
export { WorkspaceBuildJobRepo } from "./build-job/WorkspaceBuildJobRepo.js"

// Sandboxes.
export * as Sandboxes from "./sandbox/index.js"
export * as RuntimeWorker from "./sandbox/RuntimeWorker.js"
export { RuntimeTeardown } from "./sandbox/RuntimeTeardown.js"
export { RuntimeTeardownRepo } from "./sandbox/RuntimeTeardownRepo.js"
export { Sandbox, SandboxAttemptLink } from "./sandbox/Sandbox.js"
export { SandboxAttempt, SandboxAttemptSnapshot } from "./sandbox/SandboxAttempt.js"
export { SandboxAttemptRepo } from "./sandbox/SandboxAttemptRepo.js"
export { SandboxLaunchKey } from "./sandbox/SandboxLaunchKey.js"
export { SandboxLifecycle } from "./sandbox/SandboxLifecycle.js"
export { SandboxRepo } from "./sandbox/SandboxRepo.js"
export { SandboxRuntimeInstance } from "./sandbox/SandboxRuntimeInstance.js"
export { SandboxRuntimeInstanceRepo } from "./sandbox/SandboxRuntimeInstanceRepo.js"

// Issues and their workflows.
export * as IssueWorkflows from "./issue-workflow/index.js"
export { IssueWorkflowExecutionEvent, IssueWorkflowExecutionEnd } from "./issue-workflow/ExecutionEvent.js"
export {
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionPullRequestLink,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult
} from "./issue-workflow/ExecutionReport.js"
export { Issue, IssuePullRequestLink } from "./issue-workflow/Issue.js"
export { IssueRepo } from "./issue-workflow/IssueRepo.js"
export { IssueWorkflow } from "./issue-workflow/IssueWorkflow.js"
export { IssueWorkflowExecution } from "./issue-workflow/IssueWorkflowExecution.js"
export { IssueWorkflowExecutionKey } from "./issue-workflow/IssueWorkflowExecutionKey.js"
export { IssueWorkflowExecutionRepo } from "./issue-workflow/IssueWorkflowExecutionRepo.js"
export { IssueWorkflowLifecycle } from "./issue-workflow/IssueWorkflowLifecycle.js"
export { IssueWorkflowRepo } from "./issue-workflow/IssueWorkflowRepo.js"
export { PullRequest } from "./issue-workflow/PullRequest.js"
export { PullRequestRepo } from "./issue-workflow/PullRequestRepo.js"
