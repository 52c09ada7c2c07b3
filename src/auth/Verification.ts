/**
 * A verification: what somebody has to present to prove that an email, or a reset, is theirs, in the shape of Better
 * Auth's core schema (https://www.better-auth.com/docs/concepts/database#core-schema).
 */
import { Schema } from "effect"
import { idOf, Name, Sensitive, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"

/** The id of a verification, `verification_` and a UUIDv7 when it is ours. */
export const VerificationId = idOf("VerificationId")
export type VerificationId = typeof VerificationId.Type

/** One row of `verification`. */
export class Verification extends Model.Class<Verification>("Verification")({
  id: VerificationId,
  /**
   * What is verified: an email address, or a purpose with an id. Redacted, and absent in JSON, as the value is: Better Auth
   * keeps the token of a password reset in it.
   */
  identifier: Sensitive,
  /** What has to be presented: redacted, and absent in JSON. */
  value: Sensitive,
  /** From this instant on it proves nothing. */
  expiresAt: Timestamp,
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "verification",
  service: "VerificationRepo",
  purpose: "What has to be presented, once and in time, to verify an address or to reset a password."
})) {}

const Value = Schema.RedactedFromSelf(Name)

/** What a caller gives to begin a verification. The identifier is plain text here, as callers have it. */
export const CreateVerification = Schema.Struct({
  id: Schema.optional(VerificationId),
  identifier: Name,
  value: Value,
  expiresAt: Schema.DateTimeUtcFromSelf
})

/** What is presented. */
export const ConsumeVerification = Schema.Struct({ identifier: Name, value: Value })
