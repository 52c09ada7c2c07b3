/**
 * Removal of expired rows.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, Effect } from "effect"
import type { InvalidInput, PersistenceError } from "../Errors.js"
import { Limit } from "./inputLimits.js"
import type { operations } from "./operations.js"

/**
 * Builds the method `purgeExpired` for a table with a column `expires_at`. It deletes up to `limit` expired rows, the
 * longest expired first, and returns their number. Fails with `InvalidInput` if `limit` is out of range. `key` is the
 * primary key.
 */
export const purgeOf = (
  sql: SqlClient.SqlClient,
  { decodeInput, traced }: ReturnType<typeof operations>,
  table: string,
  key = "id"
) => {
  const id = sql.literal(key)
  return (limit: number): Effect.Effect<number, InvalidInput | PersistenceError> =>
    Effect.gen(function* () {
      const count = yield* decodeInput("purgeExpired", Limit)(limit)
      const now = yield* Clock.currentTimeMillis
      const purged = yield* sql`
        DELETE FROM ${sql(table)} WHERE ${id} IN (
          SELECT ${id} FROM ${sql(table)} WHERE expires_at <= ${now} ORDER BY expires_at LIMIT ${count})
        RETURNING ${id}`
      return purged.length
    }).pipe(traced("purgeExpired"))
}
