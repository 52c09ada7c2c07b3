/**
 * The connection to a libSQL server: its URL, its token, and the replication index of its answers.
 */
import { createClient } from "@libsql/client/http"
import { expandConfig } from "@libsql/core/config"
import { encodeBaseUrl } from "@libsql/core/uri"
import { openHttp } from "@libsql/hrana-client"
import { Effect, Exit, Redacted } from "effect"
import { codeOf, DriverError } from "./DriverError.js"
import { replicationIndexOf } from "./ReplicationIndex.js"
import type { RemoteClient } from "./remoteStatement.js"
import type { IndexedStream } from "./RemoteStreams.js"

/** A token, or an effect that returns the current one. The effect runs before each request. */
export type AuthToken = Redacted.Redacted<string> | Effect.Effect<Redacted.Redacted<string>, unknown>

/** Receives what becomes of requests, before their callers do. */
export interface Observer {
  /** Receives the replication index of an answer that has one. */
  readonly answered: (index: bigint | "unknown") => void
  /** Called when a request has no answer, or was not executed as a whole. */
  readonly lost: () => void
}

interface ConnectOptions {
  readonly url: string
  readonly authToken: AuthToken | undefined
  readonly requestTimeoutMs: number
  /** Observes the requests of transactions. */
  readonly transactions: Observer
}

export interface RemoteConnection {
  /** The client for transactions. */
  readonly client: RemoteClient
  readonly openStream: (observer?: Observer) => IndexedStream
  /** The URL without a token. */
  readonly baseUrl: string
  /** Returns the current token, or an empty string. Rejects with `SEALANT_TOKEN` if the effect of the token fails. */
  readonly token: () => Promise<string>
  readonly closeStreams: () => void
}

const urlPattern = /^(libsql|https?):\/\/[^/]/

/** Throws `SEALANT_URL` if the URL is invalid. Connects with the first request. */
export const connect = (options: ConnectOptions): RemoteConnection => {
  const { authToken, requestTimeoutMs, transactions, url } = options
  if (/^wss?:/.test(url)) {
    throw new DriverError(
      "SEALANT_URL",
      "must be a libsql: or http(s): URL: over ws:, a request to a server that hangs has no timeout"
    )
  }
  if (!urlPattern.test(url))
    throw new DriverError("SEALANT_URL", "must be a libsql: or http(s): URL of a libSQL server")
  const fetchBy = (observer: Observer) => async (request: Request) => {
    if (authToken !== undefined) request.headers.set("authorization", `Bearer ${await tokenOf(authToken)}`)
    try {
      const response = await fetch(request, { signal: AbortSignal.timeout(requestTimeoutMs) })
      if (!response.ok) observer.lost()
      return observed(response, observer)
    } catch (error) {
      observer.lost()
      throw error
    }
  }
  const { authToken: tokenOfUrl, baseUrl, client } = clientOf(url, fetchBy(transactions))
  const streams = new Set<IndexedStream>()
  return {
    client,
    baseUrl: baseUrl.href,
    token: async () => (authToken === undefined ? (tokenOfUrl ?? "") : tokenOf(authToken)),
    openStream: (observer) => {
      const answered: Observer["answered"] = (index) => {
        if (index !== "unknown") opened.index = index
        observer?.answered(index)
      }
      // A client of its own for each stream, because a request does not name its stream.
      const hrana = openHttp(baseUrl, tokenOfUrl, fetchBy({ answered, lost: () => observer?.lost() }))
      hrana.intMode = "bigint"
      const opened: IndexedStream = { stream: hrana.openStream(), index: undefined }
      for (const known of streams) if (known.stream.closed) streams.delete(known)
      streams.add(opened)
      return opened
    },
    closeStreams: () => {
      for (const { stream } of streams) stream.close()
    }
  }
}

const clientOf = (url: string, fetch: (request: Request) => Promise<Response>) => {
  try {
    // The mode `number` would refuse integers beyond 2^53. The local client rounds them, and the decoder of a column
    // that must be exact detects that.
    const config: Parameters<typeof createClient>[0] = { url, intMode: "bigint", fetch }
    const { authToken, authority, path, scheme } = expandConfig(config, true)
    return { client: createClient(config), baseUrl: encodeBaseUrl(scheme, authority, path), authToken }
  } catch (cause) {
    // The message may contain a part of the URL, and with it a password or a token; the code does not.
    throw new DriverError(
      "SEALANT_URL",
      `must be a URL that the libSQL client accepts: ${codeOf(cause) || "unknown reason"}`,
      { cause }
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

/** Reports the replication index of a response, which the client drops. */
const observed = (response: Response, { answered, lost }: Observer): Response =>
  Object.defineProperty(response, "json", {
    value: async (): Promise<unknown> => {
      const text = await response.text().catch((error: unknown) => {
        lost()
        throw error
      })
      const index = replicationIndexOf(text)
      if (index !== undefined) answered(index)
      return JSON.parse(text)
    }
  })
