/**
 * One page of a keyset-paged list: its table and the buttons to other pages, in a card.
 */
import type { ComponentProps } from "react"
import { DataTable, Pager } from "./DataTable.js"

type TableProps<Row extends object> = Parameters<typeof DataTable<Row>>[0]

/** A page of a list. `found` is the result of its request. */
export const PagedTable = <Row extends object>({
  found: { data, error, refetch },
  paging,
  ...table
}: Pick<TableProps<Row>, "columns" | "empty" | "keyOf" | "label"> & {
  readonly found: {
    readonly data: { readonly items: ReadonlyArray<Row>; readonly nextCursor?: string | undefined } | undefined
    readonly error: Error | null
    readonly refetch: () => Promise<unknown>
  }
  readonly paging: Pick<ComponentProps<typeof Pager>, "onFirst" | "onNext" | "onPrevious" | "page">
}) => (
  <div className="card">
    <DataTable {...table} error={error} retry={() => void refetch()} rows={data?.items} />
    <Pager {...paging} next={data?.nextCursor} shown={data?.items.length} />
  </div>
)
