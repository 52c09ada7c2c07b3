/**
 * Text that is not UTF-8. The engine keeps whatever bytes a TEXT is given by a program that asks it to, or by a damaged page,
 * and finds nothing wrong with them; the binding (libsql 0.5.29) ends the whole process when such a text is read.
 *
 * So it is never read as text here: what is not ASCII comes as a blob, some at a time, and is looked at.
 */
import type { SqlError } from "@effect/sql"
import { Array, Effect } from "effect"
import { isUtf8 } from "node:buffer"
import type { Row } from "../libsql/Connection.js"
import type { Reader } from "./reader.js"

/** A column in which texts are not UTF-8. */
export interface MalformedText {
  readonly table: string
  readonly column: string
  readonly rows: number
}

// A row may hold a document of 25 MB.
const rowsAtOnce = 50

// Has a character that is not ASCII; the engine takes any other byte for one.
const notAscii = "GLOB '*[^' || char(1) || '-' || char(127) || ']*'"

// What names the rest: read first.
const schemaText = "SELECT CAST(type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') AS BLOB) AS value FROM sqlite_schema"

const columnsText = `
  SELECT t.name AS "table", c.name AS "column", t.wr AS keyed FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
  WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT GLOB 'sqlite_*' ORDER BY t.name, c.cid`

/** The columns that hold text which is not UTF-8. Reads each row once. */
export const malformedTexts = (reader: Reader): Effect.Effect<ReadonlyArray<MalformedText>, SqlError.SqlError> =>
  Effect.gen(function*() {
    const objects = (yield* reader.all(schemaText)).filter(({ value }) => isMalformed(value))
    if (objects.length > 0) return [{ table: "sqlite_schema", column: "sql", rows: objects.length }]
    const tables = Array.groupBy(yield* reader.all(columnsText), ({ table }) => String(table))
    const found = yield* Effect.forEach(Object.entries(tables), ([table, columns]) =>
      malformedIn(reader, table, columns.map(({ column }) => String(column)), columns.some(({ keyed }) => keyed === 1)))
    return found.flat()
  })

const malformedIn = (reader: Reader, table: string, columns: ReadonlyArray<string>, withoutRowId: boolean) =>
  Effect.gen(function*() {
    const counts = columns.map(() => 0)
    const names = columns.map(identifier)
    const values = names.map((name, index) => `iif(typeof(${name}) = 'text' AND ${name} ${notAscii}, CAST(${name} AS BLOB), NULL) AS v${index}`)
    const condition = names.map((name) => `${name} ${notAscii}`).join(" OR ")
    const look = (after: string, rows: string) =>
      reader.all(`SELECT ${withoutRowId ? "0" : "rowid"} AS at, ${values.join(", ")} FROM ${identifier(table)} WHERE ${after} (${condition}) ${rows}`)
    let page: ReadonlyArray<Row> = yield* look("", withoutRowId ? "" : `ORDER BY rowid LIMIT ${rowsAtOnce}`)
    while (page.length > 0) {
      for (const row of page) counts.forEach((count, index) => counts[index] = isMalformed(row[`v${index}`]) ? count + 1 : count)
      const last = page.at(-1)?.["at"]
      page = withoutRowId || page.length < rowsAtOnce ? [] : yield* look(`rowid > ${String(last)} AND`, `ORDER BY rowid LIMIT ${rowsAtOnce}`)
    }
    return columns.flatMap((column, index) => {
      const rows = counts[index] ?? 0
      return rows === 0 ? [] : [{ table, column, rows }]
    })
  })

const identifier = (name: string) => `"${name.replaceAll("\"", "\"\"")}"`

const isMalformed = (value: unknown): boolean =>
  value instanceof ArrayBuffer ? !isUtf8(value) : ArrayBuffer.isView(value) && !isUtf8(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
