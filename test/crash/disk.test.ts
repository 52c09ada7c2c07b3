/**
 * Full disks, unwritable files and growing logs: acknowledged writes are kept, errors name the cause, and work continues
 * without a restart when the cause is gone.
 *
 * A full disk is simulated by a limit on the size of files (`prlimit`), which also applies to root, and by a small mounted
 * file system where mounting is allowed. The test of an unwritable file runs as an unprivileged user, because root can write
 * every file.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Maintenance from "../../src/Maintenance.js"
import { lookAt, startLauncher } from "./engineSupport.js"
import { lockHolder } from "./torture/storms.js"
import { onFile, prepare } from "./torture/database.js"
import { temporaryDirectory } from "../support/directories.js"

/** Mounts a file system of this size on a new directory, if allowed. Unmounts it with the scope. */
const smallDisk = (path: string, megabytes: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      mkdirSync(path)
      try {
        execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path], { stdio: "ignore" })
        return true
      } catch {
        return false
      }
    }),
    // The engine closes a file when its last statement is collected, so this process holds it until then.
    (mounted) => Effect.sync(() => mounted && execFileSync("umount", ["-l", path]))
  )

/** Writes until the disk is full. */
const fill = (path: string) => {
  for (const size of [1 << 20, 1 << 12]) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: "a" })
    } catch {}
  }
}

const typed = /^PersistenceError Unavailable SQLITE_(FULL|IOERR)/

describe("a full disk", () => {
  it.scopedLive("is reported as full; acknowledged writes are kept, and writes succeed when there is space again", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "small")
      const mounted = yield* smallDisk(directory, 12)
      const filePath = join(directory, "test.sqlite")
      yield* prepare(filePath)
      const worker = yield* startLauncher(filePath, "w")
      yield* Effect.promise(() => worker.first("open"))
      const before = yield* worker.launch(10)
      expect(before.refused).toEqual([])
      // If mounting is not allowed, the next test covers the case.
      if (!mounted) return
      fill(join(directory, "ballast"))
      const full = yield* worker.launch(400)
      expect(full.refused.length).toBeGreaterThan(0)
      expect(full.refused.filter((refusal) => !typed.test(refusal))).toEqual([])
      rmSync(join(directory, "ballast"))
      const after = yield* worker.launch(10)
      expect(after.refused).toEqual([])
      const launched = [...before.launched, ...full.launched, ...after.launched].toSorted()
      expect(yield* lookAt(filePath)).toEqual({ ok: true, names: launched, contradictions: [] })
    })
  )

  it.scopedLive("behaves the same when the size of the file is limited", () =>
    Effect.gen(function* () {
      const filePath = join(yield* temporaryDirectory, "test.sqlite")
      yield* prepare(filePath)
      const worker = yield* startLauncher(filePath, "w")
      yield* Effect.promise(() => worker.first("open"))
      const before = yield* worker.launch(10)
      const limit = (bytes: string) => execFileSync("prlimit", [`--pid=${String(worker.pid)}`, `--fsize=${bytes}:`])
      limit(String(statSync(`${filePath}-wal`).size + 1_000_000))
      const full = yield* worker.launch(100)
      expect(full.launched.length).toBeGreaterThan(0)
      expect(full.refused.length).toBeGreaterThan(0)
      expect(full.refused.filter((refusal) => !typed.test(refusal))).toEqual([])
      limit("unlimited")
      const after = yield* worker.launch(10)
      expect(after.refused).toEqual([])
      const launched = [...before.launched, ...full.launched, ...after.launched].toSorted()
      expect(yield* lookAt(filePath)).toEqual({ ok: true, names: launched, contradictions: [] })
    })
  )
})

describe("a file that cannot be written", () => {
  it.scopedLive("is reported in one line on opening", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const filePath = join(directory, "test.sqlite")
      yield* prepare(filePath)
      chmodSync(filePath, 0o444)
      chmodSync(directory, 0o555)
      const isRoot = process.getuid?.() === 0
      const worker = yield* startLauncher(filePath, "w", isRoot ? { uid: 65534, gid: 65534 } : undefined)
      const { problem } = yield* Effect.promise(() => worker.first("closed"))
      expect(problem).toMatch(/^filePath: .*(read-only|no permission)/)
      expect(problem).not.toContain("\n")
      chmodSync(directory, 0o755)
      chmodSync(filePath, 0o600)
      expect(yield* lookAt(filePath)).toEqual({ ok: true, names: [], contradictions: [] })
    })
  )
})

describe("a log that grows during a long read", () => {
  it.scopedLive("does not block writers, and is checkpointed and reused after the reader has ended", () =>
    Effect.gen(function* () {
      const filePath = join(yield* temporaryDirectory, "test.sqlite")
      yield* prepare(filePath)
      const reader = yield* lockHolder({ filePath, seed: 1, busyTimeoutMs: 0 })
      const worker = yield* startLauncher(filePath, "w")
      yield* Effect.promise(() => worker.first("open"))
      reader.writeLine("read")
      yield* Effect.promise(() => reader.first("reading"))
      const log = () => statSync(`${filePath}-wal`).size
      const checkpoint = Effect.provide(Maintenance.checkpoint, onFile({ filePath, keys: 1, busyTimeoutMs: 100 }))

      expect((yield* worker.launch(150)).refused).toEqual([])
      const grown = log()
      // The engine would restart the log after 1,000 pages.
      expect(grown).toBeGreaterThan(1100 * 4096)
      expect(yield* Effect.either(checkpoint)).not.toMatchObject({ _tag: "Right", right: { complete: true } })
      expect((yield* worker.launch(50)).refused).toEqual([])
      expect(log()).toBeGreaterThan(grown)

      reader.writeLine("release")
      yield* Effect.promise(() => reader.first("released"))
      const largest = log()
      expect((yield* worker.launch(100)).refused).toEqual([])
      // The new pages replaced the first ones.
      expect(log()).toBeLessThan(largest + 100 * 4096)
      expect((yield* checkpoint).complete).toBe(true)
      expect((yield* worker.launch(10)).refused).toEqual([])
      expect(log()).toBeLessThan(largest)
      const { contradictions, names, ok } = yield* lookAt(filePath)
      expect({ ok, launches: names.length, contradictions }).toEqual({ ok: true, launches: 310, contradictions: [] })
    })
  )
})
