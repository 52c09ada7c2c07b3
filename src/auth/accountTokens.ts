/**
 * Tokens of accounts as rows contain them: encrypted if this process holds keys. See docs/encryption.md.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Statement } from "@effect/sql"
import { Effect, Option, Redacted } from "effect"
import { instancesOf } from "../sql/rows.js"
import { tokenColumns } from "../secret/tokenFormat.js"
import { makeTokens, type TokenValues } from "../secret/tokens.js"
import { Account } from "./Account.js"

/** The id of an account and its tokens as they are stored. */
export type StoredTokens = { readonly id: string } & TokenValues

/** The columns of the statement that reads the stored tokens of an account. */
export const storedTokenColumns = ["id", ...tokenColumns].join(", ")

const revealed = Option.match({ onNone: () => null, onSome: Redacted.value<string> })

const redacted = (token: string | null | undefined) => Option.map(Option.fromNullable(token), Redacted.make)

export const makeAccountTokens = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const cipher = yield* makeTokens
  const instance = instancesOf(Account)

  /** Decrypts the tokens of a row. A token that cannot be decrypted is `None`. */
  const opened = (account: Account) => {
    const stored: TokenValues = {
      access_token: revealed(account.accessToken),
      refresh_token: revealed(account.refreshToken),
      id_token: revealed(account.idToken)
    }
    return Effect.map(cipher.open(account.id, stored), (tokens) =>
      tokens === stored
        ? account
        : instance({
            ...account,
            accessToken: redacted(tokens.access_token),
            refreshToken: redacted(tokens.refresh_token),
            idToken: redacted(tokens.id_token)
          })
    )
  }

  /**
   * Runs a write with tokens as they are to be stored. `undefined` keeps a stored token, null clears it. If they are
   * encrypted, the write runs in a transaction after `find`, which reads the row that it updates. `newId` is the id of
   * the row if there is none yet.
   */
  const stored = <A, E>(
    tokens: TokenValues,
    newId: string,
    find: Statement.Statement<StoredTokens>,
    write: (tokens: TokenValues) => Effect.Effect<A, E>
  ) =>
    cipher.encrypts && tokenColumns.some((column) => typeof tokens[column] === "string")
      ? Effect.gen(function* () {
          const [row] = yield* find
          const seal = yield* cipher.sealer
          return yield* write({ ...tokens, ...seal(row?.id ?? newId, tokens, row ?? {}) })
        }).pipe(sql.withTransaction)
      : write(tokens)

  return { opened, stored }
})
