/**
 * A user: the root of what is owned, in the shape of Better Auth's core schema
 * (https://www.better-auth.com/docs/concepts/database#core-schema).
 */
import { Schema } from "effect"
import { Flag, idOf, Label, Name, optional, Prose, storable, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"

/** The id of a user, `user_` and a UUIDv7 when it is ours. */
export const UserId = idOf("UserId")
export type UserId = typeof UserId.Type

/** One row of `user`. */
export class User extends Model.Class<User>("User")({
  id: UserId,
  name: Label,
  /** In lower case, as Better Auth keeps it: unique. */
  email: Name,
  emailVerified: Flag,
  /** Where a picture of the person is, or the picture itself as a data URL. */
  image: optional(Prose),
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "user",
  service: "UserRepo",
  purpose: "The people who own what is here. Deleting one takes with it what that person owned."
})) {}

// RFC 5321 allows 64 characters before the @ and 255 after it.
const emailRule = "must be an email address of at most 320 characters"

/** An email address as callers give it; kept in lower case, so that one person is one user. */
export const Email = Schema.transform(
  Schema.String,
  storable(Schema.String).pipe(
    Schema.filter((email) => email.length <= 320 && /^[^\s@]+@[^\s@]+$/.test(email), { message: () => emailRule })
  ),
  { strict: true, decode: (email) => email.trim().toLowerCase(), encode: (email) => email }
)

const fields = {
  name: Label,
  email: Email,
  image: Schema.optional(Name)
}

/** What a caller gives to create a user. `emailVerified` left out means false. */
export const CreateUser = Schema.Struct({
  ...fields,
  id: Schema.optional(UserId),
  emailVerified: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/** Who is to be there. */
export const EnsureUser = Schema.Struct({ name: Label, email: Email })

/** What changes of a user. What is left out stays; `image` given as `null` is cleared. */
export const UpdateUser = Schema.Struct({
  id: UserId,
  name: Schema.optional(Label),
  email: Schema.optional(Email),
  emailVerified: Schema.optional(Schema.Boolean),
  image: Schema.optional(Schema.NullOr(Name))
})
