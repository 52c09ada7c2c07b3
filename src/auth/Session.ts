/**
 * Sessions: sign-ins of users on their devices. The columns are those of Better Auth's core schema
 * (https://www.better-auth.com/docs/concepts/database#core-schema).
 */
import { Schema } from "effect"
import { ownerScopeField, idOf, Label, Name, optional, Prose, Sensitive, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "./User.js"

/** The id of a session, which is not its token: `session_` and a UUIDv7 if this package generated it. */
export const SessionId = idOf("SessionId")
export type SessionId = typeof SessionId.Type

/** One row of `session`. */
export class Session extends Model.Class<Session>("Session")(
  {
    id: SessionId,
    userId: UserId,
    /** The secret that authenticates the user. Redacted, and absent in JSON. */
    token: Sensitive,
    /** The instant from which the session is no longer valid. */
    expiresAt: Timestamp,
    /** The IP address of the client. Better Auth writes an empty text if it is unknown. */
    ipAddress: optional(Label),
    userAgent: optional(Prose),
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "session",
    service: "SessionRepo",
    purpose: "The sessions of signed-in users, with their client and expiry."
  })
) {}

/** The token of a session. Redacted, so that it is never printed. */
export const SessionToken = Schema.RedactedFromSelf(Name)

/** Input for signing a user in. */
export const CreateSession = Schema.Struct({
  id: Schema.optional(SessionId),
  userId: UserId,
  token: SessionToken,
  expiresAt: Schema.DateTimeUtcFromSelf,
  ipAddress: Schema.optional(Name),
  userAgent: Schema.optional(Name)
})

/** Input for changing the expiry of a session. */
export const ExtendSession = Schema.Struct({
  id: SessionId,
  ownerUserId: ownerScopeField(UserId),
  expiresAt: Schema.DateTimeUtcFromSelf
})
