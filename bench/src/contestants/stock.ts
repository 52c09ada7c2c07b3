/**
 * Our repository over the stock `LibsqlClient.layer`, for comparison with our client.
 *
 * `concurrency: 1` gives it one connection, so the PRAGMA after the opening applies to all statements.
 */
import { SqlClient } from "@effect/sql"
import { LibsqlClient } from "@effect/sql-libsql"
import { Effect, Layer } from "effect"
import type { OpenOptions } from "../contestant.js"
import { repositoryOver } from "./repository.js"

export const openStock = ({ durability, file }: OpenOptions) => {
  const client = LibsqlClient.layer({ url: `file:${file}`, concurrency: 1 })
  const pragmas = Layer.effectDiscard(
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(`PRAGMA synchronous = ${durability}`))
  )
  return repositoryOver(file, Layer.provideMerge(pragmas, client))
}
