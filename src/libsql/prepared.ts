/**
 * Prepared statements of the binding, and their results.
 */
import type Database from "libsql"
import { inspect } from "./inspect.js"
import { type PageRows, readPage } from "./pageRows.js"
import { objectsOf, rowOf } from "./shape.js"
import type { NativeValue } from "./values.js"

/** A row as the binding returns it: a plain object, columns by name. */
export type Row = Record<string, unknown>

export interface Result {
  readonly columns: () => ReadonlyArray<string>
  readonly rows: Array<Row>
  /** The rows as arrays, in the order of the columns. */
  readonly values: () => Array<Array<unknown>>
  readonly rowsAffected: number
  readonly lastInsertRowid: bigint | undefined
  /** True if the rows of a page were so long that the page ended early: see `PageRows`. */
  readonly isCut?: boolean
}

/**
 * The rows that a caller reads. `first` permits to drop all rows but the first, `page` those after the page that
 * `readPage` returns.
 */
export type Reads = "all" | "first" | "page"

/** A prepared statement, and what is known of it. */
export interface Prepared {
  readonly statement: Database.Statement
  readonly returnsRows: boolean
  readonly changesRows: boolean
  /** Makes a row from an array of values; `undefined` when the binding makes the rows. */
  readonly toRow: ((values: ReadonlyArray<unknown>) => object) | undefined
}

const nothing = () => []

/** Prepares a statement. */
export const prepare = (database: Database.Database, sql: string): Prepared => {
  const statement = database.prepare(sql)
  const returnsRows = statement.reader
  const changesRows = inspect(sql).kind === "write"
  const toRow = returnsRows ? rowMaker(statement, changesRows ? resultList(sql) : sql) : undefined
  if (toRow !== undefined) statement.raw()
  return { statement, returnsRows, toRow, changesRows }
}

/** Returns the part of a write that contains its result columns: the rest may select `*` or multiply. */
const resultList = (sql: string): string => {
  const list = sql.slice(sql.toUpperCase().lastIndexOf("RETURNING"))
  return list.includes("'") ? sql : list
}

/** `results` is a part of the text that contains the result columns. */
const rowMaker = (statement: Database.Statement, results: string): Prepared["toRow"] => {
  const names = columnsOf(statement)
  if (new Set(names).size < names.length) return (values) => rowOf(columnsOf(statement), values)
  // The columns of `*` may change while the statement is cached, so the binding reads their names each time.
  return results.includes("*") ? undefined : objectsOf(names)
}

const columnsOf = (statement: Database.Statement): Array<string> => statement.columns().map((column) => column.name)

/** Runs a prepared statement. `page` is for reads only. */
export const runPrepared = (
  database: Database.Database,
  { changesRows, returnsRows, statement, toRow }: Prepared,
  values: Array<NativeValue>,
  reads: Reads
): Result => {
  if (!returnsRows) {
    const { changes, lastInsertRowid } = statement.run(values)
    return {
      columns: nothing,
      rows: [],
      values: nothing,
      rowsAffected: changes,
      lastInsertRowid: BigInt(lastInsertRowid)
    }
  }
  const columns = () => columnsOf(statement)
  if (toRow !== undefined) {
    const { isCut, rows } = arraysOf(database, statement, values, reads)
    return {
      columns,
      rowsAffected: changesRows ? rows.length : 0,
      lastInsertRowid: undefined,
      isCut,
      rows: rows.map((array) => toRow(array) as Row),
      values: () => rows
    }
  }
  const rows = statement.all(values) as Array<Row>
  const inOrder = () => {
    const names = columns()
    return rows.map((row) => names.map((name) => row[name]))
  }
  const rowsAffected = changesRows ? rows.length : 0
  return { columns, rowsAffected, lastInsertRowid: undefined, rows, values: inOrder }
}

/**
 * Runs a statement in raw mode. `.run()` leaves a RETURNING statement open. `.get()` resets it, but adds a key to its
 * row unless the row is an array.
 */
const arraysOf = (
  database: Database.Database,
  statement: Database.Statement,
  values: Array<NativeValue>,
  reads: Reads
): PageRows => {
  if (reads === "page") return readPage(database, statement, values)
  const rows = reads === "first" ? firstRow(statement.get(values)) : statement.all(values)
  return { rows: rows as Array<Array<unknown>>, isCut: false }
}

const firstRow = (row: unknown): Array<unknown> => (row === undefined ? [] : [row])
