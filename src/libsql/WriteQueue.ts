/**
 * The order in which writes reach the one writing connection.
 *
 * Statements that wait together share a transaction and so one fsync: each turn takes the write lock, runs what
 * waits, commits, and only then answers. A transaction that a caller holds takes its turn like a statement and keeps
 * the connection until it ends.
 */
import { monotonicMs, pause } from "./backoff.js"
import type { Connection, Result } from "./Connection.js"
import { busyWaits, commitBatchSize, transactionMillis } from "./metrics.js"
import type { Later } from "./SqlClient.js"
import { codeOf, DriverError, isBusy } from "./DriverError.js"
import { setImmediate } from "./timers.js"

interface Waiting {
  /** When the lock was first refused while this entry waited: the busy timeout counts from there. */
  blockedSince: number | undefined
  /** Set once a shared transaction failed with it: it gets one of its own, so that only the one at fault fails. */
  apart: boolean
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
  statement(sql: string, args: ReadonlyArray<unknown>): Later<Result> {
    return (succeed, fail) => this.add({ type: "statement", sql, args, succeed, fail, blockedSince: undefined, apart: false })
  }

  /** Runs a statement outside any transaction, when its turn comes. */
  alone(sql: string, args: ReadonlyArray<unknown>): Later<Result> {
    return (succeed, fail) => this.add({ type: "alone", sql, args, succeed, fail, blockedSince: undefined, apart: false })
  }

  /**
   * Waits for the write lock. `grant` is called inside `BEGIN IMMEDIATE`, with the function that gives the connection
   * back. Returns how to stop waiting, which does nothing once the lock was granted.
   */
  transaction(grant: (release: () => void) => void, fail: (error: unknown) => void): () => void {
    const entry: WaitingTransaction = {
      type: "transaction",
      blockedSince: undefined,
      apart: false,
      fail,
      hold: () => new Promise((release) => grant(release))
    }
    this.add(entry)
    return () => {
      const index = this.entries.indexOf(entry)
      if (index >= 0) this.entries.splice(index, 1)
    }
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
    if (this.closed) return entry.fail(closedError())
    this.entries.push(entry)
    if (this.draining) return
    this.draining = true
    this.idle = this.drain()
  }

  private async drain(): Promise<void> {
    // Callers that run now add their statements to the same turn.
    await nextTurn()
    let refusals = 0
    for (let first = this.entries[0]; first !== undefined; first = this.entries[0]) {
      if (await this.turn(first)) {
        refusals = 0
        await nextTurn()
      } else {
        busyWaits.unsafeUpdate(1, [])
        this.failExpired(first)
        if (this.entries.length > 0) await pause(refusals++)
      }
    }
    this.draining = false
  }

  /** Serves `first`, and with it the statements that may share its transaction. False when another holds the lock. */
  private async turn(first: Entry): Promise<boolean> {
    try {
      if (first.type === "alone") {
        const result = this.connection.run(first.sql, first.args)
        this.connection.confirm()
        first.succeed(result)
        this.entries.shift()
        return true
      }
      this.connection.exec("BEGIN IMMEDIATE")
    } catch (error) {
      if (isBusy(error)) return false
      rollback(this.connection)
      for (const entry of this.entries.splice(0, first.type === "alone" ? 1 : Infinity)) entry.fail(error)
      return true
    }
    const begun = monotonicMs()
    if (first.type !== "transaction") {
      const done = this.commitTogether()
      transactionMillis.unsafeUpdate(monotonicMs() - begun, [])
      return done
    }
    this.entries.shift()
    await first.hold()
    transactionMillis.unsafeUpdate(monotonicMs() - begun, [])
    // Its owner has ended the transaction; this is for the one who forgot to.
    rollback(this.connection)
    return true
  }

  /** Fails those who have waited for the lock too long. What runs alone may need more than the lock: it waits alone. */
  private failExpired(first: Entry): void {
    const now = monotonicMs()
    const blocked = first.type === "alone" ? [first] : this.entries
    for (const entry of blocked) entry.blockedSince ??= now
    const isExpired = ({ blockedSince = now }: Entry) => now - blockedSince >= this.busyTimeoutMs
    const expired = blocked.filter(isExpired)
    if (expired.length === 0) return
    this.entries = this.entries.filter((entry) => !expired.includes(entry))
    for (const entry of expired) entry.fail(busyError(this.busyTimeoutMs))
  }

  /** Inside the write lock: runs what waits, commits it, and only then answers. */
  private commitTogether(): boolean {
    const answers: Array<() => void> = []
    const until = monotonicMs() + turnMs
    while (answers.length < turnStatements && (answers.length === 0 || monotonicMs() < until)) {
      const entry = this.entries[answers.length]
      if (entry?.type !== "statement" || (entry.apart && answers.length > 0)) break
      try {
        const result = this.connection.run(entry.sql, entry.args)
        answers.push(() => entry.succeed(result))
      } catch (error) {
        answers.push(() => entry.fail(error))
        // The engine may take the whole transaction back with it: a full disk, an I/O error, RAISE(ROLLBACK).
        if (!this.connection.inTransaction) return this.afterLosing(answers.length, error)
      }
      if (entry.apart) break
    }
    try {
      this.connection.commit()
    } catch (error) {
      rollback(this.connection)
      return this.afterLosing(answers.length, error)
    }
    this.entries.splice(0, answers.length)
    commitBatchSize.unsafeUpdate(answers.length, [])
    for (const answer of answers) answer()
    return true
  }

  /** Nothing of a turn was stored, and nobody was answered. */
  private afterLosing(count: number, error: unknown): boolean {
    // The statements stay where they are, and run again. A connection that was busy is closed by now.
    if (isBusy(error)) return false
    if (count > 1 && codeOf(error).startsWith("SQLITE_CONSTRAINT")) {
      // A constraint is broken by one statement, and the others have no part in it.
      for (const entry of this.entries.slice(0, count)) entry.apart = true
    } else {
      for (const entry of this.entries.splice(0, count)) entry.fail(error)
    }
    return true
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

export const closedError = (): DriverError => new DriverError("SEALANT_CLOSED", "the database is closed")

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))
