import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option } from "effect"
import { copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import * as Maintenance from "../../src/Maintenance.js"
import * as Migrations from "../../src/Migrations.js"
import { migrations } from "../../migrations/index.js"
import { seedUser } from "../support/database.js"
import { turns, until } from "../support/eventLoop.js"
import { refusalOf } from "../support/refusals.js"
import { tamper } from "../cli/support.js"
import { databaseAt, filesIn, permissionsOf } from "./support.js"
import { temporaryDirectory } from "../support/directories.js"

const last = Object.keys(migrations).at(-1) ?? ""

const users = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql`SELECT id FROM user ORDER BY id`, (rows) => rows.map(({ id }) => id))
)

describe("a backup", () => {
  it.scopedLive("contains the whole database, is readable by its owner only, and leaves no other file", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      mkdirSync(join(directory, "backups"))
      const path = join(directory, "backups", "it's a copy.sqlite")
      const made = yield* Effect.gen(function* () {
        yield* seedUser("user-1")
        const backup = yield* Maintenance.backup(path)
        yield* seedUser("user-2")
        return backup
      }).pipe(Effect.provide(databaseAt(join(directory, "live.sqlite"))))
      expect(made).toMatchObject({
        path,
        migration: last,
        bytes: readFileSync(path).length,
        tables: { user: 1, sandboxes: 0 }
      })
      expect(permissionsOf(path)).toBe("600")
      expect(filesIn(join(directory, "backups"))).toEqual(["it's a copy.sqlite"])

      const restored = Effect.zipRight(Migrations.verify, users)
      expect(yield* Effect.provide(restored, Database.layer({ filePath: path }))).toEqual(["user-1"])
    })
  )

  it.scopedLive("of a database in memory is complete, too", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "copy.sqlite")
      yield* Effect.zipRight(seedUser("user-1"), Maintenance.backup(path)).pipe(
        Effect.provide(Layer.provideMerge(Migrations.layer, Database.layerMemory))
      )
      expect(yield* Effect.provide(users, Database.layer({ filePath: path }))).toEqual(["user-1"])
    })
  )

  it.scopedLive("refuses to replace an existing file without overwrite", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = join(directory, "copy.sqlite")
      const filePath = join(directory, "live.sqlite")
      yield* Effect.gen(function* () {
        writeFileSync(path, "precious", { mode: 0o644 })
        expect(yield* refusalOf(Maintenance.backup(path))).toMatchObject({
          _tag: "MaintenanceRefused",
          reason: "TargetExists"
        })
        expect(readFileSync(path, "utf8")).toBe("precious")
        yield* Maintenance.backup(path, { overwrite: true })
        expect(readFileSync(path, "latin1").slice(0, 15)).toBe("SQLite format 3")
        expect(permissionsOf(path)).toBe("600")

        mkdirSync(join(directory, "directory"))
        expect(yield* refusalOf(Maintenance.backup(join(directory, "directory"), { overwrite: true }))).toMatchObject({
          reason: "TargetExists"
        })
        linkSync(filePath, join(directory, "second-name.sqlite"))
        for (const own of [filePath, `${filePath}-wal`, `${filePath}-shm`, join(directory, "second-name.sqlite")]) {
          expect(yield* refusalOf(Maintenance.backup(own, { overwrite: true }))).toMatchObject({
            reason: "IsTheDatabase"
          })
        }
        expect(yield* users).toEqual([])
      }).pipe(Effect.provide(databaseAt(filePath)))
      expect(filesIn(directory)).toEqual(["copy.sqlite", "directory", "live.sqlite", "second-name.sqlite"])
    })
  )

  it.scopedLive("never uses a leftover log at its path", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = join(directory, "copy.sqlite")
      // What a program leaves that is killed while it has a backup open: the last user is in the log only.
      yield* Effect.gen(function* () {
        yield* seedUser("old-user")
        copyFileSync(join(directory, "old.sqlite"), path)
        copyFileSync(join(directory, "old.sqlite-wal"), `${path}-wal`)
      }).pipe(Effect.provide(databaseAt(join(directory, "old.sqlite"))))
      yield* Effect.gen(function* () {
        yield* seedUser("user-1")
        const made = yield* Maintenance.backup(path, { overwrite: true })
        expect(readFileSync(path)).toHaveLength(made.bytes)
        expect(existsSync(`${path}-wal`)).toBe(false)

        for (const side of ["-wal", "-shm", "-journal"]) {
          const other = join(directory, `other${side}`)
          writeFileSync(other + side, "what is left")
          expect(yield* refusalOf(Maintenance.backup(other))).toMatchObject({ reason: "TargetExists" })
          expect(readFileSync(other + side, "utf8")).toBe("what is left")
          yield* Maintenance.backup(other, { overwrite: true })
          expect(existsSync(other + side)).toBe(false)
        }
        expect(yield* refusalOf(Maintenance.backup(join(directory, "live.sq"), { overwrite: true }))).toMatchObject({
          reason: "IsTheDatabase"
        })
      }).pipe(Effect.provide(databaseAt(join(directory, "live.sq-wal"))))
      expect(yield* Effect.provide(users, Database.layer({ filePath: path }))).toEqual(["user-1"])
      expect(filesIn(directory).filter((name) => name.includes("partial"))).toEqual([])
    })
  )

  it.scopedLive("refuses to replace a database that a program has open", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = join(directory, "open.sqlite")
      yield* Effect.gen(function* () {
        yield* seedUser("user-1")
        const error = yield* refusalOf(Maintenance.backup(path, { overwrite: true })).pipe(
          Effect.provide(databaseAt(join(directory, "live.sqlite")))
        )
        expect(error).toMatchObject({ _tag: "MaintenanceRefused", operation: "backup", reason: "InUse" })
        expect(yield* users).toEqual(["user-1"])
      }).pipe(Effect.provide(databaseAt(path)))
    })
  )

  it.scopedLive("reports a failure in one line, and leaves nothing", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      writeFileSync(join(directory, "file"), "")
      yield* Effect.gen(function* () {
        for (const path of ["", " ", "a\0b", "a\uD800b", ":memory:", "file:x"]) {
          expect(yield* refusalOf(Maintenance.backup(path))).toMatchObject({ reason: "InvalidPath" })
        }
        const problems = yield* Effect.forEach(["none/copy.sqlite", "file/copy.sqlite"], (path) =>
          Effect.map(refusalOf(Maintenance.backup(join(directory, path))), (error) => [error._tag, error.message])
        )
        expect(problems).toEqual([
          ["MaintenanceFailed", `${join(directory, "none/copy.sqlite")} cannot be written: no such directory`],
          ["MaintenanceFailed", `${join(directory, "file/copy.sqlite")} cannot be accessed: part of the path is a file`]
        ])
      }).pipe(Effect.provide(databaseAt(join(directory, "live.sqlite"))))

      const empty = yield* refusalOf(Maintenance.backup(join(directory, "copy.sqlite"))).pipe(
        Effect.provide(Database.layerMemory)
      )
      expect(empty.message).toBe(
        "the database does not contain the schema of this package: run `sealant-db migrate` first"
      )
      const remote = Database.layerRemote({ url: "http://127.0.0.1:9" })
      for (const work of [
        Maintenance.backup(join(directory, "copy.sqlite")),
        Maintenance.checkpoint,
        Maintenance.optimize
      ]) {
        expect(yield* Effect.provide(refusalOf<unknown, unknown, SqlClient.SqlClient>(work), remote)).toMatchObject({
          _tag: "MaintenanceRefused",
          reason: "Unsupported"
        })
      }
      expect(filesIn(directory)).toEqual(["file", "live.sqlite"])
    })
  )

  it.scopedLive("of a damaged database fails", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = join(directory, "copy.sqlite")
      const error = yield* Effect.gen(function* () {
        tamper(
          join(directory, "live.sqlite"),
          "PRAGMA foreign_keys = off",
          "INSERT INTO session (id, user_id, token, expires_at, created_at, updated_at) VALUES ('s', 'nobody', 't', 0, 0, 0)"
        )
        expect(yield* Maintenance.integrityCheck).toEqual({
          ok: false,
          damage: [],
          danglingReferences: [{ table: "session", references: "user", rows: 1 }]
        })
        return yield* refusalOf(Maintenance.backup(path))
      }).pipe(Effect.provide(databaseAt(join(directory, "live.sqlite"))))
      expect(error.message).toBe(
        "the copy of the database is not valid: 1 rows of session refer to rows of user that are not there"
      )
      expect(filesIn(directory)).toEqual(["live.sqlite"])
    })
  )

  it.scopedLive("that is interrupted leaves nothing, and the database stays usable", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* Effect.gen(function* () {
        // In the middle of the copy, and before and after it: as the machine has it.
        for (const later of [0, 1, 10, 100, 1000]) {
          let copying = false
          const fiber = yield* Effect.fork(
            Maintenance.backup(join(directory, "copy.sqlite"), {
              onProgress: () => Effect.sync(() => void (copying = true))
            })
          )
          yield* until(() => copying)
          yield* turns(later)
          const exit = yield* Fiber.interrupt(fiber)
          if (Exit.isSuccess(exit)) rmSync(exit.value.path)
          else expect(Exit.isInterrupted(exit)).toBe(true)
          expect(filesIn(directory)).toEqual(["live.sqlite"])
        }
        yield* seedUser("user-1")
        expect(yield* Maintenance.backup(join(directory, "second.sqlite"))).toMatchObject({ tables: { user: 1 } })
      }).pipe(Effect.provide(databaseAt(join(directory, "live.sqlite"))))
      expect(filesIn(directory)).toEqual(["live.sqlite", "second.sqlite"])
    })
  )
})

describe("statistics and checks", () => {
  for (const [name, database] of Object.entries({
    memory: Layer.provideMerge(Migrations.layer, Database.layerMemory),
    file: Layer.unwrapScoped(Effect.map(temporaryDirectory, (directory) => databaseAt(join(directory, "live.sqlite"))))
  })) {
    it.scopedLive(`of a database in ${name}`, () =>
      Effect.gen(function* () {
        yield* seedUser("user-1")
        const stats = yield* Maintenance.stats
        expect(stats.engineVersion).toMatch(/^3\.\d+\.\d+$/)
        expect(stats).toMatchObject({
          migrations: Object.keys(migrations).length,
          tables: { user: 1, sealant_migrations: Object.keys(migrations).length },
          queue: {
            byStatus: { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 },
            oldestQueuedAge: Option.none()
          },
          inbox: { byStatus: { received: 0, processing: 0, processed: 0, failed: 0, ignored: 0 } }
        })
        expect(Option.isSome(stats.fileBytes)).toBe(name === "file")
        expect(Option.isSome(stats.walBytes)).toBe(name === "file")
        expect(yield* Maintenance.integrityCheck).toEqual({ ok: true, damage: [], danglingReferences: [] })
        yield* Maintenance.optimize
        expect(yield* Maintenance.checkpoint).toEqual({ complete: true, remainingPages: 0 })
      }).pipe(Effect.provide(database))
    )
  }

  it.effect("of an unmigrated database report that", () =>
    Effect.gen(function* () {
      expect(yield* refusalOf(Maintenance.stats)).toMatchObject({ _tag: "PersistenceError", reason: "SchemaMismatch" })
    }).pipe(Effect.provide(Database.layerMemory))
  )
})
