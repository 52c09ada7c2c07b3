/**
 * Verifications: single-use secrets that verify an email address or authorize a password reset. The columns are those
 * of Better Auth's core schema (https://www.better-auth.com/docs/concepts/database#core-schema).
 */
import { Schema } from "effect"
import { idOf, Name, Sensitive, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"

/** The id of a verification: `verification_` and a UUIDv7 if this package generated it. */
export const VerificationId = idOf("VerificationId")
export type VerificationId = typeof VerificationId.Type

/** One row of `verification`. */
export class Verification extends Model.Class<Verification>("Verification")(
  {
    id: VerificationId,
    /**
     * The subject: an email address, or a purpose with an id. Redacted, and absent in JSON, because Better Auth stores
     * the token of a password reset in it.
     */
    identifier: Sensitive,
    /** The secret to present. Redacted, and absent in JSON. */
    value: Sensitive,
    /** The instant from which the verification is no longer valid. */
    expiresAt: Timestamp,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "verification",
    service: "VerificationRepo",
    purpose: "Single-use secrets with an expiry, which verify an email address or authorize a password reset."
  })
) {}

const Value = Schema.RedactedFromSelf(Name)

/** Input for creating a verification. The identifier is plain text. */
export const CreateVerification = Schema.Struct({
  id: Schema.optional(VerificationId),
  identifier: Name,
  value: Value,
  expiresAt: Schema.DateTimeUtcFromSelf
})

/** Input for consuming a verification: its identifier and its secret. */
export const ConsumeVerification = Schema.Struct({ identifier: Name, value: Value })
