/**
 * Query plans of statements: the tables and indexes that they read, and their sorts
 * (https://www.sqlite.org/eqp.html).
 */
import { Effect } from "effect"
import Database from "libsql"
import { migrations } from "../../migrations/index.js"
import { inspectStatement, splitStatements } from "../../src/libsql/sqlText.js"

/** An empty, migrated database. The binding leaves an explained write open, so no client shares the connection. */
const openMigrated = Effect.sync(() => {
  const database = new Database(":memory:")
  for (const statement of Object.values(migrations).flatMap(splitStatements)) database.exec(statement)
  return database
})

/** Returns a function that explains a statement: one line for each table, index and sort. */
export const planner = Effect.map(
  Effect.acquireRelease(openMigrated, (database) => Effect.sync(() => database.close())),
  (database) =>
    (text: string): ReadonlyArray<string> => {
      const values = Array.from({ length: inspectStatement(text).placeholders }, () => null)
      const lines = database.prepare(`EXPLAIN QUERY PLAN ${text}`).all(values) as ReadonlyArray<{
        readonly detail: string
      }>
      const details = lines
        .map(({ detail }) => detail.replace(/ VIRTUAL TABLE INDEX .*$/, ""))
        .filter((detail) => /^(SCAN|SEARCH|USE TEMP B-TREE)/.test(detail) && detail !== "SCAN CONSTANT ROW")
      return [...new Set(details)]
    }
)
