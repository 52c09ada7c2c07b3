/**
 * The import of a predecessor's database: every row is imported or rejected, and nothing is lost.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Maintenance, LegacyImport, type ImportReport } from "@sealant/db"
import { Effect, Exit, FastCheck as fc, Fiber, Layer } from "effect"
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { models } from "../../scripts/schema/models.js"
import { columnList, rowsOf } from "../../src/internal/rows.js"
import { fileLayer, memoryLayer } from "../support/database.js"
import { refusalOf } from "../support/refusals.js"
import { type Rows, tableNames, worldRows, writeSource } from "./source.js"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sealant-legacy-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const layer = Layer.provideMerge(LegacyImport.layer, memoryLayer)

const run = (path: string) => Effect.flatMap(LegacyImport, (legacy) => legacy.run(path))

const count = (table: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.map(sql<{ readonly n: number }>`SELECT count(*) AS n FROM ${sql(table)}`, ([row]) => row?.n ?? 0))

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((all, one) => all + one, 0)

/** Each row of the source is here, or in `import_rejects`, whole; and all that is here is legal. */
const balance = (rows: Rows, report: ImportReport) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    for (const { imported, rejected, table } of report.tables) {
      expect([table, imported + sum(rejected)]).toEqual([table, rows[table]?.length ?? 0])
      expect([table, yield* count(table)]).toEqual([table, imported])
      const kept = yield* sql<{ readonly payload: string }>`SELECT row_payload AS payload FROM import_rejects WHERE source_table = ${table}`
      expect(kept).toHaveLength(sum(rejected))
      const source = new Set((rows[table] ?? []).map((row) => JSON.stringify(row)))
      for (const { payload } of kept) expect(source.has(payload), `${table} ${payload}`).toBe(true)
    }
    expect(yield* sql`PRAGMA foreign_key_check`).toEqual([])
    expect(yield* sql`PRAGMA integrity_check`).toEqual([{ integrity_check: "ok" }])
    for (const { model, table } of models) {
      const read = yield* rowsOf(model)
      yield* read.all(sql`SELECT ${sql.literal(columnList(model))} FROM ${sql(table.name)}`)
    }
  })

describe("LegacyImport", () => {
  it.scoped("imports every table without a reject where nothing is wrong, and the same file again changes nothing", () =>
    Effect.gen(function*() {
      const rows = yield* worldRows
      const path = join(yield* directory, "legacy.sqlite")
      writeSource(path, rows)
      expect(tableNames.filter((table) => (rows[table] ?? []).length === 0)).toEqual(["verification"])
      const before = readFileSync(path)
      const report = yield* run(path)
      expect(report.tables.flatMap(({ rejected, table }) => Object.keys(rejected).map((reason) => `${table}: ${reason}`))).toEqual([])
      yield* balance(rows, report)
      expect(readFileSync(path).equals(before)).toBe(true)
      const again = yield* run(path)
      expect([again.repeated, again.imported, again.rejected]).toEqual([true, report.imported, 0])
      yield* balance(rows, report)
    }).pipe(Effect.provide(layer)))

  it.scoped("a deployment that lacks the package cache is one, too", () =>
    Effect.gen(function*() {
      const rows = yield* worldRows
      const path = join(yield* directory, "legacy.sqlite")
      writeSource(path, rows, ["package_resolution_cache_entries"])
      expect((yield* run(path)).rejected).toBe(0)
      expect(yield* count("package_resolution_cache_entries")).toBe(0)
    }).pipe(Effect.provide(layer)))

  it.scoped("mends what says itself what was meant, and says so", () =>
    Effect.gen(function*() {
      const rows = yield* worldRows
      const changed = (table: string, change: (row: Readonly<Record<string, unknown>>, index: number) => object): Rows => ({ [table]: (rows[table] ?? []).map((row, index) => ({ ...row, ...change(row, index) })) })
      const path = join(yield* directory, "legacy.sqlite")
      const source: Rows = {
        ...rows,
        ...changed("user", ({ email }) => ({ email: String(email).toUpperCase(), created_at: "2026-03-01" })),
        ...changed("sandbox_attempts", (_, index) => index === 0 ? { retry_of_run_id: "gone", issue_id: "gone", duration_ms: -5 } : {}),
        ...changed("issue_workflow_executions", ({ status }) => status === "running" ? { started_at: null } : {}),
        ...changed("oci_image_build_jobs", ({ status }) => status === "queued" ? { attempt_count: 9, lease_expires_at: 5 } : status === "running" ? { worker_id: null } : {}),
        ...changed("profiles", () => ({ active_revision_id: "gone" }))
      }
      writeSource(path, source)
      const report = yield* run(path)
      expect(report.rejected).toBe(0)
      yield* balance(source, report)
      const repaired = Object.fromEntries(report.tables.map(({ repaired, table }) => [table, Object.keys(repaired)]))
      expect(repaired["user"]).toEqual(expect.arrayContaining(["email: in lower case, as sign-in looks for it", "created_at: an instant that was kept as text"]))
      expect(repaired["sandbox_attempts"]).toEqual(expect.arrayContaining(["issue_id: cleared, because it refers to nothing", "retry_of_run_id: cleared, because it refers to nothing of its own"]))
      expect(repaired["issue_workflow_executions"]).toEqual(["started_at: not recorded, so since it was queued"])
      expect(repaired["oci_image_build_jobs"]).toEqual(expect.arrayContaining(["attempt_count: more than there may be, so as many as there may", "lease_expires_at: cleared, because nobody holds it"]))
      expect(repaired["profiles"]).toEqual(["active_revision_id: cleared, because it refers to nothing of its own"])
      const sql = yield* SqlClient.SqlClient
      expect(yield* sql`SELECT created_at FROM user LIMIT 1`).toEqual([{ created_at: Date.UTC(2026, 2, 1) }])
    }).pipe(Effect.provide(layer)))

  it.scoped("rejects what no table takes, with all that refers to it, and keeps it whole", () =>
    Effect.gen(function*() {
      const rows = yield* worldRows
      const path = join(yield* directory, "legacy.sqlite")
      const source: Rows = {
        ...rows,
        user: [...(rows["user"] ?? []), { ...(rows["user"]?.[0] ?? {}), id: "twin" }],
        repositories: (rows["repositories"] ?? []).map((row) => ({ ...row, provider: "banana" })),
        secret_versions: (rows["secret_versions"] ?? []).map((row) => ({ ...row, encrypted_value: Buffer.from([1, 2, 3]) }))
      }
      writeSource(path, source)
      const report = yield* run(path)
      const rejected = Object.fromEntries(report.tables.map(({ rejected, table }) => [table, rejected]))
      expect(rejected["user"]).toEqual({ "is there already: user.email": 1 })
      expect(rejected["repositories"]).toEqual({ repositories_provider: rows["repositories"]?.length })
      expect(rejected["issues"]).toEqual({ "repository_id: refers to a row of repositories that is not there, or was rejected": rows["issues"]?.length })
      expect(rejected["secret_versions"]).toEqual({ "a value is not of the column's type": rows["secret_versions"]?.length })
      const sql = yield* SqlClient.SqlClient
      const [kept] = yield* sql<{ readonly payload: string }>`SELECT row_payload AS payload FROM import_rejects WHERE source_table = 'secret_versions'`
      expect(JSON.parse(kept?.payload ?? "")).toMatchObject({ encrypted_value: { base64: "AQID" } })
      expect((yield* run(path)).repeated).toBe(true)
    }).pipe(Effect.provide(layer)))

  it.scoped("goes through many rows in batches, and leaves nothing when it is given up", () =>
    Effect.gen(function*() {
      const rows = yield* worldRows
      const [event] = rows["issue_workflow_execution_events"] ?? []
      const many = Array.from({ length: 1750 }, (_, index) => ({ ...event, id: `event-${index}`, sequence: index + 10 }))
      const path = join(yield* directory, "legacy.sqlite")
      writeSource(path, { ...rows, issue_workflow_execution_events: many })
      const legacy = yield* LegacyImport
      const seen: Array<number> = []
      const fiber: Fiber.RuntimeFiber<unknown, unknown> = yield* Effect.fork(legacy.run(path, {
        onProgress: (table, done) => table === "issue_workflow_execution_events" && done > 1000 ? Effect.never : Effect.sync(() => void seen.push(done))
      }))
      yield* Effect.repeat(Effect.yieldNow(), { until: () => seen.includes(1000) })
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      expect(yield* count("user")).toBe(0)
      const report = yield* legacy.run(path)
      expect(report.tables.find(({ table }) => table === "issue_workflow_execution_events")?.imported).toBe(1750)
    }).pipe(Effect.provide(Layer.provideMerge(LegacyImport.layer, fileLayer))))

  it.scoped("refuses what it cannot import, and a database that is not empty", () =>
    Effect.gen(function*() {
      const rows = yield* worldRows
      const path = join(yield* directory, "legacy.sqlite")
      expect(yield* refusalOf(run(path))).toMatchObject({ _tag: "LegacyImportRefused", reason: "NotFound" })
      expect(existsSync(path)).toBe(false)
      writeFileSync(path, "no database, but long enough to look like one".repeat(100))
      expect(yield* refusalOf(run(path))).toMatchObject({ reason: "NotADatabase" })
      rmSync(path)
      writeSource(path, rows, ["issues", "profiles"])
      expect(yield* refusalOf(run(path))).toMatchObject({ reason: "NotThePredecessors", problem: expect.stringContaining("profiles, issues") })
      yield* Maintenance.backup(join(path, "..", "ours.sqlite"))
      expect(yield* refusalOf(run(join(path, "..", "ours.sqlite")))).toMatchObject({ reason: "NotThePredecessors", problem: expect.stringContaining("of this program") })
      rmSync(path)
      writeSource(path, { user: [{ id: "else", name: "", email: "else@example.com", email_verified: 0, created_at: 0, updated_at: 0 }] })
      yield* run(path)
      const other = join(path, "..", "other.sqlite")
      writeSource(other, rows)
      expect(yield* refusalOf(run(other))).toMatchObject({ reason: "TargetNotEmpty" })
      expect(yield* count("user")).toBe(1)
    }).pipe(Effect.provide(Layer.provideMerge(LegacyImport.layer, fileLayer))))

  const wrong = fc.constantFrom<unknown>(null, "", "banana", -1, 0, 1.5, 9e15, "{not json", "[1]", "gone", "A".repeat(2000), "2026-01-01")
  const spot = fc.record({ table: fc.nat(), row: fc.nat(), column: fc.nat(), value: wrong })

  it.scoped.prop("comes to balanced books, whatever is wrong in whichever row", [fc.array(spot, { minLength: 1, maxLength: 25 })], ([spots]) =>
    Effect.gen(function*() {
      const rows = yield* worldRows
      const source: Record<string, Array<Record<string, unknown>>> = Object.fromEntries(
        Object.entries(rows).map(([table, all]) => [table, all.map((row) => ({ ...row }))]))
      for (const { column, row, table, value } of spots) {
        const name = tableNames[table % tableNames.length] ?? ""
        const all = source[name] ?? []
        const target = all[row % Math.max(1, all.length)]
        const columns = Object.keys(target ?? {})
        if (target !== undefined) target[columns[column % columns.length] ?? ""] = value
      }
      const path = join(yield* directory, "legacy.sqlite")
      writeSource(path, source)
      yield* balance(source, yield* run(path))
    }).pipe(Effect.provide(layer)), { fastCheck: { numRuns: 40 } })

  const legacyFolder = fileURLToPath(new URL("../../../shared/reference/legacy", import.meta.url))
  for (const file of existsSync(legacyFolder) ? readdirSync(legacyFolder).filter((name) => name.endsWith(".sqlite")) : []) {
    it.scoped(`imports ${file} of a deployment`, () =>
      Effect.gen(function*() {
        const path = join(yield* directory, file)
        copyFileSync(join(legacyFolder, file), path)
        const report = yield* run(path)
        expect([report.imported > 300, report.rejected > 0]).toEqual([true, file === "dirty.sqlite"])
        const sql = yield* SqlClient.SqlClient
        expect(yield* sql`PRAGMA foreign_key_check`).toEqual([])
        expect((yield* run(path)).repeated).toBe(true)
      }).pipe(Effect.provide(layer)))
  }
})
