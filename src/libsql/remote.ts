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
import { createClient } from "@libsql/client/http"
import { expandConfig } from "@libsql/core/config"
import { encodeBaseUrl } from "@libsql/core/uri"
import { type HttpClient, openHttp } from "@libsql/hrana-client"
import { Effect, Exit, Redacted } from "effect"
import { monotonicMs, pause } from "./backoff.js"
import { isBatchFailure } from "./BatchFailure.js"
import { Changes, unobservable } from "./Changes.js"
import { inspect, requireInTransaction, type Result } from "./Connection.js"
import { codeOf, DriverError, isBusy } from "./DriverError.js"
import { busyWaits } from "./metrics.js"
import { isTurnedAway, isUnanswered, remoteError } from "./remoteError.js"
import { RemoteQueue } from "./RemoteQueue.js"
import { resultOf, sendable, type Sendable, toStmt } from "./remoteStatement.js"
import { RemoteStreams } from "./RemoteStreams.js"
import { RemoteTransaction } from "./RemoteTransaction.js"
import type { Driver } from "./SqlClient.js"
import { clearTimeout, setTimeout } from "./timers.js"

/** A token, or an effect that returns the current one. The effect runs before each request. */
export type AuthToken = Redacted.Redacted<string> | Effect.Effect<Redacted.Redacted<string>, unknown>

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
}

// Longer than any wait for a lock on a server, and short enough for a program that has to stop.
const defaultRequestTimeoutMs = 30_000

const longestPauseMs = 100

// A server accepts 128 streams of all its clients at once.
const readStreams = 16

const urlPattern = /^(libsql|https?):\/\/[^/]/

/** Creates a driver for the server at `url`. Throws `SEALANT_URL` if the URL is invalid. */
export const openRemote = ({
  authToken,
  busyTimeoutMs,
  requestTimeoutMs = defaultRequestTimeoutMs,
  url
}: RemoteOptions): Driver => {
  if (/^wss?:/.test(url)) {
    throw new DriverError(
      "SEALANT_URL",
      "must be a libsql: or http(s): URL: over ws:, a request to a server that hangs has no timeout"
    )
  }
  if (!urlPattern.test(url))
    throw new DriverError("SEALANT_URL", "must be a libsql: or http(s): URL of a libSQL server")
  const { client, hrana } = connect({
    url,
    // The mode `number` would refuse integers beyond 2^53. The local client rounds them, and the decoder of a column
    // that must be exact detects that.
    intMode: "bigint",
    fetch: async (request: Request) => {
      if (authToken !== undefined) request.headers.set("authorization", `Bearer ${await tokenOf(authToken)}`)
      return fetch(request, { signal: AbortSignal.timeout(requestTimeoutMs) })
    }
  })
  const changes = new Changes(unobservable)
  const committed = () => changes.committed()
  const reads = new RemoteStreams(hrana, readStreams)
  const explain = (error: DriverError) => explainTimeout(reads, requestTimeoutMs, error)
  const queue = new RemoteQueue(new RemoteStreams(hrana, 1), busyTimeoutMs, explain)
  const close = client.close.bind(client)
  client.close = () => {
    queue.close()
    hrana.close()
    close()
  }
  return {
    client,
    changes,
    place: { kind: "server" },
    run: async (sql, values) => {
      const { kind } = inspect(sql)
      if (kind === "boundary" || kind === "savepoint") {
        throw new DriverError("SEALANT_STATEMENT", "transactions are opened with transaction(), not by statement")
      }
      const statement = sendable(sql, values)
      if (kind !== "write") return whenNotBusy(busyTimeoutMs, () => read(reads, statement, kind === "read"))
      const result = await write(queue, statement)
      if (result.rowsAffected > 0) committed()
      return result
    },
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

const tokenOf = async (authToken: AuthToken): Promise<string> => {
  if (!Effect.isEffect(authToken)) return Redacted.value(authToken)
  const token = await Effect.runPromiseExit(authToken)
  // The cause may contain a secret.
  if (Exit.isFailure(token)) throw new DriverError("SEALANT_TOKEN", "the effect of the option authToken has failed")
  return Redacted.value(token.value)
}

const connect = (config: Parameters<typeof createClient>[0]) => {
  try {
    const { authToken, authority, path, scheme } = expandConfig(config, true)
    const client = createClient(config)
    const hrana: HttpClient = openHttp(encodeBaseUrl(scheme, authority, path), authToken, config.fetch)
    hrana.intMode = "bigint"
    return { client, hrana }
  } catch (cause) {
    // The message may contain a part of the URL, and with it a password or a token; the code does not.
    throw new DriverError(
      "SEALANT_URL",
      `must be a URL that the libSQL client accepts: ${codeOf(cause) || "unknown reason"}`,
      { cause }
    )
  }
}

/**
 * Runs a statement outside the queue. A read is repeated once when its answer is lost: the server may have closed a
 * kept connection meanwhile.
 */
const read = async (reads: RemoteStreams, statement: Sendable, repeatable: boolean): Promise<Result> => {
  const send = async () => resultOf(await reads.use((stream) => stream.query(toStmt(statement))))
  try {
    return await send()
  } catch (error) {
    if (!(repeatable && error instanceof DriverError && isUnanswered(error))) throw error
    return send()
  }
}

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
  reads: RemoteStreams,
  requestTimeoutMs: number,
  error: DriverError
): Promise<DriverError> => {
  if (error.code !== "HRANA_TIMEOUT") return error
  const probe = reads
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
