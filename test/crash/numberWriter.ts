/**
 * A process that stores numbers, one after the other, and reports each acknowledged one. Commands on its standard input:
 * `write N` stores so many; `read file` reads the database file as any file, `use stock` opens and closes it with another copy of
 * the engine; `remove NAME...` and `replace BY` remove and replace files while no statement runs.
 */
import { SqlClient } from "@effect/sql"
import type { createClient } from "@libsql/client"
import { Effect, Layer } from "effect"
import { readFileSync, renameSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { createInterface } from "node:readline"
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Database from "../../src/Database.js"
import { persistenceErrorOf } from "../../src/sql/engineError.js"
import * as Migrations from "../../src/Migrations.js"
import { writeReport } from "../support/children.js"

export interface NumberWriterOptions {
  readonly filePath: string
}

export type NumberReport =
  | { readonly type: "open" | "obeyed" }
  | { readonly type: "stored"; readonly number: number }
  | { readonly type: "refused"; readonly reason: string; readonly cause: string }

const { filePath }: NumberWriterOptions = JSON.parse(process.argv[2] ?? "{}")

const openWithStock = async () => {
  const fromEffect = createRequire(createRequire(import.meta.url).resolve("@effect/sql-libsql"))
  const stock = fromEffect("@libsql/client") as { readonly createClient: typeof createClient }
  const client = stock.createClient({ url: `file:${filePath}` })
  await client.execute("SELECT count(*) FROM numbers")
  client.close()
  // The binding closes the file when the statement is collected, which needs turns of the event loop.
  setFlagsFromString("--expose-gc")
  for (let turn = 0; turn < 10; turn++) {
    runInNewContext("gc()")
    await setImmediate()
  }
}

let next = 1

const obey = (order: string, argument: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    if (order === "remove") for (const name of argument) rmSync(`${filePath}${name === "file" ? "" : name}`)
    if (order === "replace") renameSync(argument[0] ?? "", filePath)
    if (order === "read") readFileSync(filePath)
    if (order === "use") yield* Effect.promise(openWithStock)
    const count = order === "write" ? Number(argument[0]) : 0
    for (let index = 0; index < count; index++) {
      const number = next++
      yield* sql`INSERT INTO numbers VALUES (${number})`.pipe(
        Effect.match({
          onFailure: (error) => {
            const { cause, reason } = persistenceErrorOf("write", error)
            return { type: "refused", reason, cause } as const
          },
          onSuccess: () => ({ type: "stored", number }) as const
        }),
        Effect.map(writeReport<NumberReport>)
      )
    }
    writeReport<NumberReport>({ type: "obeyed" })
  })

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS numbers (n INTEGER PRIMARY KEY)`
  writeReport<NumberReport>({ type: "open" })
  for (;;) {
    const line = yield* Effect.promise(() => lines.next())
    if (line.done === true) return
    const [order = "", ...argument] = line.value.split(" ")
    yield* obey(order, argument)
  }
})

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
await Effect.runPromise(
  Effect.provide(program, Layer.provideMerge(Migrations.layer, Database.layer({ filePath, synchronous: "normal" })))
)
