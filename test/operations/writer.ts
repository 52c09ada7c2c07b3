/**
 * A process that writes a ledger: users with numbers for names, each acknowledged on its output after its commit, in
 * transactions of two rows, so that a copy that held half of one would show.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import * as Database from "../../src/Database.js"

const [, , filePath = ""] = process.argv

const insert = (id: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      sql`INSERT INTO user (id, name, email, created_at, updated_at) VALUES (${id}, ${"x".repeat(2000)}, ${id}, 0, 0)`
  )

const program = Effect.gen(function* () {
  for (let number = 1; ; number++) {
    const name = String(number).padStart(8, "0")
    yield* Database.transaction(Effect.zipRight(insert(`${name}a`), insert(`${name}b`)))
    process.stdout.write(`${number}\n`)
    // The output is to leave the process, and the end of its input is to be seen.
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  }
})

// With the one who started it, whatever ends that.
process.stdin.on("close", () => process.exit()).resume()

await Effect.runPromise(Effect.provide(program, Database.layer({ filePath })))
