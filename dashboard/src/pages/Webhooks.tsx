/**
 * The list of webhook deliveries.
 */
import type { Delivery } from "../../../src/dashboard/api/index.js"
import { useApi } from "../lib/queries.js"
import { useList } from "../lib/search.js"
import { count, visible } from "../lib/text.js"
import { Empty, OptionalText, Status, Text, Time } from "../ui/basics.js"
import type { Column } from "../ui/DataTable.js"
import { ClearFilters, StatusFilter, TextFilter } from "../ui/filters.js"
import { IdLink } from "../ui/IdLink.js"
import { Page } from "../ui/Page.js"
import { PagedTable } from "../ui/PagedTable.js"

const statuses = ["received", "processing", "processed", "failed", "ignored"]

const columns: ReadonlyArray<Column<Delivery>> = [
  { id: "id", header: "Delivery", width: 130, cell: ({ id }) => <IdLink id={id} kind="delivery" primary /> },
  { id: "status", header: "Status", width: 76, cell: ({ status }) => <Status value={status} /> },
  {
    id: "event",
    header: "Event",
    width: 130,
    cell: ({ action, eventType }) => (
      <Text mono>{`${eventType}${action === undefined || action === null ? "" : `.${action}`}`}</Text>
    )
  },
  {
    id: "github",
    header: "GitHub's id",
    width: 150,
    widest: true,
    cell: ({ deliveryId }) => <Text mono>{visible(deliveryId)}</Text>
  },
  {
    id: "installation",
    header: "Installation",
    width: 70,
    wide: true,
    cell: ({ installationExternalId }) => <OptionalText mono>{installationExternalId}</OptionalText>
  },
  { id: "worker", header: "Worker", width: 70, cell: ({ workerId }) => <OptionalText>{workerId}</OptionalText> },
  {
    id: "attempts",
    header: "Attempts",
    align: "right",
    width: 30,
    wide: true,
    cell: ({ attemptCount, maxAttempts }) => `${count(attemptCount)} of ${count(maxAttempts)}`
  },
  { id: "received", header: "Received", align: "right", width: 60, cell: ({ receivedAt }) => <Time at={receivedAt} /> },
  {
    id: "processed",
    header: "Processed",
    align: "right",
    width: 60,
    cell: ({ processedAt }) => <Time at={processedAt} />
  }
]

export const Webhooks = () => {
  const { cursorParams, filters, paging, setFilters } = useList()
  const { installation, status, type } = filters
  const { data, error, refetch } = useApi(
    "webhooks",
    "list",
    { urlParams: { statuses: status, installationExternalId: installation, eventType: type, ...cursorParams } },
    { keep: true }
  )
  const isFiltered = Object.keys(filters).length > 0
  return (
    <Page title="Webhooks">
      <div className="toolbar">
        <StatusFilter onChange={(next) => setFilters({ status: next })} options={statuses} value={status} />
        <TextFilter first label="Event type" onChange={(next) => setFilters({ type: next })} value={type} />
        <TextFilter label="Installation" onChange={(next) => setFilters({ installation: next })} value={installation} />
        <ClearFilters active={isFiltered} onClear={() => setFilters({ status: "", type: "", installation: "" })} />
      </div>
      <PagedTable
        columns={columns}
        empty={
          isFiltered ? (
            <Empty icon="search" title="No delivery matches the filters">
              Remove a filter, or search for an id.
            </Empty>
          ) : (
            <Empty icon="webhooks" title="No webhook has been received">
              The inbox stores each delivery of GitHub once. Workers process them under leases.
            </Empty>
          )
        }
        found={{ data, error, refetch }}
        keyOf={({ id }) => id}
        label="Webhook deliveries"
        paging={paging}
      />
    </Page>
  )
}
