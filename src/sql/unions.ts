/**
 * Rows of several tables in one statement: a consistent snapshot without a transaction, for which all writers would
 * wait.
 *
 * The columns of the tables differ, so the statement returns each row as one JSON document with the name of its table.
 */
import { Array, Effect, type Option } from "effect"
import { type CorruptRow, columnList, partOf, type RowModel } from "./rows.js"

type Row = Readonly<Record<string, unknown>>

/** The rows of one table in such a statement. */
export interface Part<A> {
  /** The SELECT of the rows. */
  readonly text: string
  /** Decodes the rows of this table among the rows of the whole statement. */
  readonly rowsIn: (rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<A>, CorruptRow>
}

/**
 * Builds a part: the rows of a table that match a condition. `order` must end with a LIMIT (`LIMIT -1` for all rows).
 */
export const part = <A>(
  model: RowModel<A> & { readonly fields: Readonly<Record<string, unknown>> },
  table: string,
  condition: string,
  order = ""
): Part<A> => {
  const values = Object.keys(model.fields).map((field) => `'row.${field}', "${field}"`)
  const decode = partOf(model, "row")
  return {
    // Without a LIMIT, the planner omits the ORDER BY of a subquery (https://www.sqlite.org/optoverview.html, 16).
    text: `SELECT '${table}' AS part, json_object(${values.join(", ")}) AS "row"
      FROM (SELECT ${columnList(model)} FROM ${table} WHERE ${condition} ${order})`,
    rowsIn: (rows) =>
      Effect.map(
        Effect.forEach(
          rows.filter((row) => row["part"] === table),
          (row): Effect.Effect<Option.Option<A>, CorruptRow> => decode(parse(row["row"]))
        ),
        Array.getSomes
      )
  }
}

const parse = (text: unknown): Row => JSON.parse(String(text))

/** Joins the SELECTs of all parts into one statement. */
export const unionQuery = (parts: ReadonlyArray<{ readonly text: string }>): string =>
  parts.map(({ text }) => text).join(" UNION ALL ")
