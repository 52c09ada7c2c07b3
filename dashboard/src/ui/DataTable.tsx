/**
 * Tables of rows with a page of their own, one page at a time. `j` and `k` move between rows, Enter opens one.
 */
import { tableFeatures, useTable, type ColumnDef } from "@tanstack/react-table"
import type { ReactNode } from "react"
import { useShortcuts } from "../lib/keyboard.js"
import { count } from "../lib/text.js"
import { Failure, Skeleton } from "./basics.js"
import { Icon } from "./Icon.js"

const features = tableFeatures({})

/** A column. `wide` columns are hidden below 900 px, `widest` ones below 1360 px; `width` is that of its placeholder in px. */
export interface Column<Row> {
  readonly id: string
  readonly header: string
  readonly cell: (row: Row) => ReactNode
  readonly align?: "right"
  readonly wide?: boolean
  readonly widest?: boolean
  readonly width?: number
}

const definitionsOf = <Row extends object>(
  columns: ReadonlyArray<Column<Row>>
): Array<ColumnDef<typeof features, Row>> =>
  columns.map(({ cell, header, id }) => ({ id, header, cell: ({ row }) => cell(row.original) }))

const classOf = <Row,>({ align, wide, widest }: Column<Row>) =>
  [align === "right" ? "right num" : "", wide === true ? "wide" : "", widest === true ? "widest" : ""].join(" ").trim()

/** Moves the focus between the links of rows. */
const moveFocus = (by: 1 | -1) => {
  const links = [...document.querySelectorAll<HTMLElement>("[data-row-link]")]
  const at = links.findIndex((link) => link.closest("tr")?.contains(document.activeElement) === true)
  const next = links[at === -1 ? (by === 1 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by))]
  next?.focus()
  next?.scrollIntoView({ block: "nearest" })
}

const Placeholders = <Row,>({
  columns,
  rows
}: {
  readonly columns: ReadonlyArray<Column<Row>>
  readonly rows: number
}) =>
  Array.from({ length: rows }, (_, row) => (
    <tr key={row}>
      {columns.map((column) => (
        <td className={classOf(column)} key={column.id}>
          <Skeleton width={column.width ?? 80} />
        </td>
      ))}
    </tr>
  ))

const none: ReadonlyArray<never> = []

/** A table. While `rows` is undefined it shows placeholders of the same height. */
export const DataTable = <Row extends object>({
  columns,
  empty,
  error,
  keyOf,
  label,
  placeholders = 10,
  retry,
  rows
}: {
  readonly label: string
  readonly columns: ReadonlyArray<Column<Row>>
  readonly rows: ReadonlyArray<Row> | undefined
  readonly keyOf: (row: Row) => string
  readonly empty: ReactNode
  readonly error?: Error | null
  readonly retry?: () => void
  readonly placeholders?: number
}) => {
  const table = useTable({
    features,
    columns: definitionsOf(columns),
    data: rows ?? none,
    getRowId: (row) => keyOf(row)
  })
  useShortcuts({ j: () => moveFocus(1), k: () => moveFocus(-1) })
  if (error !== undefined && error !== null && rows === undefined)
    return <div className="card-body">{<Failure error={error} {...(retry === undefined ? {} : { retry })} />}</div>
  if (rows !== undefined && rows.length === 0) return empty
  return (
    // Focusable, because it scrolls sideways on narrow screens.
    <div aria-label={label} className="table-wrap" role="region" tabIndex={0}>
      <table aria-busy={rows === undefined} aria-label={label} className="table">
        <thead>
          <tr>
            {columns.map((column) => (
              <th className={classOf(column)} key={column.id} scope="col">
                {column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows === undefined ? (
            <Placeholders columns={columns} rows={placeholders} />
          ) : (
            table.getRowModel().rows.map((row) => (
              <tr key={row.id}>
                {row.getAllCells().map((cell, index) => (
                  <td className={classOf(columns[index] ?? { id: "", header: "", cell: () => null })} key={cell.id}>
                    <table.FlexRender cell={cell} />
                  </td>
                ))}
              </tr>
            ))
          )}
        </tbody>
      </table>
    </div>
  )
}

/** The buttons of a keyset-paged list. The list knows the next page only, the history of the browser the previous ones. */
export const Pager = ({
  next,
  onFirst,
  onNext,
  onPrevious,
  page,
  shown,
  total
}: {
  readonly page: number
  readonly shown: number | undefined
  readonly total?: number | undefined
  readonly next: string | undefined
  readonly onNext: (cursor: string) => void
  readonly onPrevious: (() => void) | undefined
  readonly onFirst: () => void
}) => (
  <nav aria-label="Pages" className="pager">
    <span className="num">
      Page {page}
      {shown === undefined ? "" : `, ${count(shown)} ${shown === 1 ? "row" : "rows"}`}
      {total === undefined ? "" : ` of ${count(total)}`}
    </span>
    <span className="pager-buttons">
      <button className="button small" disabled={page === 1} onClick={onFirst} type="button">
        Newest
      </button>
      <button
        aria-label="Previous page"
        className="button small"
        disabled={onPrevious === undefined}
        onClick={onPrevious}
        type="button"
      >
        <Icon name="left" size={12} /> Previous
      </button>
      <button
        aria-label="Next page"
        className="button small"
        disabled={next === undefined}
        onClick={() => {
          if (next !== undefined) onNext(next)
        }}
        type="button"
      >
        Next <Icon name="right" size={12} />
      </button>
    </span>
  </nav>
)
