/**
 * The restore of a backup: a verified copy of it replaces a database that no program has open.
 */
import { Clock, Effect, Option, Schema } from "effect"
import { randomUUID } from "node:crypto"
import type { Stats } from "node:fs"
import { dirname } from "node:path"
import { migrations as ownMigrations } from "../../migrations/index.js"
import { compare, differenceOf } from "../migration/ledger.js"
import { checkRecord } from "../migration/record.js"
import { makeDirectory, reasonOf } from "../libsql/openLocal.js"
import { Count } from "../sql/columns.js"
import { pathOf } from "./backup.js"
import { lastMigration, type OnProgress, verifiedCopy } from "./copy.js"
import { hiddenActions, schemaDrift } from "./drift.js"
import { beginEpoch } from "./epoch.js"
import { MaintenanceFailed, MaintenanceRefused } from "./errors.js"
import { entryAt, isSame, sizeOf, targetExists, temporaryBeside } from "./files.js"
import { locked, logOf, putInPlace } from "./inPlace.js"
import { checkIntegrity, contentsOf, problemOf } from "./integrity.js"
import { engineProblem, type Reader, readerOfFile } from "./reader.js"

/** The request for a restore. */
export interface RestoreRequest {
  /** The path of the backup. */
  readonly from: string
  /** The path of the database. Its directory is created when missing, for its owner only. */
  readonly to: string
  /** Whether an existing database is replaced. It is kept beside the new one. Default false. */
  readonly overwrite?: boolean | undefined
  readonly onProgress?: OnProgress | undefined
}

/** The result of a restore. */
export const Restored = Schema.Struct({
  /** The path of the database: absolute, without symbolic links. */
  path: Schema.String,
  bytes: Count,
  /** The last migration of the database. Later ones may be missing: run the migrations. */
  migration: Schema.String,
  /** The number of rows of each table. */
  tables: Schema.Record({ key: Schema.String, value: Count }),
  /** The path at which the previous database is kept; `None` if there was none. */
  kept: Schema.optionalWith(Schema.String, { as: "Option" })
})
export interface Restored extends Schema.Schema.Type<typeof Restored> {}

const operation = "restore"

const refuse = (reason: MaintenanceRefused["reason"], problem: string) =>
  new MaintenanceRefused({ operation, reason, problem })

export const restore = (request: RestoreRequest): Effect.Effect<Restored, MaintenanceRefused | MaintenanceFailed> =>
  Effect.gen(function* () {
    const { onProgress, overwrite = false } = request
    const from = yield* pathOf(operation, request.from)
    const to = yield* pathOf(operation, request.to)
    const backup = yield* entryAt(operation, from)
    if (backup === undefined || !backup.isFile())
      return yield* refuse("NotFound", `there is no file at ${from}: give the path of a backup`)
    const log = yield* logOf(from)
    if (Option.isSome(log)) return yield* refuse("NotABackup", logBeside(from, log.value))
    const present = yield* entryAt(operation, to)
    if (present !== undefined) yield* checkDestination(present, backup, to, overwrite)
    else yield* directoryAt(dirname(to))

    const source = yield* readerOfFile(from)
    const migration = yield* checkBackup(from, source)
    const temporary = yield* temporaryBeside(operation, to)
    const contents = yield* verifiedCopy(operation, { from, source, temporary, onProgress })
    if (contents.tables["control_plane_journal"] !== undefined) yield* beginEpoch(operation, temporary)
    const bytes = yield* sizeOf(temporary)
    const kept = yield* Effect.uninterruptible(replace(temporary, to))
    return { path: to, bytes, migration, tables: contents.tables, kept }
  }).pipe(Effect.scoped, Effect.withSpan("Maintenance.restore", { captureStackTrace: false }))

/** The result of the verification of a backup. */
export const VerifiedBackup = Schema.Struct({
  /** The last migration of the database, as `0008_control_plane`. */
  migration: Schema.String,
  /** The number of rows of each table. */
  tables: Schema.Record({ key: Schema.String, value: Count })
})
export interface VerifiedBackup extends Schema.Schema.Type<typeof VerifiedBackup> {}

export const verifyBackup = (path: string): Effect.Effect<VerifiedBackup, MaintenanceRefused | MaintenanceFailed> =>
  Effect.gen(function* () {
    const from = yield* pathOf(operation, path)
    const file = yield* entryAt(operation, from)
    if (file === undefined || !file.isFile()) {
      return yield* refuse("NotFound", `there is no file at ${from}: give the path of a backup`)
    }
    const log = yield* logOf(from)
    if (Option.isSome(log)) return yield* refuse("NotABackup", logBeside(from, log.value))
    const source = yield* readerOfFile(from)
    const migration = yield* checkBackup(from, source)
    const { tables } = yield* Effect.mapError(contentsOf(source), () =>
      refuse("NotABackup", `${from} cannot be read; make another backup`)
    )
    return { migration, tables }
  }).pipe(Effect.scoped, Effect.withSpan("Maintenance.verifyBackup", { captureStackTrace: false }))

const logBeside = (from: string, log: string) =>
  `${from} cannot be restored: the engine would take ${log} for a part of it; if it is one, open the file with the program ` +
  "that left it, and close it again; else move the log away"

const directoryAt = (path: string) =>
  Effect.try({
    try: () => makeDirectory(path),
    catch: (error) =>
      new MaintenanceFailed({ operation, problem: `the directory ${path} cannot be created: ${reasonOf(error)}` })
  })

/** Checks the destination before the long work begins. It is checked again when it is replaced. */
const checkDestination = (present: Stats, backup: Stats, to: string, overwrite: boolean) =>
  Effect.gen(function* () {
    if (isSame(present, backup)) {
      return yield* refuse("IsTheDatabase", `${to} is the backup itself: give another path`)
    }
    if (!present.isFile() || (present.size > 0 && !overwrite)) return yield* targetExists(operation, to)
    yield* Effect.scoped(locked(operation, to))
  })

/**
 * Returns the last migration of a backup. Fails with `NotABackup` if the file is damaged, or if this program cannot
 * use it.
 */
const checkBackup = (from: string, source: Reader) =>
  Effect.gen(function* () {
    const unusable = (problem: string) => refuse("NotABackup", `${from} cannot be restored: ${problem}`)
    const inWords = Effect.mapError((error: Effect.Effect.Error<ReturnType<typeof contentsOf>>) =>
      unusable(error._tag === "SqlError" ? engineProblem(error) : error.message)
    )
    const problem = problemOf(yield* inWords(checkIntegrity(source)))
    if (problem !== undefined) return yield* unusable(problem)
    const contents = yield* inWords(contentsOf(source))
    const difference = differenceOf(compare(checkRecord(ownMigrations).migrations, contents.ledger))
    if (difference !== undefined && difference.reason !== "older") return yield* unusable(difference.message)
    const [hidden] = hiddenActions(yield* inWords(schemaDrift(source, contents.ledger)))
    if (hidden !== undefined) {
      return yield* unusable(`${hidden}; drop it in a copy of the file with the sqlite3 shell, and restore the copy`)
    }
    return yield* Effect.mapError(lastMigration(contents), () =>
      unusable("it does not contain the schema of this package")
    )
  })

/**
 * Gives the copy the name of the database. The previous database gets another name, and so does a log that the engine
 * could not move into it. Returns that name.
 */
const replace = (temporary: string, to: string) =>
  Effect.gen(function* () {
    const present = yield* entryAt(operation, to)
    const now = yield* Clock.currentTimeMillis
    const aside = `${to}.before-restore-${new Date(now).toISOString().replaceAll(/[:.]/g, "-")}-${randomUUID().slice(0, 8)}`
    const keep = present !== undefined && present.size > 0
    yield* putInPlace(operation, { temporary, target: to, aside, keep, overwrite: present !== undefined })
    return keep ? Option.some(aside) : Option.none<string>()
  })
