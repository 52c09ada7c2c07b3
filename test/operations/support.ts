/**
 * What suites of operations share.
 */
import { Effect, Layer } from "effect"
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import * as Migrations from "../../src/Migrations.js"

/** A directory that goes with the test. */
export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sealant-db-operations-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A database at a path, with the schema of the program. */
export const databaseAt = (filePath: string) => Layer.provideMerge(Migrations.layer, Database.layer({ filePath }))

/** The permissions of a file, as `600`. */
export const permissionsOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

/** What is in a directory, without the logs of open databases: the engine closes one when its last statement is collected. */
export const filesIn = (directory: string) =>
  readdirSync(directory)
    .filter((name) => !/-(wal|shm)$/.test(name))
    .toSorted()
