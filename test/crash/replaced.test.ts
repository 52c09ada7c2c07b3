/**
 * Database files and logs that are removed or replaced under a running program: every acknowledged write is in
 * the file that the next program opens.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import Native from "libsql"
import { existsSync, statSync } from "node:fs"
import { join } from "node:path"
import { runProcess } from "../cli/support.js"
import { numbersAt, numbersOf, numberWriter, openAndClose } from "./numbers.js"
import { temporaryDirectory } from "../support/directories.js"

const newPath = Effect.map(temporaryDirectory, (directory) => join(directory, "live.sqlite"))

const count = (length: number, from = 1) => Array.from({ length }, (_, index) => index + from)

const refused = (what: string) => ({
  type: "refused",
  reason: "Unavailable",
  cause: expect.stringMatching(
    new RegExp(`^SEALANT_FILE_REPLACED: the ${what} was removed or replaced while this program had it open; [^\\n]*$`)
  )
})

describe("a program whose database file or log is removed or replaced", () => {
  it.scopedLive("acknowledges no write after its file and log were removed", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const writer = yield* numberWriter(path)
      expect(numbersOf(yield* writer.order("write 20"))).toEqual(count(20))
      yield* writer.order("remove file -wal -shm")
      expect(yield* writer.order("write 3")).toEqual(Array.from({ length: 3 }, () => refused("database file")))
      expect(existsSync(path)).toBe(false)
    })
  )

  it.scopedLive("acknowledges no write after its log was removed, and recovers the acknowledged ones", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const writer = yield* numberWriter(path)
      const stored = numbersOf(yield* writer.order("write 20"))
      yield* writer.order("remove -wal")
      expect(yield* writer.order("write 3")).toEqual(
        Array.from({ length: 3 }, () => refused("write-ahead log of the database"))
      )
      yield* writer.kill
      expect(numbersAt(path)).toEqual(expect.arrayContaining(stored))
    })
  )

  it.scopedLive("acknowledges no write after another database replaced its file, and leaves that one unchanged", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const other = new Native(`${path}.other`)
      other.exec("CREATE TABLE other (n)")
      other.close()
      const before = statSync(`${path}.other`)
      const writer = yield* numberWriter(path)
      yield* writer.order("write 20")
      yield* writer.order(`replace ${path}.other`)
      expect(yield* writer.order("write 3")).toEqual(Array.from({ length: 3 }, () => refused("database file")))
      yield* writer.kill
      expect([statSync(path).ino, statSync(path).mtimeMs]).toEqual([before.ino, before.mtimeMs])
    })
  )

  it.scopedLive('keeps its log beside "sealant-db stats" when it reads its database file, and loses nothing', () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const writer = yield* numberWriter(path)
      yield* writer.order("write 10")
      yield* writer.order("read file")
      const log = statSync(`${path}-wal`).ino
      const { code, stderr } = yield* Effect.promise(() => runProcess(["stats"], { DATABASE_FILE_PATH: path }))
      expect({ code, stderr, log: statSync(`${path}-wal`).ino }).toEqual({ code: 0, stderr: "", log })
      expect(numbersOf(yield* writer.order("write 20"))).toEqual(count(20, 11))
      yield* writer.kill
      expect(numbersAt(path)).toEqual(count(30))
    })
  )

  // The other copy of the engine does not know the locks of this one: when its last connection closes, it deletes the log.
  it.scopedLive("loses no acknowledged write when another copy of the engine in it opens and closes its database", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const writer = yield* numberWriter(path)
      yield* writer.order("write 10")
      yield* writer.order("use stock")
      expect(yield* Effect.promise(() => runProcess(["stats"], { DATABASE_FILE_PATH: path }))).toMatchObject({
        code: 0,
        stderr: ""
      })
      const acknowledged = numbersOf(yield* writer.order("write 20"))
      yield* writer.kill
      expect(numbersAt(path)).toEqual([...count(10), ...acknowledged])
    })
  )

  it.scopedLive("acknowledges no write after it has lost its locks and another tool has deleted the log", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      const writer = yield* numberWriter(path)
      yield* writer.order("write 10")
      yield* writer.order("read file")
      openAndClose(path)
      expect(yield* writer.order("write 2")).toEqual(
        Array.from({ length: 2 }, () => refused("write-ahead log of the database"))
      )
      yield* writer.kill
      expect(numbersAt(path)).toEqual(count(10))
    })
  )
})
