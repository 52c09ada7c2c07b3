/**
 * The statements and rules of `AccountRepo`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect, Option, Redacted } from "effect"
import { AlreadyExists } from "../Errors.js"
import { idOrNew } from "../sql/ids.js"
import { ownerScope, targetOf } from "../sql/ownerScope.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { nameMissing } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { Account, AccountId, LinkAccount, ProviderAccount, UpdateTokens } from "./Account.js"
import type { AccountService } from "./AccountRepo.js"

const { input, present, read, write } = operations("AccountRepo", "Account")

/** What a provider gave, in the order of the columns that hold it. */
const credentialColumns = [
  "access_token",
  "refresh_token",
  "id_token",
  "access_token_expires_at",
  "refresh_token_expires_at",
  "scope",
  "password"
]

const credentialsOf = (given: Omit<typeof UpdateTokens.Type, "id" | "ownerUserId">) => [
  revealed(given.accessToken),
  revealed(given.refreshToken),
  revealed(given.idToken),
  millisOf(given.accessTokenExpiresAt),
  millisOf(given.refreshTokenExpiresAt),
  given.scope,
  revealed(given.password)
]

const revealed = (credential: Redacted.Redacted | null | undefined) =>
  Redacted.isRedacted(credential) ? Redacted.value(credential) : credential

const millisOf = (at: DateTime.Utc | null | undefined) => DateTime.isDateTime(at) ? DateTime.toEpochMillis(at) : at

// As the engine would name them.
const anotherUsers = new AlreadyExists({ entity: "Account", constraint: "account.provider_id, account.account_id" })

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(Account))
  const accounts = yield* rowsOf(Account)
  const ofOwner = ownerScope(sql, "user_id")

  const credentials = sql.literal(credentialColumns.join(", "))
  const renewed = sql.literal(credentialColumns.map((column) => `coalesce(excluded.${column}, ${column})`).join(", "))

  const service: AccountService = {
    link: (request) =>
      Effect.gen(function*() {
        const { accountId, id: given, providerId, userId, ...rest } = yield* input("link", LinkAccount)(request)
        const id = yield* idOrNew(given, "account", AccountId.make)
        const now = yield* Clock.currentTimeMillis
        const values = sql.csv(credentialsOf(rest).map((value) => sql`${value ?? null}`))
        const linked = yield* accounts.first(sql`
          INSERT INTO account (id, user_id, provider_id, account_id, ${credentials}, created_at, updated_at)
          VALUES (${id}, ${userId}, ${providerId}, ${accountId}, ${values}, ${now}, ${now})
          ON CONFLICT (provider_id, account_id) DO UPDATE SET
            updated_at = iif((${credentials}) IS (${renewed}), updated_at, excluded.updated_at),
            (${credentials}) = (${renewed})
          WHERE user_id = excluded.user_id
          RETURNING ${columns}`)
        return yield* Option.isSome(linked) ? Effect.succeed(linked.value) : Effect.fail(anotherUsers)
      }).pipe(
        write("link", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"]),
        Effect.catchTag("ReferenceNotFound", nameMissing(sql, [{ field: "userId", table: "user", id: Option.some(request.userId) }]))
      ),

    find: (request) =>
      input("find", ProviderAccount)(request).pipe(
        Effect.flatMap(({ accountId, providerId }) =>
          accounts.first(sql`
            SELECT ${columns} FROM account WHERE provider_id = ${providerId} AND account_id = ${accountId}`)),
        read("find")
      ),

    listForUser: (request) =>
      Effect.gen(function*() {
        const start = yield* Page.start("AccountRepo.listForUser", request)
        const rows = yield* accounts.all(sql`
          SELECT ${columns} FROM account WHERE user_id = ${request.userId} AND ${Page.below(sql, start)}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(rows, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(read("listForUser", { "user.id": request.userId })),

    updateTokens: (request) =>
      Effect.gen(function*() {
        const { id, ownerUserId, ...rest } = yield* input("updateTokens", UpdateTokens)(request)
        const now = yield* Clock.currentTimeMillis
        const given = sql.csv(credentialsOf(rest).map((value, index) =>
          sql`iif(${value === undefined}, ${sql.literal(credentialColumns[index] ?? "")}, ${value ?? null})`))
        return yield* accounts.first(sql`
          UPDATE account SET
            updated_at = iif((${credentials}) IS (${given}), updated_at, ${now}),
            (${credentials}) = (${given})
          WHERE id = ${id} ${ofOwner({ ownerUserId })}
          RETURNING ${columns}`).pipe(Effect.flatMap(present(id)))
      }).pipe(write("updateTokens", ["InvalidInput"])),

    unlink: (by) => {
      const target = targetOf(by)
      return sql`DELETE FROM account WHERE id = ${target.id} ${ofOwner(target)} RETURNING id`.pipe(
        Effect.flatMap(([unlinked]) => present(target.id)(Option.fromNullable(unlinked))),
        Effect.asVoid,
        read("unlink", { "account.id": target.id })
      )
    }
  }
  return service
})
