/**
 * Secrets and their versions as they are stored, over the tables `secrets` and `secret_versions`: names and ciphertext.
 * Values are written and revealed by `SecretVault`.
 *
 * What it guarantees: a secret has one owner, for good; a name is used once among the secrets of an owner; what is
 * referred to by a profile or an SSH key is not deleted.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import type { ById, OwnedId } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import type { UserId } from "../auth/User.js"
import type { SecretInUse } from "./errors.js"
import { make } from "./makeSecretRepo.js"
import type {
  FindSecretVersion,
  RenameSecret,
  Secret,
  SecretFilter,
  SecretVersion,
  SecretVersionFilter,
  SecretVersionMetadata
} from "./Secret.js"

/**
 * Methods of `SecretRepo`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface SecretService {
  /** The secret, if it is there. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<Secret>, PersistenceError>

  /** The secret. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<Secret, NotFound | PersistenceError>

  /** The secret of this owner. Fails with `NotFound`, also when it is another owner's. */
  readonly getForOwner: (
    request: OwnedId
  ) => Effect.Effect<Secret, NotFound | PersistenceError>

  /** The secret of this name among those of the owner, archived or not. Fails with `InvalidInput` for a name that none can have. */
  readonly findByName: (
    request: { readonly ownerUserId: UserId; readonly name: string }
  ) => Effect.Effect<Option.Option<Secret>, InvalidInput | PersistenceError>

  /**
   * The secrets of an owner, newest first. Fails with `InvalidInput` for a foreign cursor, a limit out of range, or an
   * owner that is `undefined`.
   */
  readonly list: (
    request: PageRequest & typeof SecretFilter.Encoded
  ) => Effect.Effect<Page<Secret>, InvalidInput | PersistenceError>

  /**
   * The versions of a secret without their ciphertext, newest first; none when there is no such secret. Fails with
   * `InvalidInput` for a foreign cursor or a limit out of range.
   */
  readonly listVersions: (
    request: PageRequest & typeof SecretVersionFilter.Encoded
  ) => Effect.Effect<Page<SecretVersionMetadata>, InvalidInput | PersistenceError>

  /** A version with its ciphertext, the latest if none is given, if it is there. Fails with `InvalidInput` for a number that is none of a version. */
  readonly findVersion: (
    request: typeof FindSecretVersion.Encoded
  ) => Effect.Effect<Option.Option<SecretVersion>, InvalidInput | PersistenceError>

  /**
   * Gives the secret another name. Fails with `NotFound`, with `AlreadyExists` when another secret of the owner has it,
   * with `InvalidInput` for a name that is empty or too long.
   */
  readonly rename: (
    request: typeof RenameSecret.Encoded
  ) => Effect.Effect<Secret, NotFound | AlreadyExists | InvalidInput | PersistenceError>

  /**
   * Puts the secret away: lists leave it out, and it keeps its name. What refers to it finds it, and it is revealed, as
   * before. One that is put away already is returned as it is. Fails with `NotFound`.
   */
  readonly archive: (id: ById) => Effect.Effect<Secret, NotFound | PersistenceError>

  /** Takes back `archive`. A secret that is not put away is returned as it is. Fails with `NotFound`. */
  readonly restore: (id: ById) => Effect.Effect<Secret, NotFound | PersistenceError>

  /**
   * Deletes the secret with all its versions, for good. Fails with `NotFound`, and with `SecretInUse` when a revision of a
   * profile or an SSH key refers to it.
   */
  readonly delete: (id: ById) => Effect.Effect<void, NotFound | SecretInUse | PersistenceError>
}

export class SecretRepo extends Context.Tag("@sealant/db/SecretRepo")<SecretRepo, SecretService>() {
  /** The secrets over `SqlClient`. */
  static readonly layer: Layer.Layer<SecretRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
