/**
 * The repository of verifications, over the table `verification`, which Better Auth also writes.
 *
 * Guarantees:
 * - A verification is consumed at most once, also under concurrent calls, and never after it has expired.
 * - Its value and its identifier never appear in errors, logs or spans.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, DateTime, Effect, Layer, type Option, Redacted } from "effect"
import type { AlreadyExists, InvalidInput, PersistenceError } from "../Errors.js"
import { purgeOf } from "../sql/expiry.js"
import { idOrNew } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { ConsumeVerification, CreateVerification, Verification, VerificationId } from "./Verification.js"

/**
 * Methods of `VerificationRepo`.
 *
 * Internal: for signing in, not for request handlers.
 */
export interface VerificationService {
  /**
   * Creates a verification.
   *
   * Fails with `AlreadyExists` if the id is taken or the identifier already has this value, and with `InvalidInput` if
   * a value is invalid.
   */
  readonly create: (
    verification: typeof CreateVerification.Encoded
  ) => Effect.Effect<Verification, AlreadyExists | InvalidInput | PersistenceError>

  /**
   * Deletes a verification and returns it. Exactly one of several concurrent calls returns it. Returns `None` if it
   * does not exist or has expired.
   *
   * Fails with `InvalidInput` if the identifier or the value is invalid.
   */
  readonly consume: (
    presented: typeof ConsumeVerification.Encoded
  ) => Effect.Effect<Option.Option<Verification>, InvalidInput | PersistenceError>

  /**
   * Deletes up to `limit` expired verifications, the longest expired first, and returns their number. Fails with
   * `InvalidInput` if `limit` is not a whole number from 1 to 1,000.
   */
  readonly purgeExpired: (limit: number) => Effect.Effect<number, InvalidInput | PersistenceError>
}

const own = operations("VerificationRepo", "Verification")
const { decodeInput, traced } = own

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Verification))
  const verifications = yield* rowsOf(Verification)

  const service: VerificationService = {
    create: (request) =>
      Effect.gen(function* () {
        const {
          expiresAt,
          id: requestedId,
          identifier,
          value
        } = yield* decodeInput("create", CreateVerification)(request)
        const id = yield* idOrNew(requestedId, "verification", VerificationId.make)
        const now = yield* Clock.currentTimeMillis
        return yield* verifications.single(sql`
          INSERT INTO verification (id, identifier, value, expires_at, created_at, updated_at)
          VALUES (${id}, ${identifier}, ${Redacted.value(value)}, ${DateTime.toEpochMillis(expiresAt)}, ${now}, ${now})
          RETURNING ${columns}`)
      }).pipe(traced("create", ["AlreadyExists", "InvalidInput"])),

    consume: (presented) =>
      Effect.gen(function* () {
        const { identifier, value } = yield* decodeInput("consume", ConsumeVerification)(presented)
        const now = yield* Clock.currentTimeMillis
        return yield* verifications.findOne(sql`
          DELETE FROM verification
          WHERE identifier = ${identifier} AND value = ${Redacted.value(value)} AND expires_at > ${now}
          RETURNING ${columns}`)
      }).pipe(traced("consume")),

    purgeExpired: purgeOf(sql, own, "verification")
  }
  return service
})

/** Verifications, such as those of an email address. Each is consumed at most once. */
export class VerificationRepo extends Context.Tag("@sealant/db/VerificationRepo")<
  VerificationRepo,
  VerificationService
>() {
  /** Verifications over `SqlClient`. */
  static readonly layer: Layer.Layer<VerificationRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
