/**
 * Users, over the table `user`, which Better Auth writes, too.
 *
 * What it guarantees: one user for an email address, whatever its case, also when many ask for it at the same moment.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import { make } from "./makeUserRepo.js"
import type { CreateUser, EnsureUser, UpdateUser, User, UserId } from "./User.js"

/**
 * Methods of `UserRepo`.
 *
 * Request handlers call the methods that take the id of the session's own user. The others are internal: not for request
 * handlers.
 */
export interface UserService {
  /**
   * Stores a user, with a new id when none is given. Fails with `AlreadyExists` when the id or the email is taken, with
   * `InvalidInput` for a name, an email or an image out of shape.
   */
  readonly create: (user: typeof CreateUser.Encoded) => Effect.Effect<User, AlreadyExists | InvalidInput | PersistenceError>

  /**
   * The user of this email; a new one of this name when there is none. One statement: many callers at once get one user,
   * and one of them is told that it was created. Fails with `InvalidInput` for a name or an email out of shape.
   */
  readonly ensure: (
    user: typeof EnsureUser.Encoded
  ) => Effect.Effect<{ readonly user: User; readonly created: boolean }, InvalidInput | PersistenceError>

  /** The user, if there is one. */
  readonly findById: (id: UserId) => Effect.Effect<Option.Option<User>, PersistenceError>

  /** The user. Fails with `NotFound`. */
  readonly getById: (id: UserId) => Effect.Effect<User, NotFound | PersistenceError>

  /** The user of this email, in any case, if there is one. Fails with `InvalidInput` for what is no email. */
  readonly findByEmail: (email: string) => Effect.Effect<Option.Option<User>, InvalidInput | PersistenceError>

  /**
   * Changes what is given; `updatedAt` moves when that is something else. Fails with `NotFound`, with `AlreadyExists` when the email is another user's, with
   * `InvalidInput` for a value out of shape.
   */
  readonly update: (
    changes: typeof UpdateUser.Encoded
  ) => Effect.Effect<User, NotFound | AlreadyExists | InvalidInput | PersistenceError>

  /**
   * Deletes the user with the user's sandboxes, attempts, jobs, profiles, secrets and sessions. In the same transaction the
   * user's active workflows and executions end. The journal records each end; the event of an attempt with an active runtime
   * contains its adapter and resource, for the program that tears it down. Workflows stay, without an owner. Fails with
   * `NotFound`.
   */
  readonly delete: (id: UserId) => Effect.Effect<void, NotFound | PersistenceError>
}

export class UserRepo extends Context.Tag("@sealant/db/UserRepo")<UserRepo, UserService>() {
  /** The users over `SqlClient`. */
  static readonly layer: Layer.Layer<UserRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
