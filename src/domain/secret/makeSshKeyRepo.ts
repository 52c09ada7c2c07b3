/**
 * The statements and rules of `SshKeyRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { Name } from "../../internal/columns.js"
import { idOrNew } from "../../internal/ids.js"
import * as Page from "../../internal/page.js"
import { operations } from "../../internal/query.js"
import { nameMissing } from "../../internal/references.js"
import { columnList, rowsOf } from "../../internal/rows.js"
import { CreateSshKey, SshKey, SshKeyFilter, SshKeyId } from "./SshKey.js"
import type { SshKeyService } from "./SshKeyRepo.js"

const { input, present, read, write } = operations("SshKeyRepo", "SshKey")

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(SshKey))
  const keys = yield* rowsOf(SshKey)

  const byId = (id: SshKeyId) => keys.first(sql`SELECT ${columns} FROM ssh_keys WHERE id = ${id}`)

  const insert = (given: typeof CreateSshKey.Type) =>
    Effect.gen(function*() {
      const id = yield* idOrNew(given.id, "ssh", SshKeyId.make)
      const now = yield* Clock.currentTimeMillis
      const { fingerprint, line } = given.publicKey
      return yield* keys.one(sql`
        INSERT INTO ssh_keys (id, owner_user_id, name, public_key, private_key_secret_id, passphrase_secret_id,
          fingerprint, created_at, updated_at)
        VALUES (${id}, ${given.ownerUserId}, ${given.name}, ${line}, ${given.privateKeySecretId ?? null},
          ${given.passphraseSecretId ?? null}, ${fingerprint}, ${now}, ${now})
        RETURNING ${columns}`)
    })

  const service: SshKeyService = {
    create: (request) =>
      input("create", CreateSshKey)(request).pipe(
        Effect.flatMap(insert),
        write("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [
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
        ]))
      ),

    findById: (id) => byId(id).pipe(read("findById", { "sshKey.id": id })),

    getById: (id) => Effect.flatMap(byId(id), present(id)).pipe(read("getById", { "sshKey.id": id })),

    getForOwner: ({ id, ownerUserId }) =>
      keys.first(sql`SELECT ${columns} FROM ssh_keys WHERE id = ${id} AND owner_user_id = ${ownerUserId}`).pipe(
        Effect.flatMap(present(id)),
        read("getForOwner", { "sshKey.id": id, "user.id": ownerUserId })
      ),

    findByFingerprint: ({ fingerprint, ownerUserId }) =>
      input("findByFingerprint", Name)(fingerprint).pipe(
        Effect.flatMap((given) =>
          keys.first(sql`SELECT ${columns} FROM ssh_keys WHERE owner_user_id = ${ownerUserId} AND fingerprint = ${given}`)),
        read("findByFingerprint", { "user.id": ownerUserId })
      ),

    list: (request) =>
      Effect.gen(function*() {
        const { includeArchived, ownerUserId } = yield* input("list", SshKeyFilter)(request)
        const start = yield* Page.start("SshKeyRepo.list", request)
        const rows = yield* keys.all(sql`
          SELECT ${columns} FROM ssh_keys
          WHERE owner_user_id = ${ownerUserId} AND ${Page.below(sql, start)}
            ${sql.literal(includeArchived ? "" : "AND archived_at IS NULL")}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(read("list")),

    rename: ({ id, name }) =>
      Effect.gen(function*() {
        const given = yield* input("rename", Name)(name)
        const now = yield* Clock.currentTimeMillis
        return yield* keys.first(sql`
          UPDATE ssh_keys SET name = ${given}, updated_at = ${now} WHERE id = ${id} RETURNING ${columns}`).pipe(
          Effect.flatMap(present(id))
        )
      }).pipe(read("rename", { "sshKey.id": id })),

    archive: (id) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        return yield* keys.first(sql`
          UPDATE ssh_keys SET
            archived_at = coalesce(archived_at, ${now}), updated_at = iif(archived_at IS NULL, ${now}, updated_at)
          WHERE id = ${id} RETURNING ${columns}`).pipe(Effect.flatMap(present(id)))
      }).pipe(read("archive", { "sshKey.id": id })),

    restore: (id) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        return yield* keys.first(sql`
          UPDATE ssh_keys SET archived_at = NULL, updated_at = iif(archived_at IS NULL, updated_at, ${now})
          WHERE id = ${id} RETURNING ${columns}`).pipe(Effect.flatMap(present(id)))
      }).pipe(read("restore", { "sshKey.id": id }))
  }
  return service
})
