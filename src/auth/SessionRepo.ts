/**
 * Sessions, over the table `session`, which Better Auth writes, too.
 *
 * What it guarantees: a session that has expired or was revoked is found by nobody, and a token reaches no error, no log
 * and no span.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option, Redacted } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import type { ById } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import { make } from "./makeSessionRepo.js"
import type { CreateSession, ExtendSession, Session } from "./Session.js"
import type { UserId } from "./User.js"

/**
 * Methods of `SessionRepo`. `ownerUserId` is the user who is signed in.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface SessionService {
  /**
   * Signs a user in. Fails with `AlreadyExists` when the id or the token is taken, with `ReferenceNotFound` (`userId`) when
   * there is no such user, with `InvalidInput` for a value out of shape.
   */
  readonly create: (
    session: typeof CreateSession.Encoded
  ) => Effect.Effect<Session, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** The session of this token, if it is there and has not expired. Fails with `InvalidInput` for an empty token. */
  readonly findByToken: (token: Redacted.Redacted) => Effect.Effect<Option.Option<Session>, InvalidInput | PersistenceError>

  /**
   * The sessions of a user, expired ones too, newest first. Fails with `InvalidInput` for a foreign cursor or a limit out
   * of range.
   */
  readonly listForUser: (
    request: PageRequest & { readonly userId: UserId }
  ) => Effect.Effect<Page<Session>, InvalidInput | PersistenceError>

  /**
   * Lets a session that lives end at another instant. Fails with `NotFound` when there is none, or it has expired: it does
   * not come back to life. Fails with `InvalidInput` for an instant before 1970.
   */
  readonly extend: (
    request: typeof ExtendSession.Encoded
  ) => Effect.Effect<Session, NotFound | InvalidInput | PersistenceError>

  /** Ends a session. Fails with `NotFound`. */
  readonly revoke: (id: ById) => Effect.Effect<void, NotFound | PersistenceError>

  /** Ends all sessions of a user, and says how many there were. */
  readonly revokeAllForUser: (userId: UserId) => Effect.Effect<number, PersistenceError>

  /**
   * Removes up to `limit` sessions that have expired, the longest expired first, and says how many. Fails with
   * `InvalidInput` for a limit that is not a whole number from 1 to 1,000.
   */
  readonly purgeExpired: (limit: number) => Effect.Effect<number, InvalidInput | PersistenceError>
}

export class SessionRepo extends Context.Tag("@sealant/db/SessionRepo")<SessionRepo, SessionService>() {
  /** The sessions over `SqlClient`. */
  static readonly layer: Layer.Layer<SessionRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
