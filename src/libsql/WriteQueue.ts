/**
 * The order in which writes reach the one writing connection.
 *
 * Statements that wait together share a transaction and so one fsync: each turn takes the write lock, runs what
 * waits, commits, and only then answers. A transaction that a caller holds takes its turn like a statement and keeps
 * the connection until it ends.
 */
import { monotonicMs, pause } from "./backoff.js"
import type { Connection, Result } from "./Connection.js"
import { codeOf, DriverError, isBusy } from "./DriverError.js"

interface Waiting {
  /** When the lock was first refused while this entry waited: the busy timeout counts from there. */
  blockedSince: number | undefined
  /** Takes the entry out of the queue with an error. */
  readonly fail: (error: unknown) => void
}

interface WaitingStatement extends Waiting {
  readonly type: "statement" | "alone"
  readonly sql: string
  readonly args: ReadonlyArray<unknown>
  readonly succeed: (result: Result) => void
}

interface WaitingTransaction extends Waiting {
  readonly type: "transaction"
  /** Gets the connection inside a transaction; the queue goes on when the promise ends. */
  readonly hold: () => Promise<void>
}

type Entry = WaitingStatement | WaitingTransaction

// One turn blocks the event loop: it ends after so many statements, or so many milliseconds, whichever is first.
const turnStatements = 1000
const turnMs = 8

export class WriteQueue {
  private entries: Array<Entry> = []
  private draining = false
  private closed = false
  private idle: Promise<void> = Promise.resolve()

  constructor(private readonly connection: Connection, private readonly busyTimeoutMs: number) {}

  /** Runs a statement in a transaction that it may share; answers after the commit. */
  statement(sql: string, args: ReadonlyArray<unknown>): Promise<Result> {
    return this.enqueue("statement", sql, args)
  }

  /** Runs a statement outside any transaction, when its turn comes. */
  alone(sql: string, args: ReadonlyArray<unknown>): Promise<Result> {
    return this.enqueue("alone", sql, args)
  }

  private enqueue(type: "statement" | "alone", sql: string, args: ReadonlyArray<unknown>): Promise<Result> {
    return new Promise((succeed, fail) => this.add({ type, sql, args, succeed, fail, blockedSince: undefined }))
  }

  /**
   * Waits for the write lock. Resolves with the function that gives the connection back; the caller is then inside
   * `BEGIN IMMEDIATE`. Stops waiting when `signal` aborts.
   */
  transaction(signal: AbortSignal): Promise<() => void> {
    return new Promise((succeed, fail) => {
      const entry: WaitingTransaction = {
        type: "transaction",
        blockedSince: undefined,
        fail,
        hold: () => new Promise((release) => succeed(release))
      }
      signal.addEventListener("abort", () => {
        const index = this.entries.indexOf(entry)
        if (index < 0) return
        this.entries.splice(index, 1)
        fail(new DriverError("SEALANT_TRANSACTION_OVER", "the transaction ended before its turn came"))
      }, { once: true })
      this.add(entry)
    })
  }

  /** Refuses what comes from now on, and resolves when what waits is done. */
  close(): Promise<void> {
    this.closed = true
    return this.idle
  }

  /** True while nothing waits and nobody holds the connection. */
  get isIdle(): boolean {
    return !this.draining
  }

  private add(entry: Entry): void {
    if (this.closed) {
      entry.fail(new DriverError("SEALANT_CLOSED", "the database is closed"))
      return
    }
    this.entries.push(entry)
    if (this.draining) return
    this.draining = true
    this.idle = this.drain()
  }

  private async drain(): Promise<void> {
    // Callers that run now add their statements to the same turn.
    await nextTurn()
    while (this.entries.length > 0) {
      const first = this.entries[0]
      if (first?.type === "alone") await this.runAlone(first)
      else if (await this.begin()) await this.turn()
      await nextTurn()
    }
    this.draining = false
  }

  /** Takes the write lock, or fails those who have waited for it too long. False when nobody wants it any more. */
  private async begin(): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      try {
        this.connection.exec("BEGIN IMMEDIATE")
        return true
      } catch (error) {
        if (!isBusy(error)) {
          for (const entry of this.entries.splice(0)) entry.fail(error)
          return false
        }
        this.failExpired()
      }
      if (this.entries.length === 0) return false
      await pause(attempt)
      if (this.entries.length === 0) return false
    }
  }

  private failExpired(): void {
    const now = monotonicMs()
    const waiting = this.entries
    this.entries = []
    for (const entry of waiting) {
      entry.blockedSince ??= now
      if (now - entry.blockedSince < this.busyTimeoutMs) this.entries.push(entry)
      else entry.fail(busyError(this.busyTimeoutMs))
    }
  }

  /** Inside the write lock: gives it to the transaction whose turn it is, or runs the statements that wait. */
  private async turn(): Promise<void> {
    const first = this.entries[0]
    if (first?.type === "transaction") {
      this.entries.shift()
      await first.hold()
      // Its owner has ended the transaction; this is for the one who forgot to.
      rollback(this.connection)
      return
    }
    this.commitTogether()
  }

  private commitTogether(): void {
    const done: Array<{ readonly entry: WaitingStatement; readonly result: Result }> = []
    const answers: Array<() => void> = []
    const until = monotonicMs() + turnMs
    let next = 0
    for (; next < Math.min(this.entries.length, turnStatements) && monotonicMs() < until; next++) {
      const entry = this.entries[next]
      if (entry?.type !== "statement") break
      try {
        done.push({ entry, result: this.connection.run(entry.sql, entry.args) })
      } catch (error) {
        if (isBusy(error)) {
          // Nothing was committed or answered, and the connection is replaced: all of it runs again.
          rollback(this.connection)
          return
        }
        if (!this.connection.inTransaction) {
          // The engine took the whole transaction back with it (a full disk, an I/O error, RAISE(ROLLBACK)).
          for (const lost of this.entries.splice(0, next + 1)) lost.fail(error)
          return
        }
        answers.push(() => entry.fail(error))
      }
    }
    const taken = this.entries.splice(0, next)
    try {
      this.connection.exec("COMMIT")
    } catch (error) {
      rollback(this.connection)
      if (!codeOf(error).startsWith("SQLITE_CONSTRAINT")) {
        for (const entry of taken) entry.fail(error)
        return
      }
      this.commitEach(done.map(({ entry }) => entry))
      done.length = 0
    }
    for (const { entry, result } of done) entry.succeed(result)
    for (const answer of answers) answer()
  }

  /** A deferred constraint failed at the shared commit: one statement is at fault, and the others are not. */
  private commitEach(entries: ReadonlyArray<WaitingStatement>): void {
    for (const entry of entries) {
      try {
        this.connection.exec("BEGIN IMMEDIATE")
        const result = this.connection.run(entry.sql, entry.args)
        this.connection.exec("COMMIT")
        entry.succeed(result)
      } catch (error) {
        rollback(this.connection)
        entry.fail(error)
      }
    }
  }

  private async runAlone(entry: WaitingStatement): Promise<void> {
    this.entries.shift()
    const until = monotonicMs() + this.busyTimeoutMs
    for (let attempt = 0; ; attempt++) {
      try {
        entry.succeed(this.connection.run(entry.sql, entry.args))
        return
      } catch (error) {
        if (!isBusy(error) || monotonicMs() >= until) {
          entry.fail(error)
          return
        }
      }
      await pause(attempt)
    }
  }
}

/** Ends a transaction that is not to be, if it is still there. */
export const rollback = (connection: Connection): void => {
  if (!connection.inTransaction) return
  try {
    connection.exec("ROLLBACK")
  } catch {
    // A connection that cannot roll back is of no use: closing it takes the transaction with it.
    connection.close()
  }
}

export const busyError = (busyTimeoutMs: number): DriverError =>
  new DriverError("SQLITE_BUSY", `another connection held the database lock for ${busyTimeoutMs} ms`)

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))
