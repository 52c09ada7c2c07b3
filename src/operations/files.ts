/**
 * Operations on files. A file is created for its owner only, appears whole or not at all, and is synced to the disk.
 *
 * No function here opens a file that an engine may have open: closing it would drop the locks of this process on it.
 */
import { Effect, type Scope } from "effect"
import { randomUUID } from "node:crypto"
import { constants, type Stats } from "node:fs"
import { link, lstat, mkdir, open, rename, rm, stat, unlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import { codeOf } from "../libsql/DriverError.js"
import { reasonOf } from "../libsql/openLocal.js"
import { MaintenanceFailed, MaintenanceRefused } from "./errors.js"

/**
 * Runs a file operation. When the operating system refuses it, fails with `MaintenanceFailed`, which contains the
 * reason in words.
 */
const attempt = <A>(operation: string, what: string, run: () => Promise<A>): Effect.Effect<A, MaintenanceFailed> =>
  Effect.tryPromise({
    try: run,
    catch: (error) => new MaintenanceFailed({ operation, problem: `${what}: ${reasonOf(error)}` })
  })

/** Returns the status of the entry at a path, or `undefined` when it does not exist. */
export const entryAt = (operation: string, path: string) =>
  attempt(operation, `${path} cannot be accessed`, async () => {
    try {
      return await stat(path)
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined
      throw error
    }
  })

/** Returns the size of a file in bytes, or 0 when it does not exist. */
export const sizeOf = (path: string): Effect.Effect<number> =>
  Effect.promise(() =>
    stat(path).then(
      ({ size }) => size,
      () => 0
    )
  )

/**
 * Creates an empty file in a directory of its own beside `target`, on the same file system. The scope removes both,
 * unless the file was moved away by then. A thread whose statement was abandoned cannot create the file again,
 * because its directory is gone.
 */
export const temporaryBeside = (
  operation: string,
  target: string
): Effect.Effect<string, MaintenanceFailed, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      attempt(operation, `${target} cannot be written`, async () => {
        const directory = `${target}.${randomUUID()}.partial`
        await mkdir(directory, { mode: 0o700 })
        return directory
      }),
      (directory) =>
        Effect.ignore(Effect.tryPromise(() => rm(directory, { recursive: true, force: true, maxRetries: 5 })))
    ),
    (directory) => join(directory, "copy.sqlite")
  ).pipe(
    Effect.tap((path) =>
      attempt(operation, `${target} cannot be written`, async () => {
        const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
        await file.close()
      })
    )
  )

/** Syncs a file to the disk. No engine may have it open. */
export const syncFile = (operation: string, path: string) =>
  attempt(operation, `${path} cannot be written`, async () => {
    const file = await open(path, constants.O_RDWR)
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  })

/** Syncs the names in the directory of a file to the disk, if the system supports that. */
export const syncDirectoryOf = (operation: string, path: string) =>
  attempt(operation, `${path} is in place, but its name may not outlast a power loss`, async () => {
    const directory = await open(dirname(path), constants.O_RDONLY).catch(() => undefined)
    if (directory === undefined) return
    try {
      await directory.sync()
    } catch (error) {
      if (!/^(EINVAL|EISDIR|EPERM|ENOTSUP|EBADF)$/.test(codeOf(error))) throw error
    } finally {
      await directory.close()
    }
  })

const exists = (path: string) =>
  lstat(path).then(
    () => true,
    () => false
  )

const cannotLink = /^(EPERM|ENOTSUP|EOPNOTSUPP|ENOSYS|EMLINK|EXDEV)$/

/**
 * Gives a finished file its name, atomically: readers find either the previous entry or the whole new file. The name
 * is on the disk only after `syncDirectoryOf`. Without `overwrite`, fails with `TargetExists` if the target was
 * created meanwhile, and leaves that in place.
 */
export const place = (operation: string, temporary: string, target: string, overwrite: boolean) =>
  Effect.gen(function* () {
    const placed = yield* attempt(operation, `${target} cannot be written`, async () => {
      if (overwrite) {
        await rename(temporary, target)
        return true
      }
      try {
        await link(temporary, target)
        // The target is complete by now. The temporary name is removed with its directory.
        await unlink(temporary).catch(() => undefined)
        return true
      } catch (error) {
        if (codeOf(error) === "EEXIST") return false
        if (!cannotLink.test(codeOf(error)) || (await exists(target))) throw error
        // The file system has no links, so the check above is the only protection.
        await rename(temporary, target)
        return true
      }
    })
    if (!placed) return yield* targetExists(operation, target)
  })

/** Makes the error for a target that exists. */
export const targetExists = (operation: string, target: string) =>
  new MaintenanceRefused({
    operation,
    reason: "TargetExists",
    problem: `there is something at ${target} already: give another path, or overwrite it on purpose (--overwrite)`
  })

/** Gives a file a second name, under which it stays when its first name is given to another file. */
export const keepAs = (operation: string, path: string, kept: string) =>
  attempt(operation, `${path} cannot be kept as ${kept}`, async () => {
    try {
      await link(path, kept)
    } catch (error) {
      if (!cannotLink.test(codeOf(error))) throw error
      await rename(path, kept)
    }
  })

/** Moves a file if it exists. */
export const moveAside = (operation: string, path: string, aside: string) =>
  attempt(operation, `${path} cannot be moved`, async () => {
    if (await exists(path)) await rename(path, aside)
  })

/**
 * Undoes `keepAs` and `moveAside`, as far as possible. Removes the second name only if the path leads to the same
 * file; otherwise it may be the last name of the file that was kept.
 */
export const putBack = (aside: string, path: string): Effect.Effect<void> =>
  Effect.ignore(
    Effect.tryPromise(async () => {
      if (!(await exists(path))) return await rename(aside, path)
      if (isSame(await lstat(aside), await lstat(path))) await unlink(aside)
    })
  )

/** Returns whether both are the same file. */
export const isSame = (one: Stats, other: Stats): boolean => one.dev === other.dev && one.ino === other.ino
