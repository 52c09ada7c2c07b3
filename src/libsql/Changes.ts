/**
 * Notifications of commits, which replace polling by their waiters.
 *
 * A commit of this process is known at once. A commit of another process is found by reading the version of the
 * database: soon after a file change, then at growing intervals, and only while somebody waits. A file watch reports
 * changes where the system has one. It is kept only while the file is quiet: beside a process that commits all day,
 * an idle process polls some hundred times per second, however many commits there are. A commit that the watch misses
 * is found by the next poll.
 */
import { monotonicMs } from "./backoff.js"
import { clearTimeout, queueMicrotask, setTimeout } from "./timers.js"

/** A point in the history of a database, to be compared for equality only. */
export type Version = string

/** The access of a driver to commits of other processes. */
export interface Source {
  /**
   * Reads the version, which changes with commits of others. Must not throw; an unreadable version counts as changed.
   */
  readonly version: () => Version
  /** The pauses between polls after a file change, in milliseconds. The last one repeats. */
  readonly pausesMs: ReadonlyArray<number>
  /**
   * Calls `onChange` when others may have committed, or are about to. Returns a function that ends the watch. May
   * throw.
   */
  readonly watch?: (onChange: () => void) => () => void
}

/** The longest pause without a watch. Up to this pause, polls are no more expensive than a watch. */
const longestUnwatchedMs = 10

/**
 * The shortest time between two polls, and after a poll that woke a waiter, because commits of others may come in
 * series.
 */
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
  /** Ends the watch; `undefined` when no watch was begun, or it could not begin. */
  private unwatch: (() => void) | undefined
  private watchTried = false
  /** The index of the next pause. */
  private step = 0
  private restsUntil = 0

  constructor(private readonly source: Source) {}

  version(): Version {
    return this.closed ? "closed" : `${this.own} ${this.source.version()}`
  }

  /** Calls `wake` once, when the version differs from `seen`. Returns a function that cancels the wait. */
  wait(seen: Version, wake: () => void): () => void {
    const waiter: Waiter = { seen, wake }
    this.waiters.add(waiter)
    if (this.closed || !seen.startsWith(`${this.own} `)) queueMicrotask(() => wakeAll(this.takeOutdated()))
    else this.fileChanged()
    return () => this.remove(waiter)
  }

  /** Wakes waiters. Must be called after each commit of this process that changed something. */
  committed(): void {
    this.own++
    if (this.waiters.size > 0) wakeAll(this.takeOutdated())
  }

  /** Wakes all waiters, because the database was closed. */
  close(): void {
    this.closed = true
    wakeAll(this.takeOutdated())
  }

  /** Removes and returns the waiters whose version is outdated. */
  private takeOutdated(): ReadonlyArray<Waiter> {
    const now = this.version()
    const outdated = [...this.waiters].filter(({ seen }) => seen !== now)
    for (const waiter of outdated) this.remove(waiter)
    return outdated
  }

  private remove(waiter: Waiter): void {
    this.waiters.delete(waiter)
    if (this.waiters.size > 0) return
    clearTimeout(this.timer)
    this.endWatch()
  }

  /** Restarts polling at the shortest pause. A commit is visible only some time after its writes to the file. */
  private fileChanged(): void {
    this.step = 0
    this.endWatch()
    const rest = this.restsUntil - monotonicMs()
    if (rest > 0) this.pollAfter(rest)
    else this.poll()
  }

  private poll(): void {
    const pause = this.nextPause()
    const outdated = this.takeOutdated()
    this.restsUntil = monotonicMs() + (outdated.length > 0 ? restAfterWakingMs : restMs)
    if (this.waiters.size > 0) this.pollAfter(pause)
    // Last, because a woken caller may wait again at once.
    wakeAll(outdated)
  }

  private pollAfter(millis: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.poll(), millis)
  }

  /** Begins a watch before a long pause. The poll that follows finds changes from before the watch. */
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
      this.unwatch = watch(() => this.fileChanged())
    } catch {
      // The file does not exist yet, or the system has no free watch: polling continues.
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

const unobservableMs = 250

/** The source for a database whose commits by others cannot be observed. Its version changes every 250 ms. */
export const unobservable: Source = {
  version: () => String(Math.floor(monotonicMs() / unobservableMs)),
  pausesMs: [unobservableMs]
}

/** The source for a database that no other process can write. */
export const noOtherWriters: Source = {
  version: () => "",
  pausesMs: [2 ** 31 - 1]
}
