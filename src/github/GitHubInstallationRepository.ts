/**
 * Repositories of installations of the GitHub App.
 */
import { Schema } from "effect"
import { Count, Flag, idOf, Label, Name, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { GitHubInstallationId, ListOrder } from "./GitHubInstallation.js"
import { RepositoryId, RepositoryName } from "../source/Repository.js"

/** The id of a repository in an installation: `ghr_` and a UUIDv7 if this package generated it. */
export const GitHubInstallationRepositoryId = idOf("GitHubInstallationRepositoryId")
export type GitHubInstallationRepositoryId = typeof GitHubInstallationRepositoryId.Type

/** One row of `github_installation_repositories`. */
export class GitHubInstallationRepository extends Model.Class<GitHubInstallationRepository>(
  "GitHubInstallationRepository"
)(
  {
    id: GitHubInstallationRepositoryId,
    installationId: GitHubInstallationId,
    repositoryId: RepositoryId,
    /** GitHub's id of the repository. Unique in an installation. */
    externalRepositoryId: Name,
    owner: Name,
    name: Name,
    /** `owner/name`, the text that searches match. */
    fullName: Name,
    defaultBranch: Name,
    isPrivate: Flag,
    isArchived: Flag,
    pushedAt: OptionalTimestamp,
    /**
     * The instant of the last confirmed sync or change. Changes from an earlier instant are ignored. A sync alone keeps
     * `updatedAt`.
     */
    lastSyncedAt: OptionalTimestamp,
    createdAt: Timestamp,
    updatedAt: Timestamp,
    /** The instant of its removal from the installation. */
    removedAt: OptionalTimestamp
  },
  table({
    name: "github_installation_repositories",
    service: "GitHubInstallationRepositoryRepo",
    purpose: "The repositories of each installation, including removed ones, as of the last sync."
  })
) {}

/** Folds case as SQLite's NOCASE does: only the letters A to Z. */
const folded = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

const longestName = 1000

const duplicate = "is given twice"

/** A repository as GitHub reports it. `fullName` is `owner/name` by default. */
const reported = {
  owner: Name,
  name: RepositoryName,
  fullName: Schema.optional(Name),
  defaultBranch: Schema.optional(Name),
  isPrivate: Schema.optional(Schema.Boolean),
  isArchived: Schema.optional(Schema.Boolean),
  pushedAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtcFromSelf))
}

interface ReportedName {
  readonly owner: string
  readonly name: string
  readonly fullName?: string | undefined
}

const refuseLongName = ({ fullName, name, owner }: ReportedName) =>
  fullName !== undefined ||
  owner.length + name.length < longestName ||
  `must be up to ${longestName} characters as owner/name`

const synced = { ...reported, externalRepositoryId: Name, url: Schema.optional(Schema.NullOr(Name)) }

const SyncedRepository = Schema.Struct(synced).pipe(Schema.filter(refuseLongName))

type SyncedRepository = typeof SyncedRepository.Type

/** Refuses the first duplicate by external id or by name, with its path. */
const refuseDuplicates = (repositories: ReadonlyArray<SyncedRepository>) => {
  const ids = new Set<string>()
  const names = new Set<string>()
  for (const [index, { externalRepositoryId, name, owner }] of repositories.entries()) {
    if (ids.size === ids.add(externalRepositoryId).size) {
      return { path: [index, "externalRepositoryId"], message: duplicate }
    }
    if (names.size === names.add(JSON.stringify([folded(owner), folded(name)])).size) {
      return { path: [index, "name"], message: duplicate }
    }
  }
  return undefined
}

/**
 * All repositories of an installation, without duplicates by id or by name. In a stored repository,
 * absent fields stay unchanged and `null` clears a field. Defaults of a new one: `defaultBranch` main, `isPrivate`
 * true, `isArchived` false.
 */
export const SyncInstallationRepositories = Schema.Struct({
  installationId: GitHubInstallationId,
  repositories: Schema.Array(SyncedRepository).pipe(Schema.filter(refuseDuplicates))
})

/**
 * A change of the repositories of an installation, as GitHub reports it.
 * `added` has the form of a sync, `removed` contains GitHub's ids, and no repository is in both. `at` is the instant of
 * the change, by default now.
 */
export const ApplyInstallationChange = Schema.Struct({
  installationId: GitHubInstallationId,
  added: Schema.Array(SyncedRepository).pipe(Schema.filter(refuseDuplicates)),
  removed: Schema.Array(Name),
  at: Schema.optional(Schema.DateTimeUtcFromSelf)
}).pipe(
  Schema.filter(({ added, removed }) => {
    const removedIds = new Set(removed)
    const both = added.findIndex(({ externalRepositoryId }) => removedIds.has(externalRepositoryId))
    return both < 0 || { path: ["added", both, "externalRepositoryId"], message: "must not be in removed, too" }
  })
)

/**
 * A repository that an installation contains, as GitHub reports it. `id` is the id of a new row. `at` is the instant of
 * the report, by default now.
 */
export const UpsertInstallationRepository = Schema.Struct({
  id: Schema.optional(GitHubInstallationRepositoryId),
  installationId: GitHubInstallationId,
  ...synced,
  at: Schema.optional(Schema.DateTimeUtcFromSelf)
}).pipe(Schema.filter(refuseLongName))

/** GitHub's report of a repository, for its rows in all installations. Absent fields stay unchanged. */
export const UpdateInstallationRepository = Schema.Struct({ repositoryId: RepositoryId, ...reported }).pipe(
  Schema.filter(refuseLongName)
)

/** A repository that was deleted at GitHub, with the instant of the report. */
export const DeletedInstallationRepository = Schema.Struct({
  repositoryId: RepositoryId,
  at: Schema.DateTimeUtcFromSelf
})

/** The numbers of repositories that a sync or a change added to an installation, updated, or removed from it. */
export const SyncResult = Schema.Struct({
  /** New repositories, and removed ones that returned. */
  added: Count,
  /** Repositories that stay, with another value in at least one field. */
  updated: Count,
  removed: Count
})
export interface SyncResult extends Schema.Schema.Type<typeof SyncResult> {}

/** Filter for listing the repositories of an installation. `search` matches a part of `owner/name`. */
export const InstallationRepositoryFilter = Schema.Struct({
  installationId: GitHubInstallationId,
  search: Schema.optional(Label),
  includeRemoved: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/**
 * Filter for listing the repositories that a user can see, through any installation or through one. `search` matches a
 * part of `owner/name`. `orderBy` is `newest` by default.
 */
export const UserRepositoryFilter = Schema.Struct({
  userId: UserId,
  installationId: Schema.optional(GitHubInstallationId),
  search: Schema.optional(Label),
  orderBy: Schema.optionalWith(ListOrder, { default: () => "newest" })
})

/** A user and a repository. */
export const RepositoryUser = Schema.Struct({ userId: UserId, repositoryId: RepositoryId })

/** A user and a repository of an installation. */
export const InstallationRepositoryUser = Schema.Struct({
  userId: UserId,
  installationRepositoryId: GitHubInstallationRepositoryId
})

/** A repository of an installation by GitHub's id. */
export const InstallationRepositoryByExternalId = Schema.Struct({
  installationId: GitHubInstallationId,
  externalRepositoryId: Name
})

/** A repository of an installation by its id in this database. */
export const InstallationRepositoryByRepository = Schema.Struct({
  installationId: GitHubInstallationId,
  repositoryId: RepositoryId
})
