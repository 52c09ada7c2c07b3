/**
 * A transaction that a caller holds on the writing connection.
 */
import { isMainThread } from "node:worker_threads"
import { monotonicMs } from "./backoff.js"
import { BatchFailure } from "./BatchFailure.js"
import { type InStatement, type ResultSet, statementOf, toResultSet, type Transaction } from "./Client.js"
import type { Connection } from "./Connection.js"
import { requireInTransaction } from "./inspect.js"
import type { Reads, Result } from "./prepared.js"
import { DriverError, isBusy } from "./DriverError.js"
import type { Statement } from "./registry.js"
import { splitStatements } from "./sqlText.js"
import { rollback, runBatch, type WriteQueue } from "./WriteQueue.js"

/**
 * The age in milliseconds from which a transaction commits in a thread. The time of a COMMIT grows with the pages that
 * were changed: 20 to 30 ms for 30,000 rows, during which the event loop would stand still. The thread costs 0.1 ms.
 * Never in a worker thread: the binding aborts the process if the worker is terminated before the commit has ended.
 */
const longMs = isMainThread ? 50 : Infinity

export class LocalTransaction implements Transaction {
  closed = false
  private begun: Promise<void> | undefined
  /** Leaves the queue for the write lock. */
  private withdraw: (() => void) | undefined
  private release: (() => void) | undefined
  /** The time at which the write lock was granted. */
  private grantedAt = 0
  /** The failure with which the engine rolled the transaction back before its commit. */
  private lost: { readonly error: unknown } | undefined

  constructor(
    private readonly connection: Connection,
    private readonly queue: WriteQueue
  ) {}

  async execute(statement: InStatement | string | [string, unknown?], args?: unknown): Promise<ResultSet> {
    const { sql, values } = statementOf(statement, args)
    return toResultSet(await this.run(sql, values))
  }

  /** Runs one statement. The first one waits for the write lock; later ones are answered synchronously. */
  run(sql: string, values: ReadonlyArray<unknown>, reads: Reads = "all"): Result | Promise<Result> {
    return this.inside(sql, () => this.connection.run(sql, values, reads))
  }

  /**
   * Runs one statement without parameters and drops its rows. It is not prepared, which halves the cost of a
   * statement that runs once.
   */
  private exec(sql: string): void | Promise<void> {
    return this.inside(sql, () => this.connection.execOnce(sql))
  }

  private inside<A>(sql: string, use: () => A): A | Promise<A> {
    const { refusal } = requireInTransaction(sql)
    if (refusal !== undefined) throw new DriverError("SEALANT_STATEMENT", refusal)
    return this.release === undefined && this.lost === undefined
      ? this.begin().then(() => this.now(use))
      : this.now(use)
  }

  private now<A>(use: () => A): A {
    if (this.lost !== undefined) throw this.lost.error
    if (this.release === undefined) throw transactionEnded()
    try {
      return use()
    } catch (error) {
      if (isBusy(error) || !this.connection.inTransaction) {
        rollback(this.connection)
        this.lost = { error }
        this.end()
      }
      throw error
    }
  }

  async runAll(statements: ReadonlyArray<Statement>): Promise<void> {
    for (const [index, { sql, values }] of statements.entries()) {
      try {
        // A migration has hundreds of statements that run once.
        await (values.length === 0 ? this.exec(sql) : this.run(sql, values))
      } catch (error) {
        throw new BatchFailure(index, error)
      }
    }
  }

  async writeAll(statements: ReadonlyArray<Statement>): Promise<ReadonlyArray<Result>> {
    for (const { sql } of statements) requireInTransaction(sql)
    return this.inside("SAVEPOINT batch", () => runBatch(this.connection, statements))
  }

  async batch(statements: Array<InStatement | [string, unknown?]>): Promise<Array<ResultSet>> {
    const results: Array<ResultSet> = []
    for (const statement of statements) results.push(await this.execute(statement))
    return results
  }

  async executeMultiple(script: string): Promise<void> {
    for (const statement of splitStatements(script)) await this.execute(statement)
  }

  async commit(): Promise<void> {
    if (this.lost !== undefined) throw this.lost.error
    if (this.closed) throw transactionEnded()
    if (this.release !== undefined && monotonicMs() - this.grantedAt >= longMs) return this.commitLong(this.release)
    try {
      if (this.release !== undefined) this.connection.commit()
    } finally {
      // A failed COMMIT leaves the transaction open, and the write lock held.
      this.close()
    }
  }

  /** Commits while the event loop turns. Refuses statements that arrive meanwhile. */
  private async commitLong(release: () => void): Promise<void> {
    this.release = undefined
    this.end()
    try {
      await this.connection.commitInThread()
    } finally {
      rollback(this.connection)
      release()
    }
  }

  async rollback(): Promise<void> {
    this.close()
  }

  get hasBegun(): boolean {
    return this.begun !== undefined
  }

  /** Rolls back uncommitted changes. Has no effect on a transaction that has ended. */
  close(): void {
    if (this.release !== undefined) rollback(this.connection)
    this.end()
  }

  private begin(): Promise<void> {
    if (this.closed) throw transactionEnded()
    return (this.begun ??= new Promise((resolve, reject) => {
      const leave = this.queue.transaction((release) => {
        this.release = release
        this.grantedAt = monotonicMs()
        resolve()
      }, reject)
      this.withdraw = () => {
        leave()
        reject(transactionEnded())
      }
    }))
  }

  private end(): void {
    this.closed = true
    this.withdraw?.()
    const release = this.release
    this.release = undefined
    release?.()
  }
}

const transactionEnded = () => new DriverError("SEALANT_TRANSACTION_OVER", "the transaction has ended")
