/**
 * Rows that expire: how those are removed whose time is over.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, Effect, Schema } from "effect"
import type { InvalidInput, PersistenceError } from "../Errors.js"
import type { operations } from "./operations.js"

/** How many rows are taken at a time: enough to keep up, few enough not to keep writers waiting. */
export const Limit = Schema.Int.pipe(Schema.between(1, 1000, { message: () => "must be a whole number from 1 to 1000" }))

/** `purgeExpired` of a repository whose rows have an `expires_at`: up to `limit` of them, the longest expired first. */
export const purgeOf = (
  sql: SqlClient.SqlClient,
  { input, read }: ReturnType<typeof operations>,
  table: string,
  key = "id"
) => {
  const id = sql.literal(key)
  return (limit: number): Effect.Effect<number, InvalidInput | PersistenceError> =>
    Effect.gen(function*() {
      const count = yield* input("purgeExpired", Limit)(limit)
      const now = yield* Clock.currentTimeMillis
      const purged = yield* sql`
        DELETE FROM ${sql(table)} WHERE ${id} IN (
          SELECT ${id} FROM ${sql(table)} WHERE expires_at <= ${now} ORDER BY expires_at LIMIT ${count})
        RETURNING ${id}`
      return purged.length
    }).pipe(read("purgeExpired"))
}
