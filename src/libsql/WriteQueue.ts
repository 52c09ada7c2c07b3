/**
 * The queue of writes to the one writing connection.
 *
 * Statements that wait at the same time share a transaction, and so one fsync. Each turn takes the write lock, runs
 * the waiting statements, commits, and only then answers. A transaction of a caller takes its turn like a statement,
 * and keeps the connection until it ends.
 */
import { monotonicMs, pause } from "./backoff.js"
import { BatchFailure, isBatchFailure } from "./BatchFailure.js"
import type { Connection } from "./Connection.js"
import type { Reads, Result } from "./prepared.js"
import { busyWaits, commitBatchSize, transactionMillis } from "./metrics.js"
import type { Statement } from "./registry.js"
import type { Later } from "./SqlClient.js"
import { codeOf, DriverError, isBusy } from "./DriverError.js"
import { setImmediate } from "./timers.js"

interface Waiting {
  /** The time at which the lock was first refused while this entry waited. The busy timeout counts from there. */
  blockedSince: number | undefined
  /**
   * Set after a shared transaction failed with this entry. The entry then gets a transaction of its own, so that only
   * the statement at fault fails.
   */
  isolated: boolean
  readonly fail: (error: unknown) => void
}

interface WaitingStatement extends Waiting {
  readonly type: "statement" | "alone"
  readonly sql: string
  readonly args: ReadonlyArray<unknown>
  readonly reads: Reads
  readonly succeed: (result: Result) => void
}

interface WaitingBatch extends Waiting {
  readonly type: "batch"
  readonly statements: ReadonlyArray<Statement>
  readonly succeed: (results: ReadonlyArray<Result>) => void
}

interface WaitingTransaction extends Waiting {
  readonly type: "transaction"
  /** Takes the connection inside a transaction. The queue continues when the promise settles. */
  readonly hold: () => Promise<void>
}

type Entry = WaitingStatement | WaitingBatch | WaitingTransaction

// A turn blocks the event loop, so it ends after this many statements or milliseconds, whichever comes first.
const turnStatements = 1000
const turnMs = 8

// A prepared statement that is refused the lock costs its connection, so it is not tried where others hold the lock.
const quietMs = 10_000

export class WriteQueue {
  private entries: Array<Entry> = []
  private draining = false
  private closed = false
  private idle: Promise<void> = Promise.resolve()
  /** The time of the last turn that was refused the lock. */
  private refusedAt = -Infinity

  constructor(
    private readonly connection: Connection,
    private readonly busyTimeoutMs: number
  ) {}

  /** Runs a statement in a transaction that it may share. Answers after the commit. */
  statement(sql: string, args: ReadonlyArray<unknown>, reads: Reads = "all"): Later<Result> {
    return (succeed, fail) =>
      this.add({ type: "statement", sql, args, reads, succeed, fail, blockedSince: undefined, isolated: false })
  }

  /**
   * Runs statements in a transaction that they may share: all of them take effect, or none. Answers after the commit.
   * Fails with `BatchFailure` if a statement fails.
   */
  batch(statements: ReadonlyArray<Statement>): Later<ReadonlyArray<Result>> {
    return (succeed, fail) =>
      this.add({ type: "batch", statements, succeed, fail, blockedSince: undefined, isolated: false })
  }

  /** Runs a statement outside any transaction, when its turn comes. */
  alone(sql: string, args: ReadonlyArray<unknown>): Later<Result> {
    return (succeed, fail) =>
      this.add({ type: "alone", sql, args, reads: "all", succeed, fail, blockedSince: undefined, isolated: false })
  }

  /**
   * Waits for the write lock. Calls `grant` inside `BEGIN IMMEDIATE`, with a function that releases the connection.
   * Returns a function that cancels the wait, and has no effect after the lock was granted.
   */
  transaction(grant: (release: () => void) => void, fail: (error: unknown) => void): () => void {
    const entry: WaitingTransaction = {
      type: "transaction",
      blockedSince: undefined,
      isolated: false,
      fail,
      hold: () => new Promise((release) => grant(release))
    }
    this.add(entry)
    return () => {
      const index = this.entries.indexOf(entry)
      if (index >= 0) this.entries.splice(index, 1)
    }
  }

  /** Refuses new entries, and resolves when all waiting entries are done. */
  close(): Promise<void> {
    this.closed = true
    return this.idle
  }

  /** True while the queue is empty and the connection is free. */
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
    // Callers that run meanwhile add their statements to the same turn.
    await nextTurn()
    let refusals = 0
    for (let first = this.entries[0]; first !== undefined; first = this.entries[0]) {
      if (await this.turn(first)) {
        refusals = 0
        await nextTurn()
      } else {
        busyWaits.unsafeUpdate(1, [])
        this.refusedAt = monotonicMs()
        this.failExpired(first)
        if (this.entries.length > 0) await pause(refusals++)
      }
    }
    this.draining = false
  }

  /**
   * Serves `first`, and the statements that may share its transaction. Returns false when another connection holds
   * the lock.
   */
  private async turn(first: Entry): Promise<boolean> {
    try {
      if (first.type === "alone") {
        const result = this.connection.run(first.sql, first.args)
        this.connection.confirm()
        first.succeed(result)
        this.entries.shift()
        return true
      }
      if (first.type === "statement" && this.entries.length === 1 && monotonicMs() - this.refusedAt >= quietMs) {
        return this.commitAlone(first)
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
    // Rolls back when the owner released the connection without ending the transaction.
    rollback(this.connection)
    return true
  }

  /**
   * Fails the entries that have waited too long for the lock. A statement that runs alone may need more than the
   * lock, so only its own wait counts.
   */
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

  /**
   * Runs the only waiting statement, which commits itself: two statements fewer. When another connection holds the
   * lock, the connection has closed itself, and the next turn begins a transaction.
   */
  private commitAlone(entry: WaitingStatement): boolean {
    const begun = monotonicMs()
    let answer: () => void
    try {
      const result = this.connection.runAndCommit(entry.sql, entry.args, entry.reads)
      answer = () => entry.succeed(result)
    } catch (error) {
      if (isBusy(error)) return false
      answer = () => entry.fail(error)
    }
    transactionMillis.unsafeUpdate(monotonicMs() - begun, [])
    commitBatchSize.unsafeUpdate(1, [])
    this.entries.shift()
    answer()
    return true
  }

  /** Runs the waiting statements inside the write lock, commits, and only then answers. */
  private commitTogether(): boolean {
    const answers: Array<() => void> = []
    const until = monotonicMs() + turnMs
    while (answers.length < turnStatements && (answers.length === 0 || monotonicMs() < until)) {
      const entry = this.entries[answers.length]
      if (entry === undefined || !mayShare(entry) || (entry.isolated && answers.length > 0)) break
      try {
        answers.push(this.run(entry))
      } catch (error) {
        answers.push(() => entry.fail(error))
        // The engine rolls back the whole transaction for some errors: a full disk, an I/O error, RAISE(ROLLBACK).
        if (!this.connection.inTransaction) return this.afterRollback(answers.length, error)
      }
      if (entry.isolated) break
    }
    try {
      this.connection.commit()
    } catch (error) {
      rollback(this.connection)
      return this.afterRollback(answers.length, error)
    }
    this.entries.splice(0, answers.length)
    commitBatchSize.unsafeUpdate(answers.length, [])
    for (const answer of answers) answer()
    return true
  }

  /** Runs an entry, and returns its answer. */
  private run(entry: Shareable): () => void {
    if (entry.type === "batch") {
      const results = runBatch(this.connection, entry.statements)
      return () => entry.succeed(results)
    }
    const result = this.connection.run(entry.sql, entry.args, entry.reads)
    return () => entry.succeed(result)
  }

  /** Handles a turn that was rolled back: nothing was stored, and no caller was answered. */
  private afterRollback(count: number, error: unknown): boolean {
    // The statements stay in the queue, and run again. A busy connection has closed itself by now.
    const cause = isBatchFailure(error) ? error.cause : error
    if (isBusy(cause)) return false
    if (count > 1 && codeOf(cause).startsWith("SQLITE_CONSTRAINT")) {
      // One statement violated the constraint, and the others must not fail with it.
      for (const entry of this.entries.slice(0, count)) entry.isolated = true
    } else {
      for (const entry of this.entries.splice(0, count)) entry.fail(error)
    }
    return true
  }
}

/** An entry that may share a transaction. */
type Shareable = (WaitingStatement & { readonly type: "statement" }) | WaitingBatch

const mayShare = (entry: Entry): entry is Shareable => entry.type === "statement" || entry.type === "batch"

/** Runs statements in the open transaction: all of them, or none. Throws `BatchFailure`. */
export const runBatch = (connection: Connection, statements: ReadonlyArray<Statement>): ReadonlyArray<Result> => {
  connection.run("SAVEPOINT batch", [])
  const results: Array<Result> = []
  try {
    for (const { firstOnly, sql, values } of statements)
      results.push(connection.run(sql, values, firstOnly ? "first" : "all"))
  } catch (error) {
    if (connection.inTransaction) {
      connection.exec("ROLLBACK TO batch")
      connection.exec("RELEASE batch")
    }
    throw new BatchFailure(results.length, error)
  }
  connection.run("RELEASE batch", [])
  return results
}

/** Rolls back the open transaction, if there is one. */
export const rollback = (connection: Connection): void => {
  if (!connection.inTransaction) return
  try {
    connection.exec("ROLLBACK")
  } catch {
    // When the rollback fails, closing the connection ends the transaction.
    connection.close()
  }
}

export const busyError = (busyTimeoutMs: number): DriverError =>
  new DriverError("SQLITE_BUSY", `another connection held the database lock for ${busyTimeoutMs} ms`)

export const closedError = (): DriverError => new DriverError("SEALANT_CLOSED", "the database is closed")

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))
