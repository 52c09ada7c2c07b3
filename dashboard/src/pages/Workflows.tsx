/**
 * The list of issue workflows, with their newest execution.
 */
import { Link } from "@tanstack/react-router"
import type { Workflow } from "../../../src/dashboard/api/index.js"
import { useApi } from "../lib/queries.js"
import { useList } from "../lib/search.js"
import { visible } from "../lib/text.js"
import { Empty, None, Status, Text, Time } from "../ui/basics.js"
import type { Column } from "../ui/DataTable.js"
import { ArchivedFilter, ClearFilters, StatusFilter, TextFilter } from "../ui/filters.js"
import { IdLink, RepositoryLink } from "../ui/IdLink.js"
import { Page } from "../ui/Page.js"
import { PagedTable } from "../ui/PagedTable.js"

const statuses = ["active", "completed", "failed", "cancelled"]

const columns: ReadonlyArray<Column<Workflow>> = [
  {
    id: "issue",
    header: "Issue",
    width: 220,
    cell: ({ issue, workflow }) => (
      <Link data-row-link="" params={{ id: workflow.id }} title={visible(issue.title)} to="/workflows/$id">
        <span className="faint">#{issue.number}</span> <Text>{issue.title}</Text>
      </Link>
    )
  },
  { id: "status", header: "Status", width: 76, cell: ({ workflow }) => <Status value={workflow.status} /> },
  {
    id: "execution",
    header: "Newest execution",
    width: 150,
    cell: ({ latestExecution }) =>
      latestExecution === undefined ? (
        <None />
      ) : (
        <>
          <Status value={latestExecution.status} /> <IdLink id={latestExecution.id} kind="execution" />
        </>
      )
  },
  {
    id: "owner",
    header: "Owner",
    width: 100,
    wide: true,
    cell: ({ workflow }) => <IdLink id={workflow.ownerUserId} kind="user" />
  },
  {
    id: "repository",
    header: "Repository",
    width: 100,
    wide: true,
    cell: ({ workflow }) => <RepositoryLink id={workflow.repositoryId} />
  },
  {
    id: "updated",
    header: "Updated",
    align: "right",
    width: 60,
    cell: ({ workflow }) => <Time at={workflow.updatedAt} />
  },
  {
    id: "created",
    header: "Created",
    align: "right",
    width: 60,
    widest: true,
    cell: ({ workflow }) => <Time at={workflow.createdAt} />
  }
]

export const Workflows = () => {
  const { cursorParams, filters, paging, setFilters } = useList()
  const { archived, owner, status } = filters
  const { data, error, refetch } = useApi(
    "workflows",
    "list",
    {
      urlParams: {
        statuses: status,
        ownerUserId: owner,
        includeArchived: archived === "true" ? "true" : undefined,
        ...cursorParams
      }
    },
    { keep: true }
  )
  const isFiltered = Object.keys(filters).length > 0
  return (
    <Page title="Issue workflows">
      <div className="toolbar">
        <StatusFilter onChange={(next) => setFilters({ status: next })} options={statuses} value={status} />
        <TextFilter first label="Owner id" onChange={(next) => setFilters({ owner: next })} value={owner} />
        <ArchivedFilter noun="workflows" onChange={(next) => setFilters({ archived: next })} value={archived} />
        <ClearFilters active={isFiltered} onClear={() => setFilters({ status: "", owner: "", archived: "" })} />
      </div>
      <PagedTable
        columns={columns}
        empty={
          isFiltered ? (
            <Empty icon="search" title="No workflow matches the filters">
              Remove a filter. Archived workflows are hidden by default.
            </Empty>
          ) : (
            <Empty icon="workflows" title="There is no issue workflow yet">
              A workflow is the work on one issue. Each of its executions is one run of an agent in a sandbox.
            </Empty>
          )
        }
        found={{ data, error, refetch }}
        keyOf={({ workflow }) => workflow.id}
        label="Issue workflows"
        paging={paging}
      />
    </Page>
  )
}
