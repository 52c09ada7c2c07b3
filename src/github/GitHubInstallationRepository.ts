/**
 * A repository as an installation of the GitHub App sees it.
 */
import { Schema } from "effect"
import { Flag, idOf, Label, Name, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { GitHubInstallationId } from "./GitHubInstallation.js"
import { RepositoryId, RepositoryName } from "../source/Repository.js"

/** The id of a repository in the cache of an installation, `ghr_` and a UUIDv7 when it is ours. */
export const GitHubInstallationRepositoryId = idOf("GitHubInstallationRepositoryId")
export type GitHubInstallationRepositoryId = typeof GitHubInstallationRepositoryId.Type

/** One row of `github_installation_repositories`. */
export class GitHubInstallationRepository
  extends Model.Class<GitHubInstallationRepository>("GitHubInstallationRepository")({
    id: GitHubInstallationRepositoryId,
    installationId: GitHubInstallationId,
    repositoryId: RepositoryId,
    /** GitHub's id of the repository: unique in an installation. */
    externalRepositoryId: Name,
    owner: Name,
    name: Name,
    /** `owner/name`: what searches look into. */
    fullName: Name,
    defaultBranch: Name,
    isPrivate: Flag,
    isArchived: Flag,
    pushedAt: OptionalTimestamp,
    /** As of when it is known that the installation sees it, or does not: what is told of an earlier moment changes nothing. Does not move `updatedAt`. */
    lastSyncedAt: OptionalTimestamp,
    createdAt: Timestamp,
    updatedAt: Timestamp,
    /** Since when the installation does not see it any more. */
    removedAt: OptionalTimestamp
  }, table({
    name: "github_installation_repositories",
    service: "GitHubInstallationRepositoryRepo",
    purpose: "Which repositories each installation sees, and once saw, as of its last sync."
  }))
{}

/** How many repositories a sync takes at most. */
export const maxSyncedRepositories = 20_000

/** Upper and lower case are one to SQLite's NOCASE in these letters only. */
const folded = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

const longestName = 1000

/** A repository as GitHub tells of it. `fullName` left out is `owner/name`. */
const SyncedRepository = Schema.Struct({
  externalRepositoryId: Name,
  owner: Name,
  name: RepositoryName,
  fullName: Schema.optional(Name),
  defaultBranch: Schema.optional(Name),
  isPrivate: Schema.optional(Schema.Boolean),
  isArchived: Schema.optional(Schema.Boolean),
  pushedAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtcFromSelf)),
  url: Schema.optional(Schema.NullOr(Name))
}).pipe(Schema.filter(({ fullName, name, owner }) =>
  fullName !== undefined || owner.length + name.length < longestName || `must be up to ${longestName} characters as owner/name`))

type SyncedRepository = typeof SyncedRepository.Type

/** Refuses too many repositories, and a second one that is the same as one before it, and says where it stands. */
const once = (repositories: ReadonlyArray<SyncedRepository>) => {
  if (repositories.length > maxSyncedRepositories) return `must be up to ${maxSyncedRepositories} repositories`
  const ids = new Set<string>()
  const names = new Set<string>()
  for (const [index, { externalRepositoryId, name, owner }] of repositories.entries()) {
    if (ids.size === ids.add(externalRepositoryId).size) return { path: [index, "externalRepositoryId"], message: "is given twice" }
    if (names.size === names.add(JSON.stringify([folded(owner), folded(name)])).size) return { path: [index, "name"], message: "is given twice" }
  }
  return undefined
}

/**
 * All repositories that an installation sees, up to 20,000, each once by its id and by its name. What is left out of a
 * repository that is known stays as it is, and null clears. For a new one, `defaultBranch` left out means main,
 * `isPrivate` true, `isArchived` false.
 */
export const SyncInstallationRepositories = Schema.Struct({
  installationId: GitHubInstallationId,
  repositories: Schema.Array(SyncedRepository).pipe(Schema.filter(once))
})

/**
 * What came to an installation and what left it, as GitHub tells it, and when: up to 20,000 each. `added` as in a sync,
 * `removed` by GitHub's ids; none is both. `at` left out means now.
 */
export const ApplyInstallationChange = Schema.Struct({
  installationId: GitHubInstallationId,
  added: Schema.Array(SyncedRepository).pipe(Schema.filter(once)),
  removed: Schema.Array(Name).pipe(
    Schema.filter((ids) => ids.length <= maxSyncedRepositories || `must be up to ${maxSyncedRepositories} ids`)
  ),
  at: Schema.optional(Schema.DateTimeUtcFromSelf)
}).pipe(Schema.filter(({ added, removed }) => {
  const left = new Set(removed)
  const both = added.findIndex(({ externalRepositoryId }) => left.has(externalRepositoryId))
  return both < 0 || { path: ["added", both, "externalRepositoryId"], message: "is removed, too" }
}))

/** What a sync changed: how many repositories an installation sees that it did not see before, or sees as something else, or sees no more. */
export interface SyncResult {
  readonly added: number
  readonly updated: number
  readonly removed: number
}

/** Whose repositories a list shows, and which: those with `search` in their `owner/name`. */
export const InstallationRepositoryFilter = Schema.Struct({
  installationId: GitHubInstallationId,
  search: Schema.optional(Label),
  includeRemoved: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/** The repositories that a user can see: those with `search` in their `owner/name`. */
export const UserRepositoryFilter = Schema.Struct({ userId: UserId, search: Schema.optional(Label) })

/** A user and a repository. */
export const RepositoryUser = Schema.Struct({ userId: UserId, repositoryId: RepositoryId })

/** A repository of an installation by GitHub's id. */
export const InstallationRepositoryByExternalId = Schema.Struct({
  installationId: GitHubInstallationId,
  externalRepositoryId: Name
})

/** A repository of an installation by our id. */
export const InstallationRepositoryByRepository = Schema.Struct({
  installationId: GitHubInstallationId,
  repositoryId: RepositoryId
})
