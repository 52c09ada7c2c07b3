/**
 * The import of a predecessor's database: every row is imported or rejected, and nothing is lost.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { LegacyImport } from "@sealant/db"
import { Deferred, Effect, Exit, FastCheck as fc, Fiber, Schema } from "effect"
import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { columnsOf, columnsThere, legacyTables } from "../../src/legacy/tables.js"
import { predecessorTables } from "../fixtures/predecessor-tables.js"
import { fileLayer, memoryLayer, remoteLayer } from "../support/database.js"
import { refusalOf } from "../support/refusals.js"
import {
  changed,
  count,
  deployedRows,
  expectBalance,
  expectLegal,
  importRows,
  legacyPath,
  type Row,
  reportedCounts,
  tableNames,
  writeDeployment,
  writeRows
} from "./source.js"
import { volume } from "../support/volume.js"

const emptied = (rows: ReadonlyArray<Row>, columns: ReadonlyArray<string>) =>
  rows
    .map((row) => ({ ...row, ...Object.fromEntries(columns.map((column) => [column, null])) }))
    .map((row) => JSON.stringify(row))
    .toSorted()

describe.each([
  ["memory", memoryLayer],
  ["a file", fileLayer],
  ["a server", remoteLayer]
] as const)("an import into %s", (_, layer) => {
  it.scoped("imports every table unchanged, and a repeated import of the same file changes nothing", () =>
    Effect.gen(function* () {
      const { directory, path } = yield* legacyPath
      writeDeployment(path)
      const [before, entries] = [readFileSync(path), readdirSync(directory)]
      const report = yield* LegacyImport.run(path)
      expect(report).toMatchObject({ rejected: 0, repeated: false, ignored: [] })
      yield* expectBalance(deployedRows, report)
      expect(tableNames.filter((table) => (deployedRows[table] ?? []).length === 0)).toEqual([])
      expect([readFileSync(path).equals(before), readdirSync(directory)]).toEqual([true, entries])
      expect(Schema.decodeUnknownSync(LegacyImport.ImportReport)(JSON.parse(JSON.stringify(report)))).toEqual(report)

      const sql = yield* SqlClient.SqlClient
      for (const [table, { columns }] of Object.entries(predecessorTables)) {
        const repaired = Object.keys(reportedCounts(report, "repaired", table)).flatMap((what) =>
          what.startsWith("status:")
            ? ["status", "worker_id", "claimed_at", "lease_expires_at"]
            : [what.split(":")[0] ?? ""]
        )
        const stored = yield* sql.unsafe<Row>(`SELECT ${columns.join(", ")} FROM ${table}`)
        expect([table, emptied(stored, repaired)]).toEqual([table, emptied(deployedRows[table] ?? [], repaired)])
      }

      const renamed = join(directory, "renamed.sqlite")
      copyFileSync(path, renamed)
      expect(yield* LegacyImport.run(renamed)).toEqual({ ...report, repeated: true })
      yield* expectBalance(deployedRows, report)
    }).pipe(Effect.provide(layer))
  )
})

describe("an import", () => {
  it.scoped("accepts a deployment between two releases, without the package cache", () =>
    Effect.gen(function* () {
      const { path } = yield* legacyPath
      writeDeployment(path, "DROP TABLE package_resolution_cache_entries")
      expect((yield* LegacyImport.run(path)).rejected).toBe(0)
      expect(yield* count("package_resolution_cache_entries")).toBe(0)
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("of another file with the same row counts is not treated as a repeat", () =>
    Effect.gen(function* () {
      const { directory, path } = yield* legacyPath
      writeDeployment(path)
      yield* LegacyImport.run(path)
      const other = join(directory, "other.sqlite")
      writeDeployment(other, "UPDATE user SET name = 'Somebody else'")
      expect(yield* refusalOf(LegacyImport.run(other))).toMatchObject({
        _tag: "LegacyImportRefused",
        reason: "TargetNotEmpty"
      })
      yield* expectLegal
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("imports many rows in batches, rejects the invalid ones, and reports progress", () =>
    Effect.gen(function* () {
      const [event] = deployedRows["issue_workflow_execution_events"] ?? []
      const shapeless = new Set([1, 499, 1749])
      const repeated = new Set([500, 777, 778, 1200])
      const events = Array.from(
        { length: 1750 },
        (_, index): Row => ({
          ...event,
          id: `event-${index}`,
          sequence: shapeless.has(index) ? -1 : repeated.has(index) ? 0 : index
        })
      )
      const { path } = yield* legacyPath
      const rows = { ...deployedRows, issue_workflow_execution_events: events }
      writeRows(path, rows)
      const seen: Array<number> = []
      const report = yield* LegacyImport.run(path, {
        onProgress: (table, done) =>
          Effect.sync(() => void (table === "issue_workflow_execution_events" && seen.push(done)))
      })
      yield* expectBalance(rows, report)
      expect(reportedCounts(report, "rejects", "issue_workflow_execution_events")).toEqual({
        "sequence: is invalid": shapeless.size,
        "already exists: issue_workflow_execution_events.execution_id, issue_workflow_execution_events.sequence":
          repeated.size
      })
      expect(seen).toEqual([500, 1000, 1500, 1750])
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("accepts every possible rowid", () =>
    Effect.gen(function* () {
      const { path } = yield* legacyPath
      writeDeployment(
        path,
        "UPDATE user SET rowid = -9223372036854775808 WHERE id = 'user_0'",
        "UPDATE user SET rowid = 9223372036854775807 WHERE id = 'user_1'",
        "UPDATE user SET rowid = 9007199254740993 WHERE id = 'user_2'"
      )
      expect(yield* LegacyImport.run(path)).toMatchObject({
        rejected: 0,
        imported: Object.values(deployedRows).flat().length
      })
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("limits a batch to a few megabytes, regardless of its number of rows", () =>
    Effect.gen(function* () {
      const [event] = deployedRows["issue_workflow_execution_events"] ?? []
      const events = Array.from(
        { length: 6 },
        (_, index): Row => ({ ...event, id: `event-${index}`, sequence: index, message: "x".repeat(3_000_000) })
      )
      const { path } = yield* legacyPath
      writeRows(path, { ...deployedRows, issue_workflow_execution_events: events })
      const seen: Array<number> = []
      yield* LegacyImport.run(path, {
        onProgress: (table, done) =>
          Effect.sync(() => void (table === "issue_workflow_execution_events" && seen.push(done)))
      })
      expect(seen).toEqual([2, 4, 6])
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("that is interrupted leaves nothing, and can be started again", () =>
    Effect.gen(function* () {
      const { directory, path } = yield* legacyPath
      writeDeployment(path)
      const reached = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        LegacyImport.run(path, {
          onProgress: (table) =>
            table === "sandboxes" ? Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never) : Effect.void
        })
      )
      yield* Deferred.await(reached)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      for (const table of [...tableNames, "import_rejects", "legacy_imports", "encryption_keys"])
        expect([table, yield* count(table)]).toEqual([table, 0])
      expect(readdirSync(directory)).toEqual(["legacy.sqlite"])
      expect((yield* LegacyImport.run(path)).repeated).toBe(false)
    }).pipe(Effect.provide(fileLayer))
  )

  const wrong = fc.constantFrom<unknown>(
    null,
    "",
    "banana",
    -1,
    0,
    1.5,
    9e15,
    "{not json",
    "[1]",
    "gone",
    "A".repeat(2000),
    "2026-01-01",
    "1"
  )
  const spot = fc.record({ table: fc.nat(), row: fc.nat(), column: fc.nat(), value: wrong })

  it.scoped.prop(
    "keeps the counts of its report consistent for damage in any row",
    [fc.array(spot, { minLength: 1, maxLength: 25 })],
    ([spots]) =>
      Effect.gen(function* () {
        const rows = spots.reduce((all, { column, row, table, value }) => {
          const name = tableNames[table % tableNames.length] ?? ""
          const columns = predecessorTables[name]?.columns ?? []
          return changed(all, name, (_, index) =>
            index === row % (all[name]?.length ?? 1) ? { [columns[column % columns.length] ?? ""]: value } : undefined
          )
        }, deployedRows)
        yield* importRows(rows)
      }).pipe(Effect.provide(memoryLayer)),
    { fastCheck: { numRuns: volume(20, 6) } }
  )

  it("knows the columns of the legacy schema", () => {
    const known = Object.fromEntries(
      legacyTables.map((table) => [
        table.name,
        columnsThere(table)
          .map(({ name }) => name)
          .toSorted()
      ])
    )
    expect(known).toEqual(
      Object.fromEntries(Object.entries(predecessorTables).map(([table, { columns }]) => [table, columns.toSorted()]))
    )
    for (const table of legacyTables) {
      const names = columnsOf(table).map(({ name }) => name)
      expect(names, table.name).toEqual(
        expect.arrayContaining([
          ...Object.keys(table.added ?? {}),
          ...(table.later ?? []),
          ...Object.keys(table.own ?? {}),
          ...table.key
        ])
      )
    }
  })

  it.scoped.each([
    ["clean", 0],
    ["gap", 0],
    ["flows", 2],
    ["last-release", 2],
    ["dirty", 26]
  ] as const)("imports %s.sqlite with %i rejected rows", ([name, rejected]) =>
    Effect.gen(function* () {
      const { path } = yield* legacyPath
      const file = gunzipSync(readFileSync(new URL(`../fixtures/legacy/${name}.sqlite.gz`, import.meta.url)))
      writeFileSync(path, file)
      const report = yield* LegacyImport.run(path)
      expect([report.imported > 50, report.rejected]).toEqual([true, rejected])
      expect(statSync(path).size).toBe(file.length)
      yield* expectLegal
      expect((yield* LegacyImport.run(path)).repeated).toBe(true)
    }).pipe(Effect.provide(memoryLayer))
  )
})
