/**
 * Users: the owners of sandboxes, profiles, secrets and workflows. The columns are those of Better Auth's core schema
 * (https://www.better-auth.com/docs/concepts/database#core-schema).
 */
import { Schema } from "effect"
import { Flag, idOf, Label, maxNameLength, Name, optional, Prose, storable, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"

/** The id of a user: `user_` and a UUIDv7 if this package generated it. */
export const UserId = idOf("UserId")
export type UserId = typeof UserId.Type

/** One row of `user`. */
export class User extends Model.Class<User>("User")(
  {
    id: UserId,
    name: Label,
    /** Unique, and in lower case, as in Better Auth. */
    email: Name,
    emailVerified: Flag,
    /** The URL of a picture of the user, which may be a data URL. */
    image: optional(Prose),
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "user",
    service: "UserRepo",
    purpose: "The owners of sandboxes, profiles, secrets and workflows. Deleting a user deletes all but the workflows."
  })
) {}

// RFC 5321 allows 64 characters before the @ and 255 after it.
const emailRule = "must be an email address of at most 320 characters"

/** An email address in a request. It is stored in lower case, so that each address belongs to one user. */
export const Email = Schema.transform(
  Schema.String,
  storable(Schema.String).pipe(
    Schema.filter((email) => email.length <= 320 && /^[^\s@]+@[^\s@]+$/.test(email), { message: () => emailRule })
  ),
  // The filter refuses a longer text anyway, and converting 200 MB takes longer than a statement.
  {
    strict: true,
    decode: (email) => (email.length > maxNameLength ? email : email.trim().toLowerCase()),
    encode: (email) => email
  }
)

const fields = {
  name: Label,
  email: Email,
  image: Schema.optional(Name)
}

/** Input for creating a user. `emailVerified` is false by default. */
export const CreateUser = Schema.Struct({
  ...fields,
  id: Schema.optional(UserId),
  emailVerified: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/** Input for finding a user by email, or creating one with this name. */
export const EnsureUser = Schema.Struct({ name: Label, email: Email })

/** The result of `ensure`. */
export const EnsuredUser = Schema.Struct({
  user: Model.Row(User),
  /** False if the email belonged to a user, who is returned. */
  created: Schema.Boolean
})
export interface EnsuredUser extends Schema.Schema.Type<typeof EnsuredUser> {}

/** Changes of a user. Absent fields stay unchanged; `image: null` clears the image. */
export const UpdateUser = Schema.Struct({
  id: UserId,
  name: Schema.optional(Label),
  email: Schema.optional(Email),
  emailVerified: Schema.optional(Schema.Boolean),
  image: Schema.optional(Schema.NullOr(Name))
})
