/**
 * Accounts: the password of a user, or a link to a user at a provider. The columns are those of Better Auth's core
 * schema (https://www.better-auth.com/docs/concepts/database#core-schema).
 */
import { Schema } from "effect"
import {
  ownerScopeField,
  Credential,
  idOf,
  Name,
  optional,
  OptionalSensitive,
  OptionalTimestamp,
  Prose,
  Timestamp
} from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "./User.js"

/** The id of an account in this database: `account_` and a UUIDv7 if this package generated it. */
export const AccountId = idOf("AccountId")
export type AccountId = typeof AccountId.Type

/** One row of `account`. */
export class Account extends Model.Class<Account>("Account")(
  {
    id: AccountId,
    userId: UserId,
    /** The provider that authenticates the user, such as `github`. Better Auth stores a password as `credential`. */
    providerId: Name,
    /** The user's id at the provider; for `credential`, the id of the user in this database. */
    accountId: Name,
    accessToken: OptionalSensitive,
    refreshToken: OptionalSensitive,
    idToken: OptionalSensitive,
    accessTokenExpiresAt: OptionalTimestamp,
    refreshTokenExpiresAt: OptionalTimestamp,
    /** The scopes that the provider granted, in the provider's notation. */
    scope: optional(Prose),
    /** The hash of the password, never the password. */
    password: OptionalSensitive,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "account",
    service: "AccountRepo",
    purpose: "The sign-in methods of users: a password hash, or the identity and tokens at a provider."
  })
) {}

/** A token or a hash. Redacted, so that it is never printed. */
export const AccountCredential = Schema.RedactedFromSelf(Credential)

const account = { providerId: Name, accountId: Name }

/** Input for linking an account to a user. `password` is a hash. */
export const LinkAccount = Schema.Struct({
  ...account,
  id: Schema.optional(AccountId),
  userId: UserId,
  accessToken: Schema.optional(AccountCredential),
  refreshToken: Schema.optional(AccountCredential),
  idToken: Schema.optional(AccountCredential),
  accessTokenExpiresAt: Schema.optional(Schema.DateTimeUtcFromSelf),
  refreshTokenExpiresAt: Schema.optional(Schema.DateTimeUtcFromSelf),
  scope: Schema.optional(Prose),
  password: Schema.optional(AccountCredential)
})

/** A provider, and the user's id at this provider. */
export const ProviderAccount = Schema.Struct(account)

/** Changes of an account. Absent fields stay unchanged; `null` clears a field. */
export const UpdateTokens = Schema.Struct({
  id: AccountId,
  ownerUserId: ownerScopeField(UserId),
  accessToken: Schema.optional(Schema.NullOr(AccountCredential)),
  refreshToken: Schema.optional(Schema.NullOr(AccountCredential)),
  idToken: Schema.optional(Schema.NullOr(AccountCredential)),
  accessTokenExpiresAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtcFromSelf)),
  refreshTokenExpiresAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtcFromSelf)),
  scope: Schema.optional(Schema.NullOr(Prose)),
  password: Schema.optional(Schema.NullOr(AccountCredential))
})
