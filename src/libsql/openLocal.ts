/**
 * The opening of local databases. A failure is reported as an error with a message of one line.
 */
import { accessSync, closeSync, constants, mkdirSync, openSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { codeOf, DriverError } from "./DriverError.js"
import { LocalClient, type LocalOptions } from "./LocalClient.js"
import { resolveLinks } from "./resolvePath.js"

export type OpenLocalOptions = LocalOptions

/** Opens a new database in memory. */
export const openMemory = async (): Promise<LocalClient> => {
  const client = new LocalClient({ path: ":memory:", busyTimeoutMs: 0, synchronous: "full" })
  await client.open()
  return client
}

/**
 * Opens a database file. Creates the file and its directory when they are missing. Rejects with an error whose
 * message is one line.
 */
export const openLocalFile = async (options: OpenLocalOptions): Promise<LocalClient> => {
  const path = pathOf(options.path)
  prepareFile(path)
  const client = new LocalClient({ ...options, path })
  try {
    await client.open()
    return client
  } catch (error) {
    await client.shutdown()
    throw new Error(explain(path, error), { cause: error })
  }
}

const pathOf = (path: string): string => {
  try {
    return resolveLinks(path)
  } catch (error) {
    throw new Error(`${path} cannot be opened: ${reasonOf(error)}`, { cause: error })
  }
}

/**
 * Creates the file and its directory when they are missing, for their owner only. Throws when the file cannot be
 * written.
 */
const prepareFile = (path: string): void => {
  const directory = dirname(path)
  try {
    makeDirectory(directory)
  } catch (error) {
    throw new Error(`the directory ${directory} cannot be created: ${reasonOf(error)}`, { cause: error })
  }
  try {
    if (createFile(path)) return
    // An existing file is not opened here. Closing it would drop every lock that this process holds on it through
    // another connection
    // (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
    // The next process that closes the database would then delete its write-ahead log.
    if (!statSync(path).isFile()) throw new Error(`${path} is not a file`)
    accessSync(path, constants.R_OK | constants.W_OK)
  } catch (error) {
    if (codeOf(error) === "") throw error
    throw new Error(`${path} cannot be opened for writing: ${reasonOf(error)}`, { cause: error })
  }
}

/** Creates a file. Returns false when it exists. */
const createFile = (path: string): boolean => {
  try {
    closeSync(openSync(path, "ax", 0o600))
    return true
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false
    throw error
  }
}

/**
 * Creates a directory and its parents, for their owner only. It avoids `recursive`, which never returns on Node 20
 * when the file system answers ENOENT, as /proc does.
 */
export const makeDirectory = (path: string): void => {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === "EEXIST" && statSync(path).isDirectory()) return
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error
    makeDirectory(dirname(path))
    mkdirSync(path, { mode: 0o700 })
  }
}

/** Describes an error of the operating system in words. */
export const reasonOf = (error: unknown): string => {
  const reasons: Readonly<Record<string, string>> = {
    EACCES: "no permission",
    EPERM: "no permission",
    EROFS: "the file system is read-only",
    ENOENT: "no such directory",
    ENOTDIR: "part of the path is a file",
    EEXIST: "part of the path is a file",
    EISDIR: "it is a directory",
    ENOSPC: "the disk is full",
    ELOOP: "its symbolic links form a loop"
  }
  return reasons[codeOf(error)] ?? (codeOf(error) || "unknown reason")
}

const explain = (path: string, error: unknown): string => {
  const code = codeOf(error)
  if (code === "SQLITE_NOTADB") return `${path} is not a SQLite database`
  if (code.startsWith("SQLITE_BUSY")) return `${path} is locked by another process`
  if (code.startsWith("SQLITE_READONLY")) return `${path} cannot be written: the file or its directory is read-only`
  if (code.startsWith("SQLITE_CORRUPT")) return `${path} is damaged: the engine reports a corrupted page`
  const problem = error instanceof DriverError ? error.message : code
  return `${path} cannot be opened: ${problem || "unknown reason"}`
}
