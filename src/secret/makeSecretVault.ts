/**
 * The statements and rules of `SecretVault`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option, Redacted, Stream } from "effect"
import { NotFound } from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { RotateKeys } from "./EncryptionKey.js"
import { type Identity, open, seal } from "./envelope.js"
import { SecretUnreadable } from "./errors.js"
import { makeKeys } from "./keys.js"
import { archived, make as makeRepo } from "./makeSecretRepo.js"
import { makeRotation, rotationStream } from "./rotation.js"
import {
  CreateSecret,
  PutSecret,
  RevealSecret,
  Secret,
  SecretId,
  SecretVersion,
  SecretVersionId,
  SecretVersionMetadata
} from "./Secret.js"
import type { SecretVaultService } from "./SecretVault.js"

const { input, present, read, write } = operations("SecretVault", "Secret")
const ofKeys = operations("SecretVault", "EncryptionKey")

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const repo = yield* makeRepo
  const keys = yield* makeKeys
  const rotation = makeRotation(sql, keys)
  const secrets = yield* rowsOf(Secret)
  const versions = yield* rowsOf(SecretVersion)
  const metadata = yield* rowsOf(SecretVersionMetadata)
  const columns = sql.literal(columnList(Secret))
  const versionColumns = sql.literal(columnList(SecretVersion))
  const metadataColumns = sql.literal(columnList(SecretVersionMetadata))

  /** Encrypts and stores a version. Inside a transaction that writes: the number and the key stay what they are. */
  const storeVersion = (
    { ownerUserId, secretId, version }: Omit<Identity, "versionId">,
    value: Redacted.Redacted,
    createdByUserId: string | undefined
  ) =>
    Effect.gen(function*() {
      const key = yield* keys.toWriteWith
      const id = yield* idOrNew(undefined, "sev", SecretVersionId.make)
      const now = yield* Clock.currentTimeMillis
      const sealed = seal(Redacted.value(value), key, { ownerUserId, secretId, versionId: id, version })
      return yield* metadata.one(sql`
        INSERT INTO secret_versions (id, secret_id, version, encrypted_value, encryption_key_id, wrapped_data_key,
          created_by_user_id, created_at)
        VALUES (${id}, ${secretId}, ${version}, ${sealed.encryptedValue}, ${key.id}, ${sealed.wrappedDataKey},
          ${createdByUserId ?? null}, ${now})
        RETURNING ${metadataColumns}`)
    })

  const insert = ({ createdByUserId, description, id: given, name, ownerUserId, value }: typeof CreateSecret.Type) =>
    Effect.gen(function*() {
      const id = yield* idOrNew(given, "sec", SecretId.make)
      const now = yield* Clock.currentTimeMillis
      const secret = yield* secrets.one(sql`
        INSERT INTO secrets (id, owner_user_id, name, description, created_at, updated_at)
        VALUES (${id}, ${ownerUserId}, ${name}, ${description ?? null}, ${now}, ${now})
        RETURNING ${columns}`)
      yield* storeVersion({ ownerUserId, secretId: id, version: 1 }, value, createdByUserId)
      return secret
    }).pipe(sql.withTransaction)

  const append = ({ createdByUserId, ownerUserId, secretId, value }: typeof PutSecret.Type) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const [secret] = yield* sql<{ readonly next: number }>`
        UPDATE secrets SET updated_at = ${now} WHERE id = ${secretId} AND owner_user_id = ${ownerUserId}
        RETURNING (SELECT coalesce(max(version), 0) + 1 FROM secret_versions WHERE secret_id = secrets.id) AS next`
      const { next: version } = yield* present(secretId)(Option.fromNullable(secret))
      return yield* storeVersion({ ownerUserId, secretId, version }, value, createdByUserId)
    }).pipe(sql.withTransaction)

  const ownSecret = (ownerUserId: string, secretId: string) => sql`
    secret_id = (SELECT id FROM secrets WHERE id = ${secretId} AND owner_user_id = ${ownerUserId})`

  /** The version that is meant, the latest if none is. */
  const versionOf = ({ ownerUserId, secretId, version }: typeof RevealSecret.Type) =>
    Effect.gen(function*() {
      const found = yield* versions.first(sql`
        SELECT ${versionColumns} FROM secret_versions
        WHERE ${ownSecret(ownerUserId, secretId)} AND ${version === undefined ? sql`version >= 1` : sql`version = ${version}`}
        ORDER BY version DESC LIMIT 1`)
      if (Option.isSome(found)) return found.value
      yield* owned(ownerUserId, secretId)
      return yield* new NotFound({ entity: "SecretVersion", id: version === undefined ? secretId : `${secretId}@${version}` })
    })

  /** Fails with `NotFound` unless the secret is this owner's. */
  const owned = (ownerUserId: string, secretId: SecretId) =>
    sql`SELECT id FROM secrets WHERE id = ${secretId} AND owner_user_id = ${ownerUserId}`.pipe(
      Effect.flatMap(([found]) => present(secretId)(Option.fromNullable(found)))
    )

  const decrypt = (stored: SecretVersion, ownerUserId: string) =>
    Effect.gen(function*() {
      const { encryptedValue, encryptionKeyId, id: versionId, secretId, version, wrappedDataKey } = stored
      const unreadable = new SecretUnreadable({ secretId, version })
      // Carried over: one key encrypted the value itself, in a format that nobody has written down.
      if (Option.isNone(wrappedDataKey) || Option.isNone(encryptionKeyId)) return yield* unreadable
      const key = yield* keys.toOpenWith(encryptionKeyId.value)
      const identity = { ownerUserId, secretId, versionId, version }
      const value = open({ encryptedValue, wrappedDataKey: wrappedDataKey.value }, key, identity)
      return Option.isSome(value) ? Redacted.make(value.value) : yield* unreadable
    })

  const streamRotation: SecretVaultService["streamRotation"] = (request = {}) =>
    Stream.unwrap(Effect.map(ofKeys.input("rotateKeys", RotateKeys)(request), ({ batchSize }) =>
      rotationStream(rotation.begin.pipe(ofKeys.read("rotateKeys")), (active, state) =>
        rotation.step(active, batchSize)(state).pipe(ofKeys.read("rotateKeys", { "key.id": active.id })))))

  const service: SecretVaultService = {
    create: (request) =>
      input("create", CreateSecret)(request).pipe(
        Effect.flatMap(insert),
        write("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "ownerUserId", table: "user", id: Option.some(request.ownerUserId) },
          { field: "createdByUserId", table: "user", id: Option.fromNullable(request.createdByUserId) }
        ]))
      ),

    put: (request) =>
      input("put", PutSecret)(request).pipe(
        Effect.flatMap(append),
        write("put", ["ReferenceNotFound", "InvalidInput"], { "secret.id": request.secretId }),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
          { field: "createdByUserId", table: "user", id: Option.fromNullable(request.createdByUserId) }
        ]))
      ),

    reveal: (request) =>
      Effect.gen(function*() {
        const given = yield* input("reveal", RevealSecret)(request)
        return yield* decrypt(yield* versionOf(given), given.ownerUserId)
      }).pipe(read("reveal", { "secret.id": request.secretId })),

    list: (request) => repo.list(request).pipe(read("list", { "user.id": request.ownerUserId })),

    listVersions: ({ ownerUserId, secretId, ...page }) =>
      owned(ownerUserId, secretId).pipe(
        Effect.zipRight(repo.listVersions({ secretId, ...page })),
        read("listVersions", { "secret.id": secretId, "user.id": ownerUserId })
      ),

    archive: ({ ownerUserId, secretId }) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        return yield* secrets.first(archived(sql, sql`id = ${secretId} AND owner_user_id = ${ownerUserId}`, now)).pipe(
          Effect.flatMap(present(secretId))
        )
      }).pipe(read("archive", { "secret.id": secretId, "user.id": ownerUserId })),

    rotateKeys: (request) =>
      Stream.runLast(streamRotation(request)).pipe(
        Effect.flatMap(Option.match({
          onSome: Effect.succeed,
          onNone: () => Effect.dieMessage("a rotation always tells how far it has come")
        }))
      ),

    streamRotation,

    keyStatus: keys.status.pipe(ofKeys.read("keyStatus")),

    retireKey: (id) => Effect.flatMap(keys.retire(id), ofKeys.present(id)).pipe(ofKeys.read("retireKey", { "key.id": id }))
  }
  return service
})
