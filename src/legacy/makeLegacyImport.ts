/**
 * How an import goes: table by table, row by row, in one transaction.
 */
import { SqlClient, type SqlError } from "@effect/sql"
import { Clock, Data, Effect, Either, Option, Stream } from "effect"
import * as Database from "../Database.js"
import type { PersistenceError } from "../Errors.js"
import { engineErrorOf, isSqlError, persistenceErrorOf } from "../internal/engineError.js"
import { spanned } from "../internal/query.js"
import { columnNames, readerOf } from "../internal/rows.js"
import { LegacyImportFailed, LegacyImportRefused } from "./errors.js"
import type { ImportedTable, ImportOptions, ImportReport, LegacyImportService } from "./LegacyImport.js"
import { coerced, repairs, type Row } from "./repairs.js"
import { openSource, type Source } from "./source.js"
import { type LegacyTable, legacyTables } from "./tables.js"

interface Column {
  readonly name: string
  readonly type: string
  readonly required: number
}

interface Reference {
  readonly column: string
  readonly parent: string
}

/** What is counted of a table as its rows go by. */
class Counts {
  imported = 0
  readonly repaired = new Map<string, number>()
  readonly rejected = new Map<string, number>()

  constructor(readonly table: string) {}

  report(): ImportedTable {
    return { table: this.table, imported: this.imported, repaired: Object.fromEntries(this.repaired), rejected: Object.fromEntries(this.rejected) }
  }
}

const countIn = (counts: Map<string, number>, what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)

/** The key of a row, as text: of several columns as JSON. */
const keyOf = ({ key }: LegacyTable, row: Row): string => {
  const [column = "", ...others] = key
  return others.length === 0 ? String(row[column] ?? "") : JSON.stringify(key.map((name) => row[name]))
}

/** Everything of the row, also what JSON has no word for. */
const wholeOf = (row: Row): string =>
  JSON.stringify(row, (_, value: unknown) => {
    if (ArrayBuffer.isView(value)) return { base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") }
    return typeof value === "bigint" ? String(value) : value
  })

/** Which rule of the tables a row breaks, in words that hold no value of it. */
const ruleOf = (error: SqlError.SqlError): Option.Option<string> => {
  const { code, message } = engineErrorOf(error)
  if (!/CONSTRAINT|UNKNOWN_SQLITE_ERROR_3091|SEALANT_UNSUPPORTED_VALUE/.test(code)) return Option.none()
  if (code === "UNKNOWN_SQLITE_ERROR_3091") return Option.some("a value is not of the column's type")
  if (code === "SQLITE_CONSTRAINT_FOREIGNKEY") return Option.some("refers to a row that is not there, or belongs to another")
  if (code === "SEALANT_UNSUPPORTED_VALUE") return Option.some("a value that the store cannot hold")
  return Option.some(message.replace(/^.*constraint failed: /, code.endsWith("UNIQUE") || code.endsWith("PRIMARYKEY") ? "is there already: " : ""))
}

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const reject = (counts: Counts, table: LegacyTable, row: Row, reason: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      countIn(counts.rejected, reason)
      return sql`
        INSERT INTO import_rejects (source_table, source_key, row_payload, reason, imported_at)
        VALUES (${table.name}, ${keyOf(table, row)}, ${wholeOf(row)}, ${reason}, ${now})`
    })

  const exists = (parent: string, id: unknown) =>
    Effect.map(sql`SELECT 1 FROM ${sql(parent)} WHERE id = ${id}`, (found) => found.length > 0)

  /** The columns of a table of ours, and what they refer to by an id alone. */
  const shapeOf = (table: LegacyTable) =>
    Effect.gen(function*() {
      const columns = yield* sql<Column>`SELECT name, type, "notnull" AS required FROM pragma_table_info(${table.name})`
      const references = yield* sql<Reference & { readonly id: number }>`
        SELECT id, "from" AS "column", "table" AS parent FROM pragma_foreign_key_list(${table.name}) WHERE "to" = 'id' OR "to" IS NULL`
      return { columns, references, required: new Set(columns.filter(({ required }) => required === 1).map(({ name }) => name)) }
    })

  type Shape = Effect.Effect.Success<ReturnType<typeof shapeOf>>

  /** References that lead nowhere: cleared where a row can do without, and the end of the row where not. */
  const withReferences = (table: LegacyTable, { references, required }: Shape, row: Row, mended: (kind: string) => void) =>
    Effect.gen(function*() {
      for (const { column, parent } of references) {
        if (row[column] === null || row[column] === undefined || table.later?.includes(column)) continue
        if (parent === "encryption_keys" || (yield* exists(parent, row[column]))) continue
        if (required.has(column)) return Option.some(`${column}: refers to a row of ${parent} that is not there, or was rejected`)
        row[column] = null
        mended(`${column}: cleared, because it refers to nothing`)
      }
      return Option.none<string>()
    })

  /** The key that encrypted a version is only a name there. */
  const rememberKey = (row: Row) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      sql`INSERT INTO encryption_keys (id, status, created_at) VALUES (${row["encryption_key_id"]}, 'inactive', ${now}) ON CONFLICT DO NOTHING`)

  /** A run that has ended has taken note of its job; one that goes on is for supervision to end. */
  const settled = (row: Row) =>
    Effect.gen(function*() {
      if (row["finished_at"] === null || row["finished_at"] === undefined) return
      const live = yield* sql`SELECT 1 FROM sandbox_attempts WHERE id = ${row["run_id"]} AND status IN ('queued', 'running')`
      if (live.length === 0) row["run_settled_at"] = row["finished_at"]
    })

  const takeRow = (table: LegacyTable, shape: Shape, counts: Counts, take: (row: Row) => Either.Either<unknown, { readonly error: { readonly column: string } }>) => (source: Row) =>
    Effect.gen(function*() {
      const kinds = new Set<string>()
      const mended = (kind: string) => void kinds.add(kind)
      const row: Row = {}
      for (const column of shape.columns) {
        if (column.name in source) row[column.name] = coerced(source[column.name], column, mended)
      }
      repairs[table.name]?.(row, mended)
      const broken = yield* withReferences(table, shape, row, mended)
      if (Option.isSome(broken)) return yield* reject(counts, table, source, broken.value)
      if (table.name === "secret_versions" && typeof row["encryption_key_id"] === "string") yield* rememberKey(row)
      if (table.name === "oci_image_build_jobs") yield* settled(row)
      for (const column of table.later ?? []) row[column] = null
      return yield* Effect.gen(function*() {
        const values = Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined))
        const [stored] = yield* sql<Row>`INSERT INTO ${sql(table.name)} ${sql.insert(values)} RETURNING *`
        const read = take(Object.fromEntries(columnNames(table.model).map(([field, column]) => [field, stored?.[column]])))
        if (Either.isLeft(read)) return yield* new Unreadable({ column: read.left.error.column })
      }).pipe(
        sql.withTransaction,
        Effect.zipRight(Effect.sync(() => {
          counts.imported++
          for (const kind of kinds) countIn(counts.repaired, kind)
        })),
        Effect.catchAll((error) => {
          if (error instanceof Unreadable) return reject(counts, table, source, `${error.column}: is not of its shape`)
          const rule = ruleOf(error)
          return Option.isSome(rule) ? reject(counts, table, source, rule.value) : Effect.fail(error)
        })
      )
    })

  const takeTable = (source: Source, { onProgress }: ImportOptions) => (table: LegacyTable) =>
    Effect.gen(function*() {
      const counts = new Counts(table.name)
      const shape = yield* shapeOf(table)
      const take = takeRow(table, shape, counts, readerOf(table.model))
      let rows = 0
      yield* Stream.runForEach(source.rows(table.name), (batch) =>
        Effect.gen(function*() {
          yield* Effect.forEach(batch, take, { discard: true })
          rows += batch.length
          if (onProgress !== undefined) yield* onProgress(table.name, rows)
        }))
      return counts
    })

  /** References to what came later, now that it is there: a row of the same owner or profile, or none. */
  const fillLater = (source: Source, counts: ReadonlyMap<string, Counts>) => (table: LegacyTable) =>
    Effect.forEach(table.later ?? [], (column) =>
      Stream.runForEach(source.rows(table.name), (batch) =>
        Effect.forEach(batch.filter((row) => typeof row[column] === "string"), (row) =>
          sql`UPDATE ${sql(table.name)} SET ${sql(column)} = ${row[column]} WHERE id = ${row["id"]} RETURNING id`.pipe(
            sql.withTransaction,
            Effect.catchIf((error) => Option.isSome(ruleOf(error)), () => Effect.sync(() => {
              const own = counts.get(table.name)
              if (own !== undefined) countIn(own.repaired, `${column}: cleared, because it refers to nothing of its own`)
              return []
            }))
          ), { discard: true })), { discard: true })

  const isEmpty = Effect.map(
    Effect.forEach([...legacyTables.map(({ name }) => name), "import_rejects"], (name) => sql`SELECT 1 FROM ${sql(name)} LIMIT 1`),
    (found) => found.every((rows) => rows.length === 0)
  )

  /** How many rows of a batch are here: imported, or rejected. */
  const knownOf = (table: LegacyTable, batch: ReadonlyArray<Row>) =>
    Effect.gen(function*() {
      const keys = JSON.stringify(batch.map((row) => table.key.map((column) => row[column])))
      const same = table.key.map((column, place) => `t.${column} = given.value ->> ${place}`).join(" AND ")
      const imported = yield* sql`
        SELECT 1 FROM json_each(${keys}) AS given CROSS JOIN ${sql(table.name)} AS t ON ${sql.literal(same)}`
      const rejected = yield* sql`
        SELECT DISTINCT given.key FROM json_each(${JSON.stringify(batch.map((row) => keyOf(table, row)))}) AS given
        CROSS JOIN import_rejects AS r ON r.source_table = ${table.name} AND r.source_key = given.value`
      return { imported: imported.length, rejected: rejected.length }
    })

  /** A database that is not empty has to be what this very file was imported to. */
  const requireRepeated = (source: Source) =>
    Effect.forEach(legacyTables, (table) =>
      Effect.gen(function*() {
        const counts = new Counts(table.name)
        yield* Stream.runForEach(source.rows(table.name), (batch) =>
          Effect.flatMap(knownOf(table, batch), ({ imported, rejected }) => {
            counts.imported += imported
            if (rejected > 0) counts.rejected.set("rejected before", (counts.rejected.get("rejected before") ?? 0) + rejected)
            return imported + rejected < batch.length
              ? new LegacyImportRefused({ reason: "TargetNotEmpty", problem: "the database has rows already, which are not those of this file: import into an empty one" })
              : Effect.void
          }))
        return counts
      }))

  const whole = (path: string, options: ImportOptions) =>
    Effect.gen(function*() {
      const source = yield* openSource(path)
      if (!(yield* isEmpty)) return reportOf(yield* requireRepeated(source), true)
      const counts = yield* Effect.forEach(legacyTables, takeTable(source, options))
      const byName = new Map(counts.map((own) => [own.table, own]))
      yield* Effect.forEach(legacyTables, fillLater(source, byName), { discard: true })
      return reportOf(counts, false)
    })

  const service: LegacyImportService = {
    run: (path, options = {}) =>
      whole(path, options).pipe(
        Effect.scoped,
        Effect.catchTag("SourceUnreadable", ({ problem }) => new LegacyImportFailed({ problem: `the source cannot be read: ${problem}` })),
        Database.transaction,
        Effect.provideService(SqlClient.SqlClient, sql),
        Effect.mapError((error): LegacyImportRefused | LegacyImportFailed | PersistenceError =>
          isSqlError(error) ? persistenceErrorOf("LegacyImport.run", error) : error),
        (run) => spanned(run, "LegacyImport.run")
      )
  }
  return service
})

/** What was stored cannot be read by its model. */
class Unreadable extends Data.TaggedError("Unreadable")<{ readonly column: string }> {}

const reportOf = (counts: ReadonlyArray<Counts>, repeated: boolean): ImportReport => {
  const tables = counts.map((own) => own.report())
  const rejectedOf = ({ rejected }: ImportedTable) => Object.values(rejected).reduce((sum, count) => sum + count, 0)
  return {
    tables,
    imported: tables.reduce((sum, { imported }) => sum + imported, 0),
    rejected: tables.reduce((sum, table) => sum + rejectedOf(table), 0),
    repeated
  }
}
