/**
 * Waiting for rows that are not there yet.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import * as Database from "../Database.js"

/**
 * What `look` finds, as soon as it finds something: looks now, and again after each commit. Holds neither a connection
 * nor a transaction while it waits.
 */
export const firstFound = <A, E>(sql: SqlClient.SqlClient, look: Effect.Effect<Option.Option<A>, E>): Effect.Effect<A, E> =>
  Effect.gen(function*() {
    while (true) {
      // Taken before the look, so that what is committed after the look is a change.
      const seen = yield* Database.version
      const found = yield* look
      if (Option.isSome(found)) return found.value
      yield* Database.changedSince(seen)
    }
  }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
