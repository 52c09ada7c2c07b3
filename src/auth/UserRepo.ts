/**
 * The repository of users, over the table `user`, which Better Auth also writes.
 *
 * Guarantee: an email address, in any case, belongs to at most one user, also under concurrent calls.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, Effect, Layer, Option } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import { endWithOwner } from "../events/deletions.js"
import { idOrNew } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { toWrite } from "../sql/writeAll.js"
import { CreateUser, Email, type EnsuredUser, EnsureUser, UpdateUser, User, UserId } from "./User.js"

/**
 * Methods of `UserRepo`.
 *
 * Request handlers may call the methods that take an id, with the id of the session's own user. The others are
 * internal: not for request handlers.
 */
export interface UserService {
  /**
   * Creates a user, with a new id if the request has none.
   *
   * Fails with `AlreadyExists` if the id or the email is taken, and with `InvalidInput` if the name, the email or the
   * image is invalid.
   */
  readonly create: (
    user: typeof CreateUser.Encoded
  ) => Effect.Effect<User, AlreadyExists | InvalidInput | PersistenceError>

  /**
   * Returns the user with this email, or creates one with this name. One statement: concurrent calls return the same
   * user, and exactly one of them returns `created: true`.
   *
   * Fails with `InvalidInput` if the name or the email is invalid.
   */
  readonly ensure: (user: typeof EnsureUser.Encoded) => Effect.Effect<EnsuredUser, InvalidInput | PersistenceError>

  /** Returns the user, if it exists. */
  readonly findById: (id: string) => Effect.Effect<Option.Option<User>, PersistenceError>

  /** Returns the user. Fails with `NotFound` if it does not exist. */
  readonly getById: (id: string) => Effect.Effect<User, NotFound | PersistenceError>

  /**
   * Returns the user with this email, in upper or lower case, if it exists. Fails with `InvalidInput` if the email is
   * invalid.
   */
  readonly findByEmail: (email: string) => Effect.Effect<Option.Option<User>, InvalidInput | PersistenceError>

  /**
   * Changes the fields that the request contains. `updatedAt` changes only if a field changes.
   *
   * Fails with:
   * - `NotFound` if the user does not exist;
   * - `AlreadyExists` if another user has the email;
   * - `InvalidInput` if a value is invalid.
   */
  readonly update: (
    changes: typeof UpdateUser.Encoded
  ) => Effect.Effect<User, NotFound | AlreadyExists | InvalidInput | PersistenceError>

  /**
   * Deletes the user with the user's sandboxes, attempts, jobs, profiles, secrets and sessions. In the same
   * transaction, the user's active workflows and executions end. Workflows stay, without an owner.
   *
   * The journal records each end. The event of an attempt with an active runtime contains its adapter and resource, for
   * the program that tears the runtime down.
   *
   * Fails with `NotFound` if the user does not exist.
   */
  readonly delete: (id: string) => Effect.Effect<void, NotFound | PersistenceError>
}

const { decodeInput, orNotFound, traced } = operations("UserRepo", "User")

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(User))
  const users = yield* rowsOf(User)

  const byId = (id: string) => users.findOne(sql`SELECT ${columns} FROM user WHERE id = ${id}`)

  const service: UserService = {
    create: (request) =>
      Effect.gen(function* () {
        const { email, emailVerified, id: requestedId, image, name } = yield* decodeInput("create", CreateUser)(request)
        const id = yield* idOrNew(requestedId, "user", UserId.make)
        const now = yield* Clock.currentTimeMillis
        return yield* users.single(sql`
          INSERT INTO user (id, name, email, email_verified, image, created_at, updated_at)
          VALUES (${id}, ${name}, ${email}, ${emailVerified}, ${image ?? null}, ${now}, ${now})
          RETURNING ${columns}`)
      }).pipe(traced("create", ["AlreadyExists", "InvalidInput"])),

    ensure: (request) =>
      Effect.gen(function* () {
        const { email, name } = yield* decodeInput("ensure", EnsureUser)(request)
        const id = yield* idOrNew(undefined, "user", UserId.make)
        const now = yield* Clock.currentTimeMillis
        // An update without effect, because DO NOTHING would not return the existing row.
        const user = yield* users.single(sql`
          INSERT INTO user (id, name, email, created_at, updated_at) VALUES (${id}, ${name}, ${email}, ${now}, ${now})
          ON CONFLICT (email) DO UPDATE SET email = email
          RETURNING ${columns}`)
        return { user, created: user.id === id }
      }).pipe(traced("ensure", ["InvalidInput"])),

    findById: (id) => byId(id).pipe(traced("findById", { "user.id": id })),

    getById: (id) => Effect.flatMap(byId(id), orNotFound(id)).pipe(traced("getById", { "user.id": id })),

    findByEmail: (request) =>
      decodeInput(
        "findByEmail",
        Email
      )(request).pipe(
        Effect.flatMap((email) => users.findOne(sql`SELECT ${columns} FROM user WHERE email = ${email}`)),
        traced("findByEmail")
      ),

    update: (request) =>
      Effect.gen(function* () {
        const { email, emailVerified, id, image, name } = yield* decodeInput("update", UpdateUser)(request)
        const now = yield* Clock.currentTimeMillis
        const updated = sql`(coalesce(${name ?? null}, name), coalesce(${email ?? null}, email),
          coalesce(${emailVerified ?? null}, email_verified), iif(${image === undefined}, image, ${image ?? null}))`
        return yield* users
          .findOne(sql`
          UPDATE user SET
            updated_at = iif((name, email, email_verified, image) IS ${updated}, updated_at, ${now}),
            (name, email, email_verified, image) = ${updated}
          WHERE id = ${id}
          RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(id)))
      }).pipe(traced("update", ["AlreadyExists", "InvalidInput"])),

    delete: (id) =>
      endWithOwner(sql, id, { deletion: toWrite(sql`DELETE FROM user WHERE id = ${id} RETURNING id`) }).pipe(
        Effect.flatMap(([deleted]) => orNotFound(id)(Option.fromNullable(deleted))),
        Effect.asVoid,
        traced("delete", { "user.id": id })
      )
  }
  return service
})

/** Users, found by their id or their email address. */
export class UserRepo extends Context.Tag("@sealant/db/UserRepo")<UserRepo, UserService>() {
  /** Users over `SqlClient`. */
  static readonly layer: Layer.Layer<UserRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
