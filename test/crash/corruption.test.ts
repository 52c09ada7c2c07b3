/**
 * Damaged files. The engine has no page checksums: a changed byte inside a value is another value, and only a CHECK or an
 * index can detect it. Detected damage is reported, and no program hangs.
 *
 * The binding ends the process on a TEXT that is not UTF-8 (libsql 0.5.29). Nothing else may end it.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { closeSync, copyFileSync, ftruncateSync, openSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { child } from "../support/children.js"
import type { CorruptionReport } from "./corruption.js"
import { lookAt, startLauncher } from "./engineSupport.js"
import { randomOf } from "./torture/random.js"
import { prepare } from "./torture/database.js"
import { temporaryDirectory } from "../support/directories.js"
import { volume } from "../support/volume.js"

/** A file with this number of launches, with a checkpointed log. */
const populated = (directory: string, launches: number) =>
  Effect.gen(function* () {
    const source = join(directory, "source.sqlite")
    yield* prepare(source)
    const worker = yield* startLauncher(source, "w")
    yield* Effect.promise(() => worker.first("open"))
    yield* worker.launch(launches)
    worker.writeLine("end")
    yield* Effect.promise(() => worker.ended)
    return source
  })

const typed =
  /^(ok|NotFound|InvalidTransition|AlreadyExists|ReferenceNotFound|PersistenceError (Unavailable (SQLITE_CORRUPT|SQLITE_NOTADB|SQLITE_IOERR|SQLITE_READONLY)|CorruptRow|SchemaMismatch|Unknown))/

const copies = volume(60, 16)

describe("a damaged file", () => {
  it.scopedLive(
    "is detected or read as stored, and blocks no program",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const source = yield* populated(directory, 40)
        const found: Array<Extract<CorruptionReport, { readonly type: "found" }>> = []
        let aborted = 0
        for (let from = 0; from < copies; ) {
          const options = { source, copy: join(directory, `copy-${from}.sqlite`), seed: 5, from, count: copies }
          const { errors, reports, signal } = yield* Effect.flatMap(
            child<CorruptionReport>(new URL("./corruption.ts", import.meta.url), options),
            ({ ended }) => Effect.promise(() => ended)
          )
          found.push(...reports.flatMap((report) => (report.type === "found" ? [report] : [])))
          if (signal === null) {
            expect({ errors, last: reports.at(-1)?.type }).toEqual({ errors: "", last: "done" })
            break
          }
          expect({ signal, errors }).toEqual({ signal: "SIGABRT", errors: expect.stringContaining("Utf8Error") })
          aborted += 1
          from = 1 + Math.max(...reports.flatMap((report) => (report.type === "next" ? [report.number] : [])))
        }
        expect(found.length + aborted).toBe(copies)
        expect(aborted).toBeLessThan(copies / 4)
        // A damaged page, or a damaged page header, is always detected.
        const missed = found.filter(
          ({ check, damage, opening }) => damage.startsWith("page") && opening === undefined && check === "ok"
        )
        expect(missed).toEqual([])
        expect(found.flatMap(({ use = [] }) => use).filter((end) => !typed.test(end))).toEqual([])
        expect(found.flatMap(({ opening = "" }) => opening).filter((line) => line.includes("\n"))).toEqual([])
        expect(found.filter(({ check }) => check === "damaged").length).toBeGreaterThan(copies / 6)
      }),
    120_000
  )
})

describe("a log that was truncated, as by a power loss", () => {
  it.scopedLive(
    "contains every commit before the cut, each launch complete",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const source = join(directory, "source.sqlite")
        yield* prepare(source)
        const worker = yield* startLauncher(source, "w")
        yield* Effect.promise(() => worker.first("open"))
        const { launched } = yield* worker.launch(9)
        const length = statSync(`${source}-wal`).size
        const random = randomOf(9)
        const cuts = volume(12, 4)
        for (let cut = 0; cut < cuts; cut++) {
          const copy = join(directory, `cut-${cut}.sqlite`)
          copyFileSync(source, copy)
          copyFileSync(`${source}-wal`, `${copy}-wal`)
          const log = openSync(`${copy}-wal`, "r+")
          ftruncateSync(log, random.below(length))
          closeSync(log)
          const { contradictions, names, ok } = yield* lookAt(copy)
          expect({ ok, contradictions, names }).toEqual({
            ok: true,
            contradictions: [],
            names: launched.slice(0, names.length)
          })
        }
        expect(readdirSync(directory).length).toBeGreaterThan(cuts)
      }),
    120_000
  )
})
