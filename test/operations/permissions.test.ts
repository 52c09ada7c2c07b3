/**
 * Whatever the mask of the process: a database, what the engine puts beside it, and all copies are their owner's only.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { lstatSync, mkdirSync, readdirSync } from "node:fs"
import { join, relative } from "node:path"
import * as Database from "../../src/Database.js"
import * as Maintenance from "../../src/Maintenance.js"
import { seedUser } from "../support/database.js"
import { databaseAt, permissionsOf } from "./support.js"
import { temporaryDirectory } from "../support/directories.js"

const masked = (mask: number) =>
  Effect.acquireRelease(
    Effect.sync(() => process.umask(mask)),
    (before) => Effect.sync(() => process.umask(before))
  )

/** What is in a directory and below, with its permissions. */
const treeOf = (directory: string) =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, withFileTypes: true }).map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return [relative(directory, path), permissionsOf(path)] as const
    })
  )

const openIn = (directory: string, where: string) =>
  Object.entries(treeOf(directory))
    .filter(([path]) => path.startsWith(where) && lstatSync(join(directory, path)).isFile())
    .filter(([, mode]) => mode !== "600")

describe("under a umask of", () => {
  it.scopedLive.each([0o000, 0o022, 0o077])("%i, all files are accessible to their owner only", (mask) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      mkdirSync(join(directory, "backups"))
      yield* masked(mask)
      const filePath = join(directory, "data", "deep", "live.sqlite")
      const backup = join(directory, "backups", "copy.sqlite")
      const seen: Array<string> = []
      const look = Effect.sync(() => {
        const open = openIn(directory, "")
        expect(open).toEqual([])
        seen.push(...Object.keys(treeOf(directory)))
      })
      yield* Effect.gen(function* () {
        yield* seedUser("user-1")
        yield* look
        // While it is written, too.
        yield* Maintenance.backup(backup, { onProgress: () => look })
        yield* look
      }).pipe(Effect.provide(databaseAt(filePath)))
      const to = join(directory, "other", "live.sqlite")
      yield* Maintenance.restore({ from: backup, to, onProgress: () => look })
      yield* Maintenance.restore({ from: backup, to, overwrite: true, onProgress: () => look })
      yield* Effect.zipRight(seedUser("user-2"), look).pipe(Effect.provide(Database.layer({ filePath: to })))
      yield* look
      const names = [
        "live.sqlite-wal",
        "live.sqlite-shm",
        "copy.sqlite",
        ".partial/copy.sqlite",
        "other/live.sqlite",
        ".before-restore-"
      ]
      expect(names.filter((name) => !seen.some((path) => path.includes(name)))).toEqual([])
      const directories = ["data", "data/deep", "other"].map((path) => permissionsOf(join(directory, path)))
      expect(directories).toEqual(["700", "700", "700"])
    })
  )
})
