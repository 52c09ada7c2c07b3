/**
 * The client of a libSQL server. It wraps `@libsql/client`, so that a transaction begins with its first statement,
 * and values and errors are those of the local client.
 *
 * A server ends an interactive transaction after a few seconds. Beginning it late keeps it short, and reports a
 * failure to begin to the first statement, for which a caller waits.
 *
 * A request that may have been executed is not sent again. Only these are retried:
 * - a statement, or the beginning of a transaction, that the server refused because the lock was held;
 * - a read outside a transaction whose answer was lost, once.
 */
import { createClient } from "@libsql/client"
import { Redacted } from "effect"
import { monotonicMs, pause } from "./backoff.js"
import { isBatchFailure } from "./BatchFailure.js"
import { Changes, unobservable } from "./Changes.js"
import { inspect, requireInTransaction, type Result } from "./Connection.js"
import { codeOf, DriverError, isBusy } from "./DriverError.js"
import { busyWaits } from "./metrics.js"
import { isUnanswered } from "./remoteError.js"
import { execute, executeAll, type RemoteClient, sendable, type Sendable } from "./remoteStatement.js"
import { RemoteTransaction } from "./RemoteTransaction.js"
import type { Driver } from "./SqlClient.js"

export interface RemoteOptions {
  readonly url: string
  readonly authToken?: Redacted.Redacted<string> | undefined
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

const urlPattern = /^(libsql|https?|wss?):\/\/[^/]/

/** Creates a driver for the server at `url`. Throws `SEALANT_URL` if the URL is invalid. */
export const openRemote = ({
  authToken,
  busyTimeoutMs,
  requestTimeoutMs = defaultRequestTimeoutMs,
  url
}: RemoteOptions): Driver => {
  if (!urlPattern.test(url))
    throw new DriverError("SEALANT_URL", "must be a libsql:, http(s): or ws(s): URL of a libSQL server")
  const client = connect({
    url,
    // The mode `number` would refuse integers beyond 2^53. The local client rounds them, and the decoder of a column
    // that must be exact detects that.
    intMode: "bigint",
    fetch: (request: Request) => fetch(request, { signal: AbortSignal.timeout(requestTimeoutMs) }),
    ...(authToken === undefined ? {} : { authToken: Redacted.value(authToken) })
  })
  const changes = new Changes(unobservable)
  const committed = () => changes.committed()
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
      const result = await whenNotBusy(busyTimeoutMs, () =>
        kind === "read" ? read(client, statement) : execute(client, statement)
      )
      if (result.rowsAffected > 0) committed()
      return result
    },
    writeAll: async (statements) => {
      for (const { sql } of statements) requireInTransaction(sql)
      const results = await whenNotBusy(busyTimeoutMs, () =>
        executeAll((batch) => client.batch(batch, "write"), statements)
      )
      if (results.some(({ rowsAffected }) => rowsAffected > 0)) committed()
      return results
    },
    begin: () =>
      new RemoteTransaction(
        (use) => whenNotBusy(busyTimeoutMs, async () => use(await client.transaction("write"))),
        committed
      )
  }
}

const connect = (config: Parameters<typeof createClient>[0]) => {
  try {
    return createClient(config)
  } catch (cause) {
    // The message may contain a part of the URL, and with it a password or a token; the code does not.
    throw new DriverError(
      "SEALANT_URL",
      `must be a URL that the libSQL client accepts: ${codeOf(cause) || "unknown reason"}`,
      { cause }
    )
  }
}

/** Runs a read, and repeats it once when its answer is lost: the server may have closed a kept connection meanwhile. */
const read = async (client: RemoteClient, statement: Sendable): Promise<Result> => {
  try {
    return await execute(client, statement)
  } catch (error) {
    if (!(error instanceof DriverError && isUnanswered(error))) throw error
    return execute(client, statement)
  }
}

const whenNotBusy = async <A>(busyTimeoutMs: number, use: () => Promise<A>): Promise<A> => {
  const until = monotonicMs() + busyTimeoutMs
  for (let attempt = 0; ; attempt++) {
    try {
      return await use()
    } catch (error) {
      if (!isBusy(isBatchFailure(error) ? error.cause : error) || monotonicMs() >= until) throw error
      busyWaits.unsafeUpdate(1, [])
      await pause(attempt, longestPauseMs)
    }
  }
}
