/**
 * The lock of the one writer, which all streams of a server share: who waits gets it in turn.
 *
 * As on a libSQL server, a transaction has the lock for as long as it likes while nobody else wants it. Once somebody
 * does, it is taken from whoever has had it for longer than the limit
 * (https://github.com/tursodatabase/libsql/blob/main/libsql-server/src/connection/connection_manager.rs).
 */
export interface Holder {
  /** Rolls back, and knows it. Called at most once for each time that the lock was had. */
  readonly lose: () => void
}

interface Waiter {
  readonly holder: Holder
  readonly grant: (granted: boolean) => void
}

export class WriteLock {
  private holder: Holder | undefined
  private since = 0
  private waiters: Array<Waiter> = []
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly limits: { readonly transactionLimitMs: number; readonly lockTimeoutMs: number }) {}

  isHeldBy(holder: Holder): boolean {
    return this.holder === holder
  }

  get waiting(): number {
    return this.waiters.length
  }

  /** Resolves when the lock is had; to `false` when others had it for longer than anybody waits. */
  acquire(holder: Holder): Promise<boolean> {
    if (this.holder === undefined) {
      this.grant(holder)
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const patience = setTimeout(() => {
        this.waiters = this.waiters.filter((other) => other !== waiter)
        resolve(false)
      }, this.limits.lockTimeoutMs)
      const waiter = {
        holder,
        grant: (granted: boolean) => {
          clearTimeout(patience)
          resolve(granted)
        }
      }
      this.waiters.push(waiter)
      this.watch()
    })
  }

  release(holder: Holder): void {
    if (this.holder !== holder) return
    clearTimeout(this.timer)
    this.timer = undefined
    this.holder = undefined
    const next = this.waiters.shift()
    if (next === undefined) return
    this.grant(next.holder)
    next.grant(true)
  }

  /** Takes the lock from whoever has it. */
  steal(): void {
    const { holder } = this
    if (holder === undefined) return
    holder.lose()
    this.release(holder)
  }

  close(): void {
    clearTimeout(this.timer)
    for (const waiter of this.waiters.splice(0)) waiter.grant(false)
  }

  private grant(holder: Holder): void {
    this.holder = holder
    this.since = performance.now()
    this.watch()
  }

  private watch(): void {
    if (this.waiters.length === 0 || this.timer !== undefined) return
    const left = Math.max(0, this.since + this.limits.transactionLimitMs - performance.now())
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.steal()
    }, left)
  }
}
