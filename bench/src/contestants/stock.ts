/**
 * The same repository over the stock `LibsqlClient.layer`: what our client below it is worth.
 *
 * `concurrency: 1` gives its pool one connection, so that the PRAGMA set once after opening holds for all that follows;
 * with the default of 20, concurrent statements would run on connections of another durability.
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
  return repositoryOver("stock layer, our repository", file, Layer.provideMerge(pragmas, client))
}
