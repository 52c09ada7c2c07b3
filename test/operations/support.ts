/**
 * Helpers of the tests of operations.
 */
import { Layer } from "effect"
import { readdirSync, statSync } from "node:fs"
import * as Database from "../../src/Database.js"
import * as Migrations from "../../src/Migrations.js"

/** A database at a path, with the schema of the program. */
export const databaseAt = (filePath: string) => Layer.provideMerge(Migrations.layer, Database.layer({ filePath }))

/** The permissions of a file, as `600`. */
export const permissionsOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

/** What is in a directory, without the logs of open databases: the engine closes one when its last statement is collected. */
export const filesIn = (directory: string) =>
  readdirSync(directory)
    .filter((name) => !/-(wal|shm)$/.test(name))
    .toSorted()
