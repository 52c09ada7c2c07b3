/**
 * Files that are not a database of the predecessor, or a damaged one: refused in one line, and nothing is written.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { LegacyImport } from "@sealant/db"
import { Effect } from "effect"
import Native from "libsql"
import { appendFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { placeOf } from "../../src/operations/reader.js"
import { fileLayer, memoryLayer } from "../support/database.js"
import { badNames, refusalOf } from "../support/refusals.js"
import { count, legacyPath, tableNames, writeDeployment } from "./source.js"

/** The refusal of a file. Checks that nothing was written, beside the file and in the target. */
const refused = (path: string) =>
  Effect.gen(function* () {
    const beside = () => readdirSync(dirname(path)).toSorted()
    const before = beside()
    const error = yield* refusalOf(LegacyImport.run(path))
    expect(beside()).toEqual(before)
    for (const table of [...tableNames, "import_rejects", "legacy_imports", "encryption_keys"])
      expect([table, yield* count(table)]).toEqual([table, 0])
    expect(error.message).not.toContain("\n")
    return error
  })

const pageSize = 4096

describe("an import refuses", () => {
  it.scoped("a file that is not a database", () =>
    Effect.gen(function* () {
      const { directory, path } = yield* legacyPath
      expect(yield* refused(path)).toMatchObject({
        _tag: "LegacyImportRefused",
        reason: "NotFound",
        problem: `there is no file at ${path}`
      })
      expect(yield* refused(directory)).toMatchObject({ reason: "NotADatabase", problem: `${directory} is not a file` })
      for (const [text, reason] of [
        ["SQLite format 3\0", "NotADatabase"],
        ["no database at all ".repeat(500), "NotADatabase"],
        ["", "NotThePredecessors"]
      ] as const) {
        writeFileSync(path, text)
        expect(yield* refused(path)).toMatchObject({ reason })
      }
      for (const bad of Object.values(badNames))
        expect(yield* refusalOf(LegacyImport.run(bad))).toMatchObject({ reason: "NotFound" })
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("a database of another program or of this package, and the target itself", () =>
    Effect.gen(function* () {
      const { directory, path } = yield* legacyPath
      writeDeployment(
        path,
        "DROP TABLE issues",
        "DROP TABLE profiles",
        "ALTER TABLE user DROP COLUMN email",
        "ALTER TABLE user DROP COLUMN image"
      )
      expect(yield* refused(path)).toMatchObject({
        reason: "NotThePredecessors",
        problem: `${path} is not a database of the predecessor: it lacks user.email, profiles, issues`
      })
      const ours = join(directory, "ours.sqlite")
      writeDeployment(ours, "CREATE TABLE sealant_migrations (id INTEGER)")
      expect(yield* refused(ours)).toMatchObject({
        reason: "NotThePredecessors",
        problem: expect.stringContaining("of this package")
      })
      const target = placeOf(yield* SqlClient.SqlClient)
      const link = join(directory, "link.sqlite")
      symlinkSync(target.kind === "file" ? target.path : "", link)
      expect(yield* refused(link)).toMatchObject({
        reason: "NotThePredecessors",
        problem: expect.stringContaining("is the target database")
      })
      const elsewhere = join(directory, "utf16.sqlite")
      const database = new Native(elsewhere)
      database.exec("PRAGMA encoding = 'UTF-16'; CREATE TABLE user (id TEXT)")
      database.close()
      expect(yield* refused(elsewhere)).toMatchObject({
        reason: "NotThePredecessors",
        problem: expect.stringContaining("UTF-8")
      })
    }).pipe(Effect.provide(fileLayer))
  )

  it.scoped("nothing for a missing nullable column, which it imports as NULL", () =>
    Effect.gen(function* () {
      const { path } = yield* legacyPath
      writeDeployment(path, "ALTER TABLE user DROP COLUMN image")
      expect((yield* LegacyImport.run(path)).rejected).toBe(0)
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("a database in use, but not a closed one in WAL mode, beside which it creates no file", () =>
    Effect.gen(function* () {
      const { directory } = yield* legacyPath
      const inside = join(directory, "a # strange? 100% nāme")
      mkdirSync(inside)
      const path = join(inside, "legacy ?.sqlite")
      writeDeployment(path)
      const program = new Native(path)
      program.exec("PRAGMA journal_mode = wal; UPDATE user SET name = 'Ada'")
      expect(yield* refused(path)).toMatchObject({ reason: "InUse", problem: expect.stringContaining(`${path}-wal`) })
      const link = join(directory, "link.sqlite")
      symlinkSync(path, link)
      expect(yield* refused(link)).toMatchObject({ reason: "InUse" })
      program.close()
      const before = readFileSync(path)
      const beside = new Set<string>()
      const onProgress = () => Effect.sync(() => readdirSync(inside).forEach((name) => beside.add(name)))
      expect((yield* LegacyImport.run(path, { onProgress })).imported).toBeGreaterThan(80)
      expect([readFileSync(path).equals(before), [...beside]]).toEqual([true, ["legacy ?.sqlite"]])
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("a database with a rollback journal", () =>
    Effect.gen(function* () {
      const { path } = yield* legacyPath
      writeDeployment(path)
      writeFileSync(`${path}-journal`, "something")
      expect(yield* refused(path)).toMatchObject({
        reason: "InUse",
        problem: expect.stringContaining(`${path}-journal`)
      })
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("a target that has rows", () =>
    Effect.gen(function* () {
      const { path } = yield* legacyPath
      writeDeployment(path)
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO user (id, name, email, created_at, updated_at) VALUES ('eve', '', 'eve@example.com', 0, 0)`
      expect(yield* refusalOf(LegacyImport.run(path))).toMatchObject({ reason: "TargetNotEmpty" })
      expect([yield* count("user"), yield* count("sandboxes")]).toEqual([1, 0])
    }).pipe(Effect.provide(memoryLayer))
  )
})

describe("an import fails", () => {
  it.scoped("on a damaged page, and on a truncated file", () =>
    Effect.gen(function* () {
      const { path } = yield* legacyPath
      writeDeployment(path)
      const pages = readFileSync(path)
      const database = new Native(path)
      const [{ rootpage }] = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'sandboxes'").all() as [
        { rootpage: number }
      ]
      database.close()
      writeFileSync(
        path,
        Buffer.concat([
          pages.subarray(0, (rootpage - 1) * pageSize),
          Buffer.alloc(pageSize, 0xff),
          pages.subarray(rootpage * pageSize)
        ])
      )
      expect(yield* refused(path)).toMatchObject({
        reason: "NotADatabase",
        problem: expect.stringContaining("damaged")
      })
      // A page whose header has a smaller number of rows: each remaining row can be read.
      const cut = Buffer.from(pages)
      cut.writeUInt16BE(1, (rootpage - 1) * pageSize + 3)
      writeFileSync(path, cut)
      expect(yield* refused(path)).toMatchObject({
        reason: "NotADatabase",
        problem: expect.stringContaining(`${path} is damaged: `)
      })
      truncateSync(path, pageSize * 20)
      expect(yield* refused(path)).toMatchObject({
        reason: "NotADatabase",
        problem: expect.stringContaining("damaged")
      })
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("if the file changes while it is read", () =>
    Effect.gen(function* () {
      const { path } = yield* legacyPath
      writeDeployment(path)
      const onProgress = (table: string) =>
        Effect.sync(() => (table === "verification" ? appendFileSync(path, "x") : undefined))
      expect(yield* refusalOf(LegacyImport.run(path, { onProgress }))).toMatchObject({
        _tag: "LegacyImportFailed",
        message: "the source changed during the import: stop the program that writes to it"
      })
      expect(yield* count("user")).toBe(0)
    }).pipe(Effect.provide(memoryLayer))
  )
})
