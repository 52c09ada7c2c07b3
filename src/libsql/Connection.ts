/**
 * One connection to a database file, through the native binding.
 *
 * It verifies what it sets, keeps prepared statements, and closes itself when a prepared statement has met
 * SQLITE_BUSY: the binding leaves such a statement un-reset, and the connection would hold an open transaction for
 * ever, in which later writes are acknowledged and then lost.
 */
import { globalValue } from "effect/GlobalValue"
import Database from "libsql"
import { pathToFileURL } from "node:url"
import { DriverError, isBusy } from "./DriverError.js"
import { objectsOf, rowOf } from "./shape.js"
import { inspectStatement, type StatementText } from "./sqlText.js"
import { type NativeValue, toNative } from "./values.js"

export interface ConnectionOptions {
  /** A file path, or `:memory:`. */
  readonly path: string
  readonly role: "writer" | "reader"
  readonly synchronous: "full" | "normal"
}

/** A row as the binding gives it: a plain object, columns by name. */
export type Row = Record<string, unknown>

export interface Result {
  readonly columns: () => ReadonlyArray<string>
  readonly rows: Array<Row>
  /** The rows as arrays, in the order of the columns. */
  readonly values: () => Array<Array<unknown>>
  readonly rowsAffected: number
  readonly lastInsertRowid: bigint | undefined
}

interface Prepared {
  readonly statement: Database.Statement
  readonly returnsRows: boolean
  readonly changesRows: boolean
  /** Makes a row out of an array of values; none where the binding makes the rows. */
  readonly toRow: ((values: ReadonlyArray<unknown>) => object) | undefined
}

// The statements of all our services fit; a program that builds SQL text without end does not grow without end.
const statementCacheSize = 512

const nothing = () => []

/** Hooks of the client that owns a connection. Each may throw, which fails the call. */
export interface ConnectionHooks {
  /** A connection was opened; it is closed again when this throws. */
  readonly onOpen?: () => void
  /** A transaction was committed. Checks that it is in the file that the next process opens. */
  readonly confirm?: () => void
  /**
   * Rows were committed. Not called for a commit without changes: a waiter that reads with a statement that may write, as a
   * claim does, would otherwise wake itself for ever.
   */
  readonly onCommit?: () => void
}

/**
 * Connections that are never closed, nor collected as garbage. Closing the last connection moves the log into the file and
 * deletes it, which must not happen to a log that was replaced, or under a process that has lost its locks.
 */
const kept = globalValue(Symbol.for("@sealant/db/libsql/keptConnections"), () => ({ keepAll: false, connections: new Set<object>() }))

/**
 * From now on this process closes no connection: they end with the process, without the engine's cleanup. For a short-lived
 * program that runs beside others and ends by `process.exit`.
 */
export const keepConnectionsUntilExit = (): void => {
  kept.keepAll = true
}

export class Connection {
  private opened: Database.Database | undefined
  private statements = new Map<string, Prepared>()

  private wrote = false

  /** The error of every later use, set by `abandon`. */
  private refusal: { readonly error: unknown } | undefined

  constructor(private readonly options: ConnectionOptions, private readonly hooks: ConnectionHooks = {}) {}

  /** Opens the connection if it is not open. What fails here is tried again at the next use. */
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

  get inTransaction(): boolean {
    return this.opened?.inTransaction ?? false
  }

  /** Runs text that takes no parameters and gives no rows. The only safe way to take the write lock. */
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
   * Commits the transaction. Throws the engine's error and leaves the transaction open; or, after the commit, throws when the
   * commit is not in the file that other processes open.
   */
  commit(): void {
    this.exec("COMMIT")
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

  /** Runs one statement to its end, through the statement cache. */
  run(sql: string, args: ReadonlyArray<unknown>): Result {
    requireParameters(sql, args.length)
    const values = args.map(toNative)
    const prepared = this.prepare(sql)
    try {
      const result = runPrepared(prepared, values)
      if (prepared.changesRows && result.rowsAffected > 0) this.wrote = true
      return result
    } catch (error) {
      // Memory has one connection, which cannot be busy with another, and closing it would drop the database.
      if (isBusy(error) && this.options.path !== ":memory:") this.close()
      throw error
    }
  }

  /** Closes the connection with all that was prepared on it. The next use opens it anew. */
  close(): void {
    this.detach()?.close()
  }

  /** Closes the connection for good, or keeps it until the process ends after `keepConnectionsUntilExit`. */
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
    return database
  }

  private prepare(sql: string): Prepared {
    const known = this.statements.get(sql)
    if (known !== undefined) {
      // A Map iterates in order of insertion: putting a statement back makes it the youngest.
      if (this.statements.size >= statementCacheSize / 2) {
        this.statements.delete(sql)
        this.statements.set(sql, known)
      }
      return known
    }
    const prepared = prepare(this.open(), sql)
    this.statements.set(sql, prepared)
    if (this.statements.size > statementCacheSize) {
      const oldest = this.statements.keys().next()
      if (!oldest.done) this.statements.delete(oldest.value)
    }
    return prepared
  }
}

/** Checks the number of values: the binding keeps values of an earlier run of the statement, and drops surplus ones. */
export const requireParameters = (sql: string, count: number): void => {
  const { placeholders } = inspect(sql)
  if (count !== placeholders) {
    throw new DriverError("SEALANT_STATEMENT", `the statement has ${placeholders} parameters, but ${count} values were passed`)
  }
}

const prepare = (database: Database.Database, sql: string): Prepared => {
  const statement = database.prepare(sql)
  const returnsRows = statement.reader
  const toRow = returnsRows ? rowMaker(statement, sql) : undefined
  if (toRow !== undefined) statement.raw()
  return { statement, returnsRows, toRow, changesRows: inspect(sql).kind === "write" }
}

const rowMaker = (statement: Database.Statement, sql: string): Prepared["toRow"] => {
  const names = columnsOf(statement)
  if (new Set(names).size < names.length) return (values) => rowOf(columnsOf(statement), values)
  // What a star stands for may change under a statement that is kept: there the binding has to look each time.
  return sql.includes("*") ? undefined : objectsOf(names)
}

const columnsOf = (statement: Database.Statement): Array<string> => statement.columns().map((column) => column.name)

const runPrepared = ({ changesRows, returnsRows, statement, toRow }: Prepared, values: Array<NativeValue>): Result => {
  if (!returnsRows) {
    const { changes, lastInsertRowid } = statement.run(values)
    return { columns: nothing, rows: [], values: nothing, rowsAffected: changes, lastInsertRowid: BigInt(lastInsertRowid) }
  }
  // `.all()`, because `.run()` leaves a RETURNING statement open and `.get()` adds a key to its row.
  const found = statement.all(values)
  const columns = () => columnsOf(statement)
  const answer = { columns, rowsAffected: changesRows ? found.length : 0, lastInsertRowid: undefined }
  if (toRow !== undefined) {
    const arrays = found as Array<Array<unknown>>
    return { ...answer, rows: arrays.map((array) => toRow(array) as Row), values: () => arrays }
  }
  const rows = found as Array<Row>
  const inOrder = () => {
    const names = columns()
    return rows.map((row) => names.map((name) => row[name]))
  }
  return { ...answer, rows, values: inOrder }
}

const openVerified = (options: ConnectionOptions): Database.Database => {
  const database = openDatabase(options)
  try {
    for (const [pragma, value, expected] of pragmasOf(options)) {
      // Reading first spares the write lock that changing the journal mode takes.
      if (readPragma(database, pragma) === expected) continue
      database.exec(`PRAGMA ${pragma} = ${value}`)
      const actual = readPragma(database, pragma)
      if (actual !== expected) {
        throw new DriverError("SEALANT_PRAGMA", `PRAGMA ${pragma} is ${String(actual)} where ${value} was asked for`)
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
 * (https://docs.kernel.org/filesystems/overlayfs.html): a reader that was opened before would keep reading the original.
 */
export const copyUp = (path: string): void => {
  openDatabase({ path, role: "writer" }).close()
}

/**
 * A reader opens the file read-only, so that it cannot take the exclusive lock under which the last connection to close
 * deletes the log (https://www.sqlite.org/uri.html#urimode).
 */
const openDatabase = ({ path, role }: Pick<ConnectionOptions, "path" | "role">): Database.Database => {
  try {
    return new Database(role === "reader" && path !== ":memory:" ? `${pathToFileURL(path).href}?mode=ro` : path, { timeout: 0 })
  } catch (cause) {
    // The binding's error has a message of its own making and no code.
    throw new DriverError("SQLITE_CANTOPEN", "the engine cannot open the file", { cause })
  }
}

/** Name, value to set, value to read back (https://www.sqlite.org/pragma.html). */
const pragmasOf = ({ path, role, synchronous }: ConnectionOptions): ReadonlyArray<readonly [string, string, unknown]> => [
  // The engine's own wait blocks the event loop: waiting is done above, without blocking.
  ["busy_timeout", "0", 0],
  ["foreign_keys", "on", 1],
  ["query_only", role === "reader" ? "on" : "off", role === "reader" ? 1 : 0],
  // Only the writer sets how the file is written. A reader does not open the file before it reads.
  ...(role === "reader" ? [] : [
    ["journal_mode", path === ":memory:" ? "memory" : "wal", path === ":memory:" ? "memory" : "wal"],
    ["synchronous", synchronous, synchronous === "full" ? 2 : 1]
  ] as const)
]

const readPragma = (database: Database.Database, pragma: string): unknown =>
  Object.values((database.prepare(`PRAGMA ${pragma}`).all() as Array<Row>)[0] ?? {})[0]

const inspected = new Map<string, StatementText>()

/** What kind of statement a text holds, remembered for texts seen before. */
export const inspect = (sql: string): StatementText => {
  const known = inspected.get(sql)
  if (known !== undefined) return known
  const text = inspectStatement(sql)
  if (inspected.size >= 2 * statementCacheSize) inspected.clear()
  inspected.set(sql, text)
  return text
}
