/**
 * The client of a libSQL server: `@libsql/client`, wrapped so that a transaction begins with its first statement, and so
 * that values and errors are those of the local client.
 *
 * A server gives an interactive transaction a few seconds to live. Beginning late keeps it short, and what fails to
 * begin fails where somebody waits for it.
 *
 * Nothing is sent twice that may have been done once. Sent again are: a statement, or the beginning of a transaction, that
 * the server refused because others had the lock; and, once, a read outside a transaction whose answer was lost.
 */
import { createClient } from "@libsql/client"
import { Redacted } from "effect"
import { monotonicMs, pause } from "./backoff.js"
import { Changes, unknowable } from "./Changes.js"
import { inspect, type Result } from "./Connection.js"
import { codeOf, DriverError, isBusy } from "./DriverError.js"
import { busyWaits } from "./metrics.js"
import { isUnanswered } from "./remoteError.js"
import { execute, type RemoteClient, sendable, type Sendable } from "./remoteStatement.js"
import { RemoteTransaction } from "./RemoteTransaction.js"
import type { Driver } from "./SqlClient.js"

export interface RemoteOptions {
  readonly url: string
  readonly authToken?: Redacted.Redacted<string>
  /** How long a statement, or the beginning of a transaction, is tried again while the server says that others have the lock. */
  readonly busyTimeoutMs: number
  /** How long a request may take before its answer counts as lost. */
  readonly requestTimeoutMs?: number
}

// Longer than a server lets anything wait for its lock, and short enough for a program that is to stop.
const defaultRequestTimeoutMs = 30_000

const longestPauseMs = 100

const urlPattern = /^(libsql|https?|wss?):\/\/[^/]/

/** A driver for the server at `url`. Throws for a URL of another kind. */
export const openRemote = ({ authToken, busyTimeoutMs, requestTimeoutMs = defaultRequestTimeoutMs, url }: RemoteOptions): Driver => {
  if (!urlPattern.test(url)) throw new DriverError("SEALANT_URL", "must be a libsql:, http(s): or ws(s): URL of a libSQL server")
  const client = connect({
    url,
    // As numbers they would be refused beyond 2^53, where the local client rounds, and a column that needs no rounding finds out.
    intMode: "bigint",
    fetch: (request: Request) => fetch(request, { signal: AbortSignal.timeout(requestTimeoutMs) }),
    ...(authToken === undefined ? {} : { authToken: Redacted.value(authToken) })
  })
  const changes = new Changes(unknowable)
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
      const result = await whenNotBusy(busyTimeoutMs, () => kind === "read" ? read(client, statement) : execute(client, statement))
      if (result.rowsAffected > 0) committed()
      return result
    },
    begin: () => new RemoteTransaction((use) => whenNotBusy(busyTimeoutMs, async () => use(await client.transaction("write"))), committed)
  }
}

const connect = (config: Parameters<typeof createClient>[0]) => {
  try {
    return createClient(config)
  } catch (cause) {
    // Its message may show a part of the URL, and with it a password or a token; its code does not.
    throw new DriverError("SEALANT_URL", `is no URL that a libSQL client takes: ${codeOf(cause) || "unknown reason"}`, { cause })
  }
}

/** Asks a second time when the answer is lost: a connection that was kept may have been closed by the server meanwhile. */
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
  for (let attempt = 0;; attempt++) {
    try {
      return await use()
    } catch (error) {
      if (!isBusy(error) || monotonicMs() >= until) throw error
      busyWaits.unsafeUpdate(1, [])
      await pause(attempt, longestPauseMs)
    }
  }
}
