/**
 * Installations of the GitHub App at accounts, and the grants of users to use them.
 */
import { Schema } from "effect"
import { enumeration, existing, idOf, Label, Name, optional, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import { documentOf, Json } from "../sql/json.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { stateMachine } from "../sql/transitions.js"
import { StringMap } from "../payloads/enumerations.js"
import { UserId } from "../auth/User.js"
import { RepositoryProvider } from "../source/Repository.js"

/** The id of an installation in this database, not GitHub's: `ghi_` and a UUIDv7 if this package generated it. */
export const GitHubInstallationId = idOf("GitHubInstallationId")
export type GitHubInstallationId = typeof GitHubInstallationId.Type

/**
 * `active`: usable; `suspended`: not usable until it is unsuspended; `deleted`: uninstalled, until a reinstallation.
 */
export const GitHubInstallationStatus = enumeration("active", "suspended", "deleted")
export type GitHubInstallationStatus = typeof GitHubInstallationStatus.Type

/** The transitions of an installation. deleted → active is a reinstallation. */
export const gitHubInstallationTransitions = stateMachine(
  GitHubInstallationStatus.literals,
  {
    active: ["suspended", "deleted"],
    suspended: ["active", "deleted"],
    deleted: ["active"]
  },
  {
    active: [{ by: "GitHub", noDeadline: "GitHub decides" }],
    suspended: [{ by: "GitHub", noDeadline: "GitHub decides" }],
    deleted: [{ by: "GitHub", noDeadline: "GitHub decides" }]
  }
)

/** The type of the account that has the app. */
export const GitHubAccountType = enumeration("organization", "user")
export type GitHubAccountType = typeof GitHubAccountType.Type

/** Whether the installation contains all repositories of the account, or selected ones. */
export const GitHubRepositorySelection = enumeration("all", "selected")
export type GitHubRepositorySelection = typeof GitHubRepositorySelection.Type

/** One row of `github_app_installations`. */
export class GitHubInstallation extends Model.Class<GitHubInstallation>("GitHubInstallation")(
  {
    id: GitHubInstallationId,
    provider: RepositoryProvider,
    /** GitHub's id of the installation. Unique. */
    externalInstallationId: Name,
    externalAccountId: optional(Label),
    accountLogin: Name,
    accountType: GitHubAccountType,
    targetType: optional(GitHubAccountType),
    status: GitHubInstallationStatus,
    /** The permissions of the app, as GitHub reports them: `{ contents: "read" }`. */
    permissions: Json(StringMap),
    repositorySelection: GitHubRepositorySelection,
    /** The instant of the first installation. */
    installedAt: OptionalTimestamp,
    /** The instant of the suspension, while the installation is suspended. Absent in some imported rows. */
    suspendedAt: OptionalTimestamp,
    /** The instant of the last sync of its repositories. A sync alone keeps `updatedAt`. */
    lastSyncedAt: OptionalTimestamp,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "github_app_installations",
    service: "GitHubInstallationRepo",
    purpose: "The installations of the GitHub App, and whether they can be used.",
    states: { status: gitHubInstallationTransitions }
  })
) {}

/** One row of `github_installation_user_grants`: the grant of a user to use an installation, revoked or not. */
export class GitHubInstallationUserGrant extends Model.Class<GitHubInstallationUserGrant>(
  "GitHubInstallationUserGrant"
)(
  {
    installationId: GitHubInstallationId,
    userId: UserId,
    /** The user who granted it, if known and not deleted. */
    grantedByUserId: optional(UserId),
    grantedAt: Timestamp,
    /** The instant of the revocation. */
    revokedAt: OptionalTimestamp
  },
  table({
    name: "github_installation_user_grants",
    service: "GitHubInstallationRepo",
    purpose: "The grants of users to use installations, revoked or not: at most one for each installation and user."
  })
) {}

/**
 * The current state of an installation. Absent fields stay unchanged; `null` clears a field. Defaults of a new row:
 * `provider` github, `status` active, `permissions` empty, `repositorySelection` all, `installedAt` now.
 *
 * `reinstalled: true` makes the installation active, so any other `status` beside it is refused.
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
  installedAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtcFromSelf)),
  suspendedAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtcFromSelf)),
  lastSyncedAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtcFromSelf)),
  reinstalled: Schema.optionalWith(Schema.Boolean, { default: () => false })
}).pipe(
  Schema.filter(
    ({ reinstalled, status }) =>
      !reinstalled ||
      status === undefined ||
      status === "active" || { path: ["status"], message: "must be active if `reinstalled` is true" }
  )
)

/** Request to change the status of an installation. An absent `lastSyncedAt` stays unchanged; `null` clears it. */
export const SetGitHubInstallationStatus = Schema.Struct({
  id: existing(GitHubInstallationId),
  status: GitHubInstallationStatus,
  lastSyncedAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtcFromSelf))
})

/** The order of a list: the newest first, or by name, ignoring the case of the letters A to Z. */
export const ListOrder = Schema.Literal("newest", "name")
export type ListOrder = typeof ListOrder.Type

/**
 * Filter for listing the installations of a user. `statuses` matches installations in any of them: an empty list
 * matches none, and without it all match. `orderBy` is `newest` by default.
 */
export const UserInstallationFilter = Schema.Struct({
  userId: UserId,
  statuses: Schema.optional(Schema.Array(GitHubInstallationStatus)),
  orderBy: Schema.optionalWith(ListOrder, { default: () => "newest" })
})

/** A user and an installation. */
export const GitHubInstallationUser = Schema.Struct({ installationId: GitHubInstallationId, userId: UserId })

/** Input for granting a user the use of an installation. `grantedByUserId` is the user who grants it. */
export const GrantGitHubInstallation = Schema.Struct({
  ...GitHubInstallationUser.fields,
  grantedByUserId: Schema.optional(UserId)
})
