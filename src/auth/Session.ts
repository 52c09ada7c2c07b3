/**
 * A session: that a user is signed in somewhere, in the shape of Better Auth's core schema
 * (https://www.better-auth.com/docs/concepts/database#core-schema).
 */
import { Schema } from "effect"
import { confinedTo, idOf, Label, Name, optional, Prose, Sensitive, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "./User.js"

/** The id of a session, `session_` and a UUIDv7 when it is ours. Not its token. */
export const SessionId = idOf("SessionId")
export type SessionId = typeof SessionId.Type

/** One row of `session`. */
export class Session extends Model.Class<Session>("Session")({
  id: SessionId,
  userId: UserId,
  /** Whoever has it is the user: redacted, and absent in JSON. */
  token: Sensitive,
  /** From this instant on it is none. */
  expiresAt: Timestamp,
  /** Better Auth writes an empty text where it knows none. */
  ipAddress: optional(Label),
  userAgent: optional(Prose),
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({ name: "session", service: "SessionRepo", purpose: "Who is signed in, where, and until when." })) {}

/** The token of a session, which prints as nothing. */
export const SessionToken = Schema.RedactedFromSelf(Name)

/** What a caller gives to sign a user in. */
export const CreateSession = Schema.Struct({
  id: Schema.optional(SessionId),
  userId: UserId,
  token: SessionToken,
  expiresAt: Schema.DateTimeUtcFromSelf,
  ipAddress: Schema.optional(Name),
  userAgent: Schema.optional(Name)
})

/** Until when a session lives from now on. */
export const ExtendSession = Schema.Struct({
  id: SessionId,
  ownerUserId: confinedTo(UserId),
  expiresAt: Schema.DateTimeUtcFromSelf
})
