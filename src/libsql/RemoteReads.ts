/**
 * Reads from a libSQL server, outside transactions.
 *
 * The server may be a replica, which may be behind its primary. An answer that is older than a write of this process is
 * discarded, and its read repeated on the primary.
 */
import type { HttpStream, RowsResult } from "@libsql/hrana-client"
import type { Result } from "./prepared.js"
import { DriverError } from "./DriverError.js"
import { isUnanswered } from "./remoteError.js"
import { resultOf, type Sendable, toStmt } from "./remoteStatement.js"
import type { RemoteStreams } from "./RemoteStreams.js"
import type { ReplicationIndex } from "./ReplicationIndex.js"

export class RemoteReads {
  constructor(
    private readonly streams: RemoteStreams,
    private readonly position: ReplicationIndex
  ) {}

  /** Runs a read. It is at least as new as the writes of this process that ended before. */
  async read(statement: Sendable): Promise<Result> {
    const isCurrent = this.position.begin()
    const { answer, index } = await repeated(() => this.streams.use((stream) => stream.query(toStmt(statement))))
    if (isCurrent(index)) {
      this.position.read(index)
      return resultOf(answer)
    }
    const result = await this.readOnPrimary(statement)
    this.position.discarded(index)
    return result
  }

  /** Runs a read on the primary, whichever server receives it. */
  async readOnPrimary(statement: Sendable): Promise<Result> {
    const { writes } = this.position
    const { answer, index } = await repeated(() => this.streams.use((stream) => queryInTransaction(stream, statement)))
    this.position.readOnPrimary(index, writes)
    return resultOf(answer)
  }

  /** Runs a statement that is neither a read nor a write, such as a PRAGMA. It is not repeated. */
  async other(statement: Sendable): Promise<Result> {
    return resultOf((await this.streams.use((stream) => stream.query(toStmt(statement)))).answer)
  }
}

/** Sends a read, and once more when its answer is lost: the server may have closed a kept connection meanwhile. */
const repeated = async <A>(send: () => Promise<A>): Promise<A> => {
  try {
    return await send()
  } catch (error) {
    if (!(error instanceof DriverError && isUnanswered(error))) throw error
    return send()
  }
}

/**
 * Runs a statement in a transaction, in one request. A replica passes the statements of a transaction on to its primary.
 * A transaction that only reads takes no lock.
 */
const queryInTransaction = async (stream: HttpStream, statement: Sendable): Promise<RowsResult> => {
  const [begun, answer, ended] = await Promise.allSettled([
    stream.run("BEGIN"),
    stream.query(toStmt(statement)),
    stream.run("ROLLBACK")
  ])
  if (begun.status === "rejected") throw begun.reason
  if (answer.status === "rejected") throw answer.reason
  if (ended.status === "rejected") throw ended.reason
  return answer.value
}
