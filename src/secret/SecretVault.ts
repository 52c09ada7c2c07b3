/**
 * Values of secrets and the keys that encrypt them, over the tables `secrets`, `secret_versions` and `encryption_keys`,
 * and the keys of `KeyRing`. docs/encryption.md describes the format, and the rotation of keys without downtime.
 *
 * Guarantees:
 * - A value is stored only encrypted, with its own data key. It decrypts only as the version of the secret of the owner
 *   for which it was encrypted.
 * - Versions of a secret are numbered without gaps, also with concurrent writers.
 * - The database records the active key. After the first write only `rotateKeys` changes it. A process that does not
 *   hold the active key encrypts with another key that it holds.
 * - A key that wraps the data key of a version cannot be retired, and a retired key is never used again.
 * - Errors, logs and spans contain neither values nor keys.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, Effect, Layer, Option, Redacted, Stream } from "effect"
import {
  type AlreadyExists,
  type InvalidInput,
  NotFound,
  type PersistenceError,
  type ReferenceNotFound
} from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import type { Page, PageRequest } from "../sql/page.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { type EncryptionKey, type KeyRotation, type KeyStatus, RotateKeys } from "./EncryptionKey.js"
import { type Identity, seal } from "./envelope.js"
import type { EncryptionKeyInUse, EncryptionKeyUnavailable, SecretUnreadable } from "./errors.js"
import type { KeyRing } from "./KeyRing.js"
import { makeKeys } from "./keys.js"
import { makeRotation, rotationStream } from "./rotation.js"
import {
  CreateSecret,
  PutSecret,
  RevealSecret,
  Secret,
  type SecretFilter,
  SecretId,
  SecretVersion,
  SecretVersionId,
  SecretVersionMetadata
} from "./Secret.js"
import { SecretRepo } from "./SecretRepo.js"
import { decryptVersion } from "./versions.js"

/**
 * Methods of `SecretVault`.
 *
 * The methods for keys are internal: for operators, not for request handlers.
 */
export interface SecretVaultService {
  /**
   * Creates a secret with its first version, in one transaction.
   *
   * Fails with:
   * - `AlreadyExists` if the owner has a secret with this name, archived or not, or the id is taken.
   * - `ReferenceNotFound` with the field if the owner or the author does not exist.
   * - `EncryptionKeyUnavailable` if this process holds no key for encryption.
   * - `InvalidInput` if the name, the id or the value is invalid.
   */
  readonly create: (
    secret: typeof CreateSecret.Encoded
  ) => Effect.Effect<
    Secret,
    AlreadyExists | ReferenceNotFound | EncryptionKeyUnavailable | InvalidInput | PersistenceError
  >

  /**
   * Stores a new value of the secret of the owner, as its next version. Earlier versions are kept.
   *
   * Fails with:
   * - `NotFound` if the secret does not exist or belongs to another owner.
   * - `ReferenceNotFound` (`createdByUserId`) if the author does not exist.
   * - `EncryptionKeyUnavailable` if this process holds no key for encryption.
   * - `InvalidInput` if an id or the value is invalid.
   */
  readonly put: (
    request: typeof PutSecret.Encoded
  ) => Effect.Effect<
    SecretVersionMetadata,
    NotFound | ReferenceNotFound | EncryptionKeyUnavailable | InvalidInput | PersistenceError
  >

  /**
   * Decrypts and returns the value of a version, by its number or its id; without both, of the latest one. Archived
   * secrets can be revealed.
   *
   * Fails with:
   * - `NotFound` if the owner has no such secret, or the secret has no such version.
   * - `EncryptionKeyUnavailable` if this process does not hold the key.
   * - `SecretUnreadable` if the stored data cannot be decrypted.
   * - `InvalidInput` if the number or the id of the version is invalid.
   */
  readonly reveal: (
    request: typeof RevealSecret.Encoded
  ) => Effect.Effect<
    Redacted.Redacted,
    NotFound | EncryptionKeyUnavailable | SecretUnreadable | InvalidInput | PersistenceError
  >

  /** Lists the secrets of the owner, newest first. Fails with `InvalidInput` as `SecretRepo.list` does. */
  readonly list: (
    request: PageRequest & typeof SecretFilter.Encoded
  ) => Effect.Effect<Page<Secret>, InvalidInput | PersistenceError>

  /**
   * Lists the versions of the secret of the owner without their values, newest first. Fails with `NotFound` if the
   * secret does not exist or belongs to another owner, and with `InvalidInput` if the cursor is malformed or the limit
   * is out of range.
   */
  readonly listVersions: (
    request: PageRequest & { readonly ownerUserId: string; readonly secretId: string }
  ) => Effect.Effect<Page<SecretVersionMetadata>, NotFound | InvalidInput | PersistenceError>

  /**
   * Archives the secret of the owner, as `SecretRepo.archive` does. Idempotent. Fails with `NotFound` if it does not
   * exist or belongs to another owner.
   */
  readonly archive: (request: {
    readonly ownerUserId: string
    readonly secretId: string
  }) => Effect.Effect<Secret, NotFound | PersistenceError>

  /**
   * Activates the first key of the key ring of this process, and wraps the data keys of all existing versions and of the
   * tokens of accounts with it. Encrypts tokens that are stored as plain text. Values are not re-encrypted. Readers and
   * writers are not blocked. Returns the final progress.
   *
   * Can be interrupted at any time: the next call continues. Does nothing if all versions are under the active key.
   *
   * Fails with `EncryptionKeyUnavailable` and the problem:
   * - `no-keys` if the key ring is empty.
   * - `retired` if the first key is retired.
   * - `different` if the database records another key under its id.
   * - `not-held` if this process does not hold the active key.
   * - `superseded` if another key was activated after the first one, before or during the rotation. A key is activated
   *   only once.
   *
   * Fails with `InvalidInput` if the batch size is out of range.
   */
  readonly rotateKeys: (
    request?: typeof RotateKeys.Encoded
  ) => Effect.Effect<KeyRotation, EncryptionKeyUnavailable | InvalidInput | PersistenceError>

  /**
   * Rotates the keys as `rotateKeys` does, and emits the progress after each batch. The rotation advances only when the
   * consumer pulls.
   */
  readonly streamRotation: (
    request?: typeof RotateKeys.Encoded
  ) => Stream.Stream<KeyRotation, EncryptionKeyUnavailable | InvalidInput | PersistenceError>

  /** Lists all known keys, ordered by id, with the number of their versions and whether this process holds them. */
  readonly keyStatus: Effect.Effect<ReadonlyArray<KeyStatus>, PersistenceError>

  /**
   * Retires a key, permanently. Idempotent. A process that holds no other key cannot write secrets any more.
   *
   * Fails with `NotFound` if the key does not exist, and with `EncryptionKeyInUse` if it is the active key or versions
   * are under it.
   */
  readonly retireKey: (id: string) => Effect.Effect<EncryptionKey, NotFound | EncryptionKeyInUse | PersistenceError>
}

const { decodeInput, orNotFound, traced } = operations("SecretVault", "Secret")
const ofKeys = operations("SecretVault", "EncryptionKey")

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const repo = yield* SecretRepo
  const keys = yield* makeKeys
  const rotation = makeRotation(sql, keys)
  const secrets = yield* rowsOf(Secret)
  const versions = yield* rowsOf(SecretVersion)
  const metadata = yield* rowsOf(SecretVersionMetadata)
  const columns = sql.literal(columnList(Secret))
  const versionColumns = sql.literal(columnList(SecretVersion))
  const metadataColumns = sql.literal(columnList(SecretVersionMetadata))

  /**
   * Encrypts and inserts a version, in a transaction that holds the write lock: number and key cannot change meanwhile.
   */
  const storeVersion = (
    { ownerUserId, secretId, version }: Omit<Identity, "versionId">,
    value: Redacted.Redacted,
    createdByUserId: string | undefined
  ) =>
    Effect.gen(function* () {
      const key = yield* keys.toWriteWith
      const id = yield* idOrNew(undefined, "sev", SecretVersionId.make)
      const now = yield* Clock.currentTimeMillis
      const sealed = seal(Redacted.value(value), key, { ownerUserId, secretId, versionId: id, version })
      return yield* metadata.single(sql`
        INSERT INTO secret_versions (id, secret_id, version, encrypted_value, encryption_key_id, wrapped_data_key,
          created_by_user_id, created_at)
        VALUES (${id}, ${secretId}, ${version}, ${sealed.encryptedValue}, ${key.id}, ${sealed.wrappedDataKey},
          ${createdByUserId ?? null}, ${now})
        RETURNING ${metadataColumns}`)
    })

  const insert = ({ createdByUserId, description, name, ownerUserId, value, ...rest }: typeof CreateSecret.Type) =>
    Effect.gen(function* () {
      const id = yield* idOrNew(rest.id, "sec", SecretId.make)
      const now = yield* Clock.currentTimeMillis
      const secret = yield* secrets.single(sql`
        INSERT INTO secrets (id, owner_user_id, name, description, created_at, updated_at)
        VALUES (${id}, ${ownerUserId}, ${name}, ${description ?? null}, ${now}, ${now})
        RETURNING ${columns}`)
      yield* storeVersion({ ownerUserId, secretId: id, version: 1 }, value, createdByUserId)
      return secret
    }).pipe(sql.withTransaction)

  const append = ({ createdByUserId, ownerUserId, secretId, value }: typeof PutSecret.Type) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const [secret] = yield* sql<{ readonly next: number }>`
        UPDATE secrets SET updated_at = ${now} WHERE id = ${secretId} AND owner_user_id = ${ownerUserId}
        RETURNING (SELECT coalesce(max(version), 0) + 1 FROM secret_versions WHERE secret_id = secrets.id) AS next`
      const { next: version } = yield* orNotFound(secretId)(Option.fromNullable(secret))
      return yield* storeVersion({ ownerUserId, secretId, version }, value, createdByUserId)
    }).pipe(sql.withTransaction)

  const ownSecret = (ownerUserId: string, secretId: string) => sql`
    secret_id = (SELECT id FROM secrets WHERE id = ${secretId} AND owner_user_id = ${ownerUserId})`

  /** Returns the requested version, by default the latest. Fails with `NotFound` of the secret or of the version. */
  const getVersion = ({ ownerUserId, secretId, version, versionId }: typeof RevealSecret.Type) =>
    Effect.gen(function* () {
      const hasNumber = version === undefined ? sql`version >= 1` : sql`version = ${version}`
      const isVersion = versionId === undefined ? hasNumber : sql`${hasNumber} AND id = ${versionId}`
      const found = yield* versions.findOne(sql`
        SELECT ${versionColumns} FROM secret_versions
        WHERE ${ownSecret(ownerUserId, secretId)} AND ${isVersion}
        ORDER BY version DESC LIMIT 1`)
      if (Option.isSome(found)) return found.value
      yield* repo.getById({ ownerUserId, id: secretId })
      return yield* new NotFound({ entity: "SecretVersion", id: secretId })
    })

  const streamRotation: SecretVaultService["streamRotation"] = (request = {}) =>
    Stream.unwrap(
      Effect.map(ofKeys.decodeInput("rotateKeys", RotateKeys)(request), ({ batchSize }) =>
        rotationStream(rotation.begin.pipe(ofKeys.traced("rotateKeys")), (active, state) =>
          rotation
            .step(
              active,
              batchSize
            )(state)
            .pipe(ofKeys.traced("rotateKeys", { "key.id": active.id }))
        )
      )
    )

  const service: SecretVaultService = {
    create: (request) =>
      decodeInput(
        "create",
        CreateSecret
      )(request).pipe(
        Effect.flatMap(insert),
        traced("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            { field: "ownerUserId", table: "user", id: Option.some(request.ownerUserId) },
            { field: "createdByUserId", table: "user", id: Option.fromNullable(request.createdByUserId) }
          ])
        )
      ),

    put: (request) =>
      decodeInput(
        "put",
        PutSecret
      )(request).pipe(
        Effect.flatMap(append),
        traced("put", ["ReferenceNotFound", "InvalidInput"], { "secret.id": request.secretId }),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            { field: "createdByUserId", table: "user", id: Option.fromNullable(request.createdByUserId) }
          ])
        )
      ),

    reveal: (request) =>
      Effect.gen(function* () {
        const decoded = yield* decodeInput("reveal", RevealSecret)(request)
        return yield* decryptVersion(keys, yield* getVersion(decoded), decoded.ownerUserId)
      }).pipe(traced("reveal", { "secret.id": request.secretId })),

    list: (request) => repo.list(request).pipe(traced("list", { "user.id": request.ownerUserId })),

    listVersions: ({ ownerUserId, secretId, ...page }) =>
      repo
        .getById({ ownerUserId, id: secretId })
        .pipe(
          Effect.zipRight(repo.listVersions({ secretId, ...page })),
          traced("listVersions", { "secret.id": secretId, "user.id": ownerUserId })
        ),

    archive: ({ ownerUserId, secretId }) =>
      repo
        .archive({ ownerUserId, id: secretId })
        .pipe(traced("archive", { "secret.id": secretId, "user.id": ownerUserId })),

    rotateKeys: (request) =>
      Stream.runLast(streamRotation(request)).pipe(
        Effect.flatMap(
          Option.match({
            onSome: Effect.succeed,
            onNone: () => Effect.dieMessage("a key rotation must emit its progress at least once")
          })
        )
      ),

    streamRotation,

    keyStatus: keys.status.pipe(ofKeys.traced("keyStatus")),

    retireKey: (id) =>
      Effect.flatMap(keys.retire(id), ofKeys.orNotFound(id)).pipe(ofKeys.traced("retireKey", { "key.id": id }))
  }
  return service
})

/** Values of secrets, and the keys that encrypt them. */
export class SecretVault extends Context.Tag("@sealant/db/SecretVault")<SecretVault, SecretVaultService>() {
  /** The layer of `SecretVault` over `SqlClient`, with the keys of `KeyRing`. */
  static readonly layer: Layer.Layer<SecretVault, never, SqlClient.SqlClient | KeyRing> = Layer.provide(
    Layer.effect(this, make),
    SecretRepo.layer
  )
}
