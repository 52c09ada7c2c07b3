/**
 * Installations of the GitHub App, and who may use them, over the tables `github_app_installations` and
 * `github_installation_user_grants`.
 *
 * What it guarantees: an installation that was deleted stays so, however late older news of it come, until somebody says
 * that it was installed again; `suspendedAt` is there only while it is suspended; a grant that was revoked counts from
 * then on for nothing, and the first revocation stands until a new grant.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { AlreadyExists, InvalidInput, InvalidTransition, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import type { Page, PageRequest } from "../sql/page.js"
import type {
  GitHubInstallation,
  GitHubInstallationId,
  GitHubInstallationStatus,
  GitHubInstallationUser,
  GitHubInstallationUserGrant,
  GrantGitHubInstallation,
  UpsertGitHubInstallation,
  UserInstallationFilter
} from "./GitHubInstallation.js"
import { make } from "./makeGitHubInstallationRepo.js"

/**
 * Methods of `GitHubInstallationRepo`.
 *
 * Methods without `userId` are internal: not for request handlers. `grantToUser` and `revokeGrant` change the rights of
 * users: they are for code that has verified the grant with GitHub.
 */
export interface GitHubInstallationService {
  /**
   * Stores what is known of an installation, in the row of its `externalInstallationId`, or in a new one, with the id if
   * one is given. What is left out stays as it is, null clears, and `installedAt` is kept once it is known.
   *
   * - A status that is given is taken, and `suspendedAt` goes with it: what is given or now for suspended, else none.
   * - A deleted one stays deleted, whatever the status; the rest is stored. With `reinstalled: true` it is active.
   *
   * Fails with `AlreadyExists` when the id is another installation's, with `InvalidInput` for a value out of shape.
   */
  readonly upsert: (
    installation: typeof UpsertGitHubInstallation.Encoded
  ) => Effect.Effect<GitHubInstallation, AlreadyExists | InvalidInput | PersistenceError>

  /** The installation, if there is one. */
  readonly findById: (id: GitHubInstallationId) => Effect.Effect<Option.Option<GitHubInstallation>, PersistenceError>

  /** The installation. Fails with `NotFound`. */
  readonly getById: (id: GitHubInstallationId) => Effect.Effect<GitHubInstallation, NotFound | PersistenceError>

  /** The installation that GitHub gave this id. Fails with `InvalidInput` for an empty id. */
  readonly findByExternalId: (
    externalInstallationId: string
  ) => Effect.Effect<Option.Option<GitHubInstallation>, InvalidInput | PersistenceError>

  /**
   * Lists the installations on which the user has a grant that is not revoked, last granted first. Suspended and deleted
   * installations are included unless `statuses` excludes them; their repositories cannot be used.
   *
   * Fails with `InvalidInput` for a malformed cursor, a limit out of range or an unknown status.
   */
  readonly listForUser: (
    request: PageRequest & typeof UserInstallationFilter.Encoded
  ) => Effect.Effect<Page<GitHubInstallation>, InvalidInput | PersistenceError>

  /** The active installations, newest first. Fails with `InvalidInput` for a foreign cursor or a limit out of range. */
  readonly listActive: (request: PageRequest) => Effect.Effect<Page<GitHubInstallation>, InvalidInput | PersistenceError>

  /**
   * Moves the installation to a status; `suspendedAt` is now for suspended, else none. One that has the status already is
   * returned as it is. To make a deleted one active is to say that it was installed again.
   *
   * Fails with `NotFound`, with `InvalidTransition` when no way leads there from its status, with `InvalidInput` for an
   * unknown status.
   */
  readonly setStatus: (
    request: { readonly id: GitHubInstallationId; readonly status: GitHubInstallationStatus }
  ) => Effect.Effect<GitHubInstallation, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Lets a user use an installation. A grant that is there is returned as it is; one that was revoked is given anew.
   *
   * Fails with `ReferenceNotFound` (`installationId`, `userId`, `grantedByUserId`) when one of them is not there, with
   * `InvalidInput` for an id out of shape.
   */
  readonly grantToUser: (
    request: typeof GrantGitHubInstallation.Encoded
  ) => Effect.Effect<GitHubInstallationUserGrant, ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Takes a grant back. One that was revoked already is returned as it is. Fails with `NotFound` when the user never had
   * one, with `InvalidInput` for an id out of shape.
   */
  readonly revokeGrant: (
    request: typeof GitHubInstallationUser.Encoded
  ) => Effect.Effect<GitHubInstallationUserGrant, NotFound | InvalidInput | PersistenceError>

  /**
   * Returns whether the user has a grant that is not revoked on the installation, and the installation is active. False
   * while it is suspended, and after it was deleted.
   *
   * Fails with `InvalidInput` for an invalid id.
   */
  readonly userHasGrant: (
    request: typeof GitHubInstallationUser.Encoded
  ) => Effect.Effect<boolean, InvalidInput | PersistenceError>

  /**
   * The grants for an installation, revoked ones too, last granted first; none when there is no such installation. Fails
   * with `InvalidInput` for a foreign cursor or a limit out of range.
   */
  readonly listGrants: (
    request: PageRequest & { readonly installationId: GitHubInstallationId }
  ) => Effect.Effect<Page<GitHubInstallationUserGrant>, InvalidInput | PersistenceError>
}

export class GitHubInstallationRepo
  extends Context.Tag("@sealant/db/GitHubInstallationRepo")<GitHubInstallationRepo, GitHubInstallationService>()
{
  /** The installations over `SqlClient`. */
  static readonly layer: Layer.Layer<GitHubInstallationRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
