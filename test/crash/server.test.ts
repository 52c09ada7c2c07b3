/**
 * A killed server loses no acknowledged write, and its clients continue after its restart.
 */
import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import { until } from "../support/eventLoop.js"
import { programAt } from "../support/programs.js"
import { temporaryDirectory } from "../support/directories.js"

const main = programAt(new URL("../support/hrana/process.ts", import.meta.url))

/** Starts a server, and returns its address. */
const start = (path: string, port: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(process.execPath, [main, path, port], { stdio: ["pipe", "pipe", "inherit"] })
      const [url]: ReadonlyArray<unknown> = await once(child.stdout, "data")
      return { child, url: String(url).trim() }
    }),
    ({ child }) => kill(child)
  )

const kill = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, "exit")
    child.kill("SIGKILL")
    await ended
  })

it.scopedLive("a server that is killed under load loses no acknowledged write", () =>
  Effect.gen(function* () {
    const path = join(yield* temporaryDirectory, "test.sqlite")
    const server = yield* start(path, "0")
    yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT`
      const acknowledged: Array<number> = []
      let next = 0
      // Two rows in each transaction.
      const write = Effect.suspend(() => {
        const n = 2 * next++
        return sql
          .withTransaction(
            Effect.zipRight(sql`INSERT INTO numbers VALUES (${n})`, sql`INSERT INTO numbers VALUES (${n + 1})`)
          )
          .pipe(Effect.tap(() => Effect.sync(() => acknowledged.push(n))))
      })
      const writers = yield* Effect.forEach([1, 2, 3, 4], () => Effect.fork(Effect.flip(Effect.forever(write))))
      yield* until(() => acknowledged.length >= 40)
      yield* kill(server.child)
      for (const writer of writers) yield* Fiber.join(writer)

      yield* start(path, new URL(server.url).port)
      const rows = yield* sql<{ readonly n: number }>`SELECT n FROM numbers`
      const stored = new Set(rows.map(({ n }) => n))
      expect(acknowledged.filter((n) => !stored.has(n))).toEqual([])
      expect([...stored].filter((n) => !stored.has(n - (n % 2)) || !stored.has(n - (n % 2) + 1))).toEqual([])
      yield* write
      expect(yield* sql`SELECT count(*) AS n FROM numbers`).toEqual([{ n: stored.size + 2 }])
    }).pipe(Effect.provide(Layer.orDie(Database.layerRemote({ url: server.url }))))
  })
)
