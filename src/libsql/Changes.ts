/**
 * Tells that something was committed, so that who waits for work need not ask the database again and again.
 *
 * Commits of this process are known at once. For those of others the version is read: soon after something stirs, then ever
 * more rarely, and only while somebody waits. What stirs is a watch on what others write, where there is one, which is kept
 * only while all is quiet: beside a process that commits all day, an idle one looks some hundred times a second, however many
 * commits there are. What a watch misses, the rare looks find.
 */
import { monotonicMs } from "./backoff.js"
import { clearTimeout, queueMicrotask, setTimeout } from "./timers.js"

/** A point in the history of a database, to be compared for equality only. */
export type Version = string

/** What a driver knows of commits of others. */
export interface Source {
  /** The version that others have made. Must not throw: a version that cannot be read has changed. */
  readonly version: () => Version
  /** The pauses between looks after something stirred. The last one is that of the looks from then on. */
  readonly pausesMs: ReadonlyArray<number>
  /** Calls `stirred` when others may have committed, or be about to. Returns how to end that. May throw. */
  readonly watch?: (stirred: () => void) => () => void
}

/** The longest pause where others can only be found by looking, or while that is no dearer than a watch. */
const longestUnwatchedMs = 10

/** How long it rests after a look, and after one that woke somebody: commits of others may follow each other closely. */
const restMs = 1
const restAfterWakingMs = 5

interface Waiter {
  readonly seen: Version
  readonly wake: () => void
}

export class Changes {
  private readonly waiters = new Set<Waiter>()
  private own = 0
  private closed = false
  private timer: NodeJS.Timeout | undefined
  /** How to end the watch; none while there was no time for one, or it was tried in vain. */
  private unwatch: (() => void) | undefined
  private watchTried = false
  /** Which of the pauses is the next. */
  private step = 0
  private restsUntil = 0

  constructor(private readonly source: Source) {}

  version(): Version {
    return this.closed ? "closed" : `${this.own} ${this.source.version()}`
  }

  /** Calls `wake` once, when the version is another than `seen`. Returns how to stop waiting. */
  wait(seen: Version, wake: () => void): () => void {
    const waiter: Waiter = { seen, wake }
    this.waiters.add(waiter)
    if (this.closed || !seen.startsWith(`${this.own} `)) queueMicrotask(() => wakeAll(this.takeLate()))
    else this.stir()
    return () => this.remove(waiter)
  }

  /** To be called after each commit of this process that changed something. */
  committed(): void {
    this.own++
    if (this.waiters.size > 0) wakeAll(this.takeLate())
  }

  /** Wakes all who wait: what they look at is closed. */
  close(): void {
    this.closed = true
    wakeAll(this.takeLate())
  }

  /** Takes those whose version has passed from those who wait. */
  private takeLate(): ReadonlyArray<Waiter> {
    const now = this.version()
    const late = [...this.waiters].filter(({ seen }) => seen !== now)
    for (const waiter of late) this.remove(waiter)
    return late
  }

  private remove(waiter: Waiter): void {
    this.waiters.delete(waiter)
    if (this.waiters.size > 0) return
    clearTimeout(this.timer)
    this.endWatch()
  }

  /** Others may have committed, or be about to: a commit shows later than what is written for it. */
  private stir(): void {
    this.step = 0
    this.endWatch()
    const rest = this.restsUntil - monotonicMs()
    if (rest > 0) this.lookIn(rest)
    else this.look()
  }

  private look(): void {
    const pause = this.nextPause()
    const late = this.takeLate()
    this.restsUntil = monotonicMs() + (late.length > 0 ? restAfterWakingMs : restMs)
    if (this.waiters.size > 0) this.lookIn(pause)
    // At last: who is woken may wait again at once.
    wakeAll(late)
  }

  private lookIn(millis: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.look(), millis)
  }

  /** Begins to watch before a pause that is long: what comes before that, the look after it finds. */
  private nextPause(): number {
    const { pausesMs, watch } = this.source
    const pause = pausesMs[this.step] ?? longestUnwatchedMs
    if (this.step < pausesMs.length - 1) this.step++
    if (watch === undefined || pause <= longestUnwatchedMs) return pause
    if (!this.watchTried) this.beginWatch(watch)
    return this.unwatch === undefined ? longestUnwatchedMs : pause
  }

  private beginWatch(watch: NonNullable<Source["watch"]>): void {
    this.watchTried = true
    try {
      this.unwatch = watch(() => this.stir())
    } catch {
      // No such file yet, or the system has no watch to give: then it is looked for.
    }
  }

  private endWatch(): void {
    this.watchTried = false
    this.unwatch?.()
    this.unwatch = undefined
  }
}

const wakeAll = (waiters: ReadonlyArray<Waiter>): void => {
  for (const { wake } of waiters) wake()
}

/** A source that cannot tell: a quarter of a second later, something may have changed. */
const unknownMs = 250

export const unknowable: Source = {
  version: () => String(Math.floor(monotonicMs() / unknownMs)),
  pausesMs: [unknownMs]
}

/** Where there are no others. */
export const nobodyElse: Source = {
  version: () => "",
  pausesMs: [2 ** 31 - 1]
}
