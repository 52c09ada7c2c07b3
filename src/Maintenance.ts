/**
 * What operators do to the whole database: backups and their restoring, checks, figures.
 *
 * What takes long runs in a thread of its own, on a connection of its own: neither the event loop nor writers wait for
 * it. The rest runs in the queue of writes, and takes as long as is said below.
 */
import { SqlClient, type SqlError } from "@effect/sql"
import { Effect } from "effect"
import type { PersistenceError } from "./Errors.js"
import { isSqlError, persistenceErrorOf } from "./sql/engineError.js"
import * as Backups from "./operations/backup.js"
import type { MaintenanceFailed, MaintenanceRefused } from "./operations/errors.js"
import { checkIntegrity, type IntegrityReport } from "./operations/integrity.js"
import { readerOf, requireEngine } from "./operations/reader.js"
import * as Restores from "./operations/restore.js"
import { collectStats, type Stats } from "./operations/stats.js"

export { MaintenanceFailed, MaintenanceRefusal, MaintenanceRefused } from "./operations/errors.js"
export type { Backup, BackupOptions } from "./operations/backup.js"
export type { CopyProgress, OnProgress } from "./operations/copy.js"
export type { DanglingReferences, IntegrityReport } from "./operations/integrity.js"
export type { Restored, RestoreRequest } from "./operations/restore.js"
export type { QueueDepth, Stats } from "./operations/stats.js"

/**
 * Copies the database as of one moment to a path, while everybody goes on reading and writing.
 *
 * The copy is made in a directory beside the path, both for their owner only from the first byte, verified (each
 * page, index and reference, its migrations, its rows), put on the disk, and only then given its name, at once: at the
 * path is a whole backup or what was there before. A process that is killed meanwhile leaves the directory
 * `<path>.<random>.partial`, which can be deleted. The write-ahead log grows while the copy is made: what was written
 * meanwhile moves into the database after it. An interruption is answered at once; the thread ends with the statement
 * that it is in.
 *
 * Fails with `MaintenanceRefused` for a path that is none (`InvalidPath`), where something stands already
 * (also the log of a file that is gone: `TargetExists`, unless `overwrite` is set), that is the database's own
 * (`IsTheDatabase`), that is to be replaced and some program has open (`InUse`), and on a libSQL server (`Unsupported`);
 * with `MaintenanceFailed` when the copy cannot be written or is not good, or the database was never migrated.
 */
export const backup: (
  path: string,
  options?: Backups.BackupOptions
) => Effect.Effect<Backups.Backup, MaintenanceRefused | MaintenanceFailed, SqlClient.SqlClient> = Backups.backup

/**
 * Puts a backup where a database is to be. Needs no database layer, and none may be open on that path.
 *
 * The backup is checked as `backup` does it, copied, and the copy checked again before it takes the name of the database,
 * at once. A database that was there is kept as `<path>.before-restore-<time>-<random>`. The backup stays as it is. It may be of
 * an older version of the program: run the migrations afterwards.
 *
 * A restore belongs in a process of its own, as that of `sealant-db restore`: a layer that was closed lets go of its file only
 * when the garbage collector has seen its last statement, and until then its database counts as open (`InUse`).
 *
 * Fails with `MaintenanceRefused` when there is no backup (`NotFound`), when it is damaged, none of ours, altered, of a
 * newer program, has a log beside it, or has a trigger or a unique index that no migration made on a table of this package
 * (`NotABackup`), when a database is there (`TargetExists`, unless `overwrite` is set),
 * and when another connection has that open, as far as the engine can tell (`InUse`): a program that opens it in the moment
 * in which it is replaced goes on with the old one, so stop all programs first. Fails with `MaintenanceFailed` when the copy cannot be
 * written. In each case the database that was there is as it was; only where the message says that the copy is in place,
 * it is kept beside that.
 */
export const restore: (
  request: Restores.RestoreRequest
) => Effect.Effect<Restores.Restored, MaintenanceRefused | MaintenanceFailed> = Restores.restore

/**
 * Looks at each page, each index, each CHECK and each reference of the database. Succeeds also when it finds something:
 * see `ok`. Reads all of the file, beside everybody.
 *
 * Fails with `MaintenanceRefused` on a libSQL server, with `PersistenceError` when the database cannot be read.
 */
export const integrityCheck: Effect.Effect<IntegrityReport, MaintenanceRefused | PersistenceError, SqlClient.SqlClient> = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* requireEngine("integrityCheck", sql)
  return yield* checkIntegrity(yield* readerOf(sql))
}).pipe(Effect.scoped, (effect) => operation("integrityCheck", effect))

/** What a checkpoint did. */
export interface Checkpoint {
  /** All of the log is in the database, and the log is empty. False when readers or writers of other processes were in the way. */
  readonly complete: boolean
  /** Pages that are left in the log. */
  readonly remainingPages: number
}

/**
 * Moves the write-ahead log into the database, as far as nobody reads from it. The engine does so by itself every 1,000
 * pages; this is for a log that grew while somebody read for long. Writers of this process wait while pages are moved.
 *
 * Fails with `MaintenanceRefused` on a libSQL server, with `PersistenceError` inside a transaction, and when the database
 * cannot be written.
 */
export const checkpoint: Effect.Effect<Checkpoint, MaintenanceRefused | PersistenceError, SqlClient.SqlClient> = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* requireEngine("checkpoint", sql)
  // On the writing connection: two connections that checkpoint and write at one moment are a rare bug of this engine.
  const [row] = yield* sql<{ readonly busy: number; readonly log: number; readonly checkpointed: number }>`PRAGMA wal_checkpoint(TRUNCATE)`
  return { complete: row?.busy === 0, remainingPages: Math.max(0, (row?.log ?? 0) - (row?.checkpointed ?? 0)) }
}).pipe((effect) => operation("checkpoint", effect))

/**
 * Lets the engine look at tables that have changed much, some hundred rows of each index, so that it goes on planning
 * well. To be run once a day at most. Writers of this process wait for some milliseconds.
 *
 * Fails with `MaintenanceRefused` on a libSQL server, with `PersistenceError` inside a transaction, and when the database
 * cannot be written.
 */
export const optimize: Effect.Effect<void, MaintenanceRefused | PersistenceError, SqlClient.SqlClient> = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* requireEngine("optimize", sql)
  // Without the limit it would read whole indexes (https://www.sqlite.org/lang_analyze.html#approx).
  yield* sql`PRAGMA analysis_limit = 400`
  yield* sql`PRAGMA optimize`
}).pipe((effect) => operation("optimize", effect))

/**
 * Figures of the database: rows, sizes, queues, versions. Counts every row, in a thread where there is a file: for people,
 * and for a script now and then. Fails with `PersistenceError`, also when the database was not migrated.
 */
export const stats: Effect.Effect<Stats, PersistenceError, SqlClient.SqlClient> = operation("stats", collectStats)

function operation<A, E, R>(
  method: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError> | PersistenceError, R> {
  return effect.pipe(
    Effect.mapError((error) =>
      isSqlError(error) ? persistenceErrorOf(`Maintenance.${method}`, error) : error as Exclude<E, SqlError.SqlError>),
    Effect.withSpan(`Maintenance.${method}`, { captureStackTrace: false })
  )
}
