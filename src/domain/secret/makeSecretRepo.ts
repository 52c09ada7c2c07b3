/**
 * The statements and rules of `SecretRepo`.
 */
import { SqlClient, type Statement } from "@effect/sql"
import { Clock, Effect, Schema } from "effect"
import { Name } from "../../internal/columns.js"
import * as Page from "../../internal/page.js"
import { operations } from "../../internal/query.js"
import { columnList, rowsOf } from "../../internal/rows.js"
import { SecretInUse } from "./errors.js"
import { Secret, SecretFilter, type SecretId, SecretVersion, SecretVersionMetadata, SecretVersionNumber } from "./Secret.js"
import type { SecretService } from "./SecretRepo.js"

const { input, present, read, write } = operations("SecretRepo", "Secret")

const VersionOrLatest = Schema.UndefinedOr(SecretVersionNumber)

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

  const byId = (id: SecretId) => secrets.first(sql`SELECT ${columns} FROM secrets WHERE id = ${id}`)

  /** Why nothing was deleted. */
  const refuseDelete = (id: SecretId) =>
    Effect.flatMap(Effect.flatMap(byId(id), present(id)), () => new SecretInUse({ secretId: id }))

  const service: SecretService = {
    findById: (id) => byId(id).pipe(read("findById", { "secret.id": id })),

    getById: (id) => Effect.flatMap(byId(id), present(id)).pipe(read("getById", { "secret.id": id })),

    getForOwner: ({ id, ownerUserId }) =>
      secrets.first(sql`SELECT ${columns} FROM secrets WHERE id = ${id} AND owner_user_id = ${ownerUserId}`).pipe(
        Effect.flatMap(present(id)),
        read("getForOwner", { "secret.id": id, "user.id": ownerUserId })
      ),

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
        const start = yield* Page.start("SecretRepo.listVersions", request)
        const rows = yield* metadata.all(sql`
          SELECT ${metadataColumns} FROM secret_versions
          WHERE secret_id = ${request.secretId} AND ${Page.below(sql, start)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(read("listVersions", { "secret.id": request.secretId })),

    findVersion: ({ secretId, version }) =>
      input("findVersion", VersionOrLatest)(version).pipe(
        Effect.flatMap((given) =>
          versions.first(sql`
            SELECT ${versionColumns} FROM secret_versions
            WHERE secret_id = ${secretId} AND ${given === undefined ? sql`version >= 1` : sql`version = ${given}`}
            ORDER BY version DESC LIMIT 1`)),
        read("findVersion", { "secret.id": secretId })
      ),

    rename: ({ id, name }) =>
      Effect.gen(function*() {
        const given = yield* input("rename", Name)(name)
        const now = yield* Clock.currentTimeMillis
        return yield* secrets.first(sql`
          UPDATE secrets SET name = ${given}, updated_at = ${now} WHERE id = ${id} RETURNING ${columns}`).pipe(
          Effect.flatMap(present(id))
        )
      }).pipe(write("rename", ["AlreadyExists"], { "secret.id": id })),

    archive: (id) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        return yield* secrets.first(archived(sql, sql`id = ${id}`, now)).pipe(Effect.flatMap(present(id)))
      }).pipe(read("archive", { "secret.id": id })),

    restore: (id) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        return yield* secrets.first(sql`
          UPDATE secrets SET archived_at = NULL, updated_at = iif(archived_at IS NULL, updated_at, ${now})
          WHERE id = ${id} RETURNING ${columns}`).pipe(Effect.flatMap(present(id)))
      }).pipe(read("restore", { "secret.id": id })),

    delete: (id) =>
      sql`
        DELETE FROM secrets WHERE id = ${id}
          AND NOT EXISTS (SELECT 1 FROM profile_secret_bindings WHERE secret_id = secrets.id)
          AND NOT EXISTS (SELECT 1 FROM ssh_keys WHERE private_key_secret_id = secrets.id)
          AND NOT EXISTS (SELECT 1 FROM ssh_keys WHERE passphrase_secret_id = secrets.id)
        RETURNING id`.pipe(
        Effect.flatMap(({ length }) => length > 0 ? Effect.void : refuseDelete(id)),
        read("delete", { "secret.id": id })
      )
  }
  return service
})
