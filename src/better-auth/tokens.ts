/**
 * OAuth tokens of Better Auth's accounts: encrypted in the table `account` if the `KeyRing` of the runtime has keys, as
 * `AccountRepo` does. Conditions on tokens compare stored values, so they match no encrypted token; Better Auth finds
 * accounts by provider, id and user.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError, Statement } from "@effect/sql"
import { Effect } from "effect"
import type { EncryptionKeyUnavailable } from "../secret/errors.js"
import { type TokenColumn, tokenColumns } from "../secret/tokenFormat.js"
import { makeTokens, type TokenValues } from "../secret/tokens.js"
import type { CorruptRow } from "../sql/rows.js"
import type { Table } from "./names.js"
import type { Stored } from "./values.js"

type Row = Readonly<Record<string, unknown>>
type Values = Readonly<Record<string, Stored>>

/** Returns whether the column contains tokens of accounts. */
export const isTokenColumn = (table: Table, column: string): column is TokenColumn =>
  table.name === "account" && tokenColumns.some((name) => name === column)

/** Decrypts the tokens of a row. A token that cannot be decrypted is null: the user signs in at the provider again. */
export const openTokens = (table: Table, id: unknown, row: Row) =>
  Effect.gen(function* () {
    const fields = [...table.columns.values()].flatMap(({ field, name }) =>
      isTokenColumn(table, name) && typeof row[field] === "string" ? [{ field, name, stored: row[field] }] : []
    )
    if (fields.length === 0) return row
    const { open } = yield* makeTokens
    const stored = Object.fromEntries(fields.map(({ name, stored }) => [name, stored]))
    const tokens: TokenValues = yield* open(String(id), stored)
    return { ...row, ...Object.fromEntries(fields.map(({ field, name }) => [field, tokens[name]])) }
  })

/** Returns the entries with text. */
const tokensIn = (entries: ReadonlyArray<readonly [string, unknown]>): TokenValues =>
  Object.fromEntries(entries.filter(([, value]) => typeof value === "string"))

type Failure = SqlError.SqlError | CorruptRow

/** Returns the encrypted values of the row with this id, whose stored values are `stored`. */
type Seal = (id: unknown, stored: Row) => Values

/**
 * Runs a write of values. If they contain tokens to encrypt, it runs in a transaction, and `write` receives the
 * encryption. Otherwise `write` receives `undefined`.
 */
export const withSealedTokens = <A, E>(
  table: Table,
  values: Values,
  write: (seal: Seal | undefined) => Effect.Effect<A, E | Failure, SqlClient.SqlClient>
): Effect.Effect<A, E | Failure | EncryptionKeyUnavailable, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const tokens = tokensIn(Object.entries(values).filter(([name]) => isTokenColumn(table, name)))
    if (Object.keys(tokens).length === 0) return yield* write(undefined)
    const { encrypts, sealer } = yield* makeTokens
    if (!encrypts) return yield* write(undefined)
    const sql = yield* SqlClient.SqlClient
    return yield* Effect.flatMap(sealer, (seal) =>
      write((id, stored) => ({ ...values, ...seal(String(id), tokens, tokensIn(Object.entries(stored))) }))
    ).pipe(sql.withTransaction)
  })

/** Reads the ids and the stored tokens of the accounts that meet a condition. */
export const storedTokens = (sql: SqlClient.SqlClient, table: Table, condition: Statement.Fragment) =>
  sql<Row>`SELECT ${sql.csv(["id", ...tokenColumns].map((name) => sql`${sql(name)}`))} FROM ${sql(table.name)} WHERE ${condition}`
