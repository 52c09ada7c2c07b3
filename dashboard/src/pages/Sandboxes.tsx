/**
 * The list of the sandboxes of all owners, by their derived status.
 */
import { Link } from "@tanstack/react-router"
import type { SandboxItem } from "../../../src/dashboard/api/index.js"
import { useApi } from "../lib/queries.js"
import { useList } from "../lib/search.js"
import { visible } from "../lib/text.js"
import { Empty, isAbsent, None, OptionalText, Status, Text, Time } from "../ui/basics.js"
import type { Column } from "../ui/DataTable.js"
import { ArchivedFilter, ClearFilters, StatusFilter, TextFilter } from "../ui/filters.js"
import { IdLink } from "../ui/IdLink.js"
import { Page } from "../ui/Page.js"
import { PagedTable } from "../ui/PagedTable.js"

const statuses = ["queued", "running", "ready", "stopped", "failed", "cancelled"]

const columns: ReadonlyArray<Column<SandboxItem>> = [
  {
    id: "name",
    header: "Sandbox",
    width: 140,
    cell: ({ sandbox }) => (
      <Link data-row-link="" params={{ id: sandbox.id }} title={visible(sandbox.id)} to="/sandboxes/$id">
        <Text>{sandbox.name === "" ? sandbox.id : sandbox.name}</Text>
      </Link>
    )
  },
  { id: "status", header: "Status", width: 70, cell: ({ status }) => <Status value={status} /> },
  { id: "owner", header: "Owner", width: 110, cell: ({ sandbox }) => <IdLink id={sandbox.ownerUserId} kind="user" /> },
  {
    id: "attempt",
    header: "Attempt",
    width: 110,
    wide: true,
    cell: ({ attempt }) => (attempt === undefined ? <None /> : <Status value={attempt.status} />)
  },
  {
    id: "runtime",
    header: "Runtime",
    width: 120,
    cell: ({ runtime }) =>
      runtime === undefined ? (
        <None />
      ) : (
        <Text>{`${runtime.status}${isAbsent(runtime.adapter) ? "" : `, ${runtime.adapter}`}`}</Text>
      )
  },
  {
    id: "error",
    header: "Error",
    width: 90,
    wide: true,
    cell: ({ error }) => <OptionalText mono>{error?.code}</OptionalText>
  },
  {
    id: "deadline",
    header: "Deadline",
    align: "right",
    width: 60,
    wide: true,
    cell: ({ sandbox }) => <Time at={sandbox.expiresAt} />
  },
  {
    id: "created",
    header: "Created",
    align: "right",
    width: 60,
    cell: ({ sandbox }) => <Time at={sandbox.createdAt} />
  }
]

export const Sandboxes = () => {
  const { cursorParams, filters, paging, setFilters } = useList()
  const { archived, owner, repository, search, status } = filters
  const { data, error, refetch } = useApi(
    "sandboxes",
    "list",
    {
      urlParams: {
        statuses: status,
        ownerUserId: owner,
        repositoryId: repository,
        search,
        includeArchived: archived === "true" ? "true" : undefined,
        ...cursorParams
      }
    },
    { keep: true }
  )
  const isFiltered = Object.keys(filters).length > 0
  return (
    <Page title="Sandboxes">
      <div className="toolbar">
        <StatusFilter onChange={(next) => setFilters({ status: next })} options={statuses} value={status} />
        <TextFilter first label="Name contains" onChange={(next) => setFilters({ search: next })} value={search} />
        <TextFilter label="Owner id" onChange={(next) => setFilters({ owner: next })} value={owner} />
        <TextFilter label="Repository id" onChange={(next) => setFilters({ repository: next })} value={repository} />
        <ArchivedFilter noun="sandboxes" onChange={(next) => setFilters({ archived: next })} value={archived} />
        <ClearFilters
          active={isFiltered}
          onClear={() => setFilters({ status: "", search: "", owner: "", repository: "", archived: "" })}
        />
      </div>
      <PagedTable
        columns={columns}
        empty={
          isFiltered ? (
            <Empty icon="search" title="No sandbox matches the filters">
              Remove a filter. Archived sandboxes are hidden by default.
            </Empty>
          ) : (
            <Empty icon="sandboxes" title="There is no sandbox yet">
              A launch creates one, with an attempt and a build job. It is ready when its runtime has started.
            </Empty>
          )
        }
        found={{ data, error, refetch }}
        keyOf={({ sandbox }) => sandbox.id}
        label="Sandboxes"
        paging={paging}
      />
    </Page>
  )
}
