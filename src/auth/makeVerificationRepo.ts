/**
 * The statements and rules of `VerificationRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect, Redacted } from "effect"
import { purgeOf } from "../sql/expiry.js"
import { idOrNew } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { ConsumeVerification, CreateVerification, Verification, VerificationId } from "./Verification.js"
import type { VerificationService } from "./VerificationRepo.js"

const own = operations("VerificationRepo", "Verification")
const { input, read, write } = own

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Verification))
  const verifications = yield* rowsOf(Verification)

  const service: VerificationService = {
    create: (request) =>
      Effect.gen(function*() {
        const { expiresAt, id: given, identifier, value } = yield* input("create", CreateVerification)(request)
        const id = yield* idOrNew(given, "verification", VerificationId.make)
        const now = yield* Clock.currentTimeMillis
        return yield* verifications.one(sql`
          INSERT INTO verification (id, identifier, value, expires_at, created_at, updated_at)
          VALUES (${id}, ${identifier}, ${Redacted.value(value)}, ${DateTime.toEpochMillis(expiresAt)}, ${now}, ${now})
          RETURNING ${columns}`)
      }).pipe(write("create", ["AlreadyExists", "InvalidInput"])),

    consume: (presented) =>
      Effect.gen(function*() {
        const { identifier, value } = yield* input("consume", ConsumeVerification)(presented)
        const now = yield* Clock.currentTimeMillis
        return yield* verifications.first(sql`
          DELETE FROM verification
          WHERE identifier = ${identifier} AND value = ${Redacted.value(value)} AND expires_at > ${now}
          RETURNING ${columns}`)
      }).pipe(read("consume")),

    purgeExpired: purgeOf(sql, own, "verification")
  }
  return service
})
