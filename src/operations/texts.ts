/**
 * The search for text that is not UTF-8. The engine stores any bytes as TEXT, from a program that binds them or from
 * a damaged page, and reports no problem. The binding (libsql 0.5.29) ends the whole process when it reads such a
 * text.
 *
 * So such values are never read as text. Values that are not ASCII are read as blobs, a page of rows at a time, and
 * checked.
 */
import type { SqlError } from "@effect/sql"
import { Array, Effect } from "effect"
import { isUtf8 } from "node:buffer"
import type { Row } from "../libsql/prepared.js"
import { quotedName } from "../libsql/sqlText.js"
import type { Reader } from "./reader.js"

/** A column that contains texts that are not UTF-8. */
export interface MalformedText {
  readonly table: string
  readonly column: string
  readonly rows: number
}

// A row may contain a document of 25 MB.
const rowsAtOnce = 50

// Matches a value with a character that is not ASCII. The engine treats every other byte as such a character.
const notAscii = "GLOB '*[^' || char(1) || '-' || char(127) || ']*'"

// Read first, because the schema contains the names of all other columns.
const schemaText =
  "SELECT CAST(type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') AS BLOB) AS value FROM sqlite_schema"

const columnsText = `
  SELECT t.name AS "table", c.name AS "column", t.wr AS keyed FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
  WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT GLOB 'sqlite_*' ORDER BY t.name, c.cid`

/** Finds the columns that contain text that is not UTF-8. Reads each row once. */
export const malformedTexts = (reader: Reader): Effect.Effect<ReadonlyArray<MalformedText>, SqlError.SqlError> =>
  Effect.gen(function* () {
    const objects = (yield* reader.all(schemaText)).filter(({ value }) => isMalformed(value))
    if (objects.length > 0) return [{ table: "sqlite_schema", column: "sql", rows: objects.length }]
    const tables = Array.groupBy(yield* reader.all(columnsText), ({ table }) => String(table))
    const found = yield* Effect.forEach(Object.entries(tables), ([table, columns]) =>
      malformedIn(
        reader,
        table,
        columns.map(({ column }) => String(column)),
        columns.some(({ keyed }) => keyed === 1)
      )
    )
    return found.flat()
  })

const malformedIn = (reader: Reader, table: string, columns: ReadonlyArray<string>, withoutRowId: boolean) =>
  Effect.gen(function* () {
    const counts = columns.map(() => 0)
    const names = columns.map(quotedName)
    const values = names.map(
      (name, index) => `iif(typeof(${name}) = 'text' AND ${name} ${notAscii}, CAST(${name} AS BLOB), NULL) AS v${index}`
    )
    const condition = names.map((name) => `${name} ${notAscii}`).join(" OR ")
    const readPage = (after: string, rows: string) =>
      reader.all(
        `SELECT ${withoutRowId ? "0" : "rowid"} AS at, ${values.join(", ")} FROM ${quotedName(table)} WHERE ${after} (${condition}) ${rows}`
      )
    let page: ReadonlyArray<Row> = yield* readPage("", withoutRowId ? "" : `ORDER BY rowid LIMIT ${rowsAtOnce}`)
    while (page.length > 0) {
      for (const row of page)
        counts.forEach((count, index) => (counts[index] = isMalformed(row[`v${index}`]) ? count + 1 : count))
      const last = page.at(-1)?.["at"]
      page =
        withoutRowId || page.length < rowsAtOnce
          ? []
          : yield* readPage(`rowid > ${String(last)} AND`, `ORDER BY rowid LIMIT ${rowsAtOnce}`)
    }
    return columns.flatMap((column, index) => {
      const rows = counts[index] ?? 0
      return rows === 0 ? [] : [{ table, column, rows }]
    })
  })

const isMalformed = (value: unknown): boolean =>
  value instanceof ArrayBuffer
    ? !isUtf8(value)
    : ArrayBuffer.isView(value) && !isUtf8(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
