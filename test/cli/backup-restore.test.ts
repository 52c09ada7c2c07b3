import { afterAll, beforeAll, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import NativeDatabase from "libsql"
import { spawn } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { migrations } from "../../migrations/index.js"
import { CurrentProgressOutput } from "../../src/cli/output.js"
import * as Database from "../../src/Database.js"
import * as Maintenance from "../../src/Maintenance.js"
import * as Migrations from "../../src/Migrations.js"
import { type Environment, program, runHere, runProcess, tamper } from "./support.js"
import { makeTemporaryDirectory, removeDirectory, temporaryDirectory } from "../support/directories.js"

const last = Object.keys(migrations).at(-1) ?? ""

const spawned = (args: ReadonlyArray<string>, environment: Environment) =>
  Effect.promise(() => runProcess(args, environment))

const seed = (path: string, users: number, bytes = 0) =>
  tamper(
    path,
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${users})
     INSERT INTO user (id, name, email, created_at, updated_at) SELECT 'user-' || i, hex(randomblob(${bytes})), i, 0, 0 FROM n`
  )

/** The content of a database file. */
const examine = (path: string) => {
  const database = new NativeDatabase(path)
  const all = (text: string) => database.prepare(text).all()
  const found = {
    integrity: all("PRAGMA integrity_check"),
    references: all("PRAGMA foreign_key_check"),
    users: all("SELECT count(*) AS count FROM user")
  }
  database.close()
  return found
}

const whole = (users: number) => ({ integrity: [{ integrity_check: "ok" }], references: [], users: [{ count: users }] })

let template = ""

// Created once, as a backup: the engine may keep a just closed database open, but not a backup.
beforeAll(async () => {
  const directory = makeTemporaryDirectory()
  template = join(directory, "template.sqlite")
  await Effect.runPromise(
    Effect.zipRight(Migrations.run, Maintenance.backup(template)).pipe(
      Effect.provide(Database.layer({ filePath: join(directory, "source.sqlite") }))
    )
  )
})

afterAll(() => removeDirectory(dirname(template)))

const prepared = Effect.gen(function* () {
  const directory = yield* temporaryDirectory
  const filePath = join(directory, "data", "control-plane.sqlite")
  mkdirSync(dirname(filePath), { mode: 0o700 })
  copyFileSync(template, filePath)
  return { directory, filePath, environment: { DATABASE_FILE_PATH: filePath } }
})

it.scopedLive("backup and restore recover a lost database", () =>
  Effect.gen(function* () {
    const { directory, environment, filePath } = yield* prepared
    seed(filePath, 3)
    const path = join(directory, "backup.sqlite")
    const backup = yield* spawned(["backup", path], environment)
    expect(backup).toMatchObject({ code: 0, stderr: "" })
    expect(backup.stdout.split("\n").at(-2)).toMatch(
      new RegExp(
        `^backed up to ${path} \\(\\d+\\.\\d MB, ${4 + Object.keys(migrations).length} rows in \\d+ tables, schema ${last}\\)$`
      )
    )
    expect((statSync(path).mode & 0o777).toString(8)).toBe("600")

    tamper(filePath, "DELETE FROM user")
    const refused = yield* runHere(["restore", path], environment)
    expect(refused).toEqual({
      code: 1,
      stdout: "",
      stderr: `sealant-db: there is something at ${filePath} already: give another path, or overwrite it on purpose (--overwrite)\n`
    })
    const restored = yield* spawned(["restore", "--overwrite", path], environment)
    expect(restored).toMatchObject({ code: 0, stderr: "" })
    expect(restored.stdout).toMatch(/^kept the database that was there as .*\.before-restore-.*$/m)
    expect(examine(filePath)).toEqual(whole(3))
    expect((yield* runHere(["doctor"], environment)).code).toBe(0)
  })
)

it.scopedLive("both print a JSON result for scripts and show progress on a terminal", () =>
  Effect.gen(function* () {
    const { directory, environment, filePath } = yield* prepared
    const path = join(directory, "backup.sqlite")
    const written: Array<string> = []
    const terminal = { isTerminal: true, write: (text: string) => void written.push(text) }
    const backup = yield* runHere(["backup", path, "--json"], environment).pipe(
      Effect.provideService(CurrentProgressOutput, terminal)
    )
    expect(backup).toMatchObject({ code: 0, stderr: "" })
    expect(JSON.parse(backup.stdout)).toMatchObject({
      path,
      migration: last,
      bytes: statSync(path).size,
      tables: { user: 0 }
    })
    expect(written.some((text) => text.startsWith("\r\u001b[2Kcopying "))).toBe(true)
    // The progress line is removed at the end.
    expect(written.at(-1)).toBe("\r\u001b[2K")

    const to = join(directory, "other", "place.sqlite")
    const restore = yield* runHere(["restore", path, "--json"], { DATABASE_FILE_PATH: to })
    expect(restore).toMatchObject({ code: 0, stderr: "" })
    expect(JSON.parse(restore.stdout)).toMatchObject({ path: to, migration: last, kept: null })
    expect(existsSync(filePath)).toBe(true)
  })
)

it.scopedLive("an obstacle is reported in one line", () =>
  Effect.gen(function* () {
    const { directory, environment, filePath } = yield* prepared
    writeFileSync(join(directory, "text"), "this is not a database, but long enough to be looked at as one".repeat(10))
    mkdirSync(join(directory, "sub"))
    const none = join(directory, "none.sqlite")
    const calls: ReadonlyArray<readonly [ReadonlyArray<string>, Environment, number, string]> = [
      [
        ["backup", join(directory, "text")],
        environment,
        1,
        `there is something at ${join(directory, "text")} already: give another path, or overwrite it on purpose (--overwrite)`
      ],
      [["backup", filePath, "--overwrite"], environment, 1, `${filePath} is the database itself: give another path`],
      [
        ["backup", join(directory, "no", "where")],
        environment,
        1,
        `${join(directory, "no", "where")} cannot be written: no such directory`
      ],
      [["backup"], environment, 2, "Missing argument <path> (see sealant-db backup --help)"],
      [
        ["backup", none],
        { DATABASE_FILE_PATH: none },
        1,
        `DATABASE_FILE_PATH: there is no database at ${none}; give the path of one, or run \`sealant-db migrate\` to make it`
      ],
      [
        ["backup", none],
        { DATABASE_URL: "http://127.0.0.1:9" },
        1,
        "a libSQL server does not do backup for its clients: use the tools of the server"
      ],
      [
        ["restore", none],
        { DATABASE_FILE_PATH: join(directory, "new") },
        1,
        `there is no file at ${none}: give the path of a backup`
      ],
      [
        ["restore", join(directory, "text")],
        { DATABASE_FILE_PATH: join(directory, "new") },
        1,
        `${join(directory, "text")} cannot be restored: it is not a SQLite database`
      ],
      [
        ["restore", none],
        { DATABASE_URL: "libsql://b" },
        1,
        "DATABASE_URL: names a libSQL server, which has tools of its own for this; unset it, and set DATABASE_FILE_PATH"
      ]
    ]
    for (const [args, variables, code, message] of calls) {
      expect(yield* runHere(args, variables)).toEqual({ code, stdout: "", stderr: `sealant-db: ${message}\n` })
    }
    expect(readdirSync(directory).toSorted()).toEqual(["data", "sub", "text"])
  })
)

it.scopedLive("restore refuses to replace a database that a program has open", () =>
  Effect.gen(function* () {
    const { environment, filePath } = yield* prepared
    const other = new NativeDatabase(filePath)
    // With the settings of a program.
    other.exec("PRAGMA journal_mode = wal")
    other.exec("SELECT count(*) FROM user")
    expect(yield* runHere(["restore", "--overwrite", template], environment)).toEqual({
      code: 1,
      stdout: "",
      stderr: `sealant-db: ${filePath} is open in some program: stop all that use it, and try again\n`
    })
    other.exec("INSERT INTO user (id, name, email, created_at, updated_at) VALUES ('u', 'u', 'u', 0, 0)")
    other.close()
    expect(examine(filePath)).toEqual(whole(1))
  })
)

/** Runs a backup, and kills it when it prints a line with this prefix. */
const killedAt = (moment: string, path: string, environment: Environment) =>
  Effect.async<{ readonly signal: NodeJS.Signals | null; readonly stdout: string }>((resume) => {
    const { PATH = "" } = process.env
    const child = spawn(process.execPath, [program, "backup", path], { env: { PATH, ...environment } })
    let stdout = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
      if (stdout.split("\n").some((line) => line.startsWith(moment))) child.kill("SIGKILL")
    })
    child.on("close", (_, signal) => resume(Effect.succeed({ signal, stdout })))
  })

it.scopedLive("a killed backup leaves no partial file, and the database is unchanged", () =>
  Effect.gen(function* () {
    const { directory, environment, filePath } = yield* prepared
    seed(filePath, 30_000, 1000)
    const killed: Array<boolean> = []
    for (const [index, moment] of ["copying", "verifying"].entries()) {
      const path = join(directory, `backup-${index}.sqlite`)
      const { signal, stdout } = yield* killedAt(moment, path, environment)
      killed.push(signal === "SIGKILL")
      expect(stdout).toContain(moment)
      if (existsSync(path)) expect(examine(path)).toEqual(whole(30_000))
      else expect(stdout).not.toContain("backed up")
      expect(examine(filePath)).toEqual(whole(30_000))
    }
    // At least one kill must come in time.
    expect(killed).toContain(true)
    const partial = readdirSync(directory).filter((name) => name.endsWith(".partial"))
    expect(partial.every((name) => (statSync(join(directory, name)).mode & 0o777) === 0o700)).toBe(true)
    const path = join(directory, "backup.sqlite")
    expect((yield* runHere(["backup", path], environment)).code).toBe(0)
    expect(examine(path)).toEqual(whole(30_000))
  })
)
