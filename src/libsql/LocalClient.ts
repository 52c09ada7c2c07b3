/**
 * The client of a local database file: the interface of `@libsql/client`, kept over the native binding.
 *
 * What it promises beyond that interface: an answered write is on disk (as far as `synchronous` says), no wait blocks
 * the event loop, `transaction()` never rejects, and reads see every answered write.
 */
import { monotonicMs, pause } from "./backoff.js"
import { Changes, nobodyElse } from "./Changes.js"
import { type Client, type InStatement, type ResultSet, statementOf, toResultSet } from "./Client.js"
import { Connection, copyUp, inspect, type Result } from "./Connection.js"
import { DriverError, isBusy } from "./DriverError.js"
import type { Place } from "./registry.js"
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
  /** How long a statement waits for a lock that another process holds. */
  readonly busyTimeoutMs: number
  /** `full` keeps an answered write through a power loss, `normal` through a crash of the process. */
  readonly synchronous: "full" | "normal"
  /** The pauses between looks for commits of other processes, where they are not to be the usual ones. */
  readonly pausesMs?: ReadonlyArray<number>
}

// Twice as long each time, and at last so rare that it costs nothing to speak of: the watch is what finds a commit.
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
  /** The file on the disk; `undefined` for memory. */
  private readonly file: OpenFile | undefined
  /** True once both connections were opened, and their file and log recorded. */
  private remembered = false
  private hasCommitted = false
  private shutting: Promise<void> | undefined

  constructor(private readonly options: LocalOptions) {
    const { path, synchronous } = options
    this.inMemory = path === ":memory:"
    this.place = this.inMemory ? { kind: "memory" } : { kind: "file", path }
    this.changes = new Changes(this.inMemory ? nobodyElse : {
      version: () => this.dataVersion(),
      pausesMs: options.pausesMs ?? pausesMs,
      watch: (stirred) => watchFile(`${path}-wal`, stirred)
    })
    this.file = this.inMemory ? undefined : new OpenFile(path, (error, isIntact) => this.giveUp(error, isIntact))
    const confirm = () => this.file?.check()
    const onCommit = () => {
      this.hasCommitted = true
      this.changes.committed()
    }
    this.writer = new Connection({ path, synchronous, role: "writer" }, { onOpen: () => this.reopened(this.writer, this.reader), confirm, onCommit })
    // Every connection to `:memory:` is a database of its own, so there the writer reads, too.
    this.reader = this.inMemory
      ? this.writer
      : new Connection({ path, synchronous, role: "reader" }, { onOpen: () => this.reopened(this.reader, this.writer) })
    this.queue = new WriteQueue(this.writer, options.busyTimeoutMs)
  }

  /** The engine tells the reader of every commit but its own, and it has none. */
  private dataVersion(): string {
    try {
      this.file?.checkNowAndThen()
      return String(this.reader.run("PRAGMA data_version", []).rows[0]?.["data_version"])
    } catch {
      // What keeps it from being read will be told to whoever looks at the data.
      return "unknown"
    }
  }

  /** Opens both connections, waiting for a lock as long as a statement would. */
  async open(): Promise<void> {
    const { file } = this
    if (file !== undefined) {
      copyUp(this.options.path)
      file.rememberFile()
    }
    // The reader first: when the process ends, its connections are closed in the opposite order, and a reader deletes no log.
    for (const connection of [this.reader, this.writer]) await this.whenNotBusy(() => connection.open())
    if (file === undefined) return
    await this.whenNotBusy(() => this.writer.touch())
    file.rememberLog()
    await this.whenNotBusy(() => this.reader.touch())
    file.check()
    this.remembered = true
  }

  /** A busy connection is closed and opened again. The log may be a new one only if all connections were closed meanwhile. */
  private reopened(connection: Connection, other: Connection): void {
    if (!this.remembered) return
    connection.touch()
    if (other.isOpen) this.file?.check()
    else this.file?.rememberLog()
  }

  /**
   * The file or the log at the path is not the one that is open. Every later use is refused, and the connections stay open:
   * closing the last one would delete the log that is there now, or mix two logs.
   */
  private giveUp(error: DriverError, isIntact: boolean): void {
    rollback(this.writer)
    if (isIntact) {
      // Only the name of the log is gone: its contents are saved into the file.
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

  /** One statement. What needs no waiting, as reads do, is answered at once. */
  run(sql: string, values: ReadonlyArray<unknown>): Answer<Result> {
    const { kind, refusal, single } = inspect(sql)
    if (!single) throw notOneStatement()
    if (refusal !== undefined) throw new DriverError("SEALANT_STATEMENT", refusal)
    switch (kind) {
      case "read":
        return this.read(sql, values)
      case "write":
        return this.queue.statement(sql, values)
      case "alone":
        return this.queue.alone(sql, values)
      default:
        throw new DriverError("SEALANT_STATEMENT", "transactions are opened with transaction(), not by statement")
    }
  }

  private read(sql: string, args: ReadonlyArray<unknown>): Answer<Result> {
    this.refuseWhenClosed()
    if (!this.inMemory) {
      this.file?.checkNowAndThen()
      return this.whenNotBusy(() => this.reader.run(sql, args))
    }
    // While a transaction holds the one connection, a read would see what it has not committed.
    return this.queue.isIdle ? this.writer.run(sql, args) : this.queue.statement(sql, args)
  }

  /** At once when nothing is locked; else again and again until the timeout. */
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
   * A transaction that begins with its first statement. Never rejects: what keeps it from beginning is the failure of
   * that statement, which its caller waits for interruptibly.
   */
  async transaction(): Promise<LocalTransaction> {
    return this.begin()
  }

  /** The same, without a promise around it. */
  begin(): LocalTransaction {
    return new LocalTransaction(this.writer, this.queue)
  }

  /** All statements in one transaction; none of them when one fails. */
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

  /** Runs the statements of a script one after the other, each by itself, until one fails. */
  async executeMultiple(script: string): Promise<void> {
    for (const statement of splitStatements(script)) await this.execute(statement)
  }

  /** The libSQL protocol's migration batch switches foreign keys off; ours never are. */
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

  /** Refuses new work at once; connections close when what is in flight is done. */
  close(): void {
    void this.shutdown()
  }

  /** Closes after the operations in flight, and moves the write-ahead log into the file if something was committed. */
  shutdown(): Promise<void> {
    return this.shutting ??= this.closeConnections()
  }

  private async closeConnections(): Promise<void> {
    this.closed = true
    await this.queue.close()
    this.changes.close()
    if (this.hasCommitted && this.file !== undefined && this.writer.isOpen) {
      // Another process may block it; the log is complete, and the next checkpoint moves it.
      try {
        this.file.check()
        this.writer.exec("PRAGMA wal_checkpoint(TRUNCATE)")
      } catch {}
    }
    this.writer.end()
    if (!this.inMemory) this.reader.end()
  }
}

const notOneStatement = () =>
  new DriverError("SEALANT_STATEMENT", "the text must hold one statement; the engine would drop all but the first")
