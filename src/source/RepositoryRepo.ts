/**
 * Repositories of source code, over the table `repositories`.
 *
 * A row is what sandboxes, issues and profiles refer to: its id is for good. What the provider calls the repository is
 * not, and rows follow it: by our id where it is given, then by the provider's id, then by owner and name, in which
 * upper and lower case are the same, as they are to the providers. So a rename and a transfer change the row, and one
 * that was deleted and made again under its name, with another id of the provider's, is the same row.
 *
 * What it guarantees: at one provider, an external id belongs to one row, and so do an owner and name, also when many
 * write at once. Where another row still holds what the written one now is called, the provider no longer confirms it:
 * it gives way. It keeps its id, all that refers to it, and its external id, by which it is found and named again when
 * the provider tells of it; its name gets `~` and a UUID, which no provider allows in a name. An external id that it
 * holds is cleared where a caller says by id that it is another row's.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import type { Page, PageRequest } from "../sql/page.js"
import { make } from "./makeRepositoryRepo.js"
import type { Repository, RepositoryByExternalId, RepositoryByName, RepositoryId, UpsertRepository } from "./Repository.js"

/**
 * Methods of `RepositoryRepo`.
 *
 * Internal: repositories are shared, and no method checks that a user may use one: not for request handlers, unless
 * `GitHubInstallationRepositoryRepo.mayUse` returned true for the repository.
 */
export interface RepositoryService {
  /**
   * Stores what is known of a repository: in the row that has the id, else the external id, else owner and name, else in
   * a new row, with the id if one is given. What is left out stays as it is, null clears. `updatedAt` moves when
   * anything but `lastSyncedAt` is something else.
   *
   * `openToAll: true` lets every user open workflows and launch sandboxes on the repository, as long as no installation
   * of the GitHub App contains it; see `RepositoryAccess`. Fails with `InvalidInput` for an invalid value.
   */
  readonly upsert: (
    repository: typeof UpsertRepository.Encoded
  ) => Effect.Effect<Repository, InvalidInput | PersistenceError>

  /** The repository, if there is one. */
  readonly findById: (id: RepositoryId) => Effect.Effect<Option.Option<Repository>, PersistenceError>

  /** The repository. Fails with `NotFound`. */
  readonly getById: (id: RepositoryId) => Effect.Effect<Repository, NotFound | PersistenceError>

  /** The repository that the provider gave this id. Fails with `InvalidInput` for an empty id or an unknown provider. */
  readonly findByExternalId: (
    request: typeof RepositoryByExternalId.Encoded
  ) => Effect.Effect<Option.Option<Repository>, InvalidInput | PersistenceError>

  /**
   * The repository of this name, in upper or lower case. Fails with `InvalidInput` for an empty name or an unknown
   * provider.
   */
  readonly findByOwnerAndName: (
    request: typeof RepositoryByName.Encoded
  ) => Effect.Effect<Option.Option<Repository>, InvalidInput | PersistenceError>

  /** All repositories, newest first. Fails with `InvalidInput` for a foreign cursor or a limit out of range. */
  readonly list: (request: PageRequest) => Effect.Effect<Page<Repository>, InvalidInput | PersistenceError>

  /**
   * Deletes the repository, and with it its issues, pull requests, workflows, profiles, and what installations know of
   * it. The journal records the end of active workflows and executions. Sandboxes and attempts stay, without a repository.
   * Fails with `NotFound`.
   */
  readonly delete: (id: RepositoryId) => Effect.Effect<void, NotFound | PersistenceError>
}

export class RepositoryRepo extends Context.Tag("@sealant/db/RepositoryRepo")<RepositoryRepo, RepositoryService>() {
  /** The repositories over `SqlClient`. */
  static readonly layer: Layer.Layer<RepositoryRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
