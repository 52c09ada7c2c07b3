/**
 * SSH public keys with their fingerprints, over the table `ssh_keys`. Private keys are stored as secrets.
 *
 * Guarantees:
 * - The owner of a key is immutable, and a key refers only to secrets of that owner.
 * - A public key is unique among the keys of an owner. Its fingerprint is computed from the key.
 * - A private key that a caller passes by mistake is neither stored nor shown in errors.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, Effect, Layer, Option } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { Name } from "../sql/columns.js"
import { idOrNew } from "../sql/ids.js"
import { type ById, ownerScope, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { CreateSshKey, RenameSshKey, SshKey, SshKeyFilter, SshKeyId } from "./SshKey.js"

/**
 * Methods of `SshKeyRepo`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface SshKeyService {
  /**
   * Stores a public key in one line, with its OpenSSH fingerprint. Accepts Ed25519, ECDSA (NIST curves), and RSA of
   * 2,048 to 16,384 bits.
   *
   * Fails with:
   * - `AlreadyExists` if the owner has this key, archived or not, or the id is taken.
   * - `ReferenceNotFound` with the field if the owner or a secret does not exist, or the secret belongs to another
   *   owner.
   * - `InvalidInput` if the text is not an accepted public key, or the name or the id is empty or too long.
   */
  readonly create: (
    key: typeof CreateSshKey.Encoded
  ) => Effect.Effect<SshKey, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** Finds a key by id. Returns `None` if it does not exist. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<SshKey>, PersistenceError>

  /** Returns the key. Fails with `NotFound` if it does not exist. */
  readonly getById: (id: ById) => Effect.Effect<SshKey, NotFound | PersistenceError>

  /**
   * Finds the key of the owner with this fingerprint, archived or not. Fails with `InvalidInput` if the fingerprint is
   * empty or too long.
   */
  readonly findByFingerprint: (request: {
    readonly ownerUserId: string
    readonly fingerprint: string
  }) => Effect.Effect<Option.Option<SshKey>, InvalidInput | PersistenceError>

  /**
   * Lists the keys of the owner, newest first. Fails with `InvalidInput` if the cursor is malformed, the limit is out
   * of range, or the owner is `undefined`.
   */
  readonly list: (
    request: Page.PageRequest & typeof SshKeyFilter.Encoded
  ) => Effect.Effect<Page.Page<SshKey>, InvalidInput | PersistenceError>

  /**
   * Renames the key. Fails with `NotFound` if it does not exist, and with `InvalidInput` if the name is empty or too
   * long.
   */
  readonly rename: (
    request: typeof RenameSshKey.Encoded
  ) => Effect.Effect<SshKey, NotFound | InvalidInput | PersistenceError>

  /**
   * Archives the key. Idempotent. Lists omit an archived key; references to it stay valid. Fails with `NotFound` if it
   * does not exist.
   */
  readonly archive: (id: ById) => Effect.Effect<SshKey, NotFound | PersistenceError>

  /** Unarchives the key. Idempotent. Fails with `NotFound` if it does not exist. */
  readonly unarchive: (id: ById) => Effect.Effect<SshKey, NotFound | PersistenceError>
}

const { decodeFilter, decodeInput, onlyFields, orNotFound, traced } = operations("SshKeyRepo", "SshKey")

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(SshKey))
  const keys = yield* rowsOf(SshKey)

  const ofOwner = ownerScope(sql)

  const find = (target: Target) =>
    keys.findOne(sql`SELECT ${columns} FROM ssh_keys WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), orNotFound(target.id))

  const insert = (key: typeof CreateSshKey.Type) =>
    Effect.gen(function* () {
      const id = yield* idOrNew(key.id, "ssh", SshKeyId.make)
      const now = yield* Clock.currentTimeMillis
      const { fingerprint, line } = key.publicKey
      return yield* keys.single(sql`
        INSERT INTO ssh_keys (id, owner_user_id, name, public_key, private_key_secret_id, passphrase_secret_id,
          fingerprint, created_at, updated_at)
        VALUES (${id}, ${key.ownerUserId}, ${key.name}, ${line}, ${key.privateKeySecretId ?? null},
          ${key.passphraseSecretId ?? null}, ${fingerprint}, ${now}, ${now})
        RETURNING ${columns}`)
    })

  const service: SshKeyService = {
    create: (request) =>
      decodeInput(
        "create",
        CreateSshKey
      )(request).pipe(
        Effect.flatMap(insert),
        traced("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            { field: "ownerUserId", table: "user", id: Option.some(request.ownerUserId) },
            {
              field: "privateKeySecretId",
              table: "secrets",
              id: Option.fromNullable(request.privateKeySecretId),
              ownerUserId: request.ownerUserId
            },
            {
              field: "passphraseSecretId",
              table: "secrets",
              id: Option.fromNullable(request.passphraseSecretId),
              ownerUserId: request.ownerUserId
            }
          ])
        )
      ),

    findById: (by) => find(targetOf(by)).pipe(traced("findById", { "sshKey.id": targetOf(by).id })),

    getById: (by) => get(targetOf(by)).pipe(traced("getById", { "sshKey.id": targetOf(by).id })),

    findByFingerprint: (request) =>
      onlyFields("findByFingerprint", ["ownerUserId", "fingerprint"])(request).pipe(
        Effect.zipRight(decodeInput("findByFingerprint", Name)(request.fingerprint)),
        Effect.flatMap((fingerprint) =>
          keys.findOne(sql`
            SELECT ${columns} FROM ssh_keys
            WHERE owner_user_id = ${request.ownerUserId} AND fingerprint = ${fingerprint}`)
        ),
        traced("findByFingerprint", { "user.id": request.ownerUserId })
      ),

    list: (request) =>
      Effect.gen(function* () {
        const { includeArchived, ownerUserId } = yield* decodeFilter("list", SshKeyFilter)(request)
        const start = yield* Page.start("SshKeyRepo.list", request)
        const found = yield* keys.findPage(sql`
          SELECT ${columns} FROM ssh_keys
          WHERE owner_user_id = ${ownerUserId} AND ${Page.afterCursor(sql, start)}
            ${sql.literal(includeArchived ? "" : "AND archived_at IS NULL")}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(traced("list")),

    rename: (request) =>
      Effect.gen(function* () {
        const { name, ...target } = yield* decodeInput("rename", RenameSshKey)(request)
        const now = yield* Clock.currentTimeMillis
        return yield* keys
          .findOne(sql`
          UPDATE ssh_keys SET name = ${name}, updated_at = ${now}
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("rename", { "sshKey.id": request.id })),

    archive: (by) =>
      Effect.gen(function* () {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* keys
          .findOne(sql`
          UPDATE ssh_keys SET
            archived_at = coalesce(archived_at, ${now}), updated_at = iif(archived_at IS NULL, ${now}, updated_at)
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("archive", { "sshKey.id": targetOf(by).id })),

    unarchive: (by) =>
      Effect.gen(function* () {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* keys
          .findOne(sql`
          UPDATE ssh_keys SET archived_at = NULL, updated_at = iif(archived_at IS NULL, updated_at, ${now})
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("unarchive", { "sshKey.id": targetOf(by).id }))
  }
  return service
})

/** SSH public keys. */
export class SshKeyRepo extends Context.Tag("@sealant/db/SshKeyRepo")<SshKeyRepo, SshKeyService>() {
  /** The layer of `SshKeyRepo` over `SqlClient`. */
  static readonly layer: Layer.Layer<SshKeyRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
