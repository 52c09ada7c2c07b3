/**
 * Backups: a verified copy of the database, made while others read and write. Its path contains a whole backup or
 * none.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Option, Schema } from "effect"
import { dirname, join } from "node:path"
import { reasonOf } from "../libsql/openLocal.js"
import { resolveLinks } from "../libsql/resolvePath.js"
import { Count } from "../sql/columns.js"
import { lastMigration, type OnProgress, verifiedCopy } from "./copy.js"
import { hiddenActions, schemaDrift } from "./drift.js"
import { MaintenanceFailed, MaintenanceRefused } from "./errors.js"
import { entryAt, isSame, sizeOf, targetExists, temporaryBeside } from "./files.js"
import { locked, putInPlace, sideFileOf, sideFiles } from "./inPlace.js"
import { engineProblem, placeOf, readerOf, requireEngine } from "./reader.js"

/** The options of a backup. */
export interface BackupOptions {
  /** Whether an existing file at the path is replaced, after the new backup is verified. Default false. */
  readonly overwrite?: boolean | undefined
  readonly onProgress?: OnProgress | undefined
}

/** The result of a backup. */
export const Backup = Schema.Struct({
  /** The absolute path, without symbolic links. */
  path: Schema.String,
  bytes: Count,
  /** The last migration of the database, as `0008_control_plane`. */
  migration: Schema.String,
  /** The number of rows of each table. */
  tables: Schema.Record({ key: Schema.String, value: Count }),
  /**
   * Problems for which `restore` refuses the backup, one line each: triggers and other objects that act on writes and
   * that no migration created.
   */
  problems: Schema.Array(Schema.String)
})
export interface Backup extends Schema.Schema.Type<typeof Backup> {}

const operation = "backup"

export const backup = (
  path: string,
  { onProgress, overwrite = false }: BackupOptions = {}
): Effect.Effect<Backup, MaintenanceRefused | MaintenanceFailed, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* requireEngine(operation, sql)
    const target = yield* pathOf(operation, path)
    yield* checkTarget(sql, target, overwrite)
    const temporary = yield* temporaryBeside(operation, target)
    const source = yield* readerOf(sql)
    const contents = yield* verifiedCopy(operation, { from: "the database", source, temporary, onProgress })
    const migration = yield* lastMigration(contents).pipe(
      Effect.mapError(
        () =>
          new MaintenanceFailed({
            operation,
            problem: "the database does not contain the schema of this package: run `sealant-db migrate` first"
          })
      )
    )
    const problems = yield* schemaDrift(source, contents.ledger).pipe(
      Effect.map(hiddenActions),
      Effect.mapError(
        (error) =>
          new MaintenanceFailed({
            operation,
            problem: `the schema cannot be read: ${error._tag === "SqlError" ? engineProblem(error) : error.message}`
          })
      )
    )
    const bytes = yield* sizeOf(temporary)
    yield* checkSideFiles(target, overwrite)
    // The remains of a replaced backup are removed with the directory of the copy.
    const aside = join(dirname(temporary), "replaced")
    yield* Effect.uninterruptible(putInPlace(operation, { temporary, target, aside, keep: false, overwrite }))
    return { path: target, bytes, migration, tables: contents.tables, problems }
  }).pipe(Effect.scoped, Effect.withSpan("Maintenance.backup", { captureStackTrace: false }))

/**
 * Returns an absolute path without symbolic links. Fails with `InvalidPath` for text that the engine and the
 * operating system would take for different files, and for loops of links.
 */
export const pathOf = (doing: string, path: string): Effect.Effect<string, MaintenanceRefused> => {
  const refuse = (problem: string) => new MaintenanceRefused({ operation: doing, reason: "InvalidPath", problem })
  return path.trim() === "" || path.includes("\0") || /[\uD800-\uDFFF]/u.test(path) || /^(:memory:|file:)/.test(path)
    ? refuse("the path must be a plain path of a file")
    : Effect.try({
        try: () => resolveLinks(path),
        catch: (error) => refuse(`${path} cannot be found: ${reasonOf(error)}`)
      })
}

const withSideFiles = (path: string) => [path, ...sideFiles.map((side) => path + side)]

const checkTarget = (sql: SqlClient.SqlClient, target: string, overwrite: boolean) =>
  Effect.gen(function* () {
    const database = placeOf(sql)
    const own = database.kind === "file" ? withSideFiles(database.path) : []
    const ofTarget = withSideFiles(target)
    const entries = (paths: ReadonlyArray<string>) =>
      Effect.map(
        Effect.forEach(paths, (file) => entryAt(operation, file)),
        (found) => found.filter((entry) => entry !== undefined)
      )
    const [ownEntries, targetEntries] = [yield* entries(own), yield* entries(ofTarget)]
    if (
      ofTarget.some((file) => own.includes(file)) ||
      targetEntries.some((found) => ownEntries.some((file) => isSame(file, found)))
    ) {
      return yield* new MaintenanceRefused({
        operation,
        reason: "IsTheDatabase",
        problem: `${target} is the database itself: give another path`
      })
    }
    const found = yield* entryAt(operation, target)
    if (found !== undefined && (!overwrite || !found.isFile())) return yield* targetExists(operation, target)
    yield* checkSideFiles(target, overwrite)
    if (found !== undefined) yield* Effect.scoped(locked(operation, target))
  })

/**
 * Fails with `TargetExists` if there is a side file: the engine would treat the log of a deleted file as a part of
 * the backup.
 */
const checkSideFiles = (target: string, overwrite: boolean) =>
  Effect.flatMap(
    overwrite ? Effect.succeedNone : sideFileOf(operation, target),
    Option.match({
      onNone: () => Effect.void,
      onSome: (file) => targetExists(operation, file)
    })
  )
