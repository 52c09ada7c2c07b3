/**
 * Checks and identity of the predecessor's database file, without an engine.
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
  /** The path without symbolic links, because a log is beside the target of a link. */
  readonly path: string
  /** SHA-256 of the file, in hexadecimal. */
  readonly sha256: string
  /** Returns whether device, inode, size and modification time are unchanged. */
  readonly isUnchanged: Effect.Effect<boolean>
}

const entryAt = (path: string) => stat(path).catch(() => undefined)

const isSame = (one: Stats, other: Stats | undefined) => one.dev === other?.dev && one.ino === other.ino

/**
 * Checks the file and hashes it. Fails with `LegacyImportRefused` if it does not exist, cannot be read, is not a file,
 * is in use, or is the database of the client. That last check comes before the file is opened, because closing it
 * would drop the locks that this process holds on it (https://www.sqlite.org/howtocorrupt.html).
 */
export const inspectSource = (
  sql: SqlClient.SqlClient,
  input: string
): Effect.Effect<SourceFile, LegacyImportRefused> =>
  Effect.gen(function* () {
    const path = yield* Effect.tryPromise({ try: () => realpath(input), catch: (error) => cannotBeRead(input, error) })
    const file = yield* Effect.tryPromise({ try: () => stat(path), catch: (error) => cannotBeRead(input, error) })
    if (!file.isFile()) return yield* refuse("NotADatabase", `${input} is not a file`)
    const target = placeOf(sql)
    if (target.kind === "file" && isSame(file, yield* Effect.promise(() => entryAt(target.path)))) {
      return yield* refuse(
        "NotThePredecessors",
        `${input} is the target database: pass the path of the predecessor's database`
      )
    }
    for (const suffix of ["-wal", "-journal"]) {
      const beside = yield* Effect.promise(() => entryAt(path + suffix))
      if (beside !== undefined && beside.size > 0) return yield* refuse("InUse", inUse(input, suffix))
    }
    const sha256 = yield* Effect.tryPromise({
      try: (signal) => hashOf(path, signal),
      catch: (error) => cannotBeRead(input, error)
    })
    const isUnchanged = Effect.map(
      Effect.promise(() => entryAt(path)),
      (now) => isSame(file, now) && now?.size === file.size && now.mtimeMs === file.mtimeMs
    )
    return { path, sha256, isUnchanged }
  })

const inUse = (path: string, suffix: string) =>
  `${path} is in use, or was not closed: ${path}${suffix} contains changes; stop the predecessor, ` +
  "then write them to the file with `sqlite3 FILE 'PRAGMA journal_mode = delete'`"

const cannotBeRead = (path: string, error: unknown): LegacyImportRefused =>
  codeOf(error) === "ENOENT"
    ? refuse("NotFound", `there is no file at ${path}`)
    : refuse("NotFound", `the file cannot be read: ${reasonOf(error)}`)

const hashOf = async (path: string, signal: AbortSignal) => {
  const hash = createHash("sha256")
  await pipeline(createReadStream(path), hash, { signal })
  return hash.digest("hex")
}
