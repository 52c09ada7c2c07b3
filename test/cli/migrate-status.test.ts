import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { migrations } from "../../migrations/index.js"
import { openEmptyServer } from "../support/database.js"
import { runHere, runProcess, tamper } from "./support.js"
import { temporaryDirectory } from "../support/directories.js"

const names = Object.keys(migrations)
const [first = "", second = ""] = names

const lines = (verb: string) => names.map((name) => `${verb} ${name}\n`).join("")

const spawned = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) =>
  Effect.promise(() => runProcess(args, environment))

it.scopedLive("of three concurrent processes one applies each migration, and all succeed", () =>
  Effect.gen(function* () {
    const filePath = join(yield* temporaryDirectory, "new", "control-plane.sqlite")
    const environment = { DATABASE_FILE_PATH: filePath }
    const outcomes = yield* Effect.all(
      Array.from({ length: 3 }, () => spawned(["migrate"], environment)),
      { concurrency: "unbounded" }
    )
    expect(outcomes.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ""],
      [0, ""],
      [0, ""]
    ])
    expect(outcomes.map(({ stdout }) => stdout).toSorted()).toEqual([lines("applied"), "up to date\n", "up to date\n"])
    const status = yield* spawned(["status"], environment)
    expect(status).toMatchObject({ code: 0, stderr: "" })
    expect(status.stdout.match(/^applied {2}\d{4}_\w+ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/gm)).toHaveLength(names.length)
    expect(status.stdout).toMatch(/up to date\n$/)
  })
)

it.scopedLive("a failure is one line on stderr with exit code 1, or 2 for a usage error", () =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const text = join(directory, "text")
    writeFileSync(text, "this is not a database, but long enough to be looked at as one")
    const outcomes = yield* Effect.all(
      [
        spawned(["migrate"], { DATABASE_FILE_PATH: text }),
        spawned(["migrate"], { DATABASE_FILE_PATH: join(text, "control-plane.sqlite") }),
        spawned(["migrate", "--dryrun"], { DATABASE_FILE_PATH: join(directory, "none.sqlite") }),
        spawned(["status"], { DATABASE_FILE_PATH: join(directory, "none.sqlite") })
      ],
      { concurrency: 2 }
    )
    expect(outcomes.map(({ code, stderr }) => [code, stderr])).toEqual([
      [1, `sealant-db: DATABASE_FILE_PATH: ${text} is not a SQLite database\n`],
      [1, `sealant-db: DATABASE_FILE_PATH: the directory ${text} cannot be created: part of the path is a file\n`],
      [2, "sealant-db: unknown option '--dryrun': did you mean --dry-run? (see sealant-db migrate --help)\n"],
      [
        1,
        `sealant-db: the database ${join(directory, "none.sqlite")} is older than the program and lacks ${first} and ${names.length - 1} more: run \`sealant-db migrate\`\n`
      ]
    ])
    expect(existsSync(join(directory, "none.sqlite"))).toBe(false)
  })
)

it.scopedLive("status and plan create no file when it is missing, and leave an empty one unchanged", () =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const missing = join(directory, "new", "control-plane.sqlite")
    const empty = join(directory, "empty.sqlite")
    writeFileSync(empty, "")
    for (const filePath of [missing, empty]) {
      const environment = { DATABASE_FILE_PATH: filePath }
      expect(yield* runHere(["migrate", "--dry-run"], environment)).toEqual({
        code: 0,
        stdout: lines("would apply"),
        stderr: ""
      })
      expect(JSON.parse((yield* runHere(["migrate", "--dry-run", "--json"], environment)).stdout)).toEqual({
        dryRun: true,
        migrations: names
      })
      const status = yield* runHere(["status", "--json"], environment)
      expect(status.code).toBe(1)
      expect(JSON.parse(status.stdout)).toMatchObject({ current: false, applied: [], mismatched: [], unknown: [] })
      expect((yield* runHere(["status"], environment)).stdout).toBe(lines("pending "))
    }
    expect(existsSync(join(directory, "new"))).toBe(false)
    expect(readFileSync(empty, "utf8")).toBe("")
  })
)

it.scopedLive("migrate rejects an altered or newer schema with the remedy", () =>
  Effect.gen(function* () {
    const filePath = join(yield* temporaryDirectory, "control-plane.sqlite")
    const environment = { DATABASE_FILE_PATH: filePath }
    expect(yield* runHere(["migrate"], environment)).toEqual({ code: 0, stdout: lines("applied"), stderr: "" })
    expect(yield* runHere(["migrate"], environment)).toEqual({ code: 0, stdout: "up to date\n", stderr: "" })
    expect(yield* runHere(["migrate", "--dry-run"], environment)).toEqual({
      code: 0,
      stdout: "up to date\n",
      stderr: ""
    })

    tamper(
      filePath,
      `INSERT INTO sealant_migrations VALUES (${names.length + 1}, 'colours', '${"c".repeat(64)}', 1700000000000)`
    )
    const newer =
      `sealant-db: the program is older than the database ${filePath}, which has ${String(names.length + 1).padStart(4, "0")}_colours: ` +
      "deploy a version of the program that knows them\n"
    expect(yield* runHere(["migrate"], environment)).toEqual({ code: 1, stdout: "", stderr: newer })
    const unknown = yield* runHere(["status"], environment)
    expect(unknown).toMatchObject({ code: 1, stderr: newer })
    expect(unknown.stdout).toContain("_colours (2023-11-14T22:13:20.000Z)\n")

    tamper(filePath, `UPDATE sealant_migrations SET checksum = '${"a".repeat(64)}' WHERE migration_id = 2`)
    const altered = `sealant-db: ${second}: differs from the database ${filePath}; put the released text back, and the change into a new migration\n`
    const process = yield* spawned(["migrate"], environment)
    expect(process).toEqual({ code: 1, stdout: "", stderr: altered })
    expect(yield* runHere(["migrate", "--dry-run"], environment)).toEqual({ code: 1, stdout: "", stderr: altered })
    const status = yield* runHere(["status", "--json"], environment)
    expect(status).toMatchObject({ code: 1, stderr: altered })
    expect(JSON.parse(status.stdout)).toMatchObject({
      current: false,
      mismatched: [{ id: 2, name: second, checksum: "a".repeat(64), expected: { name: second } }],
      unknown: [{ id: names.length + 1 }]
    })
  })
)

it.scopedLive("migrate leaves the legacy database unchanged and prints the remedy", () =>
  Effect.gen(function* () {
    const filePath = join(yield* temporaryDirectory, "control-plane.sqlite")
    tamper(filePath, "CREATE TABLE user (id text PRIMARY KEY NOT NULL, name text NOT NULL)")
    const { code, stderr } = yield* runHere(["migrate"], { DATABASE_FILE_PATH: filePath })
    expect(code).toBe(1)
    expect(stderr).toBe(
      "sealant-db: the database was not made by these migrations and already holds the table user: " +
        "use a new file, and `sealant-db import-legacy PATH` to copy a predecessor's database into it\n"
    )
  })
)

it.scoped("migrate works on a server as on a file", () =>
  Effect.gen(function* () {
    const url = yield* openEmptyServer
    const environment = { DATABASE_URL: url }
    expect((yield* runHere(["status"], environment)).code).toBe(1)
    expect(yield* runHere(["migrate"], environment)).toEqual({ code: 0, stdout: lines("applied"), stderr: "" })
    expect(yield* runHere(["migrate"], environment)).toEqual({ code: 0, stdout: "up to date\n", stderr: "" })
    expect((yield* runHere(["status"], environment)).code).toBe(0)
  })
)
