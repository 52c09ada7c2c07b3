/**
 * Tokens of accounts as rows contain them: encrypted if this process holds keys. See docs/encryption.md.
 */
import { SqlClient, type Statement } from "@effect/sql"
import { Effect, Option, Redacted } from "effect"
import { instancesOf } from "../sql/rows.js"
import { isEncrypted, type TokenColumn, tokenColumns } from "../secret/tokenFormat.js"
import { makeTokens } from "../secret/tokens.js"
import { Account } from "./Account.js"

/** The tokens of a request. `undefined` keeps the stored token, `null` clears it. */
export type GivenTokens = Readonly<Record<TokenColumn, string | null | undefined>>

/** The id of an account and its tokens as they are stored. */
export type StoredTokens = { readonly id: string } & Readonly<Record<TokenColumn, string | null>>

/** The columns of the statement that reads the stored tokens of an account. */
export const storedTokenColumns = ["id", ...tokenColumns].join(", ")

const isToken = (token: string | null | undefined) => typeof token === "string"

export const makeAccountTokens = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const cipher = yield* makeTokens
  const instance = instancesOf(Account)

  const openField = (stored: Option.Option<Redacted.Redacted>, accountId: string, column: TokenColumn) =>
    Option.match(stored, {
      onNone: () => Effect.succeedNone,
      onSome: (token) =>
        Effect.map(cipher.open(Redacted.value(token), { accountId, column }), Option.map(Redacted.make))
    })

  /** Decrypts the tokens of a row. A token that cannot be decrypted is `None`. */
  const opened = (account: Account) => {
    const { accessToken, id, idToken, refreshToken } = account
    return [accessToken, idToken, refreshToken].some(Option.exists((token) => isEncrypted(Redacted.value(token))))
      ? Effect.map(
          Effect.all({
            accessToken: openField(accessToken, id, "access_token"),
            refreshToken: openField(refreshToken, id, "refresh_token"),
            idToken: openField(idToken, id, "id_token")
          }),
          (tokens) => instance({ ...account, ...tokens })
        )
      : Effect.succeed(account)
  }

  /**
   * Runs a write with tokens as they are to be stored. If they are encrypted, it runs in a transaction after `find`,
   * which reads the row that the write updates. `newId` is the id of the row if there is none yet.
   */
  const stored = <A, E>(
    tokens: GivenTokens,
    newId: string,
    find: Statement.Statement<StoredTokens>,
    write: (tokens: GivenTokens) => Effect.Effect<A, E>
  ) =>
    cipher.encrypts && tokenColumns.some((column) => isToken(tokens[column]))
      ? Effect.gen(function* () {
          const [row] = yield* find
          const seal = yield* cipher.sealer
          const sealed = (column: TokenColumn) => {
            const token = tokens[column]
            const identity = { accountId: row?.id ?? newId, column }
            return typeof token === "string" ? seal(token, row?.[column] ?? null, identity) : token
          }
          return yield* write({
            access_token: sealed("access_token"),
            refresh_token: sealed("refresh_token"),
            id_token: sealed("id_token")
          })
        }).pipe(sql.withTransaction)
      : write(tokens)

  return { opened, stored }
})
