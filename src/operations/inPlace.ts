/**
 * Giving a finished copy the name under which it is opened, where a database or what is left of one may stand already.
 *
 * The engine takes a log beside a file for a part of it, whosever it was: a new file must never find one.
 */
import { Effect, type Scope } from "effect"
import { engineErrorOf } from "../sql/engineError.js"
import { type MaintenanceFailed, MaintenanceRefused } from "./errors.js"
import { entryAt, keepAs, moveAside, place, putBack, sizeOf, syncDirectoryOf } from "./files.js"
import { readerOfFile } from "./reader.js"

/** What the engine keeps beside a file while it is open, and after a crash. */
export const sideFiles = ["-wal", "-shm", "-journal"] as const

/** The first of the side files that is there. */
export const sideFileOf = (operation: string, path: string) =>
  Effect.findFirst(sideFiles.map((side) => path + side), (file) => Effect.map(entryAt(operation, file), (entry) => entry !== undefined))

/** A log beside a file that holds something. */
export const logOf = (path: string) =>
  Effect.findFirst([`${path}-wal`, `${path}-journal`], (file) => Effect.map(sizeOf(file), (size) => size > 0))

/**
 * Holds a database that nobody has open, so that nobody gets it while it is replaced. One that the engine cannot open
 * has no locks that could be asked for.
 */
export const locked = (operation: string, path: string): Effect.Effect<void, MaintenanceRefused, Scope.Scope> =>
  Effect.gen(function*() {
    const database = yield* readerOfFile(path, lockTimeoutMs, "write")
    // Leaving WAL takes what every other connection has a share of, also an idle one; and moves the log into the file.
    yield* database.exec("PRAGMA locking_mode = exclusive; PRAGMA journal_mode = delete; BEGIN EXCLUSIVE").pipe(
      Effect.catchAll((error) =>
        engineErrorOf(error).code.startsWith("SQLITE_BUSY")
          ? new MaintenanceRefused({ operation, reason: "InUse", problem: `${path} is open in some program: stop all that use it, and try again` })
          : Effect.void)
    )
  })

// For a program that closes just now; one that runs keeps its share of the lock.
const lockTimeoutMs = 500

/** What is put in place. */
export interface Replacement {
  readonly temporary: string
  readonly target: string
  /** What stays of what was there has this name: a log that the engine could not move into its database, and that if `keep` is set. */
  readonly aside: string
  readonly keep: boolean
  readonly overwrite: boolean
}

/** Gives the copy the name of the target, or leaves everything as it was. */
export const putInPlace = (
  operation: string,
  { aside, keep, overwrite, target, temporary }: Replacement
): Effect.Effect<void, MaintenanceRefused | MaintenanceFailed> =>
  Effect.gen(function*() {
    if (overwrite && (yield* entryAt(operation, target)) !== undefined) yield* locked(operation, target)
    yield* Effect.gen(function*() {
      if (keep) yield* keepAs(operation, target, aside)
      yield* Effect.forEach(sideFiles, (side) => moveAside(operation, target + side, aside + side), { discard: true })
      yield* place(operation, temporary, target, overwrite)
    }).pipe(Effect.tapError(() => Effect.forEach(["", ...sideFiles], (side) => putBack(aside + side, target + side), { discard: true })))
    // From here on the new file has the name, whatever happens: nothing is taken back.
    yield* syncDirectoryOf(operation, target)
  }).pipe(Effect.scoped)
