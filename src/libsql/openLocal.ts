/**
 * Opens local databases, and says in one line why one cannot be opened.
 */
import { closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { codeOf } from "./DriverError.js"
import { LocalClient, type LocalOptions } from "./LocalClient.js"

export type OpenLocalOptions = LocalOptions

/** A database in memory. */
export const openMemory = async (): Promise<LocalClient> => {
  const client = new LocalClient({ path: ":memory:", busyTimeoutMs: 0, synchronous: "full" })
  await client.open()
  return client
}

/** A database in a file, created with its directory when missing. Rejects with an error whose message is one clear line. */
export const openLocalFile = async (options: OpenLocalOptions): Promise<LocalClient> => {
  const path = resolve(options.path)
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

/** Creates what is missing, for its owner only, and finds out by trying whether the file can be written. */
const prepareFile = (path: string): void => {
  const directory = dirname(path)
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new Error(`the directory ${directory} cannot be created: ${reasonOf(error)}`, { cause: error })
  }
  if (existsSync(path) && !statSync(path).isFile()) throw new Error(`${path} is not a file`)
  try {
    closeSync(openSync(path, "a", 0o600))
  } catch (error) {
    throw new Error(`${path} cannot be opened for writing: ${reasonOf(error)}`, { cause: error })
  }
}

const reasonOf = (error: unknown): string => {
  const reasons: Readonly<Record<string, string>> = {
    EACCES: "no permission",
    EPERM: "no permission",
    EROFS: "the file system is read-only",
    ENOENT: "no such directory",
    ENOTDIR: "part of the path is a file",
    EEXIST: "part of the path is a file",
    EISDIR: "it is a directory",
    ENOSPC: "the disk is full"
  }
  return reasons[codeOf(error)] ?? (codeOf(error) || "unknown reason")
}

const explain = (path: string, error: unknown): string => {
  const code = codeOf(error)
  if (code === "SQLITE_NOTADB") return `${path} is not a SQLite database`
  if (code.startsWith("SQLITE_BUSY")) return `${path} is locked by another process`
  if (code.startsWith("SQLITE_READONLY")) return `${path} cannot be written: the file or its directory is read-only`
  if (code.startsWith("SQLITE_CORRUPT")) return `${path} is damaged: the engine reports a corrupted page`
  const problem = error instanceof Error ? error.message : "unknown reason"
  return `${path} cannot be opened: ${code || problem}`
}
