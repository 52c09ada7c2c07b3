/**
 * A transaction on a libSQL server.
 *
 * The server may end it at any moment: because it lasts too long, because its stream was idle, or because the server
 * restarts. Statements that are sent to the stream after that would run outside any transaction, each committed by
 * itself. So a failure that may have ended the transaction ends it here, too. After a refused statement, a probe
 * checks that the transaction is still open before anything else is sent.
 */
import { requireInTransaction } from "./inspect.js"
import type { Result } from "./prepared.js"
import { DriverError } from "./DriverError.js"
import { isParseError, leavesTransaction, remoteError } from "./remoteError.js"
import { execute, executeAll, type Interactive, sendable } from "./remoteStatement.js"
import type { Statement } from "./registry.js"
import { BatchFailure, isBatchFailure } from "./BatchFailure.js"
import type { TransactionTarget } from "./SqlClient.js"

/** Runs `use` in a new transaction, and retries while the server is busy. */
type Opening = <A>(use: (interactive: Interactive) => Promise<A>) => Promise<A>

export class RemoteTransaction implements TransactionTarget {
  hasBegun = false
  private interactive: Interactive | undefined
  private over = false
  /** The error after which the transaction is rolled back on the server, or may be. */
  private lost: DriverError | undefined
  /** Set after a refused statement, because some refusals end the transaction. */
  private suspect = false
  private wrote = false
  /** The stream of the request in flight. */
  private inFlight: Interactive | undefined
  /** Settles after the last request. Requests run one at a time: an interrupted caller leaves its request behind. */
  private last: Promise<unknown> = Promise.resolve()

  /** Ends the turn of the transaction in the queue of writes. */
  private release: () => void = () => undefined

  constructor(
    /** Waits for the turn of the transaction. Returns a function that ends the turn. */
    private readonly turn: () => Promise<() => void>,
    private readonly open: Opening,
    private readonly onCommit: () => void
  ) {}

  async run(sql: string, values: ReadonlyArray<unknown>): Promise<Result> {
    const { kind } = requireInTransaction(sql)
    const statement = sendable(sql, values)
    // ROLLBACK TO and RELEASE fail outside a transaction, so their success proves that it is open. SAVEPOINT would
    // begin one.
    const proves = kind === "savepoint" && !/^\s*SAVEPOINT/i.test(sql)
    const result = await this.use((interactive) => execute(interactive, statement), proves)
    if (result.rowsAffected > 0) this.wrote = true
    return result
  }

  /** Runs all statements in one request, each only if the one before it succeeded. */
  async runAll(statements: ReadonlyArray<Statement>): Promise<void> {
    try {
      await this.sendAll(statements)
    } catch (error) {
      // The server has refused to parse one of the statements, and has run none of them.
      const isUnparsed = isBatchFailure(error) && error.cause instanceof DriverError && isParseError(error.cause)
      if (this.lost !== undefined || !isUnparsed) throw error
      await this.runSingly(statements)
    }
  }

  /** Runs all statements in one request, inside a savepoint, to which a failure rolls back. */
  async writeAll(statements: ReadonlyArray<Statement>): Promise<ReadonlyArray<Result>> {
    for (const { sql } of statements) requireInTransaction(sql)
    try {
      const results = await this.sendAll([savepoint("SAVEPOINT"), ...statements, savepoint("RELEASE")])
      return results.slice(1, -1)
    } catch (error) {
      if (!isBatchFailure(error) || this.lost !== undefined) throw error
      for (const { sql, values } of [savepoint("ROLLBACK TO"), savepoint("RELEASE")]) await this.run(sql, values)
      throw new BatchFailure(Math.max(0, error.index - 1), error.cause)
    }
  }

  private async sendAll(statements: ReadonlyArray<Statement>): Promise<ReadonlyArray<Result>> {
    let index = 0
    try {
      const results = await this.use(async (interactive) => {
        try {
          return await executeAll((batch) => interactive.batch(batch), statements)
        } catch (error) {
          if (!isBatchFailure(error)) throw error
          index = error.index
          throw error.cause
        }
      })
      this.wrote = true
      return results
    } catch (error) {
      throw new BatchFailure(index, error)
    }
  }

  private async runSingly(statements: ReadonlyArray<Statement>): Promise<void> {
    for (const [index, { sql, values }] of statements.entries()) {
      const statement = sendable(sql, values)
      try {
        await this.use((interactive) => execute(interactive, statement))
        this.wrote = true
      } catch (error) {
        throw new BatchFailure(index, error)
      }
    }
  }

  async commit(): Promise<void> {
    await this.last
    await this.probe()
    const { interactive } = this
    this.over = true
    if (interactive === undefined) return
    try {
      await interactive.commit()
    } catch (error) {
      throw remoteError(error)
    } finally {
      interactive.close()
      this.release()
    }
    if (this.wrote) this.onCommit()
  }

  async rollback(): Promise<void> {
    this.over = true
    const { interactive } = this
    // A transaction that never began, or is lost, has nothing to roll back. Closing the stream rolls back, too, when
    // the request in flight ends there; an interrupted caller does not wait for that.
    try {
      if (this.inFlight !== undefined) this.inFlight.close()
      else if (this.lost === undefined) await interactive?.rollback()
    } finally {
      void this.last.then(() => this.release())
    }
  }

  /** Sends a request in the transaction, which begins with it if it has not begun. */
  private use<A>(send: (interactive: Interactive) => Promise<A>, proves = false): Promise<A> {
    this.hasBegun = true
    const answer = this.last.then(() => this.useNow(send, proves))
    this.last = answer.catch(() => undefined)
    return answer
  }

  private async useNow<A>(send: (interactive: Interactive) => Promise<A>, proves: boolean): Promise<A> {
    if (proves) this.suspect = false
    await this.probe()
    const { interactive } = this
    if (interactive === undefined) return this.begin(send)
    this.inFlight = interactive
    try {
      return await send(interactive)
    } catch (error) {
      throw this.afterFailure(interactive, error, proves)
    } finally {
      this.inFlight = undefined
    }
  }

  private async begin<A>(send: (interactive: Interactive) => Promise<A>): Promise<A> {
    try {
      this.release = await this.turn()
      return await this.open(async (interactive) => {
        try {
          this.refuseWhenOver()
          this.inFlight = interactive
          const answer = await send(interactive)
          this.interactive = interactive
          return answer
        } catch (error) {
          // A transaction that did not begin has closed itself.
          if (!interactive.closed && error instanceof DriverError && leavesTransaction(error))
            this.interactive = interactive
          else interactive.close()
          throw error
        } finally {
          this.inFlight = undefined
        }
      })
    } catch (error) {
      if (this.interactive !== undefined) throw this.afterFailure(this.interactive, error)
      this.lost = remoteError(error)
      this.release()
      throw this.lost
    }
  }

  private afterFailure(interactive: Interactive, error: unknown, proves = false): DriverError {
    const driverError = remoteError(error)
    if (!proves && leavesTransaction(driverError)) this.suspect = true
    else this.lose(interactive, driverError)
    return driverError
  }

  private lose(interactive: Interactive, error: DriverError): void {
    this.lost = error
    // Makes the server drop the rest of the stream.
    interactive.close()
    this.release()
  }

  /** Checks after a refused statement that the transaction is still open. In an open transaction, BEGIN fails. */
  private async probe(): Promise<void> {
    this.refuseWhenOver()
    const { interactive, suspect } = this
    if (interactive === undefined || !suspect) return
    this.suspect = false
    try {
      await interactive.execute("BEGIN")
    } catch (error) {
      const driverError = remoteError(error)
      if (driverError.code === "SQLITE_ERROR") return
      this.lose(interactive, driverError)
      throw driverError
    }
    const gone = new DriverError("SEALANT_TRANSACTION_OVER", "the transaction ended with a statement that was refused")
    this.lose(interactive, gone)
    throw gone
  }

  private refuseWhenOver(): void {
    if (this.lost !== undefined) throw this.lost
    if (this.over) throw new DriverError("SEALANT_TRANSACTION_OVER", "the transaction has ended")
  }
}

const savepoint = (verb: string): Statement => ({ sql: `${verb} batch`, values: [] })
