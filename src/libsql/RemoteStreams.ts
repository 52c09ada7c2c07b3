/**
 * Streams to a libSQL server, kept open between requests.
 *
 * A stream is a connection of the server to its database. A new one reads the whole schema: 3.9 ms of CPU on this
 * package's schema, where a request on an open stream costs 0.4 ms.
 *
 * A stream with an unknown state is closed and never used again. A stream that the server has closed meanwhile is
 * replaced: the server refuses its request before it runs anything.
 */
import type { HttpClient, HttpStream } from "@libsql/hrana-client"
import { monotonicMs } from "./backoff.js"
import { DriverError } from "./DriverError.js"
import { leavesTransaction, remoteError } from "./remoteError.js"

interface Idle {
  readonly stream: HttpStream
  readonly since: number
}

// A server closes a stream that was idle for 10 seconds.
const longestIdleMs = 5000

export class RemoteStreams {
  private readonly idle: Array<Idle> = []
  private readonly waiting: Array<() => void> = []
  private inUse = 0

  /** `limit` is the number of streams that are used at the same time. */
  constructor(
    private readonly client: HttpClient,
    private readonly limit: number
  ) {}

  /**
   * Sends requests on a stream, when one is free. Rejects with a `DriverError`. `send` runs again on a new stream if
   * the server had closed the kept one.
   */
  async use<A>(send: (stream: HttpStream) => Promise<A>): Promise<A> {
    if (this.inUse < this.limit) this.inUse++
    else await new Promise<void>((resolve) => this.waiting.push(resolve))
    try {
      const kept = this.takeIdle()
      if (kept === undefined) return await this.sendOn(this.client.openStream(), send)
      try {
        return await this.sendOn(kept, send)
      } catch (error) {
        if (!(error instanceof DriverError && isGone(error))) throw error
        // The others are as old, or the server has restarted.
        for (const { stream } of this.idle.splice(0)) stream.close()
        return await this.sendOn(this.client.openStream(), send)
      }
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.inUse--
      else next()
    }
  }

  private async sendOn<A>(stream: HttpStream, send: (stream: HttpStream) => Promise<A>): Promise<A> {
    try {
      const answer = await send(stream)
      if (!stream.closed) this.idle.push({ stream, since: monotonicMs() })
      return answer
    } catch (error) {
      const driverError = remoteError(error)
      if (leavesTransaction(driverError) && !stream.closed) this.idle.push({ stream, since: monotonicMs() })
      else stream.close()
      throw driverError
    }
  }

  /** Takes the stream that was used last, and closes those that the server may have closed. */
  private takeIdle(): HttpStream | undefined {
    const oldest = monotonicMs() - longestIdleMs
    const fresh = this.idle.findIndex(({ since }) => since > oldest)
    for (const { stream } of this.idle.splice(0, fresh < 0 ? Infinity : fresh)) stream.close()
    return this.idle.pop()?.stream
  }
}

/** The server answers with status 400 to a stream that it does not know, for example after a restart. */
const isGone = ({ code }: DriverError): boolean => code === "SQLITE_BUSY_STREAM_EXPIRED" || code === "HTTP_400"
