/**
 * Verifications, over the table `verification`, which Better Auth writes, too.
 *
 * What it guarantees: a verification is consumed once at most, whoever presents it at the same moment, and never after it
 * has expired. Neither its value nor its identifier reaches an error, a log or a span.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { AlreadyExists, InvalidInput, PersistenceError } from "../Errors.js"
import { make } from "./makeVerificationRepo.js"
import type { ConsumeVerification, CreateVerification, Verification } from "./Verification.js"

/**
 * Methods of `VerificationRepo`.
 *
 * Internal: for signing in, not for request handlers.
 */
export interface VerificationService {
  /**
   * Begins a verification. Fails with `AlreadyExists` when the id is taken or the identifier has this value already, with
   * `InvalidInput` for a value out of shape.
   */
  readonly create: (
    verification: typeof CreateVerification.Encoded
  ) => Effect.Effect<Verification, AlreadyExists | InvalidInput | PersistenceError>

  /**
   * Takes a verification away, and gives it to the one caller who took it; none when there is none, or it has expired.
   * Fails with `InvalidInput` for an empty identifier or value.
   */
  readonly consume: (
    presented: typeof ConsumeVerification.Encoded
  ) => Effect.Effect<Option.Option<Verification>, InvalidInput | PersistenceError>

  /**
   * Removes up to `limit` verifications that have expired, the longest expired first, and says how many. Fails with
   * `InvalidInput` for a limit that is not a whole number from 1 to 1,000.
   */
  readonly purgeExpired: (limit: number) => Effect.Effect<number, InvalidInput | PersistenceError>
}

export class VerificationRepo extends Context.Tag("@sealant/db/VerificationRepo")<VerificationRepo, VerificationService>() {
  /** The verifications over `SqlClient`. */
  static readonly layer: Layer.Layer<VerificationRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
