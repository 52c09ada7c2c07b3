/**
 * A transaction on a libSQL server.
 *
 * The server may end it at any moment: because it lasts too long, because its stream was idle, because it restarts. What is
 * sent to its stream after that would run outside any transaction, each statement committed by itself. So a transaction in
 * which anything failed that may have ended it is over here, too, and one in which a statement was refused is looked at
 * before it goes on.
 */
import { inspect, type Result } from "./Connection.js"
import { codeOf, DriverError } from "./DriverError.js"
import { leavesTransaction, remoteError } from "./remoteError.js"
import { execute, type Interactive, sendable } from "./remoteStatement.js"
import { BatchFailure, type Statement, type TransactionTarget } from "./SqlClient.js"

/** Runs `use` in a transaction of its own, again and again while the server is busy. */
type Opening = <A>(use: (interactive: Interactive) => Promise<A>) => Promise<A>

export class RemoteTransaction implements TransactionTarget {
  private interactive: Interactive | undefined
  private over = false
  /** Why the server has taken the transaction back, or may have. */
  private lost: DriverError | undefined
  /** A statement was refused: some refusals take the transaction with them. */
  private suspect = false
  private wrote = false
  /** What waits for an answer. */
  private underWay: Interactive | undefined
  /** Ends with what was asked last. One thing at a time: whoever was interrupted leaves behind what he had asked for. */
  private last: Promise<unknown> = Promise.resolve()

  constructor(private readonly open: Opening, private readonly onCommit: () => void) {}

  async run(sql: string, values: ReadonlyArray<unknown>): Promise<Result> {
    const { kind, single } = inspect(sql)
    if (!single || kind === "boundary" || kind === "alone") {
      throw new DriverError("SEALANT_STATEMENT", "a transaction takes one statement at a time, and none that ends it or cannot run in it")
    }
    const statement = sendable(sql, values)
    // A move to a savepoint fails where there is no transaction. To make one begins one there.
    const proves = kind === "savepoint" && !/^\s*SAVEPOINT/i.test(sql)
    const result = await this.use((interactive) => execute(interactive, statement), proves)
    if (result.rowsAffected > 0) this.wrote = true
    return result
  }

  /** All statements in one request, each only if the one before it succeeded. */
  async runAll(statements: ReadonlyArray<Statement>): Promise<void> {
    const batch = statements.map(({ sql, values }) => sendable(sql, values))
    let index = 0
    try {
      await this.use(async (interactive) => {
        try {
          await interactive.batch(batch)
        } catch (error) {
          index = indexOf(error)
          throw remoteError(error)
        }
      })
    } catch (error) {
      throw new BatchFailure(index, error)
    }
    this.wrote = true
  }

  async commit(): Promise<void> {
    await this.last
    await this.look()
    const { interactive } = this
    this.over = true
    if (interactive === undefined) return
    try {
      await interactive.commit()
    } catch (error) {
      throw remoteError(error)
    } finally {
      interactive.close()
    }
    if (this.wrote) this.onCommit()
  }

  async rollback(): Promise<void> {
    this.over = true
    const { interactive } = this
    // One that never began, or is lost, has nothing to take back. Closing the stream takes it back, too, as soon as what
    // is under way there has come to its end; who was interrupted does not wait for that.
    if (this.underWay !== undefined) this.underWay.close()
    else if (this.lost === undefined) await interactive?.rollback()
  }

  /** Runs something in the transaction, which begins with it if it has not begun. */
  private use<A>(send: (interactive: Interactive) => Promise<A>, proves = false): Promise<A> {
    const answer = this.last.then(() => this.useNow(send, proves))
    this.last = answer.catch(() => undefined)
    return answer
  }

  private async useNow<A>(send: (interactive: Interactive) => Promise<A>, proves: boolean): Promise<A> {
    if (proves) this.suspect = false
    await this.look()
    const { interactive } = this
    if (interactive === undefined) return this.begin(send)
    this.underWay = interactive
    try {
      return await send(interactive)
    } catch (error) {
      throw this.afterFailure(interactive, error, proves)
    } finally {
      this.underWay = undefined
    }
  }

  private async begin<A>(send: (interactive: Interactive) => Promise<A>): Promise<A> {
    try {
      return await this.open(async (interactive) => {
        try {
          this.refuseWhenOver()
          this.underWay = interactive
          const answer = await send(interactive)
          this.interactive = interactive
          return answer
        } catch (error) {
          // One that did not begin has closed itself.
          if (!interactive.closed && error instanceof DriverError && leavesTransaction(error)) this.interactive = interactive
          else interactive.close()
          throw error
        } finally {
          this.underWay = undefined
        }
      })
    } catch (error) {
      if (this.interactive !== undefined) throw this.afterFailure(this.interactive, error)
      this.lost = remoteError(error)
      throw this.lost
    }
  }

  private afterFailure(interactive: Interactive, error: unknown, proves = false): DriverError {
    const told = remoteError(error)
    if (!proves && leavesTransaction(told)) this.suspect = true
    else this.lose(interactive, told)
    return told
  }

  private lose(interactive: Interactive, error: DriverError): void {
    this.lost = error
    // Tells the server to drop what is left of the stream.
    interactive.close()
  }

  /** After a refusal: is there still a transaction? In one, none can begin. */
  private async look(): Promise<void> {
    this.refuseWhenOver()
    const { interactive, suspect } = this
    if (interactive === undefined || !suspect) return
    this.suspect = false
    try {
      await interactive.execute("BEGIN")
    } catch (error) {
      const told = remoteError(error)
      if (told.code === "SQLITE_ERROR") return
      this.lose(interactive, told)
      throw told
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

const indexOf = (error: unknown): number =>
  codeOf(error) !== "" && error instanceof Error && "statementIndex" in error && typeof error.statementIndex === "number"
    ? error.statementIndex
    : 0
