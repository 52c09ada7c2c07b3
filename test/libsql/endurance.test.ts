import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import { programAt } from "../support/programs.js"
import { newPath, openClient, rival, sqlOf } from "./support.js"
import { volume } from "../support/volume.js"

const descriptors = () => readdirSync("/proc/self/fd").length

describe("an open database", () => {
  it.scopedLive("has as many file descriptors and about as much memory after thousands of transactions as before", () =>
    Effect.gen(function* () {
      const client = yield* Effect.flatMap(newPath, (path) => openClient(path))
      const sql = yield* sqlOf(client)
      yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)`
      yield* sql`INSERT INTO t VALUES (1, 0)`
      const increment = sql.withTransaction(
        Effect.zipRight(sql`SELECT n FROM t`, sql`UPDATE t SET n = n + 1 WHERE id = ${1}`)
      )
      const transactions = (count: number) =>
        Effect.forEach(Array.from({ length: count }), () => increment, { concurrency: 8, discard: true })
      yield* transactions(2000)
      const before = { descriptors: descriptors(), memory: process.memoryUsage() }
      const count = volume(10_000, 3000)
      yield* transactions(count)
      const after = { descriptors: descriptors(), memory: process.memoryUsage() }
      expect(yield* sql`SELECT n FROM t`).toEqual([{ n: 2000 + count }])
      // The runner itself opens one now and then.
      expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 3)
      const grownMb = (after.memory.rss - before.memory.rss) / 2 ** 20
      expect(grownMb).toBeLessThan(100)
      // In case the numbers are asked for: npx vitest run test/libsql/endurance.test.ts --reporter=verbose
      yield* Effect.logDebug({ grownMb, before, after })
    })
  )
})

describe("several processes on one file", () => {
  const Report = Schema.parseJson(Schema.Struct({ errors: Schema.Array(Schema.String), longestDelayMs: Schema.Number }))
  const processes = 3
  const times = 300

  const count = (path: string) =>
    Effect.async<typeof Report.Type, Error>((resume) => {
      const script = programAt(new URL("./counterProcess.ts", import.meta.url))
      const child = execFile(process.execPath, [script, path, String(times)], (error, stdout, stderr) =>
        resume(error === null ? Effect.orDie(Schema.decode(Report)(stdout)) : Effect.fail(new Error(stderr)))
      )
      return Effect.sync(() => child.kill())
    })

  it.scopedLive("increment a counter without an error or a lost increment", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const other = yield* rival(path)
      other.exec("PRAGMA journal_mode = wal; CREATE TABLE counter (n INTEGER NOT NULL); INSERT INTO counter VALUES (0)")
      const reports = yield* Effect.all(
        Array.from({ length: processes }, () => count(path)),
        { concurrency: "unbounded" }
      )
      expect(reports.flatMap(({ errors }) => errors)).toEqual([])
      expect(other.value("SELECT n FROM counter")).toBe(processes * times)
      expect(other.value("PRAGMA integrity_check")).toBe("ok")
      // A blocking wait would show here as one as long as the wait of 20 s.
      for (const { longestDelayMs } of reports) expect(longestDelayMs).toBeLessThan(10_000)
      yield* Effect.logDebug(reports)
    })
  )
})
