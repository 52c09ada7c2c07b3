/**
 * A launch is atomic: a process is killed at its statements, and before and after its COMMIT.
 */
import { SqlClient } from "@effect/sql"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { execFile } from "node:child_process"
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import * as Migrations from "../../src/Migrations.js"
import * as Sandboxes from "../../src/sandbox/index.js"
import { contradictions } from "../sandbox/lifecycle/invariants.js"
import { counts, launchTables } from "../sandbox/lifecycle/support.js"
import { memoryLayer, seedUser } from "../support/database.js"
import { recordStatements } from "../support/plans.js"
import { programAt } from "../support/programs.js"
import { type Moment, type ProcessOptions, owner, requestOf } from "./launchOptions.js"
import { makeTemporaryDirectory, removeDirectory } from "../support/directories.js"
import { sampled } from "../support/volume.js"

const launcher = programAt(new URL("./launcher.ts", import.meta.url))

let directory = ""

beforeAll(() => {
  directory = makeTemporaryDirectory()
})

afterAll(() => removeDirectory(directory))

/** The exit and the reports of a process. */
interface End {
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a process that launches until it is killed. */
const launchAndDie = (options: ProcessOptions) =>
  Effect.async<End>((resume) => {
    const child = execFile(process.execPath, [launcher, JSON.stringify(options)], (_, stdout, stderr) => {
      resume(Effect.succeed({ signal: child.signalCode, stdout, stderr }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const onFile = (filePath: string) => Layer.provideMerge(Sandboxes.layer, Database.layer({ filePath }))

const rowsOf = (launches: number) => launchTables.map((name) => ({ name, rows: launches }))

const prepared = Effect.gen(function* () {
  const filePath = join(directory, "prepared.sqlite")
  yield* Effect.zipRight(Migrations.run, seedUser(owner)).pipe(Effect.provide(Database.layer({ filePath })))
  return filePath
})

/** The number of statements of a launch. */
const statementsOfALaunch = Effect.gen(function* () {
  const { launch } = yield* SandboxLifecycle
  yield* seedUser(owner)
  yield* launch(requestOf("first"))
  return (yield* recordStatements(launch(requestOf("second")))).length
}).pipe(Effect.provide(Layer.provideMerge(Sandboxes.layer, memoryLayer)))

/** The content of the file after the kill. */
const examine = (moment: Moment) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { launch } = yield* SandboxLifecycle
    const integrity = yield* sql.unsafe("PRAGMA integrity_check")
    const references = yield* sql.unsafe("PRAGMA foreign_key_check")
    const left = yield* counts
    const again = yield* launch(requestOf("second"))
    const broken = yield* contradictions(again.sandbox.id)
    return { moment, integrity, references, left, created: again.created, after: yield* counts, broken }
  })

describe("a launch whose process is killed", () => {
  it.live(
    "writes everything or nothing, and can be repeated",
    () =>
      Effect.gen(function* () {
        const source = yield* prepared
        const statements = yield* statementsOfALaunch
        expect(statements).toBeGreaterThan(launchTables.length)
        const moments: ReadonlyArray<Moment> = [
          ...sampled(
            Array.from({ length: statements }, (_, index) => index + 1),
            5
          ),
          "before COMMIT",
          "after COMMIT",
          "never"
        ]
        yield* Effect.forEach(
          moments,
          (moment) =>
            Effect.gen(function* () {
              const filePath = join(directory, `${moment}.sqlite`)
              copyFileSync(source, filePath)
              const end = yield* launchAndDie({ filePath, dieAt: moment })
              const told =
                moment === "never"
                  ? { signal: null, stdout: String(statements), stderr: "" }
                  : { signal: "SIGKILL", stdout: "", stderr: "" }
              expect(end, `dying ${moment}`).toEqual(told)
              const all = moment === "after COMMIT" || moment === "never"
              expect(yield* Effect.provide(examine(moment), onFile(filePath))).toEqual({
                moment,
                integrity: [{ integrity_check: "ok" }],
                references: [],
                left: rowsOf(all ? 2 : 1),
                created: !all,
                after: rowsOf(2),
                broken: []
              })
            }),
          { concurrency: 2, discard: true }
        )
      }),
    300_000
  )
})
