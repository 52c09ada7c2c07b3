/**
 * The statements and rules of `SessionRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect, Option, Redacted } from "effect"
import { purgeOf } from "../sql/expiry.js"
import { idOrNew } from "../sql/ids.js"
import { ownerScope, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { CreateSession, ExtendSession, Session, SessionId, SessionToken } from "./Session.js"
import type { SessionService } from "./SessionRepo.js"

const own = operations("SessionRepo", "Session")
const { input, present, read, write } = own

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Session))
  const sessions = yield* rowsOf(Session)
  const ofOwner = ownerScope(sql, "user_id")

  const service: SessionService = {
    create: (request) =>
      Effect.gen(function*() {
        const { expiresAt, id: given, ipAddress, token, userAgent, userId } = yield* input("create", CreateSession)(request)
        const id = yield* idOrNew(given, "session", SessionId.make)
        const now = yield* Clock.currentTimeMillis
        return yield* sessions.one(sql`
          INSERT INTO session (id, user_id, token, expires_at, ip_address, user_agent, created_at, updated_at)
          VALUES (${id}, ${userId}, ${Redacted.value(token)}, ${DateTime.toEpochMillis(expiresAt)}, ${ipAddress ?? null},
            ${userAgent ?? null}, ${now}, ${now})
          RETURNING ${columns}`)
      }).pipe(
        write("create", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [{ field: "userId", table: "user", id: Option.some(request.userId) }]))
      ),

    findByToken: (token) =>
      Effect.gen(function*() {
        const given = yield* input("findByToken", SessionToken)(token)
        const now = yield* Clock.currentTimeMillis
        return yield* sessions.first(sql`
          SELECT ${columns} FROM session WHERE token = ${Redacted.value(given)} AND expires_at > ${now}`)
      }).pipe(read("findByToken")),

    listForUser: (request) =>
      Effect.gen(function*() {
        const start = yield* Page.start("SessionRepo.listForUser", request)
        const rows = yield* sessions.all(sql`
          SELECT ${columns} FROM session WHERE user_id = ${request.userId} AND ${Page.below(sql, start)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(read("listForUser", { "user.id": request.userId })),

    extend: (request) =>
      Effect.gen(function*() {
        const { expiresAt, ...target } = yield* input("extend", ExtendSession)(request)
        const now = yield* Clock.currentTimeMillis
        return yield* sessions.first(sql`
          UPDATE session SET expires_at = ${DateTime.toEpochMillis(expiresAt)}, updated_at = ${now}
          WHERE id = ${target.id} ${ofOwner(target)} AND expires_at > ${now}
          RETURNING ${columns}`).pipe(Effect.flatMap(present(target.id)))
      }).pipe(write("extend", ["InvalidInput"])),

    revoke: (by) => {
      const target = targetOf(by)
      return sql`DELETE FROM session WHERE id = ${target.id} ${ofOwner(target)} RETURNING id`.pipe(
        Effect.flatMap(([revoked]) => present(target.id)(Option.fromNullable(revoked))),
        Effect.asVoid,
        read("revoke", { "session.id": target.id })
      )
    },

    revokeAllForUser: (userId) =>
      sql`DELETE FROM session WHERE user_id = ${userId} RETURNING id`.pipe(
        Effect.map((revoked) => revoked.length),
        read("revokeAllForUser", { "user.id": userId })
      ),

    purgeExpired: purgeOf(sql, own, "session")
  }
  return service
})
