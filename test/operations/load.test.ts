/**
 * Backups while another process writes.
 */
import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import * as Maintenance from "../../src/Maintenance.js"
import { programAt } from "../support/programs.js"
import { databaseAt, permissionsOf } from "./support.js"
import { temporaryDirectory } from "../support/directories.js"

const program = programAt(new URL("./writer.ts", import.meta.url))

/** A process that writes until the scope ends, and what it has acknowledged so far. */
const writing = (filePath: string) =>
  Effect.acquireRelease(
    Effect.async<{ readonly acknowledged: () => number; readonly stop: () => Promise<void> }>((resume) => {
      const child = spawn(process.execPath, [program, filePath], { stdio: ["pipe", "pipe", "inherit"] })
      const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
      let last = 0
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        last = Number(/(\d+)\n[^\n]*$/.exec(text)?.[1] ?? last)
        resume(
          Effect.succeed({
            acknowledged: () => last,
            stop: () => {
              child.kill("SIGKILL")
              return ended
            }
          })
        )
      })
      child.once("close", () => resume(Effect.die("the writer has ended")))
    }),
    ({ stop }) => Effect.promise(stop)
  )

/** The numbers that a database holds, with how many rows each has. */
const ledger = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ readonly number: number; readonly rows: number }>`
      SELECT CAST(substr(id, 1, 8) AS INTEGER) AS number, count(*) AS rows FROM user GROUP BY 1 ORDER BY 1`,
    (rows) => rows.map(({ number, rows }) => [number, rows] as const)
  )
)

it.scopedLive("every backup taken during writes is complete, and contains all writes acknowledged before it", () =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const filePath = join(directory, "live.sqlite")
    const rounds = Array.from({ length: 6 }, (_, round) => join(directory, `backup-${round}.sqlite`))
    const moments = yield* Effect.gen(function* () {
      const { acknowledged } = yield* writing(filePath)
      return yield* Effect.forEach(rounds, (path) =>
        Effect.gen(function* () {
          const before = acknowledged()
          const { tables } = yield* Maintenance.backup(path)
          return { path, before, after: acknowledged(), rows: tables["user"] }
        })
      )
    }).pipe(Effect.provide(databaseAt(filePath)))

    for (const { after, before, path, rows } of moments) {
      expect(permissionsOf(path)).toBe("600")
      const held = yield* Effect.gen(function* () {
        expect(yield* Maintenance.integrityCheck).toEqual({ ok: true, damage: [], danglingReferences: [] })
        return yield* ledger
      }).pipe(Effect.provide(Database.layer({ filePath: path })))
      // A prefix of what was written, in whole transactions: at least what was acknowledged when the backup began.
      expect(held).toEqual(held.map((_, index) => [index + 1, 2]))
      expect(held.length).toBeGreaterThanOrEqual(before)
      // The writer is at most one transaction ahead of its received reports.
      expect(rows).toBe(2 * held.length)
      expect(after).toBeGreaterThanOrEqual(before)
    }
    // The writer was not held up until the end of a backup.
    expect(moments.some(({ after, before }) => after > before)).toBe(true)
  })
)
