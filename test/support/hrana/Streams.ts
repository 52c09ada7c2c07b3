/**
 * The streams of a server, found by their batons.
 */
import { Engine } from "./Engine.js"
import { errorOf, Stream } from "./Stream.js"
import { type Pipeline, RequestError, StatementError } from "./wire.js"
import { WriteLock } from "./WriteLock.js"

/** How long a server bears with its clients. */
export interface Limits {
  /** How long a stream may be idle before it is dropped, and its transaction rolled back. */
  readonly streamExpiryMs: number
  /** How long a transaction may hold the write lock once others wait for it. */
  readonly transactionLimitMs: number
  /** How long a statement waits for the write lock before it fails as locked. */
  readonly lockTimeoutMs: number
}

/** A stream that is idle, and when it will have been for too long; or nothing more than that it once was. */
interface Entry {
  readonly stream: Stream
  expired: boolean
  timer: NodeJS.Timeout | undefined
}

export class Streams {
  readonly lock: WriteLock
  private readonly entries = new Map<number, Entry>()
  private pool: Array<Engine> = []
  private opened = 0

  constructor(
    private readonly path: string,
    private readonly limits: Limits
  ) {
    this.lock = new WriteLock(limits)
  }

  /** Carries out one HTTP request, and gives the body of its answer. */
  async handle({ baton, requests }: Pipeline): Promise<object> {
    const entry = baton === undefined || baton === null ? this.open() : this.find(baton)
    const { stream } = entry
    clearTimeout(entry.timer)
    stream.busy = true
    stream.sequence++
    try {
      const results: Array<object> = []
      for (const request of requests) {
        try {
          results.push({ type: "ok", response: await stream.handle(request) })
        } catch (error) {
          if (!(error instanceof StatementError)) throw error
          results.push({ type: "error", error: errorOf(error) })
        }
      }
      if (stream.closed) this.entries.delete(stream.id)
      else entry.timer = setTimeout(() => this.expire(entry), this.limits.streamExpiryMs).unref()
      return { baton: stream.closed ? null : `${stream.id}.${stream.sequence}`, base_url: null, results }
    } catch (error) {
      stream.close()
      this.entries.delete(stream.id)
      throw error
    } finally {
      stream.busy = false
    }
  }

  /** The texts that a request would run, in their order. */
  textsOf({ baton, requests }: Pipeline): ReadonlyArray<string> {
    const kept = new Map(
      requests.flatMap((request) => (request.type === "store_sql" ? [[request.sql_id, request.sql]] : []))
    )
    const stream = baton === undefined || baton === null ? undefined : this.entries.get(Number.parseInt(baton))?.stream
    const textOf = ({ sql, sql_id: id }: { readonly sql?: string; readonly sql_id?: number }) =>
      sql ?? (id === undefined ? "" : (kept.get(id) ?? stream?.textOf({ sql_id: id }) ?? ""))
    return requests.flatMap((request) => {
      if (request.type === "execute") return [textOf(request.stmt)]
      if (request.type === "batch") return request.batch.steps.map(({ stmt }) => textOf(stmt))
      return request.type === "sequence" ? [textOf(request)] : []
    })
  }

  /** Drops all streams that are idle, as if they had been for too long. */
  expireAll(): void {
    for (const entry of this.entries.values()) if (!entry.stream.busy) this.expire(entry)
  }

  /** How many streams hold a transaction open. */
  get transactions(): number {
    return Array.from(this.entries.values()).filter(({ stream }) => stream.inTransaction).length
  }

  close(): void {
    this.lock.close()
    for (const { stream, timer } of this.entries.values()) {
      clearTimeout(timer)
      stream.close()
    }
    for (const engine of this.pool.splice(0)) engine.close()
  }

  private open(): Entry {
    const id = ++this.opened
    const stream = new Stream(id, this.pool.pop() ?? new Engine(this.path), this.lock, (engine) => {
      if (engine.altered) engine.close()
      else this.pool.push(engine)
    })
    const entry = { stream, expired: false, timer: undefined }
    this.entries.set(id, entry)
    return entry
  }

  private find(baton: string): Entry {
    const [id, sequence] = baton.split(".").map(Number)
    const entry = this.entries.get(id ?? 0)
    if (entry === undefined) throw new RequestError(400, "The baton is invalid")
    if (entry.expired) throw new RequestError(500, "The stream has expired due to inactivity", "STREAM_EXPIRED")
    if (entry.stream.busy || entry.stream.sequence !== sequence)
      throw new RequestError(400, "The baton was already used")
    return entry
  }

  private expire(entry: Entry): void {
    clearTimeout(entry.timer)
    entry.expired = true
    entry.stream.close()
  }
}
