/**
 * A transaction that a caller holds on the writing connection.
 */
import { type InStatement, type ResultSet, statementOf, toResultSet, type Transaction } from "./Client.js"
import { type Connection, inspect, type Result } from "./Connection.js"
import { DriverError, isBusy } from "./DriverError.js"
import { BatchFailure, type Statement } from "./SqlClient.js"
import { splitStatements } from "./sqlText.js"
import { rollback, type WriteQueue } from "./WriteQueue.js"

export class LocalTransaction implements Transaction {
  closed = false
  private begun: Promise<void> | undefined
  /** Leaves the queue of those who wait for the write lock. */
  private withdraw: (() => void) | undefined
  private release: (() => void) | undefined
  /** Why the engine took the transaction back before it was committed. */
  private lost: { readonly error: unknown } | undefined

  constructor(private readonly connection: Connection, private readonly queue: WriteQueue) {}

  async execute(statement: InStatement | string | [string, unknown?], args?: unknown): Promise<ResultSet> {
    const { sql, values } = statementOf(statement, args)
    return toResultSet(await this.run(sql, values))
  }

  /** Runs one statement. The first one waits for the write lock; later ones are answered at once. */
  run(sql: string, values: ReadonlyArray<unknown>): Result | Promise<Result> {
    return this.inside(sql, () => this.connection.run(sql, values))
  }

  /** Runs one statement without parameters and drops its rows. It is not prepared and so costs half as much when it runs once. */
  private exec(sql: string): void | Promise<void> {
    return this.inside(sql, () => this.connection.execOnce(sql))
  }

  private inside<A>(sql: string, use: () => A): A | Promise<A> {
    const { kind, refusal, single } = inspect(sql)
    if (!single || kind === "boundary" || kind === "alone") {
      throw new DriverError("SEALANT_STATEMENT", "a transaction takes one statement at a time, and none that ends it or cannot run in it")
    }
    if (refusal !== undefined) throw new DriverError("SEALANT_STATEMENT", refusal)
    return this.release === undefined && this.lost === undefined ? this.begin().then(() => this.now(use)) : this.now(use)
  }

  private now<A>(use: () => A): A {
    if (this.lost !== undefined) throw this.lost.error
    if (this.release === undefined) throw over()
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
    if (this.closed) throw over()
    try {
      if (this.release !== undefined) this.connection.commit()
    } finally {
      // A COMMIT that failed leaves the transaction open, with the write lock.
      this.close()
    }
  }

  async rollback(): Promise<void> {
    this.close()
  }

  /** Takes back what was not committed. Does nothing to a transaction that has ended. */
  close(): void {
    if (this.release !== undefined) rollback(this.connection)
    this.end()
  }

  private begin(): Promise<void> {
    if (this.closed) throw over()
    return this.begun ??= new Promise((resolve, reject) => {
      const leave = this.queue.transaction((release) => {
        this.release = release
        resolve()
      }, reject)
      this.withdraw = () => {
        leave()
        reject(over())
      }
    })
  }

  private end(): void {
    this.closed = true
    this.withdraw?.()
    const release = this.release
    this.release = undefined
    release?.()
  }
}

const over = () => new DriverError("SEALANT_TRANSACTION_OVER", "the transaction has ended")
