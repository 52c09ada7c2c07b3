/**
 * The import of one table. Each piece of a batch is one INSERT; only a piece that the engine rejects is split and
 * examined.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql"
import { Array as Arr, Effect, Either, Option, Stream } from "effect"
import type { ImportedTable, RowsOfKind } from "./ImportedSource.js"
import { isStorable } from "../sql/columns.js"
import { engineErrorOf } from "../sql/engineError.js"
import { inPieces } from "../sql/paging.js"
import { preparerOf, type Ready, type Rejected } from "./prepare.js"
import type { Source } from "./source.js"
import { type Row, type SourceRow, weightOf, wholeOf } from "./sourceRows.js"
import { type Reference, rejectText, rememberKeysText, statementsOf } from "./statements.js"
import { columnsOf, type LegacyTable } from "./tables.js"

/** The counts of a table during its import. */
class Counts {
  imported = 0
  rejected = 0
  private readonly repairs = new Map<string, number>()
  private readonly rejects = new Map<string, number>()

  constructor(private readonly table: string) {}

  addImported(rows: ReadonlyArray<Ready>): void {
    this.imported += rows.length
    for (const { repaired } of rows) for (const what of repaired) this.addRepair(what, 1)
  }

  addRepair(what: string, rows: number): void {
    if (rows > 0) this.repairs.set(what, (this.repairs.get(what) ?? 0) + rows)
  }

  addRejected({ reason }: Rejected): void {
    this.rejected++
    this.rejects.set(reason, (this.rejects.get(reason) ?? 0) + 1)
  }

  get report(): ImportedTable {
    const { imported, rejected, table } = this
    return { table, imported, rejected, repaired: listed(this.repairs), rejects: listed(this.rejects) }
  }
}

const listed = (counts: ReadonlyMap<string, number>): ReadonlyArray<RowsOfKind> =>
  Array.from(counts, ([what, rows]) => ({ what, rows }))

/** Returns the violated rule without values of the row; `None` if the error is not a constraint violation. */
const violatedRule = (error: SqlError.SqlError): Option.Option<string> => {
  const { code, message } = engineErrorOf(error)
  // SQLITE_CONSTRAINT_DATATYPE, which the binding does not name. Its message contains the value.
  if (code === "UNKNOWN_SQLITE_ERROR_3091") return Option.some("a value is not of the column's type")
  if (!code.startsWith("SQLITE_CONSTRAINT")) return Option.none()
  if (code === "SQLITE_CONSTRAINT_FOREIGNKEY") return Option.some("refers to a row that does not exist")
  const rule = message.replace(/^.*constraint failed: /, "")
  return Option.some(/(UNIQUE|PRIMARYKEY)$/.test(code) ? `already exists: ${rule}` : rule)
}

const cleared = (column: string) =>
  `${column}: cleared, because the referenced row was not imported or belongs to another owner`

const derivedFrom = (column: string) => `${column}: derived from the rows that determine it`

/** Returns the key of a row as text, or as JSON if it has several columns or cannot be stored as text. */
const keyOf = ({ key }: LegacyTable, row: Row): string => {
  const [column = "", ...others] = key
  const own = row[column]
  return others.length === 0 && typeof own === "string" && isStorable(own)
    ? own
    : wholeOf(Object.fromEntries(key.map((name) => [name, row[name]])))
}

/** Processes rows in pieces that begin with one row, and are smaller when their rows are long. */
const inSmallPieces = <E>(
  batch: ReadonlyArray<SourceRow>,
  work: (piece: ReadonlyArray<SourceRow>) => Effect.Effect<void, E>
) => inPieces(batch, work, 1, ({ bytes }) => weightOf(bytes))

/** Makes the importer of a table: `importRows` stores its rows, `fillDeferred` its references to later rows. */
export const makeTableImporter = (
  source: Source,
  references: (table: string) => ReadonlyArray<Reference>,
  now: number
) =>
  Effect.map(
    SqlClient.SqlClient,
    (sql) => (table: LegacyTable, onProgress: (table: string, rows: number) => Effect.Effect<void>) => {
      const counts = new Counts(table.name)
      const statements = statementsOf(table, references(table.name))
      const { complete, prepare } = preparerOf(table)
      // Columns that cannot be cleared.
      const required = new Set([
        ...columnsOf(table).flatMap(({ isRequired, name }) => (isRequired ? [name] : [])),
        ...(table.kept ?? [])
      ])

      const asJson = (rows: ReadonlyArray<Ready>) =>
        JSON.stringify(rows.map(({ row }) => statements.columns.map((column) => row[column])))

      const reject = (rows: ReadonlyArray<Rejected>) => {
        if (rows.length === 0) return Effect.void
        for (const row of rows) counts.addRejected(row)
        const batch = rows.map(({ reason, source }) => [table.name, keyOf(table, source), wholeOf(source), reason])
        return Effect.asVoid(sql.unsafe(rejectText, [JSON.stringify(batch), now]))
      }

      /** Clears references to missing rows. Rejects rows in which such a reference is required. */
      const withoutDangling = (rows: ReadonlyArray<Ready>) =>
        Effect.gen(function* () {
          if (statements.missing === undefined) return rows
          const found = yield* sql.unsafe<{ readonly place: number; readonly column: string; readonly parent: string }>(
            statements.missing,
            [asJson(rows)]
          )
          const byPlace = Arr.groupBy(found, ({ place }) => String(place))
          const [rejected, ready] = Arr.separate(
            rows.map((ready, place) => {
              for (const { column, parent } of byPlace[place] ?? []) {
                if (required.has(column)) {
                  const reason = `${column}: the referenced row of ${parent} was not imported or belongs to another owner`
                  return Either.left({ source: ready.source, reason })
                }
                ready.row[column] = null
                ready.repaired.add(cleared(column))
              }
              return complete(ready)
            })
          )
          yield* reject(rejected)
          return ready
        })

      /** Counts the rows in which a derived column differs from the source. */
      const noteDerived = (rows: ReadonlyArray<Ready>, stored: ReadonlyArray<Row>) => {
        const bySource = new Map(rows.map((ready) => [keyOf(table, ready.row), ready]))
        for (const column of Object.keys(table.derived ?? {})) {
          for (const row of stored) {
            const ready = bySource.get(keyOf(table, row))
            if (ready !== undefined && ready.row[column] !== row[column]) ready.repaired.add(derivedFrom(column))
          }
        }
      }

      const insert = (rows: ReadonlyArray<Ready>) => {
        const [only, ...others] = rows
        return only === undefined || others.length > 0
          ? sql.unsafe<Row>(statements.insert, [asJson(rows)])
          : sql.unsafe<Row>(
              statements.insertOne,
              statements.columns.map((column) => only.row[column] ?? null)
            )
      }

      /** Stores rows in one statement. If they violate a constraint, halves them until the violating rows are found. */
      const store = (rows: ReadonlyArray<Ready>, isChecked: boolean): Effect.Effect<void, SqlError.SqlError> =>
        rows.length === 0
          ? Effect.void
          : insert(rows).pipe(
              Effect.map((stored) => {
                noteDerived(rows, stored)
                counts.addImported(rows)
              }),
              Effect.catchAll((error) => {
                const [only] = rows
                const rule = violatedRule(error)
                if (Option.isNone(rule)) return Effect.fail(error)
                if (!isChecked) return Effect.flatMap(withoutDangling(rows), (left) => store(left, true))
                if (only !== undefined && rows.length === 1)
                  return reject([{ source: only.source, reason: rule.value }])
                const [first, second] = Arr.splitAt(rows, Math.ceil(rows.length / 2))
                return Effect.zipRight(store(first, true), store(second, true))
              })
            )

      const rememberKeys = (rows: ReadonlyArray<Ready>) =>
        table.name === "secret_versions"
          ? sql.unsafe(rememberKeysText, [JSON.stringify(rows.map(({ row }) => row["encryption_key_id"])), now])
          : Effect.void

      const importRows = Effect.gen(function* () {
        let done = 0
        yield* Stream.runForEach(source.rows(table.name), (batch) =>
          Effect.gen(function* () {
            yield* inSmallPieces(batch, (piece) =>
              Effect.gen(function* () {
                const [rejected, ready] = Arr.separate(piece.map(prepare))
                yield* reject(rejected)
                yield* rememberKeys(ready)
                yield* store(ready, false)
              })
            )
            done += batch.length
            yield* onProgress(table.name, done)
          })
        )
      })

      /** Fills the deferred references after all rows are stored. */
      const fillDeferred = Effect.forEach(
        statements.later,
        ({ column, fill, unfilled }) =>
          Stream.runForEach(source.rows(table.name, column), (batch) =>
            inSmallPieces(batch, (piece) =>
              Effect.gen(function* () {
                const [, ready] = Arr.separate(piece.map(prepare))
                const pairs = JSON.stringify(ready.map(({ later, row }) => [row["id"], later[column]]))
                yield* sql.unsafe(fill, [pairs])
                const [left] = yield* sql.unsafe<{ readonly rows: number }>(unfilled, [pairs])
                counts.addRepair(cleared(column), left?.rows ?? 0)
              })
            )
          ),
        { discard: true }
      )

      return { importRows, fillDeferred, counts }
    }
  )
