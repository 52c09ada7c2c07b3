/**
 * Accounts, over the table `account`, which Better Auth writes, too.
 *
 * What it guarantees: an account at a provider is linked to one user, whoever links it at the same moment, and a token or
 * a password hash reaches no error, no log and no span.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import type { ById } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import type { Account, LinkAccount, ProviderAccount, UpdateTokens } from "./Account.js"
import { make } from "./makeAccountRepo.js"
import type { UserId } from "./User.js"

/**
 * Methods of `AccountRepo`. `ownerUserId` is the user to whom the account is linked.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface AccountService {
  /**
   * Links an account to a user. Where that user has it already, nothing is added: what is given renews what is there, as
   * after another sign-in at the provider, what is left out stays, and the row keeps its id. So the same call again
   * changes nothing.
   *
   * Fails with `AlreadyExists` when the account is another user's or the id is taken, with `ReferenceNotFound` (`userId`)
   * when there is no such user, with `InvalidInput` for a value out of shape.
   */
  readonly link: (
    account: typeof LinkAccount.Encoded
  ) => Effect.Effect<Account, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * Returns the linked account, or none. Internal: for signing in, not for request handlers. Fails with `InvalidInput` when the
   * name is invalid.
   */
  readonly find: (
    account: typeof ProviderAccount.Encoded
  ) => Effect.Effect<Option.Option<Account>, InvalidInput | PersistenceError>

  /** The accounts of a user, newest first. Fails with `InvalidInput` for a foreign cursor or a limit out of range. */
  readonly listForUser: (
    request: PageRequest & { readonly userId: UserId }
  ) => Effect.Effect<Page<Account>, InvalidInput | PersistenceError>

  /**
   * Changes the tokens, their ends, the scope or the password hash: what is left out stays, what is given as `null` is
   * cleared. `updatedAt` moves when something is another than before. Fails with `NotFound`, with `InvalidInput` for a
   * value out of shape.
   */
  readonly updateTokens: (
    changes: typeof UpdateTokens.Encoded
  ) => Effect.Effect<Account, NotFound | InvalidInput | PersistenceError>

  /** Takes the account away; the user stays, also without any. Fails with `NotFound`. */
  readonly unlink: (id: ById) => Effect.Effect<void, NotFound | PersistenceError>
}

export class AccountRepo extends Context.Tag("@sealant/db/AccountRepo")<AccountRepo, AccountService>() {
  /** The accounts over `SqlClient`. */
  static readonly layer: Layer.Layer<AccountRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
