/**
 * The statements and rules of `SshKeyRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { Name } from "../sql/columns.js"
import { idOrNew } from "../sql/ids.js"
import { ownerScope, type Target, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { CreateSshKey, RenameSshKey, SshKey, SshKeyFilter, SshKeyId } from "./SshKey.js"
import type { SshKeyService } from "./SshKeyRepo.js"

const { input, present, read, write } = operations("SshKeyRepo", "SshKey")

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(SshKey))
  const keys = yield* rowsOf(SshKey)

  const ofOwner = ownerScope(sql)

  const find = (target: Target) => keys.first(sql`SELECT ${columns} FROM ssh_keys WHERE id = ${target.id} ${ofOwner(target)}`)

  const get = (target: Target) => Effect.flatMap(find(target), present(target.id))

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

    findById: (by) => find(targetOf(by)).pipe(read("findById", { "sshKey.id": targetOf(by).id })),

    getById: (by) => get(targetOf(by)).pipe(read("getById", { "sshKey.id": targetOf(by).id })),

    getForOwner: (by) => get(targetOf(by)).pipe(read("getForOwner", { "sshKey.id": by.id, "user.id": by.ownerUserId })),

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

    rename: (request) =>
      Effect.gen(function*() {
        const { name, ...target } = yield* input("rename", RenameSshKey)(request)
        const now = yield* Clock.currentTimeMillis
        return yield* keys.first(sql`
          UPDATE ssh_keys SET name = ${name}, updated_at = ${now}
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(read("rename", { "sshKey.id": request.id })),

    archive: (by) =>
      Effect.gen(function*() {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* keys.first(sql`
          UPDATE ssh_keys SET
            archived_at = coalesce(archived_at, ${now}), updated_at = iif(archived_at IS NULL, ${now}, updated_at)
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(read("archive", { "sshKey.id": targetOf(by).id })),

    restore: (by) =>
      Effect.gen(function*() {
        const target = targetOf(by)
        const now = yield* Clock.currentTimeMillis
        return yield* keys.first(sql`
          UPDATE ssh_keys SET archived_at = NULL, updated_at = iif(archived_at IS NULL, updated_at, ${now})
          WHERE id = ${target.id} ${ofOwner(target)} RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(read("restore", { "sshKey.id": targetOf(by).id }))
  }
  return service
})
