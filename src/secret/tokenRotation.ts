/**
 * Rotation of the tokens of accounts: encrypts tokens in plain text, and rewraps the data keys of others with the active
 * key, in batches by the id of the account.
 *
 * Each batch is one statement, which updates a token only if it is still the one that was read.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import type { WrappingKey } from "./envelope.js"
import { type Keys, unavailable } from "./keys.js"
import { isUnder, type TokenColumn, tokenColumns, tokenPrefix } from "./tokenFormat.js"
import { moveToken } from "./tokens.js"

type Account = { readonly id: string } & Readonly<Record<TokenColumn, string | null>>

// ?1: the prefix of tokens under the active key.
const isOther = (column: string) => `(${column} IS NOT NULL AND substr(${column}, 1, length(?1)) <> ?1)`
const others = tokenColumns.map(isOther)

const countText = `
  SELECT coalesce(sum(${others.join(" + ")}), 0) AS tokens, max(id) AS last FROM account
  WHERE id > '' AND (${others.join(" OR ")})`

// ?2: last id of the previous batch, ?3: last id at the start, ?4: batch size.
const batchText = `
  SELECT id, ${tokenColumns.join(", ")} FROM account
  WHERE id > ?2 AND id <= ?3 AND (${others.join(" OR ")}) ORDER BY id LIMIT ?4`

const changed = (column: string) =>
  `${column} = iif(${column} IS tokens.value ->> '$.from.${column}', tokens.value ->> '$.to.${column}', ${column})`

// ?1: id of the active key, ?2: batch as JSON. Updates no row if ?1 is not active any more.
const moveText = `
  UPDATE account SET ${tokenColumns.map(changed).join(", ")}
  FROM json_each(?2) AS tokens
  WHERE account.id = tokens.value ->> 'id'
    AND EXISTS (SELECT 1 FROM encryption_keys WHERE encryption_keys.id = ?1 AND status = 'active')
  RETURNING account.id, ${tokenColumns.map((column) => `account.${column}`).join(", ")}`

/** The accounts that are left: those after `after`, up to `last`. */
export interface RemainingAccounts {
  readonly after: string
  readonly last: string
}

/** Builds the count of tokens that are not under the active key, and the step for one batch of accounts. */
export const makeTokenRotation = (sql: SqlClient.SqlClient, keys: Keys) => {
  const begin = ({ id }: WrappingKey) =>
    Effect.map(
      sql.unsafe<{ readonly tokens: number; readonly last: string | null }>(countText, [`${tokenPrefix}${id}:`]),
      ([found]) => ({
        tokens: found?.tokens ?? 0,
        remaining: Option.map(Option.fromNullable(found?.last), (last): RemainingAccounts => ({ after: "", last }))
      })
    )

  /** Moves the tokens of an account that are not under the active key. */
  const moved = (account: Account, active: WrappingKey) =>
    Effect.gen(function* () {
      const to = {
        access_token: account.access_token,
        refresh_token: account.refresh_token,
        id_token: account.id_token
      }
      let skipped = 0
      for (const column of tokenColumns) {
        const stored = account[column]
        if (stored === null || isUnder(stored, active.id)) continue
        const token = yield* moveToken(keys, stored, active, { accountId: account.id, column })
        if (Option.isSome(token)) to[column] = token.value
        else skipped++
      }
      const { id, ...from } = account
      return { id, from, to, skipped }
    })

  const step = (active: WrappingKey, batchSize: number, { after, last }: RemainingAccounts) =>
    Effect.gen(function* () {
      const prefix = `${tokenPrefix}${active.id}:`
      const batch = yield* sql.unsafe<Account>(batchText, [prefix, after, last, batchSize])
      const accounts = yield* Effect.forEach(batch, (account) => moved(account, active))
      const text = JSON.stringify(accounts.map(({ from, id, to }) => ({ id, from, to })))
      const stored = batch.length === 0 ? [] : yield* sql.unsafe<Account>(moveText, [active.id, text])
      if (stored.length === 0 && batch.length > 0 && !(yield* keys.isActive(active.id))) {
        return yield* unavailable("superseded", active.id)
      }
      const lastId = batch.at(-1)?.id
      return {
        rewrapped: countOf(accounts, stored),
        skipped: accounts.reduce((sum, { skipped }) => sum + skipped, 0),
        remaining:
          lastId !== undefined && batch.length === batchSize && lastId !== last
            ? Option.some({ after: lastId, last })
            : Option.none<RemainingAccounts>()
      }
    })

  return { begin, step }
}

/** Returns how many tokens were stored as they were moved. */
const countOf = (
  accounts: ReadonlyArray<{ readonly id: string } & Readonly<Record<"from" | "to", Omit<Account, "id">>>>,
  stored: ReadonlyArray<Account>
) => {
  const rows = new Map(stored.map((row) => [row.id, row]))
  const counts = accounts.map(
    ({ from, id, to }) =>
      tokenColumns.filter((column) => to[column] !== from[column] && rows.get(id)?.[column] === to[column]).length
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
