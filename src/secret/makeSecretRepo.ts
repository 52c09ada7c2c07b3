/**
 * The statements and rules of `SecretRepo`.
 */
import { SqlClient, type Statement } from "@effect/sql"
import { Clock, Effect } from "effect"
import { Name } from "../sql/columns.js"
import { type OwnerScope, ownerScope, type Target, targetOf } from "../sql/ownerScope.js"
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
import type { SecretService } from "./SecretRepo.js"

const { input, present, read, write } = operations("SecretRepo", "Secret")

/** Puts the secret away that meets the condition. */
export const archived = (sql: SqlClient.SqlClient, which: Statement.Fragment, now: number) => sql`
  UPDATE secrets SET
    archived_at = coalesce(archived_at, ${now}), updated_at = iif(archived_at IS NULL, ${now}, updated_at)
  WHERE ${which} RETURNING ${sql.literal(columnList(Secret))}`

export const make = Effect.gen(function*() {
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
    ownerUserId === undefined ? sql`` : sql`AND EXISTS (SELECT 1 FROM secrets WHERE id = secret_id AND owner_user_id = ${ownerUserId})`

  const find = (target: Target) => secrets.first(sql`SELECT ${columns} FROM secrets WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), present(target.id))

  /** Why nothing was deleted. */
  const refuseDelete = (target: Target) => Effect.flatMap(get(target), ({ id }) => new SecretInUse({ secretId: id }))

  const service: SecretService = {
    findById: (by) => find(targetOf(by)).pipe(read("findById", { "secret.id": targetOf(by).id })),

    getById: (by) => get(targetOf(by)).pipe(read("getById", { "secret.id": targetOf(by).id })),

    getForOwner: (by) => get(targetOf(by)).pipe(read("getForOwner", { "secret.id": by.id, "user.id": by.ownerUserId })),

    findByName: ({ name, ownerUserId }) =>
      input("findByName", Name)(name).pipe(
        Effect.flatMap((given) =>
          secrets.first(sql`SELECT ${columns} FROM secrets WHERE owner_user_id = ${ownerUserId} AND name = ${given}`)),
        read("findByName", { "user.id": ownerUserId })
      ),

    list: (request) =>
      Effect.gen(function*() {
        const { includeArchived, ownerUserId } = yield* input("list", SecretFilter)(request)
        const start = yield* Page.start("SecretRepo.list", request)
        const rows = yield* secrets.all(sql`
          SELECT ${columns} FROM secrets
          WHERE owner_user_id = ${ownerUserId} AND ${Page.below(sql, start)}
            ${sql.literal(includeArchived ? "" : "AND archived_at IS NULL")}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(read("list")),

    listVersions: (request) =>
      Effect.gen(function*() {
        const { ownerUserId, secretId } = yield* input("listVersions", SecretVersionFilter)(request)
        const start = yield* Page.start("SecretRepo.listVersions", request)
        const rows = yield* metadata.all(sql`
          SELECT ${metadataColumns} FROM secret_versions
          WHERE secret_id = ${secretId} AND ${Page.below(sql, start)} ${ofSecretOwner({ ownerUserId })}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(read("listVersions", { "secret.id": request.secretId })),

    findVersion: (request) =>
      input("findVersion", FindSecretVersion)(request).pipe(
        Effect.flatMap(({ ownerUserId, secretId, version }) =>
          versions.first(sql`
            SELECT ${versionColumns} FROM secret_versions
            WHERE secret_id = ${secretId} AND ${version === undefined ? sql`version >= 1` : sql`version = ${version}`}
              ${ofSecretOwner({ ownerUserId })}
            ORDER BY version DESC LIMIT 1`)),
        read("findVersion", { "secret.id": request.secretId })
      ),

    rename: (request) =>
      Effect.gen(function*() {
        const { name, ...target } = yield* input("rename", RenameSecret)(request)
        const now = yield* Clock.currentTimeMillis
        return yield* secrets.first(sql`
          UPDATE secrets SET name = ${name}, updated_at = ${now}
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(write("rename", ["AlreadyExists"], { "secret.id": request.id })),

    archive: (by) =>
      Effect.gen(function*() {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* secrets.first(archived(sql, sql`id = ${target.id} ${ofOwner(target)}`, now)).pipe(
          Effect.flatMap(present(target.id))
        )
      }).pipe(read("archive", { "secret.id": targetOf(by).id })),

    restore: (by) =>
      Effect.gen(function*() {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* secrets.first(sql`
          UPDATE secrets SET archived_at = NULL, updated_at = iif(archived_at IS NULL, updated_at, ${now})
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(read("restore", { "secret.id": targetOf(by).id })),

    delete: (by) => {
      const target = targetOf(by)
      return sql`
        DELETE FROM secrets WHERE id = ${target.id} ${ofOwner(target)}
          AND NOT EXISTS (SELECT 1 FROM profile_secret_bindings WHERE secret_id = secrets.id)
          AND NOT EXISTS (SELECT 1 FROM ssh_keys WHERE private_key_secret_id = secrets.id)
          AND NOT EXISTS (SELECT 1 FROM ssh_keys WHERE passphrase_secret_id = secrets.id)
        RETURNING id`.pipe(
        Effect.flatMap(({ length }) => length > 0 ? Effect.void : refuseDelete(target)),
        read("delete", { "secret.id": target.id })
      )
    }
  }
  return service
})
