/**
 * One connection to a database file, through the native binding.
 *
 * It verifies its settings and caches prepared statements. It closes itself when a prepared statement fails with
 * SQLITE_BUSY: the binding does not reset such a statement. The connection would then hold an open transaction for
 * ever, and later writes would be acknowledged and lost.
 */
import Database from "libsql"
import AsyncDatabase from "libsql/promise"
import { pathToFileURL } from "node:url"
import { DriverError, isBusy } from "./DriverError.js"
import { kept } from "./keptConnections.js"
import { requireParameters } from "./inspect.js"
import { type Prepared, prepare, type Reads, type Result, type Row, runPrepared } from "./prepared.js"
import { toNative } from "./values.js"

export interface ConnectionOptions {
  /** A file path, or `:memory:`. */
  readonly path: string
  readonly role: "writer" | "reader"
  readonly synchronous: "full" | "normal"
}

// Large enough for the statements of all services. The limit bounds memory in a program that builds SQL text
// dynamically.
const statementCacheSize = 512

/** Hooks of the client that owns a connection. A hook that throws fails the call. */
export interface ConnectionHooks {
  /** Called after a connection was opened. When it throws, the connection is closed again. */
  readonly onOpen?: () => void
  /** Called after a commit. Throws when the commit is not in the file that the next process opens. */
  readonly confirm?: () => void
  /**
   * Called after rows were committed, but not after a commit without changes. Otherwise a waiter that reads with a
   * statement that may write, such as a claim, would wake itself for ever.
   */
  readonly onCommit?: () => void
}

export class Connection {
  private opened: Database.Database | undefined
  private statements = new Map<string, Prepared>()
  /** The statements that run by `get()`, apart from those of `all()`: see `run`. */
  private firstStatements = new Map<string, Prepared>()

  private wrote = false

  /** True while a commit runs in a thread. */
  private committing = false

  /** The error of every later use, set by `abandon`. */
  private refusal: { readonly error: unknown } | undefined

  constructor(
    private readonly options: ConnectionOptions,
    private readonly hooks: ConnectionHooks = {}
  ) {}

  /** Opens the connection if it is not open. After a failure, the next use tries again. */
  open(): Database.Database {
    if (this.opened !== undefined) return this.opened
    if (this.refusal !== undefined) throw this.refusal.error
    this.opened = openVerified(this.options)
    try {
      this.hooks.onOpen?.()
      return this.opened
    } catch (error) {
      this.close()
      throw error
    }
  }

  get isOpen(): boolean {
    return this.opened !== undefined
  }

  /** True inside a transaction that may be rolled back. */
  get inTransaction(): boolean {
    return !this.committing && (this.opened?.inTransaction ?? false)
  }

  /**
   * Runs text that has no parameters and returns no rows. Only `exec` may take the write lock: a prepared statement
   * would stay open after SQLITE_BUSY.
   */
  exec(sql: string): void {
    this.open().exec(sql)
  }

  /** Runs one statement without parameters, unprepared, inside a transaction. */
  execOnce(sql: string): void {
    requireParameters(sql, 0)
    this.exec(sql)
    this.wrote = true
  }

  /**
   * Commits the transaction. Throws the engine's error and leaves the transaction open when the commit fails. Also
   * throws when the commit succeeded, but is not in the file that other processes open.
   */
  commit(): void {
    this.exec("COMMIT")
    this.committed()
  }

  /**
   * Commits the transaction as `commit` does, in a thread of the binding. The connection must not be used meanwhile: a
   * call would block until the commit has ended.
   */
  async commitInThread(): Promise<void> {
    this.committing = true
    try {
      await execInThread(this.open(), "COMMIT")
    } finally {
      this.committing = false
    }
    this.committed()
  }

  /**
   * Runs one statement outside a transaction, which commits itself. Throws as `run` and `confirm` do. All rows of a write
   * are read, because the commit comes with the end of the rows, and may fail.
   */
  runAndCommit(sql: string, args: ReadonlyArray<unknown>, reads: Reads = "all"): Result {
    const result = this.run(sql, args, reads === "page" ? reads : "all")
    this.committed()
    return result
  }

  private committed(): void {
    this.confirm()
    if (!this.wrote) return
    this.wrote = false
    this.hooks.onCommit?.()
  }

  /** Throws when the commit is not in the file that the next process opens. */
  confirm(): void {
    this.hooks.confirm?.()
  }

  /** Runs a read without rows, which makes the engine open the log. */
  touch(): void {
    this.exec("SELECT 1 FROM sqlite_schema LIMIT 1")
  }

  /**
   * Runs one statement through the statement cache. `first` drops all rows but the first, at half the cost. Only
   * inside a transaction or for a read, because the engine reports a failed commit with the end of the rows. `page` is
   * for reads.
   *
   * `get()` of the binding binds values before it resets the statement. After `all()` or an error, the engine refuses
   * them without an error, and the statement would run with its earlier values. So `get()` has statements of its own,
   * and one that failed is never used again.
   */
  run(sql: string, args: ReadonlyArray<unknown>, reads: Reads = "all"): Result {
    requireParameters(sql, args.length)
    const values = args.map(toNative)
    const cache = reads === "first" ? this.firstStatements : this.statements
    const prepared = this.prepare(sql, cache)
    try {
      const result = runPrepared(this.open(), prepared, values, reads)
      if (prepared.changesRows && result.rowsAffected > 0) this.wrote = true
      return result
    } catch (error) {
      if (reads === "first") cache.delete(sql)
      // A database in memory has one connection, which waits for no other. Closing it would drop the database.
      if (isBusy(error) && this.options.path !== ":memory:") this.close()
      throw error
    }
  }

  /** Closes the connection with all its prepared statements. The next use opens it again. */
  close(): void {
    this.detach()?.close()
  }

  /** Closes the connection for good. After `keepConnectionsUntilExit` it stays open until the process ends. */
  end(): void {
    const database = this.detach()
    if (database === undefined) return
    if (kept.keepAll && this.options.path !== ":memory:") kept.connections.add(database)
    else database.close()
  }

  /** Abandons the connection without closing it: each later use fails with `error`. */
  abandon(error: unknown): void {
    this.refusal = { error }
    const database = this.detach()
    if (database !== undefined) kept.connections.add(database)
  }

  private detach(): Database.Database | undefined {
    const database = this.opened
    this.opened = undefined
    this.statements = new Map()
    this.firstStatements = new Map()
    return database
  }

  private prepare(sql: string, statements: Map<string, Prepared>): Prepared {
    const known = statements.get(sql)
    if (known !== undefined) {
      // A Map iterates in order of insertion: inserting the statement again makes it the newest.
      if (statements.size >= statementCacheSize / 2) {
        statements.delete(sql)
        statements.set(sql, known)
      }
      return known
    }
    const prepared = prepare(this.open(), sql)
    statements.set(sql, prepared)
    if (statements.size > statementCacheSize) {
      const oldest = statements.keys().next()
      if (!oldest.done) statements.delete(oldest.value)
    }
    return prepared
  }
}

/** Runs text in a thread of the binding, whose two interfaces share their connections. Rejects with the engine's error. */
const execInThread = (database: Database.Database, sql: string): Promise<void> =>
  AsyncDatabase.prototype.exec.call(database, sql)

const openVerified = (options: ConnectionOptions): Database.Database => {
  const database = openDatabase(options)
  try {
    for (const [pragma, value, expected] of pragmasOf(options)) {
      // Reading first avoids the write lock that a change of the journal mode takes.
      if (readPragma(database, pragma) === expected) continue
      database.exec(`PRAGMA ${pragma} = ${value}`)
      const actual = readPragma(database, pragma)
      if (actual !== expected) {
        throw new DriverError("SEALANT_PRAGMA", `PRAGMA ${pragma} is ${String(actual)} and cannot be set to ${value}`)
      }
    }
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/**
 * Opens a file for writing, and closes it. An overlay file system copies a file when it is first opened for writing
 * (https://docs.kernel.org/filesystems/overlayfs.html): a reader that was opened earlier would keep reading the
 * original.
 */
export const copyUp = (path: string): void => {
  openDatabase({ path, role: "writer" }).close()
}

/**
 * Opens a database. A reader opens the file read-only, so that it cannot take the exclusive lock under which the last
 * connection to close deletes the log (https://www.sqlite.org/uri.html#urimode).
 */
const openDatabase = ({ path, role }: Pick<ConnectionOptions, "path" | "role">): Database.Database => {
  try {
    return new Database(role === "reader" && path !== ":memory:" ? `${pathToFileURL(path).href}?mode=ro` : path, {
      timeout: 0
    })
  } catch (cause) {
    // The binding's error has no code, and its message is not the engine's.
    throw new DriverError("SQLITE_CANTOPEN", "the engine cannot open the file", { cause })
  }
}

/** The settings of a connection: name, value to set, value to read back (https://www.sqlite.org/pragma.html). */
const pragmasOf = ({
  path,
  role,
  synchronous
}: ConnectionOptions): ReadonlyArray<readonly [string, string, unknown]> => [
  // The engine's own wait would block the event loop. The client waits instead.
  ["busy_timeout", "0", 0],
  ["foreign_keys", "on", 1],
  ["query_only", role === "reader" ? "on" : "off", role === "reader" ? 1 : 0],
  // Only the writer sets how the file is written. A reader does not open the file before its first read.
  ...(role === "reader"
    ? []
    : ([
        ["journal_mode", path === ":memory:" ? "memory" : "wal", path === ":memory:" ? "memory" : "wal"],
        ["synchronous", synchronous, synchronous === "full" ? 2 : 1]
      ] as const))
]

const readPragma = (database: Database.Database, pragma: string): unknown =>
  Object.values((database.prepare(`PRAGMA ${pragma}`).all() as Array<Row>)[0] ?? {})[0]
