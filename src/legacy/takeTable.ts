/**
 * How the rows of one table come over: a batch is one statement, and only a batch that is refused is looked at closely.
 */
import { SqlClient, type SqlError } from "@effect/sql"
import { Array as Arr, Effect, Either, Option, Stream } from "effect"
import type { ImportedTable, RowsOfKind } from "./ImportedSource.js"
import { isStorable } from "../sql/columns.js"
import { engineErrorOf } from "../sql/engineError.js"
import { inPieces } from "../sql/paging.js"
import { preparerOf, type Ready, type Rejected } from "./prepare.js"
import type { Source } from "./source.js"
import { type Row, wholeOf } from "./sourceRows.js"
import { type Reference, rejectText, rememberKeysText, statementsOf } from "./statements.js"
import { columnsOf, type LegacyTable } from "./tables.js"

/** What is counted of a table as its rows go by. */
class Counts {
  imported = 0
  rejected = 0
  private readonly repairs = new Map<string, number>()
  private readonly rejects = new Map<string, number>()

  constructor(private readonly table: string) {}

  take(rows: ReadonlyArray<Ready>): void {
    this.imported += rows.length
    for (const { repaired } of rows) for (const what of repaired) this.repair(what, 1)
  }

  repair(what: string, rows: number): void {
    if (rows > 0) this.repairs.set(what, (this.repairs.get(what) ?? 0) + rows)
  }

  reject({ reason }: Rejected): void {
    this.rejected++
    this.rejects.set(reason, (this.rejects.get(reason) ?? 0) + 1)
  }

  get report(): ImportedTable {
    const { imported, rejected, table } = this
    return { table, imported, rejected, repaired: listed(this.repairs), rejects: listed(this.rejects) }
  }
}

const listed = (counts: ReadonlyMap<string, number>): ReadonlyArray<RowsOfKind> => Array.from(counts, ([what, rows]) => ({ what, rows }))

/** Which rule of the tables a row breaks, in words that hold no value of it; nothing when that is not what failed. */
const ruleOf = (error: SqlError.SqlError): Option.Option<string> => {
  const { code, message } = engineErrorOf(error)
  // SQLITE_CONSTRAINT_DATATYPE, which the binding does not name; its text has the value.
  if (code === "UNKNOWN_SQLITE_ERROR_3091") return Option.some("a value is not of the column's type")
  if (!code.startsWith("SQLITE_CONSTRAINT")) return Option.none()
  if (code === "SQLITE_CONSTRAINT_FOREIGNKEY") return Option.some("refers to a row that is not there")
  const rule = message.replace(/^.*constraint failed: /, "")
  return Option.some(/(UNIQUE|PRIMARYKEY)$/.test(code) ? `is there already: ${rule}` : rule)
}

const cleared = (column: string) => `${column}: cleared, because no such row was imported, or it is another owner's`

/** The key of a row, as text: of several columns, and of what is no plain text, as JSON. */
const keyOf = ({ key }: LegacyTable, row: Row): string => {
  const [column = "", ...others] = key
  const own = row[column]
  return others.length === 0 && typeof own === "string" && isStorable(own)
    ? own
    : wholeOf(Object.fromEntries(key.map((name) => [name, row[name]])))
}

/** Takes over one table. */
export const tableTaker = (source: Source, references: (table: string) => ReadonlyArray<Reference>, now: number) =>
  Effect.map(SqlClient.SqlClient, (sql) => (table: LegacyTable, onProgress: (table: string, rows: number) => Effect.Effect<void>) => {
    const counts = new Counts(table.name)
    const statements = statementsOf(table, references(table.name))
    const { complete, prepare } = preparerOf(table)
    // References that a row cannot do without.
    const needed = new Set([...columnsOf(table).flatMap(({ isRequired, name }) => isRequired ? [name] : []), ...table.kept ?? []])

    const asBatch = (rows: ReadonlyArray<Ready>) => JSON.stringify(rows.map(({ row }) => statements.columns.map((column) => row[column])))

    const reject = (rows: ReadonlyArray<Rejected>) => {
      if (rows.length === 0) return Effect.void
      for (const row of rows) counts.reject(row)
      const batch = rows.map(({ reason, source }) => [table.name, keyOf(table, source), wholeOf(source), reason])
      return Effect.asVoid(sql.unsafe(rejectText, [JSON.stringify(batch), now]))
    }

    /** Takes references away that lead nowhere; a row that cannot do without is rejected. */
    const withoutDangling = (rows: ReadonlyArray<Ready>) =>
      Effect.gen(function*() {
        if (statements.missing === undefined) return rows
        const found = yield* sql.unsafe<{ readonly place: number; readonly column: string; readonly parent: string }>(statements.missing, [asBatch(rows)])
        const byPlace = Arr.groupBy(found, ({ place }) => String(place))
        const [rejected, ready] = Arr.separate(rows.map((ready, place) => {
          for (const { column, parent } of byPlace[place] ?? []) {
            if (needed.has(column)) return Either.left({ source: ready.source, reason: `${column}: no such row of ${parent} was imported, or it is another owner's` })
            ready.row[column] = null
            ready.repaired.add(cleared(column))
          }
          return complete(ready)
        }))
        yield* reject(rejected)
        return ready
      })

    /** Stores rows in one statement; when a rule stands against it, halves them until the row is found that breaks it. */
    const store = (rows: ReadonlyArray<Ready>, isChecked: boolean): Effect.Effect<void, SqlError.SqlError> =>
      rows.length === 0 ? Effect.void : sql.unsafe(statements.insert, [asBatch(rows)]).pipe(
        Effect.map(() => counts.take(rows)),
        Effect.catchAll((error) => {
          const [only] = rows
          const rule = ruleOf(error)
          if (Option.isNone(rule)) return Effect.fail(error)
          if (!isChecked) return Effect.flatMap(withoutDangling(rows), (left) => store(left, true))
          if (only !== undefined && rows.length === 1) return reject([{ source: only.source, reason: rule.value }])
          const [first, second] = Arr.splitAt(rows, Math.ceil(rows.length / 2))
          return Effect.zipRight(store(first, true), store(second, true))
        })
      )

    const rememberKeys = (rows: ReadonlyArray<Ready>) =>
      table.name === "secret_versions"
        ? sql.unsafe(rememberKeysText, [JSON.stringify(rows.map(({ row }) => row["encryption_key_id"])), now])
        : Effect.void

    const take = Effect.gen(function*() {
      let done = 0
      yield* Stream.runForEach(source.rows(table.name), (batch) =>
        Effect.gen(function*() {
          yield* inPieces(batch, (piece) =>
            Effect.gen(function*() {
              const [rejected, ready] = Arr.separate(piece.map(prepare))
              yield* reject(rejected)
              yield* rememberKeys(ready)
              yield* store(ready, false)
            }))
          done += batch.length
          yield* onProgress(table.name, done)
        }))
    })

    /** Fills references to what came later, now that it is there. */
    const fillLater = Effect.forEach(statements.later, ({ column, fill, left }) =>
      Stream.runForEach(source.rows(table.name, column), (batch) =>
        inPieces(batch, (piece) =>
          Effect.gen(function*() {
            const [, ready] = Arr.separate(piece.map(prepare))
            const pairs = JSON.stringify(ready.map(({ later, row }) => [row["id"], later[column]]))
            yield* sql.unsafe(fill, [pairs])
            const [unfilled] = yield* sql.unsafe<{ readonly rows: number }>(left, [pairs])
            counts.repair(cleared(column), unfilled?.rows ?? 0)
          }))), { discard: true })

    return { take, fillLater, counts }
  })
