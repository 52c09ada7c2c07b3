/**
 * Read access to a database with the predecessor's schema, in batches and in a separate thread.
 */
import type { SqlError } from "@effect/sql"
import { Data, Effect, Option, type Scope, Stream } from "effect"
import type { RowsOfKind } from "./ImportedSource.js"
import { nextTurn } from "../libsql/eventLoop.js"
import { quotedName } from "../libsql/sqlText.js"
import { inPieces, steps } from "../sql/paging.js"
import { engineProblem, type Reader, readerOfFile } from "../operations/reader.js"
import { type LegacyImportRefused, refuse } from "./errors.js"
import { decodeSourceRow, encodedColumns, lengthOf, type SourceRow, strictUtf8, weightOf } from "./sourceRows.js"
import { columnsThere, type LegacyTable, legacyTables, mayBeMissing } from "./tables.js"

/** A batch ends with the row that reaches one of these limits. */
const batchRows = 500
const batchBytes = 4_000_000

const ledger = "__drizzle_migrations"

/** The source cannot be read. */
export class SourceUnreadable extends Data.TaggedError("SourceUnreadable")<{ readonly problem: string }> {}

export interface Source {
  /** Streams the rows of a table by rowid. With `having`, only rows in which that column is not null. */
  readonly rows: (table: string, having?: string) => Stream.Stream<ReadonlyArray<SourceRow>, SourceUnreadable>
  /** Counts the values in tables and columns that the predecessor never had. */
  readonly ignored: Effect.Effect<ReadonlyArray<RowsOfKind>, SourceUnreadable>
}

const unreadable = (error: SqlError.SqlError) => new SourceUnreadable({ problem: engineProblem(error) })

/**
 * Selects the columns of each table as bytes, because the binding ends the process when a text or name is not UTF-8.
 */
const schemaText = `
  SELECT CAST(json_group_array(json_array(t.name, t.wr, c.name)) AS BLOB) AS names
  FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
  WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT GLOB 'sqlite_*'`

type Tables = ReadonlyMap<string, ReadonlyArray<string>>

/**
 * Opens the database at `path` until the scope closes. Fails with `LegacyImportRefused` if the file is not a database,
 * is damaged, or is not a database of the predecessor.
 */
export const openSource = (path: string): Effect.Effect<Source, LegacyImportRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const reader = yield* readerOfFile(path, 0, "immutable")
    const tables = yield* tablesOf(path, reader)
    yield* requirePredecessors(path, tables)
    yield* requireWhole(path, reader)
    return { rows: rowsOf(reader, tables), ignored: ignoredOf(reader, tables) }
  }).pipe(
    Effect.catchTag("SqlError", (error) =>
      refuse("NotADatabase", `${path} cannot be imported: ${engineProblem(error)}`)
    )
  )

const tablesOf = (path: string, reader: Reader) =>
  Effect.gen(function* () {
    const [encoding] = yield* reader.all("SELECT encoding FROM pragma_encoding")
    const [schema] = yield* reader.all(schemaText)
    const names = strictUtf8(schema?.["names"])
    if (encoding?.["encoding"] !== "UTF-8" || names === undefined) {
      return yield* refuse(
        "NotThePredecessors",
        `${path} is not a database of the predecessor: its text encoding is not UTF-8`
      )
    }
    const tables = new Map<string, Array<string>>()
    for (const [table, isWithoutRowid, column] of JSON.parse(names) as ReadonlyArray<
      readonly [string, number, string]
    >) {
      if (isWithoutRowid === 1 && legacyTables.some(({ name }) => name === table)) {
        return yield* refuse(
          "NotThePredecessors",
          `${path} is not a database of the predecessor: ${table} has no rowid`
        )
      }
      tables.set(table, [...(tables.get(table) ?? []), column])
    }
    return tables as Tables
  })

const requirePredecessors = (path: string, tables: Tables): Effect.Effect<void, LegacyImportRefused> =>
  Effect.gen(function* () {
    if (tables.has("sealant_migrations")) {
      return yield* refuse("NotThePredecessors", `${path} is a database of this package: use \`sealant-db restore\``)
    }
    const missing = tables.has(ledger) ? [] : ["its ledger of migrations"]
    for (const table of legacyTables) {
      yield* nextTurn
      missing.push(...missingOf(table, tables.get(table.name)))
    }
    if (missing.length === 0) return
    const shown = missing.slice(0, 5).join(", ")
    return yield* refuse(
      "NotThePredecessors",
      `${path} is not a database of the predecessor: it lacks ${shown}${missing.length > 5 ? " and more" : ""}`
    )
  })

/** Returns the table, or its required columns, if the source lacks them. */
const missingOf = (table: LegacyTable, found: ReadonlyArray<string> | undefined): ReadonlyArray<string> => {
  if (found === undefined) return mayBeMissing.has(table.name) ? [] : [table.name]
  return columnsThere(table).flatMap(({ isRequired, name }) =>
    isRequired && !found.includes(name) ? [`${table.name}.${name}`] : []
  )
}

/** Checks all pages before the import, because reading a damaged page may silently return fewer rows. */
const requireWhole = (path: string, reader: Reader) =>
  Effect.gen(function* () {
    const lines = (yield* reader.all("PRAGMA quick_check")).flatMap((line) => Object.values(line).map(String))
    // A row that violates a constraint is not damage: the import rejects it.
    const [damage] = lines.filter((line) => line !== "ok" && !/^(NULL value in|CHECK constraint failed in) /.test(line))
    if (damage !== undefined) {
      const what = damage.replace("*** in database main ***", "").replaceAll(/\s+/g, " ").trim()
      return yield* refuse(
        "NotADatabase",
        `${path} is damaged: ${what}; make a copy with \`sqlite3 FILE .recover\`, and check which rows it lost`
      )
    }
  })

const rowsOf =
  (reader: Reader, tables: Tables): Source["rows"] =>
  (table, having) => {
    const columns = tables.get(table)
    if (columns === undefined) return Stream.empty
    const name = quotedName(table)
    const condition = having === undefined ? "" : ` AND ${quotedName(having)} IS NOT NULL`
    if (having !== undefined && !columns.includes(having)) return Stream.empty
    const bytes = columns.map((column) => `ifnull(octet_length(${quotedName(column)}), 0)`).join(" + ")
    // The subquery adds up lengths, which the engine knows without reading long values.
    const text = (from: string) => `
    SELECT CAST(rowid AS TEXT) AS place, CAST(${encodedColumns(columns.map(quotedName))} AS BLOB) AS line
    FROM ${name} WHERE ${from}${condition} AND rowid <= (
      SELECT max(place) FROM (
        SELECT place, sum(bytes) OVER (ORDER BY place) - bytes AS before
        FROM (SELECT rowid AS place, ${bytes} AS bytes FROM ${name} WHERE ${from}${condition} ORDER BY rowid LIMIT ${batchRows}))
      WHERE before < ${batchBytes})
    ORDER BY rowid`
    const batchFrom = (from: string) =>
      Effect.flatMap(Effect.mapError(reader.all(text(from)), unreadable), (rows) =>
        inPieces(
          rows,
          (piece) =>
            Effect.try({
              try: () => piece.map(({ line }) => decodeSourceRow(columns, line)),
              catch: () => new SourceUnreadable({ problem: `a row of ${table} is too long` })
            }),
          1,
          ({ line }) => weightOf(lengthOf(line))
        ).pipe(
          Effect.map((decoded) => {
            const batch = decoded.flat()
            const last = rows.at(-1)?.["place"]
            return [batch, typeof last === "string" ? Option.some(`rowid > ${last}`) : Option.none()] as const
          })
        )
      )
    // The buffer reads the next batch while the current one is written.
    return Stream.buffer(
      Stream.filter(steps("TRUE", batchFrom), (batch) => batch.length > 0),
      { capacity: 1 }
    )
  }

const ignoredOf = (reader: Reader, tables: Tables): Source["ignored"] =>
  Effect.gen(function* () {
    const ignored: Array<RowsOfKind> = []
    const count = (what: string, table: string, counted: string) =>
      Effect.map(
        Effect.mapError(reader.all(`SELECT count(${counted}) AS rows FROM ${quotedName(table)}`), unreadable),
        ([found]) => {
          const rows = Number(found?.["rows"] ?? 0)
          if (rows > 0) ignored.push({ what, rows })
        }
      )
    for (const [table, columns] of tables) {
      if (table === ledger) continue
      yield* nextTurn
      const known = legacyTables.find(({ name }) => name === table)
      if (known === undefined) yield* count(table, table, "*")
      else {
        const there = new Set([
          ...columnsThere(known).map(({ name }) => name),
          ...Object.values(known.formerNames ?? {})
        ])
        for (const column of columns)
          if (!there.has(column)) yield* count(`${table}.${column}`, table, quotedName(column))
      }
    }
    return ignored
  })
