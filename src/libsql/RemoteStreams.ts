/**
 * Streams to a libSQL server, kept open between requests.
 *
 * A stream is a connection of the server to its database. A new one reads the whole schema: 3.9 ms of CPU on this
 * package's schema, where a request on an open stream costs 0.4 ms.
 *
 * A stream with an unknown state is closed and never used again. A stream that the server has closed meanwhile is
 * replaced: the server refuses its request before it runs anything.
 */
import type { HttpStream } from "@libsql/hrana-client"
import { monotonicMs } from "./backoff.js"
import { DriverError } from "./DriverError.js"
import { leavesTransaction, remoteError } from "./remoteError.js"

/** A stream, and the replication index of its last answer. */
export interface IndexedStream {
  readonly stream: HttpStream
  index: bigint | undefined
}

/** An answer, and the replication index of the server that gave it. */
export interface Answer<A> {
  readonly answer: A
  readonly index: bigint | undefined
}

interface Idle {
  readonly kept: IndexedStream
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
    private readonly open: () => IndexedStream,
    private readonly limit: number
  ) {}

  /**
   * Sends requests on a stream, when one is free. Rejects with a `DriverError`. `send` runs again on a new stream if
   * the server had closed the kept one.
   */
  async use<A>(send: (stream: HttpStream) => Promise<A>): Promise<Answer<A>> {
    if (this.inUse < this.limit) this.inUse++
    else await new Promise<void>((resolve) => this.waiting.push(resolve))
    try {
      const kept = this.takeIdle()
      if (kept === undefined) return await this.sendOn(this.open(), send)
      try {
        return await this.sendOn(kept, send)
      } catch (error) {
        if (!(error instanceof DriverError && isGone(error))) throw error
        // The others are as old, or the server has restarted.
        for (const { kept } of this.idle.splice(0)) kept.stream.close()
        return await this.sendOn(this.open(), send)
      }
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.inUse--
      else next()
    }
  }

  private async sendOn<A>(kept: IndexedStream, send: (stream: HttpStream) => Promise<A>): Promise<Answer<A>> {
    const { stream } = kept
    kept.index = undefined
    try {
      const answer = await send(stream)
      const { index } = kept
      if (!stream.closed) this.idle.push({ kept, since: monotonicMs() })
      return { answer, index }
    } catch (error) {
      const driverError = remoteError(error)
      if (leavesTransaction(driverError) && !stream.closed) this.idle.push({ kept, since: monotonicMs() })
      else stream.close()
      throw driverError
    }
  }

  /** Takes the stream that was used last, and closes those that the server may have closed. */
  private takeIdle(): IndexedStream | undefined {
    const oldest = monotonicMs() - longestIdleMs
    const fresh = this.idle.findIndex(({ since }) => since > oldest)
    for (const { kept } of this.idle.splice(0, fresh < 0 ? Infinity : fresh)) kept.stream.close()
    return this.idle.pop()?.kept
  }
}

/** The server answers with status 400 to a stream that it does not know, for example after a restart. */
const isGone = ({ code }: DriverError): boolean => code === "SQLITE_BUSY_STREAM_EXPIRED" || code === "HTTP_400"
