/**
 * Operations on the whole database: backups, restores, checks, and statistics.
 *
 * Long operations run in a thread of their own, on their own connection: neither the event loop nor writers wait for
 * them. The others run in the queue of writes; their documentation contains their cost.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql"
import { Effect, Schema } from "effect"
import type { PersistenceError } from "./Errors.js"
import { Count } from "./sql/columns.js"
import { isSqlError, persistenceErrorOf } from "./sql/engineError.js"
import * as Backups from "./operations/backup.js"
import type { MaintenanceFailed, MaintenanceRefused } from "./operations/errors.js"
import { checkIntegrity, type IntegrityReport } from "./operations/integrity.js"
import { examine, type Finding } from "./operations/findings.js"
import { type Diagram, readDiagrams } from "./operations/diagrams.js"
import { placeOf, readerOf, requireEngine } from "./operations/reader.js"
import * as Restores from "./operations/restore.js"
import {
  collectDepths,
  collectStats,
  type Depths,
  fileSizesOf,
  type FileSizes,
  type Stats,
  tableSizesOf
} from "./operations/stats.js"

export { MaintenanceFailed, MaintenanceRefusal, MaintenanceRefused } from "./operations/errors.js"
export { Backup, type BackupOptions } from "./operations/backup.js"
export type { CopyProgress, OnProgress } from "./operations/copy.js"
export { Finding } from "./operations/findings.js"
export { Diagram } from "./operations/diagrams.js"
export { DanglingReferences, IntegrityReport } from "./operations/integrity.js"
export { Restored, type RestoreRequest, VerifiedBackup } from "./operations/restore.js"
export { Depths, FileSizes, QueueDepth, Stats } from "./operations/stats.js"

/**
 * Copies the database to a path, as a consistent snapshot, while others read and write.
 *
 * The copy is made in a directory beside the path; both are accessible to their owner only from the beginning. The
 * copy is verified (each page, index and reference, its migrations, its rows) and synced to the disk. Only then it
 * gets its name, atomically: the path contains a whole backup or the previous entry.
 *
 * - A process that is killed meanwhile leaves the directory `<path>.<random>.partial`, which can be deleted.
 * - The write-ahead log grows while the copy is made, and is moved into the database afterwards.
 * - An interruption returns at once; the thread ends after its current statement.
 *
 * Fails with `MaintenanceRefused`:
 * - `InvalidPath` if the path is not the path of a file;
 * - `TargetExists` if the path exists, unless `overwrite` is set, or if the log of a deleted file is beside it;
 * - `IsTheDatabase` if the path is that of the database;
 * - `InUse` if the file to replace is open in a program;
 * - `Unsupported` on a libSQL server.
 *
 * Fails with `MaintenanceFailed` if the copy cannot be written or is not valid, or if the database was never
 * migrated.
 */
export const backup: (
  path: string,
  options?: Backups.BackupOptions
) => Effect.Effect<Backups.Backup, MaintenanceRefused | MaintenanceFailed, SqlClient.SqlClient> = Backups.backup

/**
 * Replaces or creates a database from a backup. Needs no database layer, and none may be open on that path.
 *
 * The backup is verified as by `backup`, and copied. The copy is verified again before it gets the name of the
 * database, atomically. A previous database is kept as `<path>.before-restore-<time>-<random>`. The backup is not
 * changed. It may be of an older version of the program: run the migrations afterwards.
 *
 * Run a restore in a process of its own, as `sealant-db restore` does. A closed layer releases its file only after
 * the garbage collector has freed its last statement. Until then its database counts as open (`InUse`).
 *
 * Fails with `MaintenanceRefused`:
 * - `InvalidPath` if a path is not the path of a file;
 * - `NotFound` if there is no backup;
 * - `NotABackup` if the backup is damaged, altered, of another or a newer program, or has a log beside it, or if a
 *   table of this package in it has a trigger or a unique index that no migration created;
 * - `IsTheDatabase` if both paths are the same file;
 * - `TargetExists` if there is a database, unless `overwrite` is set;
 * - `InUse` if another connection has that database open, as far as the engine can detect it. A program that opens it
 *   while it is replaced keeps using the old one, so stop all programs first.
 *
 * Fails with `MaintenanceFailed` if the copy cannot be written. In each case the previous database is unchanged; if
 * the message reports that the copy is in place, it is kept beside the copy.
 */
export const restore: (
  request: Restores.RestoreRequest
) => Effect.Effect<Restores.Restored, MaintenanceRefused | MaintenanceFailed> = Restores.restore

/**
 * Checks a backup as `restore` does before it copies it, and changes nothing. Reads the whole file, in a thread.
 *
 * Fails with `MaintenanceRefused` (`NotFound`, `NotABackup`, `InvalidPath`), and with `MaintenanceFailed` if the file
 * cannot be accessed.
 */
export const verifyBackup: (
  path: string
) => Effect.Effect<Restores.VerifiedBackup, MaintenanceRefused | MaintenanceFailed> = Restores.verifyBackup

/**
 * Checks the schema, each page, the files, and work that has waited too long, as `sealant-db doctor` does. Returns a
 * finding for each check, and one for each problem with its remedy. Reads the whole database. The keys are those of
 * `SEALANT_ENCRYPTION_KEYS`.
 */
export const doctor: Effect.Effect<ReadonlyArray<Finding>, never, SqlClient.SqlClient> = examine

/** Returns the sizes of the database file and its log, without reading them. `None` on a server and in memory. */
export const fileSizes: Effect.Effect<FileSizes, never, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => fileSizesOf(placeOf(sql))
)

/**
 * Returns the bytes of the pages of each table and its indexes, by the name of the table. Reads every page of the file in
 * a thread of its own. Empty on a server and in memory. Fails with `PersistenceError` if the database cannot be read.
 */
export const tableSizes: Effect.Effect<
  Readonly<Record<string, number>>,
  PersistenceError,
  SqlClient.SqlClient
> = operation("tableSizes", tableSizesOf)

/**
 * Returns diagrams of the tables and their references in the notation of Mermaid, one for each part of the schema. Fails
 * with `PersistenceError` if the database cannot be read.
 */
export const diagrams: Effect.Effect<ReadonlyArray<Diagram>, PersistenceError, SqlClient.SqlClient> = operation(
  "diagrams",
  readDiagrams
)

/**
 * Checks each page, index, CHECK and reference of the database. Succeeds also when it finds problems: see `ok`. Reads
 * the whole file, and blocks no other connection. On a libSQL server, the server checks, and must answer within 30
 * seconds.
 *
 * Fails with `PersistenceError` if the database cannot be read.
 */
export const integrityCheck: Effect.Effect<IntegrityReport, PersistenceError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    return yield* checkIntegrity(yield* readerOf(yield* SqlClient.SqlClient))
  }
).pipe(Effect.scoped, (effect) => operation("integrityCheck", effect))

/** The result of a checkpoint. */
export const Checkpoint = Schema.Struct({
  /**
   * True if the whole log is in the database, and the log is empty. False if readers or writers of other processes
   * prevented that.
   */
  complete: Schema.Boolean,
  /** Pages that remain in the log. */
  remainingPages: Count
})
export interface Checkpoint extends Schema.Schema.Type<typeof Checkpoint> {}

/**
 * Moves the write-ahead log into the database, up to the oldest active reader. The engine does so by itself every
 * 1,000 pages; this is for a log that grew during a long read. Writers of this process wait while pages are moved.
 *
 * Fails with `MaintenanceRefused` on a libSQL server, and with `PersistenceError` inside a transaction, or if the
 * database cannot be written.
 */
export const checkpoint: Effect.Effect<Checkpoint, MaintenanceRefused | PersistenceError, SqlClient.SqlClient> =
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* requireEngine("checkpoint", sql)
    // Runs on the writing connection: two connections that checkpoint and write at the same time can trigger a rare bug
    // of this engine.
    const [row] = yield* sql<{
      readonly busy: number
      readonly log: number
      readonly checkpointed: number
    }>`PRAGMA wal_checkpoint(TRUNCATE)`
    return { complete: row?.busy === 0, remainingPages: Math.max(0, (row?.log ?? 0) - (row?.checkpointed ?? 0)) }
  }).pipe((effect) => operation("checkpoint", effect))

/**
 * Updates the statistics of the query planner for tables that have changed much, from some hundred rows of each
 * index. Run it at most once a day. Writers of this process wait for some milliseconds.
 *
 * Fails with `MaintenanceRefused` on a libSQL server, and with `PersistenceError` inside a transaction, or if the
 * database cannot be written.
 */
export const optimize: Effect.Effect<void, MaintenanceRefused | PersistenceError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    yield* requireEngine("optimize", sql)
    // Without the limit it would read whole indexes (https://www.sqlite.org/lang_analyze.html#approx).
    yield* sql`PRAGMA analysis_limit = 400`
    yield* sql`PRAGMA optimize`
  }
).pipe((effect) => operation("optimize", effect))

/**
 * Returns statistics of the database: rows, sizes, queues, versions. Counts every row, for a file in a thread of its
 * own, so it is for occasional use. Fails with `PersistenceError` if the database cannot be read or was not migrated.
 */
export const stats: Effect.Effect<Stats, PersistenceError, SqlClient.SqlClient> = operation("stats", collectStats)

/**
 * Returns the depths of the queues and the numbers of sandboxes. Counts the rows of these tables in an index, for a file in a
 * thread. Fails with `PersistenceError` if the database cannot be read.
 */
export const depths: Effect.Effect<Depths, PersistenceError, SqlClient.SqlClient> = operation("depths", collectDepths)

function operation<A, E, R>(
  method: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError> | PersistenceError, R> {
  return effect.pipe(
    Effect.mapError((error) =>
      isSqlError(error) ? persistenceErrorOf(`Maintenance.${method}`, error) : (error as Exclude<E, SqlError.SqlError>)
    ),
    Effect.withSpan(`Maintenance.${method}`, { captureStackTrace: false })
  )
}
