/**
 * Whether the paths of a database file and of its write-ahead log still lead to the files that are open.
 *
 * The engine goes on with files that were removed or replaced, and reports no error: what it commits then is gone when the
 * process ends. This happens without an operator, too: POSIX drops all locks of a process on a file when the process closes
 * any descriptor of it (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_),
 * and the next process that closes the database deletes the log.
 *
 * Two `stat` calls per commit find it. The log stays the same while any connection of the process is open: a checkpoint
 * truncates it, and only the last connection to close deletes it.
 */
import { globalValue } from "effect/GlobalValue"
import { type Stats, statSync } from "node:fs"
import { monotonicMs } from "./backoff.js"
import { codeOf, DriverError } from "./DriverError.js"

/** Reads need no check of their own: one in so many milliseconds is enough. */
const checkEveryMs = 100

/**
 * Files whose connections were given up in this process, as `device:inode`. The engine shares what it knows of a log among all
 * connections of a process: one that was opened now would take the index of the old log for that of the new one.
 */
const givenUp = globalValue(Symbol.for("@sealant/db/libsql/filesGivenUp"), () => new Set<string>())

const statOf = (path: string): Stats | undefined => {
  try {
    return statSync(path)
  } catch (error) {
    if (/^(ENOENT|ENOTDIR|ELOOP)$/.test(codeOf(error))) return undefined
    // Without an answer nothing is known to be lost, and nothing is acknowledged.
    throw error
  }
}

const isSame = (one: Stats | undefined, other: Stats | undefined): boolean =>
  one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev

export class OpenFile {
  private readonly logPath: string
  private file: Stats | undefined
  private log: Stats | undefined
  private checkedAt = -Infinity
  /** Set once something was lost: it stays lost. */
  private error: DriverError | undefined

  /**
   * `onLost` is called once, before the first error. `isIntact`: the file is there, no other log is, and nobody has written
   * the file since the last check.
   */
  constructor(private readonly path: string, private readonly onLost: (error: DriverError, isIntact: boolean) => void) {
    this.logPath = `${path}-wal`
  }

  /** Remembers the file, before a connection opens it. Throws for a file that this process has given up. */
  rememberFile(): void {
    this.file = statOf(this.path)
    if (givenUp.has(keyOf(this.file))) throw new DriverError("SEALANT_FILE_REPLACED", "it or its log was replaced while this program had it open; restart the program")
  }

  /** Remembers the log, after a connection has opened it, when no other connection of the client was open. */
  rememberLog(): void {
    if (this.error !== undefined) throw this.error
    this.log = statOf(this.logPath)
    this.check()
  }

  /** Throws when the file or its log is not the one that was remembered. Once it has thrown, it always throws. */
  check(): void {
    if (this.error !== undefined) throw this.error
    const file = statOf(this.path)
    const log = statOf(this.logPath)
    if (!isSame(file, this.file)) throw this.lose(fileReplaced(), false)
    if (!isSame(log, this.log)) throw this.lose(logReplaced(), log === undefined && isUnwritten(file, this.file))
    this.file = file
    this.log = log
    this.checkedAt = monotonicMs()
  }

  /** The same, unless it was checked a moment ago. */
  checkNowAndThen(): void {
    if (this.error !== undefined || monotonicMs() - this.checkedAt >= checkEveryMs) this.check()
  }

  private lose(error: DriverError, isIntact: boolean): DriverError {
    this.error = error
    givenUp.add(keyOf(this.file))
    this.onLost(error, isIntact)
    return error
  }
}

const isUnwritten = (now: Stats | undefined, before: Stats | undefined) => now?.mtimeMs === before?.mtimeMs && now?.size === before?.size

const keyOf = (file: Stats | undefined) => `${file?.dev}:${file?.ino}`

const fileReplaced = () =>
  new DriverError(
    "SEALANT_FILE_REPLACED",
    "the database file was removed or replaced while this program had it open; stop all programs that use it, put the file or a " +
      "backup in its place, and start them again"
  )

const logReplaced = () =>
  new DriverError(
    "SEALANT_FILE_REPLACED",
    "the write-ahead log of the database was removed or replaced while this program had it open; stop all programs that use the " +
      "database, run `sealant-db doctor`, and start them again"
  )
