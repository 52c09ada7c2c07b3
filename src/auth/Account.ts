/**
 * An account: how a user signs in, by a password or through a provider, in the shape of Better Auth's core schema
 * (https://www.better-auth.com/docs/concepts/database#core-schema).
 */
import { Schema } from "effect"
import { confinedTo, Credential, idOf, Name, optional, OptionalSensitive, OptionalTimestamp, Prose, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "./User.js"

/** The id of an account, `account_` and a UUIDv7 when it is ours. Not its id at the provider. */
export const AccountId = idOf("AccountId")
export type AccountId = typeof AccountId.Type

/** One row of `account`. */
export class Account extends Model.Class<Account>("Account")({
  id: AccountId,
  userId: UserId,
  /** Who vouches for the user: `github`, say. Better Auth calls an email with a password `credential`. */
  providerId: Name,
  /** The user's id at the provider; for `credential` the id of the user here. */
  accountId: Name,
  accessToken: OptionalSensitive,
  refreshToken: OptionalSensitive,
  idToken: OptionalSensitive,
  accessTokenExpiresAt: OptionalTimestamp,
  refreshTokenExpiresAt: OptionalTimestamp,
  /** What the provider allowed, as it says it. */
  scope: optional(Prose),
  /** The hash of the password, never the password. */
  password: OptionalSensitive,
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "account",
  service: "AccountRepo",
  purpose: "How users sign in: the password of a user, or who they are at a provider, with the tokens that it gave."
})) {}

/** A token or a hash, which prints as nothing. */
export const AccountCredential = Schema.RedactedFromSelf(Credential)

const account = { providerId: Name, accountId: Name }

/** What a caller gives to link an account to a user. `password` is a hash. */
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

/** Whose account at which provider. */
export const ProviderAccount = Schema.Struct(account)

/** What changes of an account. What is left out stays, what is given as `null` is cleared. */
export const UpdateTokens = Schema.Struct({
  id: AccountId,
  ownerUserId: confinedTo(UserId),
  accessToken: Schema.optional(Schema.NullOr(AccountCredential)),
  refreshToken: Schema.optional(Schema.NullOr(AccountCredential)),
  idToken: Schema.optional(Schema.NullOr(AccountCredential)),
  accessTokenExpiresAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtcFromSelf)),
  refreshTokenExpiresAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtcFromSelf)),
  scope: Schema.optional(Schema.NullOr(Prose)),
  password: Schema.optional(Schema.NullOr(AccountCredential))
})
