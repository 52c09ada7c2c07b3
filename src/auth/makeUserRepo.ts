/**
 * The statements and rules of `UserRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { idOrNew } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { endWithOwner } from "../events/deletions.js"
import { CreateUser, Email, EnsureUser, UpdateUser, User, UserId } from "./User.js"
import type { UserService } from "./UserRepo.js"

const { input, present, read, write } = operations("UserRepo", "User")

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(User))
  const users = yield* rowsOf(User)

  const byId = (id: UserId) => users.first(sql`SELECT ${columns} FROM user WHERE id = ${id}`)

  const service: UserService = {
    create: (request) =>
      Effect.gen(function*() {
        const { email, emailVerified, id: given, image, name } = yield* input("create", CreateUser)(request)
        const id = yield* idOrNew(given, "user", UserId.make)
        const now = yield* Clock.currentTimeMillis
        return yield* users.one(sql`
          INSERT INTO user (id, name, email, email_verified, image, created_at, updated_at)
          VALUES (${id}, ${name}, ${email}, ${emailVerified}, ${image ?? null}, ${now}, ${now})
          RETURNING ${columns}`)
      }).pipe(write("create", ["AlreadyExists", "InvalidInput"])),

    ensure: (request) =>
      Effect.gen(function*() {
        const { email, name } = yield* input("ensure", EnsureUser)(request)
        const id = yield* idOrNew(undefined, "user", UserId.make)
        const now = yield* Clock.currentTimeMillis
        // DO NOTHING would give no row back: this changes nothing, and gives the one that is there.
        const user = yield* users.one(sql`
          INSERT INTO user (id, name, email, created_at, updated_at) VALUES (${id}, ${name}, ${email}, ${now}, ${now})
          ON CONFLICT (email) DO UPDATE SET email = email
          RETURNING ${columns}`)
        return { user, created: user.id === id }
      }).pipe(write("ensure", ["InvalidInput"])),

    findById: (id) => byId(id).pipe(read("findById", { "user.id": id })),

    getById: (id) => Effect.flatMap(byId(id), present(id)).pipe(read("getById", { "user.id": id })),

    findByEmail: (email) =>
      input("findByEmail", Email)(email).pipe(
        Effect.flatMap((given) => users.first(sql`SELECT ${columns} FROM user WHERE email = ${given}`)),
        read("findByEmail")
      ),

    update: (request) =>
      Effect.gen(function*() {
        const { email, emailVerified, id, image, name } = yield* input("update", UpdateUser)(request)
        const now = yield* Clock.currentTimeMillis
        const given = sql`(coalesce(${name ?? null}, name), coalesce(${email ?? null}, email),
          coalesce(${emailVerified ?? null}, email_verified), iif(${image === undefined}, image, ${image ?? null}))`
        return yield* users.first(sql`
          UPDATE user SET
            updated_at = iif((name, email, email_verified, image) IS ${given}, updated_at, ${now}),
            (name, email, email_verified, image) = ${given}
          WHERE id = ${id}
          RETURNING ${columns}`).pipe(Effect.flatMap(present(id)))
      }).pipe(write("update", ["AlreadyExists", "InvalidInput"])),

    delete: (id) =>
      Effect.zipRight(endWithOwner(sql, id), sql`DELETE FROM user WHERE id = ${id} RETURNING id`).pipe(
        Effect.flatMap(([deleted]) => present(id)(Option.fromNullable(deleted))),
        Effect.asVoid,
        sql.withTransaction,
        read("delete", { "user.id": id })
      )
  }
  return service
})
