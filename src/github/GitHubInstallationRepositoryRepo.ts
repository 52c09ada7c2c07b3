/**
 * Which repositories each installation of the GitHub App sees, over the table `github_installation_repositories`.
 *
 * What it guarantees: after a sync the installation sees exactly the set that was given, whatever was there before and
 * whoever else syncs; a repository keeps its ids through renames, transfers, removal and return; and each is a row of
 * `repositories`, found or made by the rules of `RepositoryRepo`, in the same transaction.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import type { Page, PageRequest } from "../sql/page.js"
import type {
  ApplyInstallationChange,
  GitHubInstallationRepository,
  GitHubInstallationRepositoryId,
  InstallationRepositoryByExternalId,
  InstallationRepositoryByRepository,
  InstallationRepositoryFilter,
  RepositoryUser,
  SyncInstallationRepositories,
  SyncResult,
  UserRepositoryFilter
} from "./GitHubInstallationRepository.js"
import { make } from "./makeGitHubInstallationRepositoryRepo.js"

/**
 * Methods of `GitHubInstallationRepositoryRepo`.
 *
 * Methods without `userId` are internal: not for request handlers.
 */
export interface GitHubInstallationRepositoryService {
  /**
   * Makes what an installation sees the set that is given, all or nothing, and its `lastSyncedAt` now. Those that are not
   * in the set are removed, and those that were and are in it again return, each with the ids that it had. Rows of
   * `repositories` are found by the external id, then by owner and name where no other one of the set has their external
   * id, and follow; those of another name give way as in `RepositoryRepo`.
   *
   * Returns how many the installation sees that it did not see before (returned ones too), sees no more, and still sees
   * as something else. Takes up to 20,000 repositories, in the same number of statements as one; other fibers run between them.
   *
   * Fails with `NotFound` when there is no such installation, with `InvalidInput` for more, for a repository that is
   * given twice by its id or its name, and for a value out of shape.
   */
  readonly sync: (
    request: typeof SyncInstallationRepositories.Encoded
  ) => Effect.Effect<SyncResult, NotFound | InvalidInput | PersistenceError>

  /**
   * Adds to what an installation sees, and takes from it, as `sync` does for the whole; the rest stays. What is known of a
   * repository of the installation since a later moment than `at` stays, too: so a change that comes late undoes no later
   * one, and no later sync. So does what `repositories` has of one since later: it is added under the name that it has
   * there. A removal of a repository that was never seen here leaves no trace, and holds off no addition.
   *
   * Returns what changed, as `sync` does. Fails with `NotFound` when there is no such installation, with `InvalidInput` for
   * more than 20,000, for a repository that is given twice or is both added and removed, and for a value out of shape.
   */
  readonly apply: (
    request: typeof ApplyInstallationChange.Encoded
  ) => Effect.Effect<SyncResult, NotFound | InvalidInput | PersistenceError>

  /**
   * The repositories that an installation sees, newest first; with `includeRemoved`, those that it saw, too. `search` is
   * looked for in `owner/name`, as it stands, in upper or lower case of the Latin letters. None when there is no such
   * installation.
   *
   * Fails with `InvalidInput` for a foreign cursor, a limit out of range, or a search of more than 1,000 characters.
   */
  readonly listForInstallation: (
    request: PageRequest & typeof InstallationRepositoryFilter.Encoded
  ) => Effect.Effect<Page<GitHubInstallationRepository>, InvalidInput | PersistenceError>

  /**
   * The repositories that a user can see: through a grant that is not revoked, an installation that is active, and not
   * removed there. Each once, as the installation sees it that came to see it last. By `repositoryId`, from the newest
   * where the ids are ours: so a repository is there once, and none is missed, also when it goes from one installation to
   * another while the list is read. `search` as in `listForInstallation`.
   *
   * Fails with `InvalidInput` for a foreign cursor, a limit out of range, or a search of more than 1,000 characters.
   */
  readonly listForUser: (
    request: PageRequest & typeof UserRepositoryFilter.Encoded
  ) => Effect.Effect<Page<GitHubInstallationRepository>, InvalidInput | PersistenceError>

  /**
   * Returns whether the user may use the repository. True in two cases:
   *
   * - The user has a grant that is not revoked on an active installation that contains the repository now.
   * - The repository is marked `openToAll`, and no installation contains it or ever contained it.
   *
   * False for a repository or a user that does not exist. With `RepositoryAccess.layer("open")`, true for every user and every
   * repository that exists. `IssueWorkflowLifecycle` and `SandboxLifecycle` apply the same rule in their transactions.
   *
   * Fails with `InvalidInput` for an invalid id.
   */
  readonly mayUse: (request: typeof RepositoryUser.Encoded) => Effect.Effect<boolean, InvalidInput | PersistenceError>

  /** The row, removed or not, if there is one. */
  readonly findById: (
    id: GitHubInstallationRepositoryId
  ) => Effect.Effect<Option.Option<GitHubInstallationRepository>, PersistenceError>

  /** The repository to which GitHub gave this id, removed or not. Fails with `InvalidInput` for an empty id. */
  readonly findByExternalId: (
    request: typeof InstallationRepositoryByExternalId.Encoded
  ) => Effect.Effect<Option.Option<GitHubInstallationRepository>, InvalidInput | PersistenceError>

  /**
   * The repository as the installation sees it, or, where it is removed, as it saw it last. Fails with `InvalidInput` for
   * an empty id.
   */
  readonly findByRepositoryId: (
    request: typeof InstallationRepositoryByRepository.Encoded
  ) => Effect.Effect<Option.Option<GitHubInstallationRepository>, InvalidInput | PersistenceError>
}

export class GitHubInstallationRepositoryRepo extends Context.Tag("@sealant/db/GitHubInstallationRepositoryRepo")<
  GitHubInstallationRepositoryRepo,
  GitHubInstallationRepositoryService
>() {
  /** The repositories of installations over `SqlClient`. */
  static readonly layer: Layer.Layer<GitHubInstallationRepositoryRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
