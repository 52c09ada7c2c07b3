/**
 * The replacement of a database, or of its remains, by a finished copy.
 *
 * The engine treats any log beside a file as a part of it, also the log of another file. So a new file must never be
 * placed beside one.
 */
import { Effect, type Scope } from "effect"
import { engineErrorOf } from "../sql/engineError.js"
import { type MaintenanceFailed, MaintenanceRefused } from "./errors.js"
import { entryAt, keepAs, moveAside, place, putBack, sizeOf, syncDirectoryOf } from "./files.js"
import { readerOfFile } from "./reader.js"

/** The suffixes of the files that the engine keeps beside a database while it is open, and after a crash. */
export const sideFiles = ["-wal", "-shm", "-journal"] as const

/** Finds the first side file that exists. */
export const sideFileOf = (operation: string, path: string) =>
  Effect.findFirst(
    sideFiles.map((side) => path + side),
    (file) => Effect.map(entryAt(operation, file), (entry) => entry !== undefined)
  )

/** Finds a log beside a file that is not empty. */
export const logOf = (path: string) =>
  Effect.findFirst([`${path}-wal`, `${path}-journal`], (file) => Effect.map(sizeOf(file), (size) => size > 0))

/**
 * Locks a database against all programs until the scope closes, so that none opens it while it is replaced. Fails
 * with `MaintenanceRefused` (`InUse`) if a program has it open. A file that the engine cannot open has no locks, and
 * passes.
 */
export const locked = (operation: string, path: string): Effect.Effect<void, MaintenanceRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const database = yield* readerOfFile(path, lockTimeoutMs, "write")
    // Leaving WAL mode needs a lock of which every other connection, also an idle one, holds a share. It also moves
    // the log into the file.
    yield* database.exec("PRAGMA locking_mode = exclusive; PRAGMA journal_mode = delete; BEGIN EXCLUSIVE").pipe(
      Effect.catchAll((error) =>
        engineErrorOf(error).code.startsWith("SQLITE_BUSY")
          ? new MaintenanceRefused({
              operation,
              reason: "InUse",
              problem: `${path} is open in some program: stop all that use it, and try again`
            })
          : Effect.void
      )
    )
  })

// Allows for a program that is closing. An active program keeps its share of the lock.
const lockTimeoutMs = 500

/** The files of a replacement. */
export interface Replacement {
  readonly temporary: string
  readonly target: string
  /**
   * The name for the remains of the target: a log that the engine could not move into its database, and, if `keep` is
   * set, the database.
   */
  readonly aside: string
  readonly keep: boolean
  readonly overwrite: boolean
}

/** Gives the copy the name of the target. If that fails, everything is left as it was. */
export const putInPlace = (
  operation: string,
  { aside, keep, overwrite, target, temporary }: Replacement
): Effect.Effect<void, MaintenanceRefused | MaintenanceFailed> =>
  Effect.gen(function* () {
    if (overwrite && (yield* entryAt(operation, target)) !== undefined) yield* locked(operation, target)
    yield* Effect.gen(function* () {
      if (keep) yield* keepAs(operation, target, aside)
      yield* Effect.forEach(sideFiles, (side) => moveAside(operation, target + side, aside + side), { discard: true })
      yield* place(operation, temporary, target, overwrite)
    }).pipe(
      Effect.tapError(() =>
        Effect.forEach(["", ...sideFiles], (side) => putBack(aside + side, target + side), { discard: true })
      )
    )
    // From here on the new file has the name. A failure does not undo that.
    yield* syncDirectoryOf(operation, target)
  }).pipe(Effect.scoped)
