import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { afterEach, vi } from "vitest"
import { execute, newPath, openClient, rival } from "./support.js"

afterEach(() => void vi.useRealTimers())

describe("with fake timers", () => {
  it.scopedLive("writes, transactions and waits for a lock continue", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const client = yield* openClient(path, { busyTimeoutMs: 20 })
      const other = yield* rival(path)
      vi.useFakeTimers({
        toFake: [
          "setTimeout",
          "clearTimeout",
          "setImmediate",
          "clearImmediate",
          "setInterval",
          "clearInterval",
          "Date",
          "performance",
          "queueMicrotask"
        ]
      })
      yield* execute(client, "CREATE TABLE t (n)")
      yield* Effect.promise(() => client.batch(["INSERT INTO t VALUES (1)"]))
      other.exec("BEGIN IMMEDIATE")
      expect(yield* Effect.flip(execute(client, "INSERT INTO t VALUES (2)"))).toMatchObject({ code: "SQLITE_BUSY" })
      other.exec("ROLLBACK")
      const woken = new Promise<void>((resolve) => client.changes.wait("none", resolve))
      yield* Effect.promise(() => woken)
      expect((yield* execute(client, "SELECT n FROM t")).rows).toEqual([{ n: 1 }])
    })
  )
})
