/**
 * Whether the database is whole, and what it holds.
 */
import type { SqlError } from "@effect/sql"
import { Effect } from "effect"
import type { PersistenceError } from "../Errors.js"
import { codeOf } from "../libsql/DriverError.js"
import { decodeLedgerRows, ledgerPresentText, type LedgerRow, ledgerText } from "../migration/ledger.js"
import { quoted, type Reader } from "./reader.js"

/** Rows that refer to what is not there. */
export interface DanglingReferences {
  readonly table: string
  /** The table that they refer to. */
  readonly references: string
  readonly rows: number
}

/** What the engine found when it looked at each page, each index and each reference. */
export interface IntegrityReport {
  /** Nothing was found. */
  readonly ok: boolean
  /** What is damaged, a line each, up to 100, in the engine's words: pages, tables and indexes, never values. */
  readonly damage: ReadonlyArray<string>
  readonly danglingReferences: ReadonlyArray<DanglingReferences>
}

export const checkIntegrity = (reader: Reader): Effect.Effect<IntegrityReport, SqlError.SqlError> =>
  reader.atOnce(Effect.gen(function*() {
    const lines = yield* reader.all("PRAGMA integrity_check(100)")
    const damage = lines.flatMap((line) => Object.values(line).map(String)).filter((line) => line !== "ok")
    // Looking for references in what is damaged may fail: the damage is what matters then.
    const dangling = damage.length > 0 ? [] : yield* reader.all(danglingText)
    const danglingReferences = dangling.map((row) => ({
      table: String(row["child"]),
      references: String(row["parent"]),
      rows: Number(row["count"])
    }))
    return { ok: damage.length === 0 && danglingReferences.length === 0, damage, danglingReferences }
  })).pipe(
    // Over a table that it cannot begin to read the engine gives up, and what it had found is lost with that.
    Effect.catchIf(({ cause }) => codeOf(cause).startsWith("SQLITE_CORRUPT"), () =>
      Effect.succeed({ ok: false, damage: ["the engine reports a corrupted page"], danglingReferences: [] }))
  )

const danglingText = `
  SELECT "table" AS child, parent, count(*) AS count FROM pragma_foreign_key_check GROUP BY "table", parent ORDER BY "table", parent`

/** What is wrong, in one line; nothing when the report is good. */
export const problemOf = ({ damage, danglingReferences }: IntegrityReport): string | undefined => {
  const [first] = damage
  const [reference] = danglingReferences
  if (first !== undefined) return `it is damaged: ${first}${damage.length > 1 ? `, and ${damage.length - 1} more` : ""}`
  if (reference === undefined) return undefined
  return `${reference.rows} rows of ${reference.table} refer to rows of ${reference.references} that are not there`
}

/** What a database holds. */
export interface Contents {
  /** The rows of each table, by its name. */
  readonly tables: Readonly<Record<string, number>>
  /** The migrations that it has; none in a database that is none of ours. */
  readonly ledger: ReadonlyArray<LedgerRow>
}

const tablesText = `
  SELECT name FROM sqlite_master
  WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'libsql_*' AND name NOT GLOB '_litestream_*' ORDER BY name`

/** How many rows each table has, counted in one statement. Looks at each row: for people. */
export const countRows = (reader: Reader): Effect.Effect<Readonly<Record<string, number>>, SqlError.SqlError> =>
  Effect.gen(function*() {
    const names = (yield* reader.all(tablesText)).map(({ name }) => String(name))
    if (names.length === 0) return {}
    const counts = yield* reader.all(
      names.map((name) => `SELECT ${quoted(name)} AS name, (SELECT count(*) FROM "${name.replaceAll("\"", "\"\"")}") AS count`).join(" UNION ALL ")
    )
    return Object.fromEntries(counts.map(({ count, name }) => [String(name), Number(count)]))
  })

export const contentsOf = (reader: Reader): Effect.Effect<Contents, SqlError.SqlError | PersistenceError> =>
  reader.atOnce(Effect.gen(function*() {
    const present = yield* reader.all(ledgerPresentText)
    const ledger = present.length === 0 ? [] : yield* Effect.flatMap(reader.all(ledgerText), decodeLedgerRows)
    return { tables: yield* countRows(reader), ledger }
  }))
