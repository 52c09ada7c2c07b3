/**
 * Files that an operation makes: for their owner only from the beginning, whole or not there, and on the disk.
 *
 * Nothing here opens a file that an engine may have open: closing it would drop the locks of this process on it.
 */
import { Effect, type Scope } from "effect"
import { randomUUID } from "node:crypto"
import { constants, type Stats } from "node:fs"
import { link, lstat, mkdir, open, rename, rm, stat, unlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import { codeOf } from "../libsql/DriverError.js"
import { reasonOf } from "../libsql/openLocal.js"
import { MaintenanceFailed, MaintenanceRefused } from "./errors.js"

/** Asks the operating system; what it refuses fails the operation, in words. */
const attempt = <A>(operation: string, what: string, run: () => Promise<A>): Effect.Effect<A, MaintenanceFailed> =>
  Effect.tryPromise({ try: run, catch: (error) => new MaintenanceFailed({ operation, problem: `${what}: ${reasonOf(error)}` }) })

/** What stands at a path; nothing when the path leads nowhere. */
export const entryAt = (operation: string, path: string) =>
  attempt(operation, `${path} cannot be looked at`, async () => {
    try {
      return await stat(path)
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined
      throw error
    }
  })

/** Its size in bytes, 0 when it is not there. */
export const sizeOf = (path: string): Effect.Effect<number> =>
  Effect.promise(() => stat(path).then(({ size }) => size, () => 0))

/**
 * An empty file in a directory of its own beside `target`, on the same file system; both gone with the scope, unless the
 * file was moved away by then. A thread whose statement is not waited for any more cannot make it anew: without the
 * directory there is no place for it.
 */
export const temporaryBeside = (operation: string, target: string): Effect.Effect<string, MaintenanceFailed, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      attempt(operation, `${target} cannot be written`, async () => {
        const directory = `${target}.${randomUUID()}.partial`
        await mkdir(directory, { mode: 0o700 })
        return directory
      }),
      (directory) => Effect.ignore(Effect.tryPromise(() => rm(directory, { recursive: true, force: true, maxRetries: 5 })))
    ),
    (directory) => join(directory, "copy.sqlite")
  ).pipe(Effect.tap((path) =>
    attempt(operation, `${target} cannot be written`, async () => {
      const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
      await file.close()
    })))

/** Puts what was written to a file that no engine has open on the disk. */
export const syncFile = (operation: string, path: string) =>
  attempt(operation, `${path} cannot be written`, async () => {
    const file = await open(path, constants.O_RDWR)
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  })

/** Puts the names in the directory of a file on the disk, where the system can. */
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

const exists = (path: string) => lstat(path).then(() => true, () => false)

const cannotLink = /^(EPERM|ENOTSUP|EOPNOTSUPP|ENOSYS|EMLINK|EXDEV)$/

/**
 * Gives a finished file its name, at once; the name is on the disk only after `syncDirectoryOf`. Whoever looks finds what was there before, or all of the new one. Without
 * `overwrite`, what came to be there meanwhile stays, and it fails.
 */
export const place = (operation: string, temporary: string, target: string, overwrite: boolean) =>
  Effect.gen(function*() {
    const placed = yield* attempt(operation, `${target} cannot be written`, async () => {
      if (overwrite) {
        await rename(temporary, target)
        return true
      }
      try {
        await link(temporary, target)
        // The target is whole by now; this name of it goes with its directory.
        await unlink(temporary).catch(() => undefined)
        return true
      } catch (error) {
        if (codeOf(error) === "EEXIST") return false
        if (!cannotLink.test(codeOf(error)) || await exists(target)) throw error
        // A file system without links: nothing better than a look before.
        await rename(temporary, target)
        return true
      }
    })
    if (!placed) return yield* targetExists(operation, target)
  })

export const targetExists = (operation: string, target: string) =>
  new MaintenanceRefused({
    operation,
    reason: "TargetExists",
    problem: `there is something at ${target} already: give another path, or overwrite it on purpose (--overwrite)`
  })

/** A second name for a file, so that it stays when its first name is given to another. */
export const keepAs = (operation: string, path: string, kept: string) =>
  attempt(operation, `${path} cannot be kept as ${kept}`, async () => {
    try {
      await link(path, kept)
    } catch (error) {
      if (!cannotLink.test(codeOf(error))) throw error
      await rename(path, kept)
    }
  })

/** Moves a file, if it is there. */
export const moveAside = (operation: string, path: string, aside: string) =>
  attempt(operation, `${path} cannot be moved`, async () => {
    if (await exists(path)) await rename(path, aside)
  })

/**
 * Takes back `keepAs` and `moveAside`, as far as it can. What is aside goes only as the second name of what is at the path:
 * else it may be the last of what was kept.
 */
export const putBack = (aside: string, path: string): Effect.Effect<void> =>
  Effect.ignore(Effect.tryPromise(async () => {
    if (!await exists(path)) return await rename(aside, path)
    if (isSame(await lstat(aside), await lstat(path))) await unlink(aside)
  }))

/** Whether these are names of one file. */
export const isSame = (one: Stats, other: Stats): boolean => one.dev === other.dev && one.ino === other.ino
