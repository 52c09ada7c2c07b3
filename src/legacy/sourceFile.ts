/**
 * The file of the predecessor's database: what has to be so before an engine opens it, and what it is.
 */
import type { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { createReadStream, type Stats } from "node:fs"
import { realpath, stat } from "node:fs/promises"
import { pipeline } from "node:stream/promises"
import { codeOf } from "../libsql/DriverError.js"
import { reasonOf } from "../libsql/openLocal.js"
import { placeOf } from "../operations/reader.js"
import { type LegacyImportRefused, refuse } from "./errors.js"

export interface SourceFile {
  /** Without links, because a log stands beside the file itself. */
  readonly path: string
  /** Of its bytes, in hexadecimal. */
  readonly sha256: string
  /** Whether it is what it was, as far as the file system tells. */
  readonly isUnchanged: Effect.Effect<boolean>
}

const entryAt = (path: string) => stat(path).catch(() => undefined)

const isSame = (one: Stats, other: Stats | undefined) => one.dev === other?.dev && one.ino === other.ino

/**
 * Looks at the file and hashes it. The database of the client is told from it before anything is opened: closing a file
 * drops the locks that this process holds on it.
 */
export const lookAt = (sql: SqlClient.SqlClient, given: string): Effect.Effect<SourceFile, LegacyImportRefused> =>
  Effect.gen(function*() {
    const path = yield* Effect.tryPromise({ try: () => realpath(given), catch: (error) => cannotBeRead(given, error) })
    const file = yield* Effect.tryPromise({ try: () => stat(path), catch: (error) => cannotBeRead(given, error) })
    if (!file.isFile()) return yield* refuse("NotADatabase", `${given} is no file`)
    const target = placeOf(sql)
    if (target.kind === "file" && isSame(file, yield* Effect.promise(() => entryAt(target.path)))) {
      return yield* refuse("NotThePredecessors", `${given} is the database that is to be filled: give the path of the predecessor's`)
    }
    for (const suffix of ["-wal", "-journal"]) {
      const beside = yield* Effect.promise(() => entryAt(path + suffix))
      if (beside !== undefined && beside.size > 0) return yield* refuse("InUse", inUse(given, suffix))
    }
    const sha256 = yield* Effect.tryPromise({ try: (signal) => hashOf(path, signal), catch: (error) => cannotBeRead(given, error) })
    const isUnchanged = Effect.map(Effect.promise(() => entryAt(path)), (now) =>
      isSame(file, now) && now?.size === file.size && now.mtimeMs === file.mtimeMs)
    return { path, sha256, isUnchanged }
  })

const inUse = (path: string, suffix: string) =>
  `${path} is in use, or was not closed: changes of it are in ${path}${suffix}; stop the predecessor, ` +
  "then have them written by `sqlite3 FILE 'PRAGMA journal_mode = delete'`"

const cannotBeRead = (path: string, error: unknown): LegacyImportRefused =>
  codeOf(error) === "ENOENT"
    ? refuse("NotFound", `there is no file at ${path}`)
    : refuse("NotFound", `the file cannot be read: ${reasonOf(error)}`)

const hashOf = async (path: string, signal: AbortSignal) => {
  const hash = createHash("sha256")
  await pipeline(createReadStream(path), hash, { signal })
  return hash.digest("hex")
}
