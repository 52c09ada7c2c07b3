/**
 * Waiting for commits of other connections, with a fake clock.
 */
import { afterAll, afterEach, beforeEach, describe, expect, it } from "@effect/vitest"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Changes } from "../../src/libsql/Changes.js"
import { watchFile } from "../../src/libsql/watchFile.js"
import { vi } from "vitest"
import { makeTemporaryDirectory, removeDirectory } from "../support/directories.js"

// Another file of the process may have loaded these modules, and later files need them without the mock.
vi.hoisted(() => vi.resetModules())
afterAll(() => void vi.resetModules())

// The client keeps the real timers: here they are those of the test.
vi.mock("../../src/libsql/timers.js", () => ({
  setTimeout: (run: () => void, millis: number) => globalThis.setTimeout(run, millis),
  clearTimeout: (timer: NodeJS.Timeout) => globalThis.clearTimeout(timer),
  setImmediate: (run: () => void) => globalThis.setImmediate(run),
  queueMicrotask: (run: () => void) => globalThis.queueMicrotask(run),
  performance: { now: () => globalThis.performance.now() }
}))

const pausesMs = [1, 2, 4, 8, 16, 250]

/** A database with simulated commits of others, and a simulated file watch. */
const others = ({ watchable = true } = {}) => {
  const watches = new Set<() => void>()
  const seen = { looks: 0, watchesBegun: 0 }
  let commits = 0
  const changes = new Changes({
    version: () => {
      seen.looks++
      return String(commits)
    },
    pausesMs,
    watch: (stirred) => {
      seen.watchesBegun++
      if (!watchable) throw new Error("no watch to be had")
      watches.add(stirred)
      return () => watches.delete(stirred)
    }
  })
  const state = { woken: 0 }
  /** Waits for a change once. */
  const wait = () => changes.wait(changes.version(), () => state.woken++)
  return {
    changes,
    state,
    seen,
    watches,
    wait,
    commit: () => void commits++,
    stir: () => [...watches].forEach((stirred) => stirred())
  }
}

/** How often this was done meanwhile. */
const during = (count: () => number, millis: number) => {
  const before = count()
  vi.advanceTimersByTime(millis)
  return count() - before
}

describe("commits of other connections", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }))
  afterEach(() => void vi.useRealTimers())

  it("are polled with growing intervals, then watched", () => {
    const { seen, wait, watches } = others()
    wait()
    expect(watches.size).toBe(0)
    expect(during(() => seen.looks, 15)).toBe(4)
    expect(watches.size).toBe(1)
    vi.advanceTimersByTime(1000)
    expect(during(() => seen.looks, 1000)).toBe(4)
    expect(seen.watchesBegun).toBe(1)
  })

  it("wake waiters at once on a file-change notification", () => {
    const { commit, state, stir, wait } = others()
    wait()
    vi.advanceTimersByTime(1100)
    commit()
    expect(state.woken).toBe(0)
    stir()
    expect(state.woken).toBe(1)
  })

  it("wake waiters when they become visible after the notification", () => {
    const { commit, state, stir, wait } = others()
    wait()
    vi.advanceTimersByTime(1100)
    stir()
    vi.advanceTimersByTime(5)
    commit()
    vi.advanceTimersByTime(4)
    expect(state.woken).toBe(1)
  })

  it("wake waiters without a notification", () => {
    const { commit, state, wait, watches } = others()
    wait()
    vi.advanceTimersByTime(1100)
    commit()
    expect(watches.size).toBe(1)
    vi.advanceTimersByTime(250)
    expect(state.woken).toBe(1)
  })

  it("wake waiters that start waiting after them", () => {
    const { changes, commit, state } = others()
    const seen = changes.version()
    commit()
    changes.wait(seen, () => state.woken++)
    expect(state.woken).toBe(1)
  })

  it("are polled every 10 ms where the file cannot be watched", () => {
    const { seen, wait } = others({ watchable: false })
    wait()
    vi.advanceTimersByTime(15)
    expect(during(() => seen.looks, 1000)).toBe(100)
    expect(seen.watchesBegun).toBe(1)
  })

  it("wake waiters at most every 5 ms", () => {
    const { changes, commit, state, stir } = others()
    const waitAgain = () => {
      state.woken++
      changes.wait(changes.version(), waitAgain)
    }
    changes.wait(changes.version(), waitAgain)
    for (let tenth = 0; tenth < 10_000; tenth++) {
      commit()
      stir()
      vi.advanceTimersByTime(0.1)
    }
    expect(state.woken).toBeGreaterThan(100)
    expect(state.woken).toBeLessThanOrEqual(200)
  })

  it("are not polled on each notification", () => {
    const { seen, stir, wait } = others()
    wait()
    vi.advanceTimersByTime(1100)
    const before = seen.looks
    for (let tenth = 0; tenth < 10_000; tenth++) {
      stir()
      vi.advanceTimersByTime(0.1)
    }
    expect(seen.looks - before).toBeLessThan(500)
  })

  it("are neither watched nor polled without waiters", () => {
    const { seen, wait, watches } = others()
    const [stop, stopOther] = [wait(), wait()]
    vi.advanceTimersByTime(1100)
    stop()
    expect(watches.size).toBe(1)
    stopOther()
    expect(watches.size).toBe(0)
    expect(during(() => seen.looks, 10_000)).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it("end the wait when the database is closed", async () => {
    const { changes, state, wait, watches } = others()
    wait()
    vi.advanceTimersByTime(1100)
    changes.close()
    expect([state.woken, watches.size, vi.getTimerCount()]).toEqual([1, 0, 0])
    wait()
    await Promise.resolve()
    expect([vi.getTimerCount(), changes.version()]).toEqual([0, "closed"])
  })
})

describe("a watch on a file", () => {
  let directory = ""
  let path = ""
  let unwatch = () => {}

  beforeEach(() => {
    directory = makeTemporaryDirectory()
    path = join(directory, "file")
  })
  afterEach(() => {
    unwatch()
    removeDirectory(directory)
  })

  it("cannot start before the file exists", () => {
    expect(() => watchFile(path, () => undefined)).toThrow("ENOENT")
  })

  for (const [what, change] of Object.entries({
    written: () => writeFileSync(path, "more"),
    removed: () => rmSync(path)
  })) {
    it(`reports that it is ${what}`, async () => {
      writeFileSync(path, "")
      await new Promise<void>((resolve) => {
        unwatch = watchFile(path, resolve)
        change()
      })
    })
  }
})
