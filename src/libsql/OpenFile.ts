/**
 * The check that the paths of a database file and of its write-ahead log still lead to the files that are open.
 *
 * The engine keeps using files that were removed or replaced, and reports no error. Its commits are then lost when
 * the process ends. This happens without an operator, too: POSIX drops all locks of a process on a file when the
 * process closes any descriptor of it
 * (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_), and
 * the next process that closes the database deletes the log.
 *
 * Two `stat` calls per commit detect this. The log stays the same while any connection of the process is open: a
 * checkpoint truncates it, and only the last connection to close deletes it.
 */
import { globalValue } from "effect/GlobalValue"
import { type Stats, statSync } from "node:fs"
import { monotonicMs } from "./backoff.js"
import { codeOf, DriverError } from "./DriverError.js"

/** Reads are checked at most once in this interval, in milliseconds. */
const checkEveryMs = 100

/**
 * Files whose connections were abandoned in this process, as `device:inode`. The engine shares the index of a log
 * among all connections of a process, so a new connection would use the index of the old log for the new one.
 */
const abandoned = globalValue(Symbol.for("@sealant/db/libsql/filesGivenUp"), () => new Set<string>())

const statOf = (path: string): Stats | undefined => {
  try {
    return statSync(path)
  } catch (error) {
    if (/^(ENOENT|ENOTDIR|ELOOP)$/.test(codeOf(error))) return undefined
    // The state of the file is unknown then: the write is not acknowledged, and the file is not marked as lost.
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
  /** Set when the first loss is detected, and never reset. */
  private error: DriverError | undefined

  /**
   * Creates the check. `onLost` is called once, before the first error is thrown. `isIntact` is true when the file is
   * in place, has no new log, and was not written since the last check.
   */
  constructor(
    private readonly path: string,
    private readonly onLost: (error: DriverError, isIntact: boolean) => void
  ) {
    this.logPath = `${path}-wal`
  }

  /** Records the file before a connection opens it. Throws for a file that this process has abandoned. */
  rememberFile(): void {
    this.file = statOf(this.path)
    if (abandoned.has(keyOf(this.file)))
      throw new DriverError(
        "SEALANT_FILE_REPLACED",
        "it or its log was replaced while this program had it open; restart the program"
      )
  }

  /** Records the log after a connection has opened it, when no other connection of the client was open. */
  rememberLog(): void {
    if (this.error !== undefined) throw this.error
    this.log = statOf(this.logPath)
    this.check()
  }

  /** Throws when the file or its log is not the recorded one. After the first loss it always throws. */
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

  /** Checks, unless the last check was less than `checkEveryMs` ago. */
  checkIfDue(): void {
    if (this.error !== undefined || monotonicMs() - this.checkedAt >= checkEveryMs) this.check()
  }

  private lose(error: DriverError, isIntact: boolean): DriverError {
    this.error = error
    abandoned.add(keyOf(this.file))
    this.onLost(error, isIntact)
    return error
  }
}

const isUnwritten = (now: Stats | undefined, before: Stats | undefined) =>
  now?.mtimeMs === before?.mtimeMs && now?.size === before?.size

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
