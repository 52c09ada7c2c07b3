/**
 * The integrity check of a database, and the summary of its contents.
 */
import type { SqlError } from "@effect/sql"
import { Effect, Schema } from "effect"
import type { PersistenceError } from "../Errors.js"
import { codeOf } from "../libsql/DriverError.js"
import { decodeLedgerRows, ledgerPresentText, type LedgerRow, ledgerText } from "../migration/ledger.js"
import { quotedName, quotedText } from "../libsql/sqlText.js"
import { Count } from "../sql/columns.js"
import type { Reader } from "./reader.js"

/** Rows with a reference to a missing row. */
export const DanglingReferences = Schema.Struct({
  table: Schema.String,
  /** The referenced table. */
  references: Schema.String,
  rows: Count
})
export interface DanglingReferences extends Schema.Schema.Type<typeof DanglingReferences> {}

/** The result of the engine's check of each page, each index and each reference. */
export const IntegrityReport = Schema.Struct({
  /** True if the check found no problem. */
  ok: Schema.Boolean,
  /** The damage, one line each, up to 100, in the engine's words: pages, tables and indexes, never values. */
  damage: Schema.Array(Schema.String),
  danglingReferences: Schema.Array(DanglingReferences)
})
export interface IntegrityReport extends Schema.Schema.Type<typeof IntegrityReport> {}

/** Checks each page, index, CHECK and reference of a database. */
export const checkIntegrity = (reader: Reader): Effect.Effect<IntegrityReport, SqlError.SqlError> =>
  reader
    .inSnapshot(
      Effect.gen(function* () {
        const lines = yield* reader.all("PRAGMA integrity_check(100)")
        const damage = lines.flatMap((line) => Object.values(line).map(String)).filter((line) => line !== "ok")
        // The search for references may fail on damaged pages, and the damage is the more important finding.
        const dangling = damage.length > 0 ? [] : yield* reader.all(danglingText)
        const danglingReferences = dangling.map((row) => ({
          table: String(row["child"]),
          references: String(row["parent"]),
          rows: Number(row["count"])
        }))
        return { ok: damage.length === 0 && danglingReferences.length === 0, damage, danglingReferences }
      })
    )
    .pipe(
      // When the engine cannot begin to read a table, it stops the check, and its earlier findings are lost.
      Effect.catchIf(
        ({ cause }) => codeOf(cause).startsWith("SQLITE_CORRUPT"),
        () => Effect.succeed({ ok: false, damage: ["the engine reports a corrupted page"], danglingReferences: [] })
      )
    )

const danglingText = `
  SELECT "table" AS child, parent, count(*) AS count FROM pragma_foreign_key_check GROUP BY "table", parent ORDER BY "table", parent`

/** Describes the first problem in one line, or returns `undefined` if there is none. */
export const problemOf = ({ damage, danglingReferences }: IntegrityReport): string | undefined => {
  const [first] = damage
  const [reference] = danglingReferences
  if (first !== undefined) return `it is damaged: ${first}${damage.length > 1 ? `, and ${damage.length - 1} more` : ""}`
  if (reference === undefined) return undefined
  return `${reference.rows} rows of ${reference.table} refer to rows of ${reference.references} that are not there`
}

/** The contents of a database. */
export interface Contents {
  /** The number of rows of each table, by its name. */
  readonly tables: Readonly<Record<string, number>>
  /** The applied migrations; empty for a database of another program. */
  readonly ledger: ReadonlyArray<LedgerRow>
}

const tablesText = `
  SELECT name FROM sqlite_master
  WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'libsql_*' AND name NOT GLOB '_litestream_*' ORDER BY name`

/** Counts the rows of each table in one statement. Reads every row, so it is slow on a large database. */
export const countRows = (reader: Reader): Effect.Effect<Readonly<Record<string, number>>, SqlError.SqlError> =>
  Effect.gen(function* () {
    const names = (yield* reader.all(tablesText)).map(({ name }) => String(name))
    if (names.length === 0) return {}
    const counts = yield* reader.all(
      names
        .map((name) => `SELECT ${quotedText(name)} AS name, (SELECT count(*) FROM ${quotedName(name)}) AS count`)
        .join(" UNION ALL ")
    )
    return Object.fromEntries(counts.map(({ count, name }) => [String(name), Number(count)]))
  })

/** Reads the contents of a database from a consistent snapshot. */
export const contentsOf = (reader: Reader): Effect.Effect<Contents, SqlError.SqlError | PersistenceError> =>
  reader.inSnapshot(
    Effect.gen(function* () {
      const present = yield* reader.all(ledgerPresentText)
      const ledger = present.length === 0 ? [] : yield* Effect.flatMap(reader.all(ledgerText), decodeLedgerRows)
      return { tables: yield* countRows(reader), ledger }
    })
  )
