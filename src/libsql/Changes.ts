/**
 * Tells that something was committed, so that who waits for work need not ask the database again and again.
 *
 * Commits of this process are known at once. Those of other processes show in `PRAGMA data_version` of the reading
 * connection (https://www.sqlite.org/pragma.html#pragma_data_version), which is read, for some microseconds, every 10 ms
 * while somebody waits, and never else.
 */

/** A point in the history of a database, to be compared for equality only. */
export type Version = string

/** Where a driver gets its versions from. */
export interface Source {
  /** The version now. Must not throw: a version that cannot be read has changed. */
  readonly version: () => Version
  /** How long until the version is looked at again. */
  readonly pollMs: number
}

interface Waiter {
  readonly seen: Version
  readonly wake: () => void
}

export class Changes {
  private readonly waiters = new Set<Waiter>()
  private closed = false
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly source: Source) {}

  version(): Version {
    return this.closed ? "closed" : this.source.version()
  }

  /** Calls `wake` once, when the version is another than `seen`. Returns how to stop waiting. */
  wait(seen: Version, wake: () => void): () => void {
    const waiter: Waiter = { seen, wake }
    this.waiters.add(waiter)
    if (this.version() !== seen) queueMicrotask(() => this.look())
    if (!this.closed) this.timer ??= setInterval(() => this.look(), this.source.pollMs)
    return () => this.remove(waiter)
  }

  /** Wakes those whose version has passed. To be called after a commit. */
  look(): void {
    if (this.waiters.size === 0) return
    const now = this.version()
    for (const waiter of this.waiters) {
      if (waiter.seen === now) continue
      this.remove(waiter)
      waiter.wake()
    }
  }

  /** Wakes all who wait: what they look at is closed, and is not opened again to see whether it has changed. */
  close(): void {
    this.closed = true
    this.look()
    clearInterval(this.timer)
  }

  private remove(waiter: Waiter): void {
    this.waiters.delete(waiter)
    if (this.waiters.size > 0) return
    clearInterval(this.timer)
    this.timer = undefined
  }
}

const unknownMs = 250

/** A source that cannot tell: a quarter of a second later, something may have changed. */
export const unknowable: Source = {
  version: () => String(Math.floor(performance.now() / unknownMs)),
  pollMs: unknownMs
}
