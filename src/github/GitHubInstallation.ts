/**
 * An installation of the GitHub App at an account, and who may use it.
 */
import { Schema } from "effect"
import { documentOf, enumeration, idOf, Json, Label, Name, optional, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { StringMap } from "../payloads/enumerations.js"
import { UserId } from "../auth/User.js"
import { RepositoryProvider } from "../source/Repository.js"

/** The id of an installation, `ghi_` and a UUIDv7 when it is ours. Not GitHub's. */
export const GitHubInstallationId = idOf("GitHubInstallationId")
export type GitHubInstallationId = typeof GitHubInstallationId.Type

/** `active`: can be used; `suspended`: for now not; `deleted`: uninstalled, until it is installed again. */
export const GitHubInstallationStatus = enumeration("active", "suspended", "deleted")
export type GitHubInstallationStatus = typeof GitHubInstallationStatus.Type

/** Where an installation can go: deleted → active is a reinstallation. */
export const gitHubInstallationTransitions = stateMachine(GitHubInstallationStatus.literals, {
  active: ["suspended", "deleted"],
  suspended: ["active", "deleted"],
  deleted: ["active"]
})

/** What kind of account has the app. */
export const GitHubAccountType = enumeration("organization", "user")
export type GitHubAccountType = typeof GitHubAccountType.Type

/** Whether the installation sees all repositories of the account, or those that were selected. */
export const GitHubRepositorySelection = enumeration("all", "selected")
export type GitHubRepositorySelection = typeof GitHubRepositorySelection.Type

/** One row of `github_app_installations`. */
export class GitHubInstallation extends Model.Class<GitHubInstallation>("GitHubInstallation")({
  id: GitHubInstallationId,
  provider: RepositoryProvider,
  /** GitHub's id of it: unique. */
  externalInstallationId: Name,
  externalAccountId: optional(Label),
  accountLogin: Name,
  accountType: GitHubAccountType,
  targetType: optional(GitHubAccountType),
  status: GitHubInstallationStatus,
  /** What the app may do, as GitHub tells it: `{ contents: "read" }`. */
  permissions: Json(StringMap),
  repositorySelection: GitHubRepositorySelection,
  /** When it was first installed. */
  installedAt: OptionalTimestamp,
  /** Since when it is suspended; not known of some rows that were carried over. */
  suspendedAt: OptionalTimestamp,
  /** When its repositories were last synced. Does not move `updatedAt`. */
  lastSyncedAt: OptionalTimestamp,
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "github_app_installations",
  service: "GitHubInstallationRepo",
  purpose: "Where the GitHub App is installed, and whether it can be used there.",
  states: { status: gitHubInstallationTransitions }
})) {}

/** One row of `github_installation_user_grants`: that a user may use an installation, or might once. */
export class GitHubInstallationUserGrant
  extends Model.Class<GitHubInstallationUserGrant>("GitHubInstallationUserGrant")({
    installationId: GitHubInstallationId,
    userId: UserId,
    /** Who gave it, where it is known and that user is still there. */
    grantedByUserId: optional(UserId),
    grantedAt: Timestamp,
    /** Since when it counts no more. */
    revokedAt: OptionalTimestamp
  }, table({
    name: "github_installation_user_grants",
    service: "GitHubInstallationRepo",
    purpose: "Which users may use an installation: at most one row for each of both, revoked or not."
  }))
{}

/**
 * What is known of an installation now. What is left out stays as it is, and null clears. For a new row, `provider` left
 * out means github, `status` active, `permissions` none, `repositorySelection` all, `installedAt` now. A reinstallation
 * makes it active, so it comes with no other status.
 */
export const UpsertGitHubInstallation = Schema.Struct({
  id: Schema.optional(GitHubInstallationId),
  provider: Schema.optional(RepositoryProvider),
  externalInstallationId: Name,
  externalAccountId: Schema.optional(Schema.NullOr(Name)),
  accountLogin: Name,
  accountType: GitHubAccountType,
  targetType: Schema.optional(Schema.NullOr(GitHubAccountType)),
  status: Schema.optional(GitHubInstallationStatus),
  permissions: Schema.optional(documentOf(StringMap)),
  repositorySelection: Schema.optional(GitHubRepositorySelection),
  installedAt: Schema.optional(Schema.DateTimeUtcFromSelf),
  suspendedAt: Schema.optional(Schema.DateTimeUtcFromSelf),
  lastSyncedAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtcFromSelf)),
  reinstalled: Schema.optionalWith(Schema.Boolean, { default: () => false })
}).pipe(
  Schema.filter(({ reinstalled, status }) =>
    !reinstalled || status === undefined || status === "active" || { path: ["status"], message: "must be active where it is reinstalled" })
)

/**
 * Filter for listing the installations of a user. Several statuses match any of them; an empty list matches none; left
 * out, all match.
 */
export const UserInstallationFilter = Schema.Struct({
  userId: UserId,
  statuses: Schema.optional(Schema.Array(GitHubInstallationStatus))
})

/** A user and an installation. */
export const GitHubInstallationUser = Schema.Struct({ installationId: GitHubInstallationId, userId: UserId })

/** That a user may use an installation, and who says so. */
export const GrantGitHubInstallation = Schema.Struct({
  ...GitHubInstallationUser.fields,
  grantedByUserId: Schema.optional(UserId)
})
