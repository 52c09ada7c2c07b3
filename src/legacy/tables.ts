/**
 * The predecessor's tables, in the order in which they can be written: what is referred to comes first.
 */
import { Account } from "../domain/auth/Account.js"
import { Session } from "../domain/auth/Session.js"
import { User } from "../domain/auth/User.js"
import { Verification } from "../domain/auth/Verification.js"
import { WorkspaceBuildJob } from "../domain/build-job/WorkspaceBuildJob.js"
import { IssueWorkflowExecutionEvent } from "../domain/issue-workflow/ExecutionEvent.js"
import {
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionPullRequestLink,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult
} from "../domain/issue-workflow/ExecutionReport.js"
import { Issue, IssuePullRequestLink } from "../domain/issue-workflow/Issue.js"
import { IssueWorkflow } from "../domain/issue-workflow/IssueWorkflow.js"
import { IssueWorkflowExecution } from "../domain/issue-workflow/IssueWorkflowExecution.js"
import { PullRequest } from "../domain/issue-workflow/PullRequest.js"
import { PackageResolutionCacheEntry } from "../domain/package-cache/PackageResolutionCacheEntry.js"
import { Profile } from "../domain/profile/Profile.js"
import {
  ProfileEnvVar,
  ProfileRevision,
  ProfileSecretBinding,
  ProfileSshKeyBinding,
  ProfileSshSettings
} from "../domain/profile/ProfileRevision.js"
import { RepositoryProfile, RepositoryProfileLink, RepositoryProfileRevision } from "../domain/profile/RepositoryProfile.js"
import { Sandbox, SandboxRunLink } from "../domain/sandbox/Sandbox.js"
import { SandboxAttempt, SandboxAttemptSnapshot } from "../domain/sandbox/SandboxAttempt.js"
import { SandboxRuntimeInstance } from "../domain/sandbox/SandboxRuntimeInstance.js"
import { Secret, SecretVersion } from "../domain/secret/Secret.js"
import { SshKey } from "../domain/secret/SshKey.js"
import { GitHubInstallation, GitHubInstallationUserGrant } from "../domain/source/GitHubInstallation.js"
import { GitHubInstallationRepository } from "../domain/source/GitHubInstallationRepository.js"
import { GitHubWebhookDelivery } from "../domain/source/GitHubWebhookDelivery.js"
import { Repository } from "../domain/source/Repository.js"
import type { RowModel } from "../internal/rows.js"

/** A table of the predecessor. */
export interface LegacyTable {
  readonly name: string
  readonly model: RowModel<unknown>
  readonly key: ReadonlyArray<string>
  /** References to rows that come later: filled in when all rows are there. */
  readonly later?: ReadonlyArray<string>
}

const byId = (name: string, model: RowModel<unknown>, later: ReadonlyArray<string> = []): LegacyTable => ({ name, model, key: ["id"], later })

export const legacyTables: ReadonlyArray<LegacyTable> = [
  byId("user", User),
  byId("session", Session),
  byId("account", Account),
  byId("verification", Verification),
  byId("repositories", Repository),
  byId("github_app_installations", GitHubInstallation),
  byId("github_installation_repositories", GitHubInstallationRepository),
  { name: "github_installation_user_grants", model: GitHubInstallationUserGrant, key: ["installation_id", "user_id"] },
  byId("github_webhook_deliveries", GitHubWebhookDelivery),
  byId("secrets", Secret),
  byId("secret_versions", SecretVersion),
  byId("ssh_keys", SshKey),
  byId("profiles", Profile, ["active_revision_id"]),
  byId("profile_revisions", ProfileRevision),
  byId("profile_env_vars", ProfileEnvVar),
  byId("profile_secret_bindings", ProfileSecretBinding),
  { name: "profile_ssh_settings", model: ProfileSshSettings, key: ["profile_revision_id"] },
  { name: "profile_ssh_key_bindings", model: ProfileSshKeyBinding, key: ["profile_revision_id", "ssh_key_id", "purpose"] },
  byId("repository_profiles", RepositoryProfile, ["active_revision_id"]),
  byId("repository_profile_revisions", RepositoryProfileRevision),
  byId("repository_profile_profile_links", RepositoryProfileLink),
  byId("issues", Issue),
  byId("pull_requests", PullRequest),
  { name: "issue_pull_request_links", model: IssuePullRequestLink, key: ["issue_id", "pull_request_id"] },
  byId("sandbox_attempts", SandboxAttempt, ["retry_of_run_id"]),
  { name: "sandbox_attempt_snapshots", model: SandboxAttemptSnapshot, key: ["run_id"] },
  { name: "sandbox_runtime_instances", model: SandboxRuntimeInstance, key: ["run_id"] },
  byId("sandboxes", Sandbox),
  { name: "sandbox_run_links", model: SandboxRunLink, key: ["sandbox_id", "run_id"] },
  byId("oci_image_build_jobs", WorkspaceBuildJob),
  byId("issue_workflows", IssueWorkflow),
  byId("issue_workflow_executions", IssueWorkflowExecution),
  byId("issue_workflow_execution_events", IssueWorkflowExecutionEvent),
  byId("issue_workflow_execution_validation_results", IssueWorkflowExecutionValidationResult),
  byId("issue_workflow_execution_artifacts", IssueWorkflowExecutionArtifact),
  byId("issue_workflow_execution_diff_files", IssueWorkflowExecutionDiffFile),
  { name: "issue_workflow_execution_summaries", model: IssueWorkflowExecutionSummary, key: ["execution_id"] },
  { name: "issue_workflow_execution_pull_request_links", model: IssueWorkflowExecutionPullRequestLink, key: ["execution_id", "pull_request_id"] },
  { name: "package_resolution_cache_entries", model: PackageResolutionCacheEntry, key: ["query"] }
]

/** A deployment that once stopped between two releases lacks it. */
export const mayBeMissing: ReadonlySet<string> = new Set(["package_resolution_cache_entries"])
