/**
 * The values of secrets, and the keys that they are encrypted with, over the tables `secrets`, `secret_versions` and
 * `encryption_keys` and the keys of `KeyRing`. How values are encrypted, and how keys are changed without anybody
 * stopping, is in docs/encryption.md.
 *
 * What it guarantees:
 * - A value is stored encrypted only, under a key of its own, and opens as the version of the secret of the owner that it
 *   was written for, and as nothing else.
 * - Versions of a secret are numbered without a gap, whoever writes at the same time.
 * - Which key is active is recorded in the database, and only `rotateKeys` changes it. Who does not hold it writes with
 *   one that it holds. A key that a version is under is never retired, and a retired key never used.
 * - Values and keys reach no error, no log and no span.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Redacted, Stream } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import type { Page, PageRequest } from "../sql/page.js"
import type { UserId } from "../auth/User.js"
import type { EncryptionKey, EncryptionKeyId, KeyRotation, KeyStatus, RotateKeys } from "./EncryptionKey.js"
import type { EncryptionKeyInUse, EncryptionKeyUnavailable, SecretUnreadable } from "./errors.js"
import type { KeyRing } from "./KeyRing.js"
import { make } from "./makeSecretVault.js"
import type { CreateSecret, PutSecret, RevealSecret, Secret, SecretFilter, SecretId, SecretVersionMetadata } from "./Secret.js"

/**
 * Methods of `SecretVault`.
 *
 * The methods on keys are internal: for operators, not for request handlers.
 */
export interface SecretVaultService {
  /**
   * Stores a secret with its first version, both or nothing.
   *
   * Fails with `AlreadyExists` when the owner has a secret of this name (archived ones count) or the id is taken, with
   * `ReferenceNotFound` that names the field when the owner or the author is not there, with `EncryptionKeyUnavailable`
   * when this process holds no key that may be written with, with `InvalidInput` for a name, an id or a value out of
   * shape.
   */
  readonly create: (
    secret: typeof CreateSecret.Encoded
  ) => Effect.Effect<Secret, AlreadyExists | ReferenceNotFound | EncryptionKeyUnavailable | InvalidInput | PersistenceError>

  /**
   * Gives a secret of this owner a new value, as its next version. Those before stay.
   *
   * Fails with `NotFound`, also when it is another owner's, with `ReferenceNotFound` (`createdByUserId`), with
   * `EncryptionKeyUnavailable` and `InvalidInput` as `create` does.
   */
  readonly put: (
    request: typeof PutSecret.Encoded
  ) => Effect.Effect<
    SecretVersionMetadata,
    NotFound | ReferenceNotFound | EncryptionKeyUnavailable | InvalidInput | PersistenceError
  >

  /**
   * The value of a version, of the latest if none is given, also of a secret that is archived.
   *
   * Fails with `NotFound` when the owner has no such secret or the secret no such version, with
   * `EncryptionKeyUnavailable` when this process does not hold the key, with `SecretUnreadable` when what is stored does
   * not open, with `InvalidInput` for a number that is none of a version.
   */
  readonly reveal: (
    request: typeof RevealSecret.Encoded
  ) => Effect.Effect<
    Redacted.Redacted,
    NotFound | EncryptionKeyUnavailable | SecretUnreadable | InvalidInput | PersistenceError
  >

  /** The secrets of an owner, newest first. Fails with `InvalidInput` as `SecretRepo.list` does. */
  readonly list: (
    request: PageRequest & typeof SecretFilter.Encoded
  ) => Effect.Effect<Page<Secret>, InvalidInput | PersistenceError>

  /**
   * The versions of a secret of this owner, newest first, without their values. Fails with `NotFound`, also when it is
   * another owner's, and with `InvalidInput` for a foreign cursor or a limit out of range.
   */
  readonly listVersions: (
    request: PageRequest & { readonly ownerUserId: UserId; readonly secretId: SecretId }
  ) => Effect.Effect<Page<SecretVersionMetadata>, NotFound | InvalidInput | PersistenceError>

  /** Puts a secret of this owner away, as `SecretRepo.archive` does. Fails with `NotFound`, also when it is another owner's. */
  readonly archive: (
    request: { readonly ownerUserId: UserId; readonly secretId: SecretId }
  ) => Effect.Effect<Secret, NotFound | PersistenceError>

  /**
   * Makes the first key of this process's ring the active one, and brings the versions that were there before under it:
   * their data keys are wrapped anew, their values are not touched. Readers and writers go on meanwhile. Returns what was
   * done. Killed at any moment, it goes on where it was when it is called again; called again with nothing to do, it does
   * nothing.
   *
   * Fails with `EncryptionKeyUnavailable` when there is no key, when the first one is retired or not the one that secrets
   * know under its id, when this process does not hold the key that is active now, or when another key was made active
   * after the first one, before or meanwhile: a key that was active once does not become active again. Fails with
   * `InvalidInput` for a batch size out of range.
   */
  readonly rotateKeys: (
    request?: typeof RotateKeys.Encoded
  ) => Effect.Effect<KeyRotation, EncryptionKeyUnavailable | InvalidInput | PersistenceError>

  /** What `rotateKeys` does, with how far it has come after each batch. It goes no further than is taken from it. */
  readonly streamRotation: (
    request?: typeof RotateKeys.Encoded
  ) => Stream.Stream<KeyRotation, EncryptionKeyUnavailable | InvalidInput | PersistenceError>

  /** All keys that were ever used, by id, how many versions are under each, and which of them this process holds. */
  readonly keyStatus: Effect.Effect<ReadonlyArray<KeyStatus>, PersistenceError>

  /**
   * Lets a key never be used again. One that is retired already is returned as it is. A process that holds no other key
   * can write no secrets from then on.
   *
   * Fails with `NotFound`, and with `EncryptionKeyInUse` when it is the active one or versions are under it.
   */
  readonly retireKey: (
    id: EncryptionKeyId
  ) => Effect.Effect<EncryptionKey, NotFound | EncryptionKeyInUse | PersistenceError>
}

export class SecretVault extends Context.Tag("@sealant/db/SecretVault")<SecretVault, SecretVaultService>() {
  /** The values of secrets over `SqlClient`, with the keys of `KeyRing`. */
  static readonly layer: Layer.Layer<SecretVault, never, SqlClient.SqlClient | KeyRing> = Layer.effect(this, make)
}
