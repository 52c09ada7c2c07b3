/**
 * Rows of several tables in one statement: what belongs together, as of one moment, without a transaction, in which
 * every writer would wait.
 *
 * The tables have other columns each, so each row comes as one document, with the name of its table.
 */
import { Array, Effect, type Option } from "effect"
import { type CorruptRow, columnList, partOf, type RowModel } from "./rows.js"

type Row = Readonly<Record<string, unknown>>

/** A kind of row in the one statement: how it is read out of the database, and out of the statement's rows. */
export interface Part<A> {
  readonly text: string
  readonly rowsIn: (rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<A>, CorruptRow>
}

/** The rows of a table that fulfil a condition, in an order that ends with a LIMIT, if only of nothing. */
export const part = <A>(
  model: RowModel<A> & { readonly fields: Readonly<Record<string, unknown>> },
  table: string,
  condition: string,
  order = ""
): Part<A> => {
  const values = Object.keys(model.fields).map((field) => `'row.${field}', "${field}"`)
  const decode = partOf(model, "row")
  return {
    // A LIMIT keeps the order of a subquery (https://www.sqlite.org/optoverview.html, 16).
    text: `SELECT '${table}' AS part, json_object(${values.join(", ")}) AS "row"
      FROM (SELECT ${columnList(model)} FROM ${table} WHERE ${condition} ${order})`,
    rowsIn: (rows) =>
      Effect.map(
        Effect.forEach(rows.filter((row) => row["part"] === table), (row): Effect.Effect<Option.Option<A>, CorruptRow> => decode(parse(row["row"]))),
        Array.getSomes
      )
  }
}

const parse = (text: unknown): Row => JSON.parse(String(text))

/** One statement that reads all parts. */
export const together = (parts: ReadonlyArray<{ readonly text: string }>): string => parts.map(({ text }) => text).join(" UNION ALL ")
