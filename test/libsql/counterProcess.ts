/**
 * One of several processes that count in one file: `tsx counterProcess.ts PATH TIMES`. Prints one line of JSON with what
 * it met.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import * as Database from "../../src/Database.js"

const [path = "", times = "0"] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const byStatement = sql`UPDATE counter SET n = n + 1`
  const byTransaction = sql.withTransaction(
    Effect.gen(function* () {
      const [row] = yield* sql<{ readonly n: number }>`SELECT n FROM counter`
      yield* sql`UPDATE counter SET n = ${(row?.n ?? Number.NaN) + 1}`
    })
  )
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const errors: Array<string> = []
  yield* Effect.forEach(
    Array.from({ length: Number(times) }),
    (_, index) =>
      (index % 2 === 0 ? byStatement : byTransaction).pipe(
        Effect.catchAll((error) => Effect.sync(() => errors.push(String(error.cause))))
      ),
    { concurrency: 4, discard: true }
  )
  delay.disable()
  process.stdout.write(JSON.stringify({ errors, longestDelayMs: delay.max / 1e6 }))
})

Effect.runPromise(
  Effect.provide(program, Database.layer({ filePath: path, busyTimeoutMs: 20_000, synchronous: "normal" }))
).catch((error: unknown) => {
  process.stderr.write(String(error))
  process.exitCode = 1
})
