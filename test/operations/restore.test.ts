import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import NativeDatabase from "libsql"
import {
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import type * as FileSystem from "node:fs/promises"
import { dirname, join } from "node:path"
import { migrations } from "../../migrations/index.js"
import * as Database from "../../src/Database.js"
import { ControlPlaneEvents } from "../../src/events/ControlPlaneEvents.js"
import * as Maintenance from "../../src/Maintenance.js"
import { putBack } from "../../src/operations/files.js"
import * as Migrations from "../../src/Migrations.js"
import { vi } from "vitest"
import { seedUser } from "../support/database.js"
import { refusalOf } from "../support/refusals.js"
import { databaseAt, filesIn, permissionsOf } from "./support.js"
import { temporaryDirectory } from "../support/directories.js"

/** The directory that the disk fails to write. */
const failingSync: { of: string | undefined } = vi.hoisted(() => {
  // Another file of the process may have loaded the modules that use the mocked one.
  vi.resetModules()
  return { of: undefined }
})

vi.mock("node:fs/promises", async (original) => {
  const actual = await original<typeof FileSystem>()
  const open: typeof actual.open = async (path, ...rest) => {
    const file = await actual.open(path, ...rest)
    if (path === failingSync.of) file.sync = () => Promise.reject(Object.assign(new Error("EIO"), { code: "EIO" }))
    return file
  }
  return { ...actual, open }
})

const last = Object.keys(migrations).at(-1) ?? ""

const users = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql`SELECT id FROM user ORDER BY id`, (rows) => rows.map(({ id }) => id))
)

const usersAt = (filePath: string) =>
  Effect.provide(Effect.zipRight(Migrations.verify, users), Database.layer({ filePath }))

/** A backup of a database with these users. */
const backupOf = (directory: string, name: string, ...ids: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const path = join(directory, `${name}.sqlite`)
    yield* Effect.zipRight(Effect.forEach(ids, seedUser), Maintenance.backup(path)).pipe(
      Effect.provide(databaseAt(join(directory, `${name}.source`)))
    )
    return path
  })

/** What a person does with another tool. */
const tamper = (path: string, ...statements: ReadonlyArray<string>) => {
  const database = new NativeDatabase(path)
  for (const statement of statements) database.exec(statement)
  database.close()
}

/** A backup with `user-1`, and a database with `user-2` where it is to be restored, alone in a directory. */
const besideAnother = Effect.gen(function* () {
  const directory = yield* temporaryDirectory
  mkdirSync(join(directory, "data"))
  const to = join(directory, "data", "live.sqlite")
  const from = yield* backupOf(directory, "backup", "user-1")
  copyFileSync(yield* backupOf(directory, "other", "user-2"), to)
  return { directory, from, to }
})

describe("restore", () => {
  it.scopedLive("copies a backup to a new path, for its owner only, and leaves the backup unchanged", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const from = yield* backupOf(directory, "backup", "user-1", "user-2")
      const before = readFileSync(from)
      const to = join(directory, "new", "place", "live.sqlite")
      const restored = yield* Maintenance.restore({ from, to })
      expect(restored).toMatchObject({ path: to, migration: last, tables: { user: 2 }, kept: Option.none() })
      expect(permissionsOf(to)).toBe("600")
      expect(permissionsOf(join(directory, "new"))).toBe("700")
      expect(filesIn(join(directory, "new", "place"))).toEqual(["live.sqlite"])
      expect(yield* usersAt(to)).toEqual(["user-1", "user-2"])
      expect(readFileSync(from).equals(before)).toBe(true)
    })
  )

  it.scopedLive("refuses a backup with a trigger that no migration made", () =>
    Effect.gen(function* () {
      const { from, to } = yield* besideAnother
      const before = readFileSync(to)
      tamper(from, "ALTER TABLE user ADD COLUMN role TEXT", "CREATE TABLE copied (token TEXT)")
      expect(yield* Maintenance.restore({ from, to: `${to}.plugin` })).toMatchObject({ tables: { copied: 0 } })
      tamper(
        from,
        "CREATE TRIGGER copy_tokens AFTER INSERT ON session BEGIN INSERT INTO copied VALUES (NEW.token); END"
      )
      const problem = "session has a trigger that no migration made, which sees and can stop every write: copy_tokens"
      expect(yield* refusalOf(Maintenance.restore({ from, to, overwrite: true }))).toMatchObject({
        reason: "NotABackup",
        problem: `${from} cannot be restored: ${problem}; drop it in a copy of the file with the sqlite3 shell, and restore the copy`
      })
      expect(readFileSync(to).equals(before)).toBe(true)
      const { problems } = yield* Effect.provide(Maintenance.backup(`${to}.again`), Database.layer({ filePath: from }))
      expect(problems).toEqual([problem])
      tamper(`${to}.again`, "DROP TRIGGER copy_tokens")
      expect(yield* Maintenance.restore({ from: `${to}.again`, to: `${to}.clean` })).toMatchObject({ migration: last })
    })
  )

  it.scopedLive(
    "starts a new epoch of the journal at the end of the backup's events, and leaves the backup's epoch unchanged",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const source = join(directory, "source.sqlite")
        const journal = Effect.flatMap(ControlPlaneEvents, ({ journal }) => journal).pipe(
          Effect.provide(ControlPlaneEvents.layer)
        )
        const sql = SqlClient.SqlClient
        const append = Effect.flatMap(
          sql,
          (sql) =>
            sql`INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, actor_type, occurred_at)
          VALUES ('job', lower(hex(randomblob(8))), 1, 'launch', 'system', 0)`
        )
        const from = join(directory, "backup.sqlite")
        const before = yield* append.pipe(
          Effect.zipRight(append),
          // The end is not the last event that is there.
          Effect.zipRight(Effect.flatMap(sql, (sql) => sql`DELETE FROM control_plane_events WHERE position = 2`)),
          Effect.zipRight(Maintenance.backup(from)),
          Effect.zipRight(append),
          Effect.zipRight(journal),
          Effect.provide(databaseAt(source))
        )
        expect(before).toMatchObject({ end: 3 })
        const restored = yield* Effect.forEach(["one", "two"], (name) => {
          const to = join(directory, name)
          return Effect.zipRight(
            Maintenance.restore({ from, to }),
            Effect.provide(journal, Database.layer({ filePath: to }))
          )
        })
        expect(restored.map(({ end }) => end)).toEqual([2, 2])
        const epochs = [before, ...restored].map(({ epoch }) => epoch)
        expect(new Set(epochs).size).toBe(3)
        expect(yield* Effect.provide(journal, Database.layer({ filePath: from }))).toEqual({
          epoch: before.epoch,
          end: 2
        })
      })
  )

  it.scopedLive("refuses to replace an existing database without overwrite, and keeps a copy of the replaced one", () =>
    Effect.gen(function* () {
      const { directory, from, to } = yield* besideAnother
      const before = readFileSync(to)
      expect(yield* refusalOf(Maintenance.restore({ from, to }))).toMatchObject({
        _tag: "MaintenanceRefused",
        reason: "TargetExists"
      })
      expect(readFileSync(to).equals(before)).toBe(true)
      const { kept } = yield* Maintenance.restore({ from, to, overwrite: true })
      const keptAt = Option.getOrThrow(kept)
      expect(filesIn(join(directory, "data"))).toEqual(
        [to, keptAt].map((path) => path.slice(directory.length + "/data/".length))
      )
      expect(yield* usersAt(to)).toEqual(["user-1"])
      expect(yield* usersAt(keptAt)).toEqual(["user-2"])
    })
  )

  it.scopedLive("moves aside a file that cannot be opened, and a leftover log without a database", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const from = yield* backupOf(directory, "backup", "user-1")
      for (const damaged of [false, true]) {
        const to = join(directory, `damaged-${damaged}`, "live.sqlite")
        mkdirSync(dirname(to))
        if (damaged) writeFileSync(to, "not a database, and longer than the header of one".repeat(20))
        writeFileSync(`${to}-wal`, "the log of another database")
        yield* Maintenance.restore({ from, to, overwrite: true })
        const aside = readdirSync(dirname(to))
          .filter((name) => name.includes("before-restore"))
          .toSorted()
        // A log that is none the engine removes by itself, when it looks whether somebody has the database open.
        expect(readFileSync(join(dirname(to), aside[0] ?? ""), "utf8").slice(0, 14)).toBe(
          damaged ? "not a database" : "the log of ano"
        )
        expect(yield* usersAt(to)).toEqual(["user-1"])
      }
    })
  )

  it.scoped("keeps every replaced database, also two in the same millisecond", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const to = join(directory, "live.sqlite")
      const kept: Array<string> = []
      for (const name of ["one", "two", "three"]) {
        const from = yield* backupOf(directory, name, `user-${name}`)
        kept.push(...Option.toArray((yield* Maintenance.restore({ from, to, overwrite: true })).kept))
      }
      expect(yield* Effect.forEach(kept, usersAt)).toEqual([["user-one"], ["user-two"]])
    })
  )

  it.scoped("moves files back when it fails, and never deletes the last name of a file", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [path, aside] = [join(directory, "path"), join(directory, "aside")]
      const files = () =>
        readdirSync(directory)
          .toSorted()
          .map((name) => [name, readFileSync(join(directory, name), "utf8")])
      yield* putBack(aside, path)
      expect(files()).toEqual([])
      writeFileSync(aside, "old")
      yield* putBack(aside, path)
      expect(files()).toEqual([["path", "old"]])
      linkSync(path, aside)
      yield* putBack(aside, path)
      expect(files()).toEqual([["path", "old"]])
      writeFileSync(aside, "other")
      yield* putBack(aside, path)
      expect(files()).toEqual([
        ["aside", "other"],
        ["path", "old"]
      ])
    })
  )

  it.scoped("keeps the old database when the disk fails after the copy", () =>
    Effect.gen(function* () {
      const { directory, from, to } = yield* besideAnother
      failingSync.of = join(directory, "data")
      const error = yield* Effect.ensuring(
        refusalOf(Maintenance.restore({ from, to, overwrite: true })),
        Effect.sync(() => (failingSync.of = undefined))
      )
      expect(error).toMatchObject({ _tag: "MaintenanceFailed" })
      expect(error.message).toContain(`${to} is in place, but its name may not outlast a power loss`)
      const [aside = ""] = filesIn(dirname(to)).filter((name) => name.includes("before-restore"))
      expect(yield* usersAt(join(dirname(to), aside))).toEqual(["user-2"])
      expect(yield* usersAt(to)).toEqual(["user-1"])
    })
  )

  it.scopedLive("refuses a file with a log beside it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const from = yield* backupOf(directory, "backup", "user-1")
      const to = join(directory, "live.sqlite")
      for (const log of [`${from}-wal`, `${from}-journal`]) {
        writeFileSync(log, "")
        yield* Maintenance.restore({ from, to, overwrite: true })
        writeFileSync(log, "the log of another database")
        const error = yield* refusalOf(Maintenance.restore({ from, to, overwrite: true }))
        expect(error).toMatchObject({ _tag: "MaintenanceRefused", reason: "NotABackup" })
        expect(error.message).toContain(`the engine would take ${log} for a part of it`)
        expect(readFileSync(log, "utf8")).toBe("the log of another database")
        rmSync(log)
      }
    })
  )

  it.scopedLive("refuses while the database is open", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const from = yield* backupOf(directory, "backup", "user-1")
      const to = join(directory, "live.sqlite")
      yield* Effect.gen(function* () {
        yield* seedUser("user-2")
        const error = yield* refusalOf(Maintenance.restore({ from, to, overwrite: true }))
        expect(error).toMatchObject({ _tag: "MaintenanceRefused", reason: "InUse" })
        expect(error.message).toBe(`${to} is open in some program: stop all that use it, and try again`)
        yield* seedUser("user-3")
        expect(yield* users).toEqual(["user-2", "user-3"])
      }).pipe(Effect.provide(databaseAt(to)))
      expect(filesIn(directory)).toEqual(["backup.source", "backup.sqlite", "live.sqlite"])
    })
  )

  it.scopedLive("refuses a file that is not a backup of this package, and changes nothing", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const good = yield* backupOf(directory, "backup", "user-1")
      const other = (name: string, ...statements: ReadonlyArray<string>) => {
        const path = join(directory, name)
        copyFileSync(good, path)
        tamper(path, ...statements)
        return path
      }
      writeFileSync(
        join(directory, "text"),
        "this is not a database, but long enough to be looked at as one".repeat(20)
      )
      writeFileSync(join(directory, "empty"), "")
      tamper(join(directory, "foreign"), "CREATE TABLE user (id TEXT)")
      const torn = join(directory, "torn")
      writeFileSync(torn, readFileSync(good).subarray(0, 40_000))
      const table: ReadonlyArray<readonly [string, string]> = [
        [join(directory, "text"), "it is not a SQLite database"],
        [join(directory, "empty"), "it does not contain the schema of this package"],
        [join(directory, "foreign"), "it does not contain the schema of this package"],
        [torn, "it is damaged: the engine reports a corrupted page"],
        [
          other(
            "dangling",
            "PRAGMA foreign_keys = off",
            "UPDATE user SET id = id || 'x'",
            "INSERT INTO account (id, user_id, account_id, provider_id, created_at, updated_at) VALUES ('a', 'n', 'a', 'p', 0, 0)"
          ),
          "1 rows of account refer to rows of user that are not there"
        ],
        [
          other("newer", "INSERT INTO sealant_migrations VALUES (9999, 'colours', '', 0)"),
          "the program is older than the database, which has 9999_colours: deploy a version of the program that knows them"
        ]
      ]
      const to = join(directory, "data.sqlite")
      for (const [from, problem] of table) {
        const error = yield* refusalOf(Maintenance.restore({ from, to }))
        expect(error).toMatchObject({ _tag: "MaintenanceRefused", reason: "NotABackup" })
        expect(error.message).toBe(`${from} cannot be restored: ${problem}`)
      }
      expect(yield* refusalOf(Maintenance.restore({ from: join(directory, "none"), to }))).toMatchObject({
        reason: "NotFound"
      })
      expect(yield* refusalOf(Maintenance.restore({ from: directory, to }))).toMatchObject({ reason: "NotFound" })
      linkSync(good, join(directory, "second-name"))
      expect(
        yield* refusalOf(Maintenance.restore({ from: good, to: join(directory, "second-name"), overwrite: true }))
      ).toMatchObject({
        reason: "IsTheDatabase"
      })
      expect(filesIn(directory)).not.toContain("data.sqlite")
      expect(filesIn(directory).filter((name) => name.includes("partial"))).toEqual([])
    })
  )

  it.scopedLive("accepts a backup of an older program, which is migrated afterwards", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [first = "", text = ""] = Object.entries(migrations)[0] ?? []
      const from = join(directory, "old.sqlite")
      yield* Effect.zipRight(Migrations.make({ [first]: text }).run, Maintenance.backup(from)).pipe(
        Effect.provide(Database.layer({ filePath: join(directory, "old.source") }))
      )
      const to = join(directory, "live.sqlite")
      expect(yield* Maintenance.restore({ from, to })).toMatchObject({ migration: first })
      expect(yield* Effect.provide(Migrations.run, Database.layer({ filePath: to }))).toHaveLength(
        Object.keys(migrations).length - 1
      )
    })
  )
})

describe("symbolic links", () => {
  /** A volume with a file in it, and links to both beside it. */
  const withLinks = Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const volume = join(directory, "volume")
    mkdirSync(volume)
    symlinkSync("volume", join(directory, "mount"))
    symlinkSync(join("mount", "real.sqlite"), join(directory, "link.sqlite"))
    return { directory, volume, real: join(volume, "real.sqlite"), link: join(directory, "link.sqlite") }
  })

  it.scopedLive("a database opened through a link is created at its target, with its log", () =>
    Effect.gen(function* () {
      const { link, real, volume } = yield* withLinks
      yield* Effect.gen(function* () {
        yield* seedUser("user-1")
        expect(readdirSync(volume).toSorted()).toEqual(["real.sqlite", "real.sqlite-shm", "real.sqlite-wal"])
        expect((yield* Maintenance.stats).walBytes).not.toEqual(Option.some(0))
      }).pipe(Effect.provide(databaseAt(link)))
      expect(lstatSync(link).isSymbolicLink()).toBe(true)
      expect(yield* usersAt(real)).toEqual(["user-1"])
    })
  )

  it.scopedLive("a restore onto a link replaces the target, and keeps the link", () =>
    Effect.gen(function* () {
      const { from, to } = yield* besideAnother
      const { link, real, volume } = yield* withLinks
      copyFileSync(to, real)
      const { kept, path } = yield* Maintenance.restore({ from, to: link, overwrite: true })
      expect({ path, isLink: lstatSync(link).isSymbolicLink() }).toEqual({ path: real, isLink: true })
      expect(yield* usersAt(real)).toEqual(["user-1"])
      expect(filesIn(volume)).toEqual(["real.sqlite", expect.stringMatching(/^real\.sqlite\.before-restore-/)])
      expect(yield* usersAt(Option.getOrThrow(kept))).toEqual(["user-2"])
    })
  )

  it.scopedLive("a restore onto a link without a target creates the target", () =>
    Effect.gen(function* () {
      const { from } = yield* besideAnother
      const { link, real } = yield* withLinks
      symlinkSync(from, `${link}.backup`)
      const { path } = yield* Maintenance.restore({ from: `${link}.backup`, to: link })
      expect({ path, isLink: lstatSync(link).isSymbolicLink() }).toEqual({ path: real, isLink: true })
      expect(yield* usersAt(link)).toEqual(["user-1"])
    })
  )

  it.scopedLive("a restore from a link checks for a log beside the target", () =>
    Effect.gen(function* () {
      const { from, to } = yield* besideAnother
      const { link } = yield* withLinks
      writeFileSync(`${from}-wal`, "a log")
      symlinkSync(from, `${link}.backup`)
      expect(yield* refusalOf(Maintenance.restore({ from: `${link}.backup`, to, overwrite: true }))).toMatchObject({
        reason: "NotABackup"
      })
    })
  )

  it.scopedLive("a backup to a link is written to its target, and is refused when that is the database", () =>
    Effect.gen(function* () {
      const { directory, link, real } = yield* withLinks
      const live = join(directory, "live.sqlite")
      symlinkSync(live, `${live}.link`)
      yield* Effect.gen(function* () {
        yield* seedUser("user-1")
        expect((yield* Maintenance.backup(link)).path).toBe(real)
        expect(yield* refusalOf(Maintenance.backup(link))).toMatchObject({ reason: "TargetExists" })
        yield* seedUser("user-2")
        yield* Maintenance.backup(link, { overwrite: true })
        expect(yield* refusalOf(Maintenance.backup(`${live}.link`, { overwrite: true }))).toMatchObject({
          reason: "IsTheDatabase"
        })
      }).pipe(Effect.provide(databaseAt(live)))
      expect(lstatSync(link).isSymbolicLink()).toBe(true)
      expect(yield* usersAt(real)).toEqual(["user-1", "user-2"])
    })
  )

  it.scopedLive("a loop of links is refused with its path", () =>
    Effect.gen(function* () {
      const { directory } = yield* withLinks
      const loop = join(directory, "loop.sqlite")
      symlinkSync("loop.sqlite", loop)
      const refused = yield* Effect.flip(usersAt(loop))
      expect(refused.message).toBe(`filePath: ${loop} cannot be opened: its symbolic links form a loop`)
      expect(yield* refusalOf(Maintenance.restore({ from: loop, to: loop }))).toMatchObject({ reason: "InvalidPath" })
      expect(existsSync(loop)).toBe(false)
    })
  )
})
