/**
 * The client of a local database file: the interface of `@libsql/client` over the native binding.
 *
 * It guarantees more than that interface:
 * - An acknowledged write is on the disk, as far as `synchronous` requires.
 * - No wait blocks the event loop.
 * - `transaction()` never rejects.
 * - Reads see every acknowledged write.
 */
import { monotonicMs, pause } from "./backoff.js"
import { Changes, noOtherWriters } from "./Changes.js"
import { type Client, type InStatement, type ResultSet, statementOf, toResultSet } from "./Client.js"
import { Connection, copyUp } from "./Connection.js"
import { inspect, notOneStatement, requireInTransaction } from "./inspect.js"
import type { Reads, Result } from "./prepared.js"
import { DriverError, isBusy } from "./DriverError.js"
import type { Place, Statement } from "./registry.js"
import type { Answer, Driver } from "./SqlClient.js"
import { busyWaits } from "./metrics.js"
import { LocalTransaction } from "./LocalTransaction.js"
import { OpenFile } from "./OpenFile.js"
import { splitStatements } from "./sqlText.js"
import { watchFile } from "./watchFile.js"
import { busyError, closedError, rollback, WriteQueue } from "./WriteQueue.js"

export interface LocalOptions {
  /** A file path, or `:memory:`. */
  readonly path: string
  /** The longest wait of a statement for a lock that another process holds, in milliseconds. */
  readonly busyTimeoutMs: number
  /** `full`: an acknowledged write survives a power loss. `normal`: it survives a crash of the process. */
  readonly synchronous: "full" | "normal"
  /** The pauses between two polls for commits of other processes, in milliseconds. Default: from 1 to 250 ms. */
  readonly pausesMs?: ReadonlyArray<number>
}

// The pauses double. Polls are finally so rare that their cost is negligible, because the file watch finds commits.
const pausesMs = [1, 2, 4, 8, 16, 32, 64, 128, 250]

export class LocalClient implements Client, Driver {
  readonly client: Client = this
  readonly protocol = "file"
  readonly changes: Changes
  readonly place: Place
  closed = false
  private readonly writer: Connection
  private readonly reader: Connection
  private readonly queue: WriteQueue
  private readonly inMemory: boolean
  /** The file on the disk; `undefined` for a database in memory. */
  private readonly file: OpenFile | undefined
  /** True once both connections were opened, and their file and log recorded. */
  private remembered = false
  private hasCommitted = false
  private shutting: Promise<void> | undefined

  constructor(private readonly options: LocalOptions) {
    const { path, synchronous } = options
    this.inMemory = path === ":memory:"
    this.place = this.inMemory ? { kind: "memory" } : { kind: "file", path }
    this.changes = new Changes(
      this.inMemory
        ? noOtherWriters
        : {
            version: () => this.dataVersion(),
            pausesMs: options.pausesMs ?? pausesMs,
            watch: (onChange) => watchFile(`${path}-wal`, onChange)
          }
    )
    this.file = this.inMemory ? undefined : new OpenFile(path, (error, isIntact) => this.giveUp(error, isIntact))
    const confirm = () => this.file?.check()
    const onCommit = () => {
      this.hasCommitted = true
      this.changes.committed()
    }
    this.writer = new Connection(
      { path, synchronous, role: "writer" },
      { onOpen: () => this.reopened(this.writer, this.reader), confirm, onCommit }
    )
    // Each connection to `:memory:` opens a database of its own, so the writer serves the reads, too.
    this.reader = this.inMemory
      ? this.writer
      : new Connection({ path, synchronous, role: "reader" }, { onOpen: () => this.reopened(this.reader, this.writer) })
    this.queue = new WriteQueue(this.writer, options.busyTimeoutMs)
  }

  /**
   * Reads the version of the database, which changes with each commit of another connection. The reader commits
   * nothing.
   */
  private dataVersion(): string {
    try {
      this.file?.checkIfDue()
      return String(this.reader.run("PRAGMA data_version", []).rows[0]?.["data_version"])
    } catch {
      // The next read of data reports the error.
      return "unknown"
    }
  }

  /** Opens both connections. Waits for a lock as long as a statement does. */
  async open(): Promise<void> {
    const { file } = this
    if (file !== undefined) {
      copyUp(this.options.path)
      file.rememberFile()
    }
    // The reader first: at exit, connections close in the opposite order, and a reader cannot delete the log.
    for (const connection of [this.reader, this.writer]) await this.whenNotBusy(() => connection.open())
    if (file === undefined) return
    await this.whenNotBusy(() => this.writer.touch())
    file.rememberLog()
    await this.whenNotBusy(() => this.reader.touch())
    file.check()
    this.remembered = true
  }

  /**
   * Checks a connection that was closed after SQLITE_BUSY and opened again. The log may be another one only if all
   * connections were closed meanwhile.
   */
  private reopened(connection: Connection, other: Connection): void {
    if (!this.remembered) return
    connection.touch()
    if (other.isOpen) this.file?.check()
    else this.file?.rememberLog()
  }

  /**
   * Abandons the connections, because the file or the log at the path is not the one that is open. Every later use
   * fails. The connections stay open: closing the last one would delete the log that is at the path now, or mix two
   * logs.
   */
  private giveUp(error: DriverError, isIntact: boolean): void {
    rollback(this.writer)
    if (isIntact) {
      // Only the name of the log is gone, so its contents are saved into the file.
      try {
        this.writer.exec("PRAGMA wal_checkpoint(PASSIVE)")
      } catch {}
    }
    for (const connection of [this.writer, this.reader]) connection.abandon(error)
  }

  async execute(statement: InStatement | string, args?: unknown): Promise<ResultSet> {
    const { sql, values } = statementOf(statement, args)
    const answer = this.run(sql, values)
    return toResultSet(await (typeof answer === "function" ? new Promise(answer) : answer))
  }

  /** Runs one statement. Answers synchronously when it need not wait, as for reads. */
  run(sql: string, values: ReadonlyArray<unknown>, reads: Reads = "all"): Answer<Result> {
    const { kind, refusal, single } = inspect(sql)
    if (!single) throw notOneStatement()
    if (refusal !== undefined) throw new DriverError("SEALANT_STATEMENT", refusal)
    switch (kind) {
      case "read":
        return this.read(sql, values, reads)
      case "write":
        return this.queue.statement(sql, values, reads)
      case "alone":
        return this.queue.alone(sql, values)
      default:
        throw new DriverError("SEALANT_STATEMENT", "transactions are opened with transaction(), not by statement")
    }
  }

  /** Runs statements in one transaction, which other waiting writes may share. */
  writeAll(statements: ReadonlyArray<Statement>): Answer<ReadonlyArray<Result>> {
    for (const { sql } of statements) requireInTransaction(sql)
    return this.queue.batch(statements)
  }

  private read(sql: string, args: ReadonlyArray<unknown>, reads: Reads): Answer<Result> {
    this.refuseWhenClosed()
    if (!this.inMemory) {
      this.file?.checkIfDue()
      return this.whenNotBusy(() => this.reader.run(sql, args, reads))
    }
    // A read on the one connection would see uncommitted changes of an open transaction.
    return this.queue.isIdle ? this.writer.run(sql, args, reads) : this.queue.statement(sql, args, reads)
  }

  /** Runs `use` synchronously. While a lock is held, retries it until the timeout. */
  private whenNotBusy<A>(use: () => A): A | Promise<A> {
    try {
      return use()
    } catch (error) {
      if (!isBusy(error)) throw error
      return this.retryWhileBusy(use)
    }
  }

  private async retryWhileBusy<A>(use: () => A): Promise<A> {
    const until = monotonicMs() + this.options.busyTimeoutMs
    for (let attempt = 0; monotonicMs() < until; attempt++) {
      busyWaits.unsafeUpdate(1, [])
      await pause(attempt)
      this.refuseWhenClosed()
      try {
        return use()
      } catch (error) {
        if (!isBusy(error)) throw error
      }
    }
    throw busyError(this.options.busyTimeoutMs)
  }

  private refuseWhenClosed(): void {
    if (this.closed) throw closedError()
  }

  /**
   * Opens a transaction, which begins with its first statement. Never rejects: when the transaction cannot begin, its
   * first statement fails, for which its caller waits interruptibly.
   */
  async transaction(): Promise<LocalTransaction> {
    return this.begin()
  }

  /** Opens a transaction synchronously. */
  begin(): LocalTransaction {
    return new LocalTransaction(this.writer, this.queue)
  }

  /** Runs all statements in one transaction. When one fails, none is committed. */
  async batch(statements: Array<InStatement | [string, unknown?]>): Promise<Array<ResultSet>> {
    const transaction = this.begin()
    try {
      const results = await transaction.batch(statements)
      await transaction.commit()
      return results
    } finally {
      transaction.close()
    }
  }

  /** Runs the statements of a script in order, each by itself, until one fails. */
  async executeMultiple(script: string): Promise<void> {
    for (const statement of splitStatements(script)) await this.execute(statement)
  }

  /**
   * Always rejects. The migration batch of the libSQL protocol switches foreign keys off, which this client never
   * does.
   */
  migrate(): Promise<Array<ResultSet>> {
    return Promise.reject(new DriverError("SEALANT_STATEMENT", "migrate() is not supported: use Migrations.run"))
  }

  sync(): Promise<never> {
    return Promise.reject(new DriverError("SEALANT_STATEMENT", "sync() is for embedded replicas; this is a plain file"))
  }

  reconnect(): void {
    this.refuseWhenClosed()
    if (!this.inMemory) this.reader.close()
  }

  /** Refuses new work at once. The connections close when the operations in flight end. */
  close(): void {
    void this.shutdown()
  }

  /** Closes after the operations in flight. Moves the write-ahead log into the file if something was committed. */
  shutdown(): Promise<void> {
    return (this.shutting ??= this.closeConnections())
  }

  private async closeConnections(): Promise<void> {
    this.closed = true
    await this.queue.close()
    this.changes.close()
    if (this.hasCommitted && this.file !== undefined && this.writer.isOpen) {
      // Another process may block this checkpoint. The log is complete, and the next checkpoint moves it.
      try {
        this.file.check()
        this.writer.exec("PRAGMA wal_checkpoint(TRUNCATE)")
      } catch {}
    }
    this.writer.end()
    if (!this.inMemory) this.reader.end()
  }
}
