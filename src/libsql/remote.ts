/**
 * The client of a libSQL server, over HTTP. Values and errors are those of the local client.
 *
 * - Reads and writes have streams of their own, so reads do not wait for writes.
 * - Writes wait in a queue (`RemoteQueue.ts`), and so do transactions.
 * - A transaction begins with its first statement. A server ends an interactive transaction after a few seconds.
 *   Beginning it late keeps it short, and reports a failure to begin to the first statement, for which a caller waits.
 *
 * A request that may have been executed is not sent again. Only these are retried:
 * - a request that the server refused because the lock was held, or because it was too busy (status 429 or 503);
 * - a read outside a transaction whose answer was lost, once.
 */
import { monotonicMs, pause } from "./backoff.js"
import { isBatchFailure } from "./BatchFailure.js"
import { Changes, unobservable } from "./Changes.js"
import { inspect, requireInTransaction } from "./inspect.js"
import type { Result } from "./prepared.js"
import { DriverError, isBusy } from "./DriverError.js"
import { busyWaits } from "./metrics.js"
import { type AuthToken, connect, type Observer } from "./remoteConnect.js"
import { isTurnedAway, isUnanswered, remoteError } from "./remoteError.js"
import { RemoteQueue } from "./RemoteQueue.js"
import { RemoteReads } from "./RemoteReads.js"
import { sendable, type Sendable } from "./remoteStatement.js"
import { RemoteStreams } from "./RemoteStreams.js"
import { RemoteTransaction } from "./RemoteTransaction.js"
import { Replica } from "./Replica.js"
import { ReplicationIndex } from "./ReplicationIndex.js"
import type { Driver } from "./SqlClient.js"
import { clearTimeout, setTimeout } from "./timers.js"

export type { AuthToken } from "./remoteConnect.js"

export interface RemoteOptions {
  readonly url: string
  readonly authToken?: AuthToken | undefined
  /**
   * The time for which a statement, or the beginning of a transaction, is retried while the server reports that the
   * lock is held, in milliseconds.
   */
  readonly busyTimeoutMs: number
  /** The time after which the answer to a request counts as lost, in milliseconds. Default 30,000. */
  readonly requestTimeoutMs?: number
  /** The path of a file with a copy of the database, for reads. */
  readonly replica?: string | undefined
  /** Receives the reason when the replica cannot be updated, and `undefined` when it can be again. */
  readonly onReplicaHealth?: (problem: string | undefined) => void
}

// Longer than any wait for a lock on a server, and short enough for a program that has to stop.
const defaultRequestTimeoutMs = 30_000

const longestPauseMs = 100

// A server accepts 128 streams of all its clients at once.
const maxReadStreams = 16

/**
 * Creates a driver for the server at `url`. Throws `SEALANT_URL` if the URL is invalid, and `SEALANT_REPLICA` if the path
 * of the replica is.
 */
export const openRemote = ({
  authToken,
  busyTimeoutMs,
  onReplicaHealth = () => undefined,
  replica: path,
  requestTimeoutMs = defaultRequestTimeoutMs,
  url
}: RemoteOptions): Driver => {
  const position = new ReplicationIndex(() => replica?.want())
  const writes: Observer = { answered: (index) => position.wrote(index), lost: () => position.lostWrite() }
  const connection = connect({ url, authToken, requestTimeoutMs, transactions: writes })
  const { client } = connection
  const changes = new Changes(path === undefined ? unobservable : { ...unobservable, version: () => replicaVersion() })
  const committed = () => changes.committed()
  const readStreams = new RemoteStreams(() => connection.openStream(), maxReadStreams)
  const reads = new RemoteReads(readStreams, position)
  const explain = (error: DriverError) => explainTimeout(readStreams, requestTimeoutMs, error)
  const queue = new RemoteQueue(new RemoteStreams(() => connection.openStream(writes), 1), busyTimeoutMs, explain)
  const run = async (sql: string, values: ReadonlyArray<unknown>, onPrimary: boolean): Promise<Result> => {
    const { kind } = inspect(sql)
    if (kind === "boundary" || kind === "savepoint") {
      throw new DriverError("SEALANT_STATEMENT", "transactions are opened with transaction(), not by statement")
    }
    const statement = sendable(sql, values)
    if (kind === "write") {
      const result = await write(queue, statement)
      if (result.rowsAffected > 0) committed()
      return result
    }
    const read = () =>
      kind === "read" ? (onPrimary ? reads.readOnPrimary(statement) : reads.read(statement)) : reads.other(statement)
    return whenNotBusy(busyTimeoutMs, read)
  }
  const { baseUrl, token } = connection
  const onChange = () => changes.committed()
  const replica =
    path === undefined
      ? undefined
      : new Replica({ path, url: baseUrl, token, position, requestTimeoutMs, onChange, onHealth: onReplicaHealth })
  // While the replica is updated, its changes are reported. Otherwise changes of others cannot be observed.
  const replicaVersion = () => (replica?.isReady === true ? "" : unobservable.version())
  const close = client.close.bind(client)
  client.close = () => {
    queue.close()
    replica?.close()
    connection.closeStreams()
    close()
  }
  return {
    client,
    changes,
    place: { kind: "server" },
    run: (sql, values, reads = "all") => {
      if (replica === undefined || !isFromFile(sql)) return run(sql, values, false)
      return (
        replica.read(sql, values, reads) ??
        run(sql, values, false).catch((error: unknown) => {
          const result =
            error instanceof DriverError && isUnanswered(error) ? replica.readInstead(sql, values, reads) : undefined
          if (result === undefined) throw error
          return result
        })
      )
    },
    primary: { run: (sql, values) => run(sql, values, true) },
    writeAll: async (statements) => {
      for (const { sql } of statements) requireInTransaction(sql)
      const results = await queue.write(statements.map(({ sql, values }) => sendable(sql, values)))
      if (results.some(({ rowsAffected }) => rowsAffected > 0)) committed()
      return results
    },
    begin: () =>
      new RemoteTransaction(
        () => queue.turn(),
        (use) =>
          whenNotBusy(busyTimeoutMs, async () => {
            try {
              return await use(await client.transaction("write"))
            } catch (error) {
              throw await explain(remoteError(error))
            }
          }),
        committed
      )
  }
}

/** Returns whether a replica may answer a statement. Other statements, such as checks, concern the server. */
const isFromFile = (sql: string): boolean => inspect(sql).kind === "read" && /^\s*(SELECT|WITH|VALUES)\b/i.test(sql)

const write = async (queue: RemoteQueue, statement: Sendable): Promise<Result> => {
  try {
    const [result] = await queue.write([statement])
    if (result === undefined) throw new DriverError("HRANA_UNANSWERED", "the server returned no result")
    return result
  } catch (error) {
    throw isBatchFailure(error) ? error.cause : error
  }
}

// A read on a server that is not stalled takes some milliseconds.
const longestProbeMs = 5000

/** Checks after a write without an answer whether the server still answers reads: it has then stopped its writes. */
const explainTimeout = async (
  streams: RemoteStreams,
  requestTimeoutMs: number,
  error: DriverError
): Promise<DriverError> => {
  if (error.code !== "HRANA_TIMEOUT") return error
  const probe = streams
    .use((stream) => stream.query("SELECT 1"))
    .then(
      () => true,
      () => false
    )
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), longestProbeMs)
  })
  const answersReads = await Promise.race([probe, late])
  clearTimeout(timer)
  if (!answersReads) return error
  return new DriverError(
    "HRANA_WRITES_STALLED",
    `the server answers reads, but has not answered a write for ${requestTimeoutMs} ms: restart the server if this does not end`
  )
}

const whenNotBusy = async <A>(busyTimeoutMs: number, use: () => Promise<A>): Promise<A> => {
  const until = monotonicMs() + busyTimeoutMs
  for (let attempt = 0; ; attempt++) {
    try {
      return await use()
    } catch (error) {
      const isRefused = error instanceof DriverError && (isBusy(error) || isTurnedAway(error))
      if (!isRefused || monotonicMs() >= until) throw error
      busyWaits.unsafeUpdate(1, [])
      await pause(attempt, longestPauseMs)
    }
  }
}
