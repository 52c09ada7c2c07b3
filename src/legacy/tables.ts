/**
 * The predecessor's tables, in the order of the import: parent tables come before the tables that refer to them.
 */
import { Account } from "../auth/Account.js"
import { Session } from "../auth/Session.js"
import { User } from "../auth/User.js"
import { Verification } from "../auth/Verification.js"
import { WorkspaceBuildJob } from "../build-job/WorkspaceBuildJob.js"
import { IssueWorkflowExecutionEvent } from "../issue-workflow/ExecutionEvent.js"
import {
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionPullRequestLink,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult
} from "../issue-workflow/ExecutionReport.js"
import { Issue, IssuePullRequestLink } from "../issue-workflow/Issue.js"
import { IssueWorkflow } from "../issue-workflow/IssueWorkflow.js"
import { IssueWorkflowExecution } from "../issue-workflow/IssueWorkflowExecution.js"
import { PullRequest } from "../issue-workflow/PullRequest.js"
import { PackageResolutionCacheEntry } from "../package-cache/PackageResolutionCacheEntry.js"
import { Profile } from "../profile/Profile.js"
import {
  ProfileEnvVar,
  ProfileRevision,
  ProfileSecretBinding,
  ProfileSshKeyBinding,
  ProfileSshSettings
} from "../profile/ProfileRevision.js"
import { RepositoryProfile, RepositoryProfileLink, RepositoryProfileRevision } from "../profile/RepositoryProfile.js"
import { Sandbox, SandboxAttemptLink } from "../sandbox/Sandbox.js"
import { SandboxAttempt, SandboxAttemptSnapshot } from "../sandbox/SandboxAttempt.js"
import { SandboxRuntimeInstance } from "../sandbox/SandboxRuntimeInstance.js"
import { Secret, SecretVersion } from "../secret/Secret.js"
import { SshKey } from "../secret/SshKey.js"
import { GitHubInstallation, GitHubInstallationUserGrant } from "../github/GitHubInstallation.js"
import { GitHubInstallationRepository } from "../github/GitHubInstallationRepository.js"
import { defaultDeliveryAttempts, GitHubWebhookDelivery } from "../github/GitHubWebhookDelivery.js"
import { Repository } from "../source/Repository.js"
import { invalid } from "../sql/decoder.js"
import { sandboxStatus } from "./sandboxStatus.js"
import { columnName, columnsOf as modelColumns, type RowModel } from "../sql/rows.js"

type LegacyModel = RowModel<unknown> & { readonly insert: Pick<RowModel<unknown>, "ast"> }

/** A table of the predecessor, with the facts that the row model does not contain. */
export interface LegacyTable {
  readonly name: string
  readonly model: LegacyModel
  readonly key: ReadonlyArray<string>
  /** Columns that the predecessor did not have, with their values in imported rows. */
  readonly added?: Readonly<Record<string, unknown>>
  /** References to rows that are imported later. They are filled in after all rows are stored. */
  readonly later?: ReadonlyArray<string>
  /**
   * SQL conditions on the row `p` that a column refers to, by column, which keep references inside one owner as the
   * triggers do. `$column` is the value of the referring row.
   */
  readonly own?: Readonly<Record<string, string>>
  /**
   * Nullable references that must not be cleared, because null has another meaning. Without its parent, the row is
   * rejected.
   */
  readonly kept?: ReadonlyArray<string>
  /** The names of columns in the predecessor's last SQLite release, by their current names. */
  readonly formerNames?: Readonly<Record<string, string>>
  /**
   * The SQL of columns that rows of other tables determine, by column. It is evaluated when the row is stored; `$column`
   * is a value of the row.
   */
  readonly derived?: Readonly<Record<string, string>>
}

type Details = Omit<LegacyTable, "name" | "model" | "key">

const byId = (name: string, model: LegacyModel, details: Details = {}): LegacyTable => ({
  name,
  model,
  key: ["id"],
  ...details
})

const byKey = (name: string, model: LegacyModel, ...key: ReadonlyArray<string>): LegacyTable => ({ name, model, key })

const ofOwner = "p.owner_user_id = $owner_user_id"
const ownProfile = "p.profile_id IN (SELECT id FROM profiles WHERE owner_user_id = $owner_user_id)"
// A workflow may have no owner. Then the owner of the sandbox applies.
const workflowOwner = "(SELECT owner_user_id FROM issue_workflows WHERE id = $issue_workflow_id)"
const sandboxOwner = "(SELECT owner_user_id FROM sandboxes WHERE id = $sandbox_id)"

export const legacyTables: ReadonlyArray<LegacyTable> = [
  byId("user", User),
  byId("session", Session),
  byId("account", Account),
  byId("verification", Verification),
  byId("repositories", Repository, { added: { open_to_all: 0 } }),
  byId("github_app_installations", GitHubInstallation),
  byId("github_installation_repositories", GitHubInstallationRepository),
  byKey("github_installation_user_grants", GitHubInstallationUserGrant, "installation_id", "user_id"),
  byId("github_webhook_deliveries", GitHubWebhookDelivery, {
    added: {
      attempt_count: 0,
      max_attempts: defaultDeliveryAttempts,
      available_at: null,
      claimed_at: null,
      lease_expires_at: null,
      worker_id: null,
      lease_token: 0,
      lease_outcome: null,
      updated_at: null
    }
  }),
  byId("secrets", Secret),
  byId("secret_versions", SecretVersion, { added: { wrapped_data_key: null } }),
  byId("ssh_keys", SshKey),
  byId("profiles", Profile, { later: ["active_revision_id"] }),
  byId("profile_revisions", ProfileRevision),
  byId("profile_env_vars", ProfileEnvVar),
  // A binding without a version injects the latest one.
  byId("profile_secret_bindings", ProfileSecretBinding, { kept: ["secret_version_id"] }),
  byKey("profile_ssh_settings", ProfileSshSettings, "profile_revision_id"),
  byKey("profile_ssh_key_bindings", ProfileSshKeyBinding, "profile_revision_id", "ssh_key_id", "purpose"),
  byId("repository_profiles", RepositoryProfile, { later: ["active_revision_id"] }),
  byId("repository_profile_revisions", RepositoryProfileRevision),
  byId("repository_profile_profile_links", RepositoryProfileLink),
  byId("issues", Issue),
  byId("pull_requests", PullRequest),
  byKey("issue_pull_request_links", IssuePullRequestLink, "issue_id", "pull_request_id"),
  byId("sandbox_attempts", SandboxAttempt, {
    added: { stop_requested_at: null },
    later: ["retry_of_run_id"],
    own: { profile_revision_id: ownProfile, retry_of_run_id: `${ofOwner} AND p.id <> $id` }
  }),
  byKey("sandbox_attempt_snapshots", SandboxAttemptSnapshot, "run_id"),
  {
    ...byKey("sandbox_runtime_instances", SandboxRuntimeInstance, "run_id"),
    added: { stop_reason: null, inspected_at: null }
  },
  byId("oci_image_build_jobs", WorkspaceBuildJob, {
    formerNames: { executor_id: "builder_id" },
    added: {
      request_fingerprint: null,
      lease_token: 0,
      lease_outcome: null,
      cancel_reason: null,
      max_duration_ms: null,
      plan_hash: null,
      run_settled_at: null,
      // A trigger sets the owner of the attempt.
      owner_user_id: null,
      priority: 5,
      concurrency_key: null,
      concurrency_limit: null,
      starts_per_minute: null
    }
  }),
  // After the jobs and runtimes, which determine the status.
  byId("sandboxes", Sandbox, {
    added: { lifetime_ms: null, expires_at: null, idle_timeout_ms: null, last_active_at: null },
    own: { profile_revision_id: ownProfile, latest_run_id: ofOwner },
    derived: { status: sandboxStatus }
  }),
  byKey("sandbox_run_links", SandboxAttemptLink, "sandbox_id", "run_id"),
  byId("issue_workflows", IssueWorkflow, { added: { cancel_reason: null } }),
  byId("issue_workflow_executions", IssueWorkflowExecution, {
    own: {
      sandbox_id: `p.owner_user_id = coalesce(${workflowOwner}, p.owner_user_id)`,
      sandbox_attempt_id: `p.owner_user_id = coalesce(${workflowOwner}, ${sandboxOwner}, p.owner_user_id)`
    }
  }),
  byId("issue_workflow_execution_events", IssueWorkflowExecutionEvent, { added: { sanitized: 0 } }),
  byId("issue_workflow_execution_validation_results", IssueWorkflowExecutionValidationResult),
  byId("issue_workflow_execution_artifacts", IssueWorkflowExecutionArtifact),
  byId("issue_workflow_execution_diff_files", IssueWorkflowExecutionDiffFile, {
    own: { patch_artifact_id: "p.execution_id = $execution_id" }
  }),
  byKey("issue_workflow_execution_summaries", IssueWorkflowExecutionSummary, "execution_id"),
  byKey(
    "issue_workflow_execution_pull_request_links",
    IssueWorkflowExecutionPullRequestLink,
    "execution_id",
    "pull_request_id"
  ),
  byKey("package_resolution_cache_entries", PackageResolutionCacheEntry, "query")
]

/** Tables that may be missing: a deployment that stopped between two releases lacks this one. */
export const mayBeMissing: ReadonlySet<string> = new Set(["package_resolution_cache_entries"])

/** A column of this package, derived from its row model. */
export interface LegacyColumn {
  readonly name: string
  /** The field of the model. */
  readonly field: string
  readonly isRequired: boolean
  readonly isNumber: boolean
  /** Returns whether the value is valid for an INSERT. Reads accept every value that the table accepts. */
  readonly isWritable: (value: unknown) => boolean
}

/** Returns the columns of a table of this package. */
export const columnsOf = ({ model }: LegacyTable): ReadonlyArray<LegacyColumn> => {
  const written = new Map(modelColumns(model.insert).map(({ decode, name }) => [name, decode]))
  return modelColumns(model).map(({ decode, name }) => {
    const isNumber = decode(1) !== invalid
    return {
      name: columnName(name),
      field: name,
      isRequired: decode(null) === invalid,
      isNumber,
      isWritable: (value) => !isNumber || written.get(name)?.(value) !== invalid
    }
  })
}

/** Returns the columns that the predecessor had, too. */
export const columnsThere = (table: LegacyTable): ReadonlyArray<LegacyColumn> =>
  columnsOf(table).filter(({ name }) => !Object.hasOwn(table.added ?? {}, name))
