/**
 * The repository of accounts, over the table `account`, which Better Auth also writes.
 *
 * Guarantees:
 * - An account at a provider is linked to at most one user, also under concurrent calls.
 * - Access, refresh and id tokens are stored encrypted if the `KeyRing` of the context has keys, as Better Auth's adapter
 *   does. A token in plain text stays readable, and is encrypted when it is written again or by a key rotation.
 * - A token that cannot be decrypted with the keys of this process is `None`: the user signs in at the provider again.
 * - Tokens and password hashes never appear in errors, logs or spans.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, DateTime, Effect, Layer, Option, Redacted } from "effect"
import { AlreadyExists } from "../Errors.js"
import type { InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import { operations } from "../sql/operations.js"
import { type ById, ownerScope, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, joinedPage, rowReader, rowsOf } from "../sql/rows.js"
import type { EncryptionKeyUnavailable } from "../secret/errors.js"
import { tokenColumns } from "../secret/tokenFormat.js"
import { Account, AccountId, LinkAccount, ProviderAccount, UpdateTokens } from "./Account.js"
import { makeAccountTokens, type StoredTokens, storedTokenColumns } from "./accountTokens.js"
import type { TokenValues } from "../secret/tokens.js"

/**
 * Methods of `AccountRepo`. `ownerUserId` is the user to whom the account is linked.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface AccountService {
  /**
   * Links an account to a user. If the account is already linked to this user, the call updates the fields that the
   * request contains, as after another sign-in at the provider. Absent fields and the id stay unchanged. Idempotent.
   *
   * Fails with:
   * - `AlreadyExists` if the account is linked to another user, or the id is taken;
   * - `ReferenceNotFound` (`userId`) if the user does not exist;
   * - `EncryptionKeyUnavailable` if the key ring has keys, and no token can be encrypted with them;
   * - `InvalidInput` if a value is invalid.
   */
  readonly link: (
    account: typeof LinkAccount.Encoded
  ) => Effect.Effect<
    Account,
    AlreadyExists | ReferenceNotFound | EncryptionKeyUnavailable | InvalidInput | PersistenceError
  >

  /**
   * Returns the account of a user at a provider, if it is linked. Internal: for signing in, not for request handlers.
   * Fails with `InvalidInput` if the provider or the id is invalid.
   */
  readonly find: (
    account: typeof ProviderAccount.Encoded
  ) => Effect.Effect<Option.Option<Account>, InvalidInput | PersistenceError>

  /**
   * Lists the accounts of a user, newest first. Fails with `InvalidInput` if the cursor is malformed or the limit is
   * out of range.
   */
  readonly listForUser: (
    request: Page.PageRequest & { readonly userId: string }
  ) => Effect.Effect<Page.Page<Account>, InvalidInput | PersistenceError>

  /**
   * Changes the tokens, their expiry, the scope or the password hash. Absent fields stay unchanged; `null` clears a
   * field. `updatedAt` changes only if a field changes.
   *
   * Fails with `NotFound` if the account does not exist, with `InvalidInput` if a value is invalid, and with
   * `EncryptionKeyUnavailable` as `link` does.
   */
  readonly updateTokens: (
    changes: typeof UpdateTokens.Encoded
  ) => Effect.Effect<Account, NotFound | EncryptionKeyUnavailable | InvalidInput | PersistenceError>

  /** Deletes the account. Keeps the user, even without any account. Fails with `NotFound` if it does not exist. */
  readonly unlink: (id: ById) => Effect.Effect<void, NotFound | PersistenceError>
}

const { decodeInput, onlyFields, orNotFound, traced } = operations("AccountRepo", "Account")

/** The columns that `credentialsOf` returns values for, in the same order. */
const credentialColumns = [...tokenColumns, "access_token_expires_at", "refresh_token_expires_at", "scope", "password"]

type Credentials = Omit<typeof UpdateTokens.Type, "id" | "ownerUserId">

const tokensOf = (request: Credentials): TokenValues => ({
  access_token: revealed(request.accessToken),
  refresh_token: revealed(request.refreshToken),
  id_token: revealed(request.idToken)
})

const credentialsOf = (request: Credentials, tokens: TokenValues) => [
  ...tokenColumns.map((column) => tokens[column]),
  millisOf(request.accessTokenExpiresAt),
  millisOf(request.refreshTokenExpiresAt),
  request.scope,
  revealed(request.password)
]

const revealed = (credential: Redacted.Redacted | null | undefined) =>
  Redacted.isRedacted(credential) ? Redacted.value(credential) : credential

const millisOf = (at: DateTime.Utc | null | undefined) => (DateTime.isDateTime(at) ? DateTime.toEpochMillis(at) : at)

// The constraint has the name that the engine reports for a violation.
const linkedToOther = new AlreadyExists({ entity: "Account", constraint: "account.provider_id, account.account_id" })

const readAccount = rowReader(Account)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Account))
  const accounts = yield* rowsOf(Account)
  const page = yield* joinedPage
  const tokens = yield* makeAccountTokens
  const ofOwner = ownerScope(sql, "user_id")

  const credentials = sql.literal(credentialColumns.join(", "))
  const renewed = sql.literal(credentialColumns.map((column) => `coalesce(excluded.${column}, ${column})`).join(", "))
  const storedTokens = sql.literal(storedTokenColumns)

  const ofProvider = ({ accountId, providerId }: typeof ProviderAccount.Type) =>
    sql`FROM account WHERE provider_id = ${providerId} AND account_id = ${accountId}`

  const link = ({ accountId, id: requestedId, providerId, userId, ...rest }: typeof LinkAccount.Type) =>
    Effect.gen(function* () {
      const id = yield* idOrNew(requestedId, "account", AccountId.make)
      const now = yield* Clock.currentTimeMillis
      const write = (tokens: TokenValues) => {
        const values = sql.csv(credentialsOf(rest, tokens).map((value) => sql`${value ?? null}`))
        return accounts.findOne(sql`
          INSERT INTO account (id, user_id, provider_id, account_id, ${credentials}, created_at, updated_at)
          VALUES (${id}, ${userId}, ${providerId}, ${accountId}, ${values}, ${now}, ${now})
          ON CONFLICT (provider_id, account_id) DO UPDATE SET
            updated_at = iif((${credentials}) IS (${renewed}), updated_at, excluded.updated_at),
            (${credentials}) = (${renewed})
          WHERE user_id = excluded.user_id
          RETURNING ${columns}`)
      }
      const find = sql<StoredTokens>`SELECT ${storedTokens} ${ofProvider({ accountId, providerId })}`
      const linked = yield* tokens.stored(tokensOf(rest), id, find, write)
      return yield* Option.isSome(linked) ? tokens.opened(linked.value) : Effect.fail(linkedToOther)
    })

  const updateTokens = ({ id, ownerUserId, ...rest }: typeof UpdateTokens.Type) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const target = sql`id = ${id} ${ofOwner({ ownerUserId })}`
      const write = (tokens: TokenValues) => {
        const updated = sql.csv(
          credentialsOf(rest, tokens).map(
            (value, index) =>
              sql`iif(${value === undefined}, ${sql.literal(credentialColumns[index] ?? "")}, ${value ?? null})`
          )
        )
        return accounts.findOne(sql`
          UPDATE account SET
            updated_at = iif((${credentials}) IS (${updated}), updated_at, ${now}),
            (${credentials}) = (${updated})
          WHERE ${target}
          RETURNING ${columns}`)
      }
      const find = sql<StoredTokens>`SELECT ${storedTokens} FROM account WHERE ${target}`
      const updated = yield* tokens.stored(tokensOf(rest), id, find, write)
      return yield* tokens.opened(yield* orNotFound(id)(updated))
    })

  const service: AccountService = {
    link: (request) =>
      decodeInput(
        "link",
        LinkAccount
      )(request).pipe(
        Effect.flatMap(link),
        traced("link", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [{ field: "userId", table: "user", id: Option.some(request.userId) }])
        )
      ),

    find: (request) =>
      decodeInput(
        "find",
        ProviderAccount
      )(request).pipe(
        Effect.flatMap((account) => accounts.findOne(sql`SELECT ${columns} ${ofProvider(account)}`)),
        Effect.flatMap(Effect.transposeMapOption(tokens.opened)),
        traced("find")
      ),

    listForUser: (request) =>
      Effect.gen(function* () {
        yield* onlyFields("listForUser", ["userId", ...Page.fields])(request)
        const start = yield* Page.start("AccountRepo.listForUser", request)
        const found = yield* page(
          sql`
          SELECT ${columns} FROM account WHERE user_id = ${request.userId} AND ${Page.afterCursor(sql, start)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`,
          (row) => Effect.flatMap(readAccount(row), tokens.opened)
        )
        return Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(traced("listForUser", { "user.id": request.userId })),

    updateTokens: (request) =>
      decodeInput(
        "updateTokens",
        UpdateTokens
      )(request).pipe(Effect.flatMap(updateTokens), traced("updateTokens", ["InvalidInput"])),

    unlink: (by) => {
      const target = targetOf(by)
      return sql`DELETE FROM account WHERE id = ${target.id} ${ofOwner(target)} RETURNING id`.pipe(
        Effect.flatMap(([unlinked]) => orNotFound(target.id)(Option.fromNullable(unlinked))),
        Effect.asVoid,
        traced("unlink", { "account.id": target.id })
      )
    }
  }
  return service
})

/** Accounts of users at identity providers, with encrypted tokens. */
export class AccountRepo extends Context.Tag("@sealant/db/AccountRepo")<AccountRepo, AccountService>() {
  /** Accounts over `SqlClient`, with the keys of the `KeyRing` of the context, if it has one. */
  static readonly layer: Layer.Layer<AccountRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
