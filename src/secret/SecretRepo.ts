/**
 * Secrets and their versions, over the tables `secrets` and `secret_versions`. Contains names and ciphertext;
 * `SecretVault` encrypts and decrypts the values.
 *
 * Guarantees:
 * - The owner of a secret is immutable.
 * - A name is unique among the secrets of an owner.
 * - A secret that a profile or an SSH key refers to cannot be deleted.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, Effect, Layer, type Option } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import { Name } from "../sql/columns.js"
import { type ById, type OwnerScope, ownerScope, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { SecretInUse } from "./errors.js"
import {
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
  /** Finds a secret by id. Returns `None` if it does not exist. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<Secret>, PersistenceError>

  /** Returns the secret. Fails with `NotFound` if it does not exist. */
  readonly getById: (id: ById) => Effect.Effect<Secret, NotFound | PersistenceError>

  /**
   * Finds the secret of the owner with this name, archived or not. Fails with `InvalidInput` if the name is invalid.
   */
  readonly findByName: (request: {
    readonly ownerUserId: string
    readonly name: string
  }) => Effect.Effect<Option.Option<Secret>, InvalidInput | PersistenceError>

  /**
   * Lists the secrets of the owner, newest first. Fails with `InvalidInput` if the cursor is malformed, the limit is
   * out of range, or the owner is `undefined`.
   */
  readonly list: (
    request: Page.PageRequest & typeof SecretFilter.Encoded
  ) => Effect.Effect<Page.Page<Secret>, InvalidInput | PersistenceError>

  /**
   * Lists the versions of the secret without their ciphertext, newest first. The list is empty if the secret does not
   * exist. Fails with `InvalidInput` if the cursor is malformed or the limit is out of range.
   */
  readonly listVersions: (
    request: Page.PageRequest & typeof SecretVersionFilter.Encoded
  ) => Effect.Effect<Page.Page<SecretVersionMetadata>, InvalidInput | PersistenceError>

  /**
   * Finds a version with its ciphertext; without `version`, the latest one. Fails with `InvalidInput` if the version
   * number is invalid.
   */
  readonly findVersion: (
    request: typeof FindSecretVersion.Encoded
  ) => Effect.Effect<Option.Option<SecretVersion>, InvalidInput | PersistenceError>

  /**
   * Renames the secret.
   *
   * Fails with `NotFound` if it does not exist, with `AlreadyExists` if another secret of the owner has the name, and
   * with `InvalidInput` if the name is empty or too long.
   */
  readonly rename: (
    request: typeof RenameSecret.Encoded
  ) => Effect.Effect<Secret, NotFound | AlreadyExists | InvalidInput | PersistenceError>

  /**
   * Archives the secret. Idempotent. Lists omit an archived secret. It keeps its name, references to it stay valid, and
   * its values can be revealed. Fails with `NotFound` if it does not exist.
   */
  readonly archive: (id: ById) => Effect.Effect<Secret, NotFound | PersistenceError>

  /** Unarchives the secret. Idempotent. Fails with `NotFound` if it does not exist. */
  readonly unarchive: (id: ById) => Effect.Effect<Secret, NotFound | PersistenceError>

  /**
   * Deletes the secret and all its versions. Fails with `NotFound` if it does not exist, and with `SecretInUse` if a
   * profile revision or an SSH key refers to it.
   */
  readonly delete: (id: ById) => Effect.Effect<void, NotFound | SecretInUse | PersistenceError>
}

const { decodeFilter, decodeInput, onlyFields, orNotFound, traced } = operations("SecretRepo", "Secret")

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Secret))
  const versionColumns = sql.literal(columnList(SecretVersion))
  const metadataColumns = sql.literal(columnList(SecretVersionMetadata))
  const secrets = yield* rowsOf(Secret)
  const versions = yield* rowsOf(SecretVersion)
  const metadata = yield* rowsOf(SecretVersionMetadata)

  const ofOwner = ownerScope(sql)

  /** Builds the condition that the secret of a version belongs to the owner; empty for any owner. */
  const ofSecretOwner = ({ ownerUserId }: OwnerScope) =>
    ownerUserId === undefined
      ? sql``
      : sql`AND EXISTS (SELECT 1 FROM secrets WHERE id = secret_id AND owner_user_id = ${ownerUserId})`

  const find = (target: Target) =>
    secrets.findOne(sql`SELECT ${columns} FROM secrets WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), orNotFound(target.id))

  /** Explains a DELETE that matched no row: fails with `NotFound` or `SecretInUse`. */
  const refuseDelete = (target: Target) => Effect.flatMap(get(target), ({ id }) => new SecretInUse({ secretId: id }))

  const service: SecretService = {
    findById: (by) => find(targetOf(by)).pipe(traced("findById", { "secret.id": targetOf(by).id })),

    getById: (by) => get(targetOf(by)).pipe(traced("getById", { "secret.id": targetOf(by).id })),

    findByName: (request) =>
      onlyFields("findByName", ["ownerUserId", "name"])(request).pipe(
        Effect.zipRight(decodeInput("findByName", Name)(request.name)),
        Effect.flatMap((name) =>
          secrets.findOne(
            sql`SELECT ${columns} FROM secrets WHERE owner_user_id = ${request.ownerUserId} AND name = ${name}`
          )
        ),
        traced("findByName", { "user.id": request.ownerUserId })
      ),

    list: (request) =>
      Effect.gen(function* () {
        const { includeArchived, ownerUserId } = yield* decodeFilter("list", SecretFilter)(request)
        const start = yield* Page.start("SecretRepo.list", request)
        const found = yield* secrets.findPage(sql`
          SELECT ${columns} FROM secrets
          WHERE owner_user_id = ${ownerUserId} AND ${Page.afterCursor(sql, start)}
            ${sql.literal(includeArchived ? "" : "AND archived_at IS NULL")}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(traced("list")),

    listVersions: (request) =>
      Effect.gen(function* () {
        const { ownerUserId, secretId } = yield* decodeFilter("listVersions", SecretVersionFilter)(request)
        const start = yield* Page.start("SecretRepo.listVersions", request)
        const found = yield* metadata.findPage(sql`
          SELECT ${metadataColumns} FROM secret_versions
          WHERE secret_id = ${secretId} AND ${Page.afterCursor(sql, start)} ${ofSecretOwner({ ownerUserId })}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(traced("listVersions", { "secret.id": request.secretId })),

    findVersion: (request) =>
      decodeInput(
        "findVersion",
        FindSecretVersion
      )(request).pipe(
        Effect.flatMap(({ ownerUserId, secretId, version }) =>
          versions.findOne(sql`
            SELECT ${versionColumns} FROM secret_versions
            WHERE secret_id = ${secretId} AND ${version === undefined ? sql`version >= 1` : sql`version = ${version}`}
              ${ofSecretOwner({ ownerUserId })}
            ORDER BY version DESC LIMIT 1`)
        ),
        traced("findVersion", { "secret.id": request.secretId })
      ),

    rename: (request) =>
      Effect.gen(function* () {
        const { name, ...target } = yield* decodeInput("rename", RenameSecret)(request)
        const now = yield* Clock.currentTimeMillis
        return yield* secrets
          .findOne(sql`
          UPDATE secrets SET name = ${name}, updated_at = ${now}
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("rename", ["AlreadyExists"], { "secret.id": request.id })),

    archive: (by) =>
      Effect.gen(function* () {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* secrets
          .findOne(sql`
          UPDATE secrets SET
            archived_at = coalesce(archived_at, ${now}), updated_at = iif(archived_at IS NULL, ${now}, updated_at)
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("archive", { "secret.id": targetOf(by).id })),

    unarchive: (by) =>
      Effect.gen(function* () {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* secrets
          .findOne(sql`
          UPDATE secrets SET archived_at = NULL, updated_at = iif(archived_at IS NULL, updated_at, ${now})
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("unarchive", { "secret.id": targetOf(by).id })),

    delete: (by) => {
      const target = targetOf(by)
      return sql`
        DELETE FROM secrets WHERE id = ${target.id} ${ofOwner(target)}
          AND NOT EXISTS (SELECT 1 FROM profile_secret_bindings WHERE secret_id = secrets.id)
          AND NOT EXISTS (SELECT 1 FROM ssh_keys WHERE private_key_secret_id = secrets.id)
          AND NOT EXISTS (SELECT 1 FROM ssh_keys WHERE passphrase_secret_id = secrets.id)
        RETURNING id`.pipe(
        Effect.flatMap(({ length }) => (length > 0 ? Effect.void : refuseDelete(target))),
        traced("delete", { "secret.id": target.id })
      )
    }
  }
  return service
})

/** Secrets and their versions, without values. */
export class SecretRepo extends Context.Tag("@sealant/db/SecretRepo")<SecretRepo, SecretService>() {
  /** The layer of `SecretRepo` over `SqlClient`. */
  static readonly layer: Layer.Layer<SecretRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
