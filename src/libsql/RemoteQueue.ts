/**
 * The queue of writes to a libSQL server. At most one write transaction of this process is in flight.
 *
 * With many writers, the server's own queue of the write lock stops for good (measured with 32 writers of 80 KB). So
 * writes wait here, and those that wait at the same time travel as one request with one commit. A transaction of a
 * caller takes its turn like a write.
 *
 * An entry is a list of statements that is stored completely or not at all. In a shared transaction each entry is a
 * savepoint, so an entry fails alone. RELEASE fails if a statement ended the transaction, and the steps after it then
 * do not run: outside the transaction, the server would commit each of them by itself.
 *
 * A request that may have been executed is not sent again.
 */
import {
  type Batch,
  BatchCond,
  type BatchStep,
  type HttpStream,
  type RowsResult,
  type Stmt
} from "@libsql/hrana-client"
import { monotonicMs, pause } from "./backoff.js"
import { BatchFailure } from "./BatchFailure.js"
import type { Result } from "./prepared.js"
import { DriverError, isBusy } from "./DriverError.js"
import { busyWaits, commitBatchSize, transactionMillis } from "./metrics.js"
import { isParseError, isTurnedAway, remoteError } from "./remoteError.js"
import { resultOf, type Sendable, sizeOf, toStmt } from "./remoteStatement.js"
import type { RemoteStreams } from "./RemoteStreams.js"
import { setImmediate } from "./timers.js"
import { busyError, closedError } from "./WriteQueue.js"

interface Waiting {
  /** The time at which the server first refused while this entry waited. The busy timeout counts from there. */
  blockedSince: number | undefined
  /** Set after a shared transaction failed because of one entry: the entry gets a request of its own. */
  isolated: boolean
  readonly fail: (error: unknown) => void
}

interface Write extends Waiting {
  readonly type: "write"
  readonly statements: ReadonlyArray<Sendable>
  readonly bytes: number
  readonly succeed: (results: ReadonlyArray<Result>) => void
}

interface Turn extends Waiting {
  readonly type: "turn"
  /** Takes the turn. The queue continues when the promise settles. */
  readonly hold: () => Promise<void>
}

type Entry = Write | Turn

/** The outcome of a request for its entries. `refused`: nothing was stored, and the server may accept it later. */
type Outcome = "done" | { readonly refused: DriverError }

// A request of this size takes the server some milliseconds. Answers are limited to 10 MB.
const requestStatements = 128
const requestBytes = 1_000_000

const longestPauseMs = 100

export class RemoteQueue {
  private entries: Array<Entry> = []
  private draining = false
  private closed = false

  constructor(
    private readonly streams: RemoteStreams,
    private readonly busyTimeoutMs: number,
    /** Finds the reason of a failed request. */
    private readonly explain: (error: DriverError) => Promise<DriverError>
  ) {}

  /**
   * Stores the statements completely or not at all, and returns their results after the commit. Rejects with a
   * `BatchFailure`, which contains the position of the failed statement.
   */
  write(statements: ReadonlyArray<Sendable>): Promise<ReadonlyArray<Result>> {
    return new Promise((succeed, fail) => {
      const bytes = statements.reduce((total, statement) => total + sizeOf(statement), 0)
      this.add({ type: "write", statements, bytes, succeed, fail, blockedSince: undefined, isolated: false })
    })
  }

  /** Waits for the turn of a transaction. Returns a function that ends the turn. */
  turn(): Promise<() => void> {
    return new Promise((grant, fail) => {
      const hold = () => new Promise<void>((release) => grant(() => release()))
      this.add({ type: "turn", hold, fail, blockedSince: undefined, isolated: false })
    })
  }

  /** Refuses new entries, and fails those that wait. */
  close(): void {
    this.closed = true
    for (const entry of this.entries.splice(this.draining ? 1 : 0)) entry.fail(closedError())
  }

  private add(entry: Entry): void {
    if (this.closed) return entry.fail(closedError())
    this.entries.push(entry)
    if (this.draining) return
    this.draining = true
    void this.drain()
  }

  private async drain(): Promise<void> {
    // Callers that run meanwhile add their writes to the same request.
    await nextTurn()
    let refusals = 0
    for (let first = this.entries[0]; first !== undefined; first = this.entries[0]) {
      if (first.type === "turn") {
        this.entries.shift()
        await first.hold()
        continue
      }
      const batch = this.nextBatch()
      const begun = monotonicMs()
      const outcome = await this.send(batch)
      transactionMillis.unsafeUpdate(monotonicMs() - begun, [])
      if (outcome === "done") {
        refusals = 0
        continue
      }
      busyWaits.unsafeUpdate(1, [])
      this.failExpired(outcome.refused)
      if (this.entries.length > 0) await pause(refusals++, longestPauseMs)
    }
    this.draining = false
  }

  /** The writes at the front of the queue that share one request. */
  private nextBatch(): ReadonlyArray<Write> {
    const batch: Array<Write> = []
    let [statements, bytes] = [0, 0]
    for (const entry of this.entries) {
      if (entry.type !== "write") break
      statements += entry.statements.length
      bytes += entry.bytes
      const isFull = statements > requestStatements || bytes > requestBytes || entry.isolated
      if (batch.length > 0 && isFull) break
      batch.push(entry)
      if (entry.isolated) break
    }
    return batch
  }

  private remove(batch: ReadonlyArray<Entry>): void {
    this.entries = this.entries.filter((entry) => !batch.includes(entry))
  }

  private failAll(batch: ReadonlyArray<Write>, error: DriverError): Outcome {
    this.remove(batch)
    for (const entry of batch) entry.fail(new BatchFailure(0, error))
    return "done"
  }

  /** Handles a failure after which nothing is stored: the entries run again, each in a request of its own. */
  private isolate(batch: ReadonlyArray<Write>, error: DriverError): Outcome {
    if (batch.length === 1) return this.failAll(batch, error)
    for (const entry of batch) entry.isolated = true
    return "done"
  }

  private failExpired(error: DriverError): void {
    const now = monotonicMs()
    for (const entry of this.entries) entry.blockedSince ??= now
    const expired = this.entries.filter(({ blockedSince = now }) => now - blockedSince >= this.busyTimeoutMs)
    this.remove(expired)
    for (const entry of expired) entry.fail(new BatchFailure(0, isBusy(error) ? busyError(this.busyTimeoutMs) : error))
  }

  private async send(batch: ReadonlyArray<Write>): Promise<Outcome> {
    try {
      const { answer } = await this.streams.use((stream) => {
        const [write, ...others] = batch
        const [statement, ...further] = write?.statements ?? []
        // A single statement needs no BEGIN and COMMIT.
        return write !== undefined && statement !== undefined && others.length + further.length === 0
          ? this.sendSingle(stream, write, statement)
          : this.sendShared(stream, batch)
      })
      return answer
    } catch (error) {
      const driverError = await this.explain(remoteError(error))
      if (isBusy(driverError) || isTurnedAway(driverError)) return { refused: driverError }
      return isParseError(driverError) ? this.isolate(batch, driverError) : this.failAll(batch, driverError)
    }
  }

  private async sendSingle(stream: HttpStream, write: Write, statement: Sendable): Promise<Outcome> {
    const result = await stream.query(toStmt(statement))
    this.remove([write])
    commitBatchSize.unsafeUpdate(1, [])
    write.succeed([resultOf(result)])
    return "done"
  }

  /** Runs the entries in one transaction. Throws when the outcome is that of the whole request. */
  private async sendShared(stream: HttpStream, batch: ReadonlyArray<Write>): Promise<Outcome> {
    const request = new SharedRequest(stream, batch)
    try {
      await request.execute()
    } catch (error) {
      // An answer that is too large ends the request in the middle. If the transaction can still be rolled back, it was
      // not committed.
      if (stream.closed || isParseError(remoteError(error))) throw error
      const rolledBack = await stream.run("ROLLBACK").then(
        () => true,
        () => false
      )
      if (!rolledBack) throw error
      return this.isolate(batch, remoteError(error))
    }
    const outcome = await request.outcome()
    if ("error" in outcome) {
      const { entry, error, index } = outcome
      stream.close()
      if (isBusy(error)) return { refused: error }
      if (entry === undefined) return this.isolate(batch, error)
      // A statement of this entry has ended the transaction. Nothing of the others is stored, so they run again.
      this.remove([entry])
      entry.fail(new BatchFailure(index, error))
      return "done"
    }
    this.remove(batch)
    commitBatchSize.unsafeUpdate(batch.length, [])
    for (const answer of outcome) answer()
    return "done"
  }
}

/** A step of a request. Its result is `undefined` if the condition of the step did not hold. */
interface Sent {
  readonly step: BatchStep
  readonly result: Promise<RowsResult | undefined>
}

interface SentEntry {
  readonly write: Write
  readonly savepoint: Sent
  readonly statements: ReadonlyArray<Sent>
  readonly release: Sent
}

/** The failure of a whole request, after which nothing of it is stored. */
interface Failure {
  readonly error: DriverError
  readonly index: number
  /** The entry at fault, if there is one. */
  readonly entry: Write | undefined
}

/** One request with several statements or entries: BEGIN, the entries, COMMIT. */
class SharedRequest {
  private readonly batch: Batch
  private readonly begin: Sent
  private readonly commit: Sent
  private readonly entries: ReadonlyArray<SentEntry>

  constructor(stream: HttpStream, writes: ReadonlyArray<Write>) {
    this.batch = stream.batch()
    this.begin = this.add("BEGIN IMMEDIATE")
    let last = this.begin
    this.entries = writes.map((write) => {
      const savepoint = this.add("SAVEPOINT entry", BatchCond.ok(last.step))
      let previous = savepoint
      const statements = write.statements.map((statement) => {
        previous = this.add(toStmt(statement), BatchCond.ok(previous.step))
        return previous
      })
      // A failed statement has undone itself; the statements before it have not.
      if (statements.length > 1) this.add("ROLLBACK TO entry", BatchCond.not(BatchCond.ok(previous.step)))
      last = this.add("RELEASE entry", BatchCond.ok(savepoint.step))
      return { write, savepoint, statements, release: last }
    })
    this.commit = this.add("COMMIT", BatchCond.ok(last.step))
    this.add("ROLLBACK", BatchCond.not(BatchCond.ok(this.commit.step)))
  }

  execute(): Promise<void> {
    return this.batch.execute()
  }

  /** Returns the calls that answer the entries after a commit, or the failure of the request. */
  async outcome(): Promise<ReadonlyArray<() => void> | Failure> {
    const begun = await this.begin.result.catch(remoteError)
    if (begun instanceof DriverError) return { error: begun, index: 0, entry: undefined }
    const answers: Array<() => void> = []
    for (const entry of this.entries) {
      const answer = await answerOf(entry)
      if (typeof answer !== "function") return answer
      answers.push(answer)
    }
    const committed = await this.commit.result.catch(remoteError)
    return committed instanceof DriverError ? { error: committed, index: 0, entry: undefined } : answers
  }

  private add(statement: string | Stmt, condition?: BatchCond): Sent {
    const step = this.batch.step()
    if (condition !== undefined) step.condition(condition)
    const result = step.query(statement)
    result.catch(() => undefined)
    return { step, result }
  }
}

const answerOf = async ({ release, savepoint, statements, write }: SentEntry): Promise<(() => void) | Failure> => {
  const results: Array<Result> = []
  let failure: Failure | undefined
  for (const [index, { result }] of [savepoint, ...statements].entries()) {
    const answer = await result.catch(remoteError)
    if (answer instanceof DriverError) failure ??= { error: answer, index: Math.max(index - 1, 0), entry: write }
    else if (answer !== undefined && index > 0) results.push(resultOf(answer))
  }
  const released = await release.result.catch(remoteError)
  // The savepoint does not exist: the transaction has ended with it.
  if (released instanceof DriverError) return failure ?? { error: released, index: 0, entry: undefined }
  if (failure === undefined) return () => write.succeed(results)
  const { error, index } = failure
  return () => write.fail(new BatchFailure(index, error))
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))
