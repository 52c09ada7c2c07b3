/**
 * OAuth tokens of Better Auth's accounts: encrypted in the table `account` if the `KeyRing` of the runtime has keys, as
 * `AccountRepo` does. Conditions on tokens compare stored values, so they match no encrypted token; Better Auth finds
 * accounts by provider, id and user.
 */
import { SqlClient, type SqlError, type Statement } from "@effect/sql"
import { Effect, Option } from "effect"
import type { EncryptionKeyUnavailable } from "../secret/errors.js"
import { isEncrypted, type TokenColumn, tokenColumns } from "../secret/tokenFormat.js"
import { makeTokens } from "../secret/tokens.js"
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
    if (table.name !== "account") return row
    const encrypted = [...table.columns.values()].flatMap(({ field, name }) => {
      const stored = row[field]
      return isTokenColumn(table, name) && typeof stored === "string" && isEncrypted(stored)
        ? [{ field, name, stored }]
        : []
    })
    if (encrypted.length === 0) return row
    const { open } = yield* makeTokens
    const tokens = yield* Effect.forEach(encrypted, ({ field, name, stored }) =>
      Effect.map(open(stored, { accountId: String(id), column: name }), (token) => [field, Option.getOrNull(token)])
    )
    return { ...row, ...Object.fromEntries(tokens) }
  })

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
    const columns = Object.keys(values).filter((name) => isTokenColumn(table, name) && typeof values[name] === "string")
    if (columns.length === 0) return yield* write(undefined)
    const { encrypts, sealer } = yield* makeTokens
    if (!encrypts) return yield* write(undefined)
    const sql = yield* SqlClient.SqlClient
    return yield* Effect.flatMap(sealer, (seal) =>
      write((id, stored) => ({
        ...values,
        ...Object.fromEntries(
          columns.map((column) => {
            const before = stored[column]
            const identity = { accountId: String(id), column }
            return [column, seal(String(values[column]), typeof before === "string" ? before : null, identity)]
          })
        )
      }))
    ).pipe(sql.withTransaction)
  })

/** Reads the ids and the stored tokens of the accounts that meet a condition. */
export const storedTokens = (sql: SqlClient.SqlClient, table: Table, condition: Statement.Fragment) =>
  sql<Row>`SELECT ${sql.csv(["id", ...tokenColumns].map((name) => sql`${sql(name)}`))} FROM ${sql(table.name)} WHERE ${condition}`
