/**
 * The repository of sessions, over the table `session`, which Better Auth also writes.
 *
 * Guarantees:
 * - `findByToken` never returns a session that has expired or was revoked.
 * - Tokens never appear in errors, logs or spans.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, DateTime, Effect, Layer, Option, Redacted } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { purgeOf } from "../sql/expiry.js"
import { idOrNew } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import { type ById, ownerScope, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { CreateSession, ExtendSession, Session, SessionId, SessionToken } from "./Session.js"

/**
 * Methods of `SessionRepo`. `ownerUserId` is the user who is signed in.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface SessionService {
  /**
   * Signs a user in.
   *
   * Fails with:
   * - `AlreadyExists` if the id or the token is taken;
   * - `ReferenceNotFound` (`userId`) if the user does not exist;
   * - `InvalidInput` if a value is invalid.
   */
  readonly create: (
    session: typeof CreateSession.Encoded
  ) => Effect.Effect<Session, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Returns the session with this token, if it exists and has not expired. Fails with `InvalidInput` if the token is
   * invalid.
   */
  readonly findByToken: (
    token: Redacted.Redacted
  ) => Effect.Effect<Option.Option<Session>, InvalidInput | PersistenceError>

  /**
   * Lists the sessions of a user, including expired ones, newest first. Fails with `InvalidInput` if the cursor is
   * malformed or the limit is out of range.
   */
  readonly listForUser: (
    request: Page.PageRequest & { readonly userId: string }
  ) => Effect.Effect<Page.Page<Session>, InvalidInput | PersistenceError>

  /**
   * Changes the expiry of a session that has not expired.
   *
   * Fails with `NotFound` if the session does not exist or has expired, and with `InvalidInput` if the instant is
   * before 1970.
   */
  readonly extend: (
    request: typeof ExtendSession.Encoded
  ) => Effect.Effect<Session, NotFound | InvalidInput | PersistenceError>

  /** Deletes the session. Fails with `NotFound` if it does not exist. */
  readonly revoke: (id: ById) => Effect.Effect<void, NotFound | PersistenceError>

  /** Deletes all sessions of a user, and returns their number. */
  readonly revokeAllForUser: (userId: string) => Effect.Effect<number, PersistenceError>

  /**
   * Deletes up to `limit` expired sessions, the longest expired first, and returns their number. Fails with
   * `InvalidInput` if `limit` is not a whole number from 1 to 1,000.
   */
  readonly purgeExpired: (limit: number) => Effect.Effect<number, InvalidInput | PersistenceError>
}

const own = operations("SessionRepo", "Session")
const { decodeInput, onlyFields, orNotFound, traced } = own

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Session))
  const sessions = yield* rowsOf(Session)
  const ofOwner = ownerScope(sql, "user_id")

  const service: SessionService = {
    create: (request) =>
      Effect.gen(function* () {
        const {
          id: requestedId,
          userId,
          token,
          expiresAt,
          ipAddress,
          userAgent
        } = yield* decodeInput("create", CreateSession)(request)
        const id = yield* idOrNew(requestedId, "session", SessionId.make)
        const now = yield* Clock.currentTimeMillis
        return yield* sessions.single(sql`
          INSERT INTO session (id, user_id, token, expires_at, ip_address, user_agent, created_at, updated_at)
          VALUES (${id}, ${userId}, ${Redacted.value(token)}, ${DateTime.toEpochMillis(expiresAt)},
            ${ipAddress ?? null}, ${userAgent ?? null}, ${now}, ${now})
          RETURNING ${columns}`)
      }).pipe(
        traced("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [{ field: "userId", table: "user", id: Option.some(request.userId) }])
        )
      ),

    findByToken: (request) =>
      Effect.gen(function* () {
        const token = yield* decodeInput("findByToken", SessionToken)(request)
        const now = yield* Clock.currentTimeMillis
        return yield* sessions.findOne(sql`
          SELECT ${columns} FROM session WHERE token = ${Redacted.value(token)} AND expires_at > ${now}`)
      }).pipe(traced("findByToken")),

    listForUser: (request) =>
      Effect.gen(function* () {
        yield* onlyFields("listForUser", ["userId", ...Page.fields])(request)
        const start = yield* Page.start("SessionRepo.listForUser", request)
        const found = yield* sessions.findPage(sql`
          SELECT ${columns} FROM session WHERE user_id = ${request.userId} AND ${Page.afterCursor(sql, start)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(traced("listForUser", { "user.id": request.userId })),

    extend: (request) =>
      Effect.gen(function* () {
        const { expiresAt, ...target } = yield* decodeInput("extend", ExtendSession)(request)
        const now = yield* Clock.currentTimeMillis
        return yield* sessions
          .findOne(sql`
          UPDATE session SET expires_at = ${DateTime.toEpochMillis(expiresAt)}, updated_at = ${now}
          WHERE id = ${target.id} ${ofOwner(target)} AND expires_at > ${now}
          RETURNING ${columns}`)
          .pipe(Effect.flatMap(orNotFound(target.id)))
      }).pipe(traced("extend", ["InvalidInput"])),

    revoke: (by) => {
      const target = targetOf(by)
      return sql`DELETE FROM session WHERE id = ${target.id} ${ofOwner(target)} RETURNING id`.pipe(
        Effect.flatMap(([revoked]) => orNotFound(target.id)(Option.fromNullable(revoked))),
        Effect.asVoid,
        traced("revoke", { "session.id": target.id })
      )
    },

    revokeAllForUser: (userId) =>
      sql`DELETE FROM session WHERE user_id = ${userId} RETURNING id`.pipe(
        Effect.map((revoked) => revoked.length),
        traced("revokeAllForUser", { "user.id": userId })
      ),

    purgeExpired: purgeOf(sql, own, "session")
  }
  return service
})

/** Sessions of signed-in users. */
export class SessionRepo extends Context.Tag("@sealant/db/SessionRepo")<SessionRepo, SessionService>() {
  /** Sessions over `SqlClient`. */
  static readonly layer: Layer.Layer<SessionRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
