/**
 * One page of a keyset-paged list: its table and the buttons to other pages, in a card.
 */
import type { ComponentProps } from "react"
import { Empty } from "./basics.js"
import { DataTable, Pager } from "./DataTable.js"

type TableProps<Row extends object> = Parameters<typeof DataTable<Row>>[0]

// A filter without an index examines a limited number of rows for each page.
const unfinished = (
  <Empty icon="search" title="No row on this page matches the filters">
    A page examines a limited number of rows: the next one may have some.
  </Empty>
)

/** A page of a list. `found` is the result of its request. */
export const PagedTable = <Row extends object>({
  empty,
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
    <DataTable
      {...table}
      empty={data?.nextCursor === undefined ? empty : unfinished}
      error={error}
      retry={() => void refetch()}
      rows={data?.items}
    />
    <Pager {...paging} next={data?.nextCursor} shown={data?.items.length} />
  </div>
)
