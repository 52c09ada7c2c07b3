import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { CurrentProgressOutput } from "../../src/cli/output.js"
import { writeDeployment } from "../legacy/source.js"
import { runHere, tamper } from "./support.js"
import { temporaryDirectory } from "../support/directories.js"

const secret = "hunter2"

const prepared = Effect.gen(function* () {
  const directory = yield* temporaryDirectory
  const environment = { DATABASE_FILE_PATH: join(directory, "control-plane.sqlite") }
  yield* runHere(["migrate"], environment)
  const path = join(directory, "legacy.sqlite")
  writeDeployment(
    path,
    `UPDATE repositories SET provider = '${secret}' WHERE id = 'repo_0'`,
    "ALTER TABLE user ADD COLUMN nickname TEXT; UPDATE user SET nickname = 'Ada', email = upper(email) WHERE id = 'user_0'"
  )
  return { directory, environment, path }
})

it.scopedLive.each(["flows", "last-release"])("doctor finds no problem after an import of %s.sqlite", (name) =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const environment = { DATABASE_FILE_PATH: join(directory, "control-plane.sqlite") }
    yield* runHere(["migrate"], environment)
    const path = join(directory, "legacy.sqlite")
    writeFileSync(path, gunzipSync(readFileSync(new URL(`../fixtures/legacy/${name}.sqlite.gz`, import.meta.url))))
    expect((yield* runHere(["import-legacy", path], environment)).code).toBe(0)
    const { code, stdout } = yield* runHere(["doctor"], environment)
    expect([code, stdout.split("\n").filter((line) => line.startsWith("problem"))]).toEqual([0, []])
  })
)

it.scopedLive("import-legacy reports imported, repaired, rejected and ignored rows without values", () =>
  Effect.gen(function* () {
    const { environment, path } = yield* prepared
    const before = readFileSync(path)
    const { code, stderr, stdout } = yield* runHere(["import-legacy", path], environment)
    expect([code, stderr]).toEqual([0, ""])
    expect(stdout).not.toContain(secret)
    const lines = stdout.trimEnd().split("\n")
    expect(lines[0]).toMatch(/^user +imported 3$/)
    for (const line of [
      "repositories                                 imported 3  rejected 1",
      "repaired 1 row in user: email: trimmed and converted to lower case for sign-in",
      "rejected 1 row in repositories: provider: is invalid",
      "rejected 1 row in issues: repository_id: the referenced row of repositories was not imported or belongs to another owner",
      "not imported, because the predecessor had no user.nickname: 1 row"
    ])
      expect(lines).toContain(line)
    expect(lines.at(-2)).toMatch(/^imported \d+ rows, rejected \d+$/)
    expect(lines.at(-1)).toBe("import_rejects contains the rejected rows with their reasons; they may contain secrets")
    expect(readFileSync(path).equals(before)).toBe(true)

    const again = yield* runHere(["import-legacy", path], environment)
    expect(again).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^this file was imported before, \d+ rows, rejected \d+; nothing was changed\n$/)
    })
    const script = yield* runHere(["import-legacy", "--json", path], environment)
    expect(JSON.parse(script.stdout)).toMatchObject({
      repeated: true,
      ignored: [{ what: "user.nickname", rows: 1 }],
      tables: expect.arrayContaining([
        {
          table: "user",
          imported: 3,
          rejected: 0,
          repaired: [{ what: "email: trimmed and converted to lower case for sign-in", rows: 1 }],
          rejects: []
        }
      ])
    })
  })
)

it.scopedLive(
  "import-legacy shows progress: one updated line on a terminal, otherwise a line per batch",
  () =>
    Effect.gen(function* () {
      const { environment, path } = yield* prepared
      const addRows = (first: number, last: number) =>
        tamper(
          path,
          `WITH RECURSIVE n (i) AS (SELECT ${first} UNION ALL SELECT i + 1 FROM n WHERE i < ${last})
          INSERT INTO package_resolution_cache_entries (query, resolution_payload, fetched_at, expires_at, last_used_at, hit_count)
          SELECT 'many:' || i, '{}', 0, 0, 0, 0 FROM n`
        )
      addRows(1, 2000)
      const shown: Array<string> = []
      const onTerminal = { isTerminal: true, write: (text: string) => void shown.push(text) }
      const outcome = yield* Effect.provideService(
        runHere(["import-legacy", path, "--json"], environment),
        CurrentProgressOutput,
        onTerminal
      )
      expect(outcome.code).toBe(0)
      expect(shown).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/user 3$/),
          expect.stringMatching(/package_resolution_cache_entries 1000$/)
        ])
      )

      addRows(2001, 100_000)
      const { environment: other } = yield* prepared
      const { stdout } = yield* runHere(["import-legacy", path], other)
      expect(stdout.split("\n")[0]).toBe("package_resolution_cache_entries: 100000 rows so far")
    }),
  120_000
)

it.scopedLive("import-legacy reports a refusal in one line", () =>
  Effect.gen(function* () {
    const { directory, environment, path } = yield* prepared
    const refused = (args: ReadonlyArray<string>, code: number, message: string, where = environment) =>
      Effect.map(runHere(args, where), (outcome) =>
        expect(outcome).toEqual({ code, stdout: "", stderr: `sealant-db: ${message}\n` })
      )
    const text = join(directory, "notes.txt")
    writeFileSync(text, "nothing of a database".repeat(100))
    yield* refused(["import-legacy"], 2, "Missing argument <path> (see sealant-db import-legacy --help)")
    yield* refused(["import-legacy", join(directory, "none")], 1, `there is no file at ${join(directory, "none")}`)
    yield* refused(["import-legacy", directory], 1, `${directory} is not a file`)
    yield* refused(["import-legacy", text], 1, `${text} cannot be imported: it is not a SQLite database`)
    yield* refused(
      ["import-legacy", environment.DATABASE_FILE_PATH],
      1,
      `${environment.DATABASE_FILE_PATH} is the target database: pass the path of the predecessor's database`
    )
    writeFileSync(`${path}-wal`, "x")
    expect(yield* runHere(["import-legacy", path], environment)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^sealant-db: [^\n]* is in use, or was not closed: [^\n]*\n$/)
    })
    const nowhere = join(directory, "new.sqlite")
    yield* refused(
      ["import-legacy", path],
      1,
      `DATABASE_FILE_PATH: there is no database at ${nowhere}; give the path of one, or run \`sealant-db migrate\` to make it`,
      { DATABASE_FILE_PATH: nowhere }
    )
  })
)
