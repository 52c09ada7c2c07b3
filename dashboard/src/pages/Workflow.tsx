/**
 * One issue workflow: its issue, its executions and its events.
 */
import { Link, useParams } from "@tanstack/react-router"
import type { Execution, WorkflowPage } from "../../../src/dashboard/api/index.js"
import { useApi } from "../lib/queries.js"
import { visible } from "../lib/text.js"
import { Card, Elapsed, Empty, Facts, Failure, OptionalText, SkeletonBlock, Status, Text, Time } from "../ui/basics.js"
import { type Column, DataTable } from "../ui/DataTable.js"
import { IdLink, RepositoryLink } from "../ui/IdLink.js"
import { Page } from "../ui/Page.js"
import { Steps } from "../ui/Timeline.js"

const columns: ReadonlyArray<Column<Execution>> = [
  { id: "id", header: "Execution", width: 130, cell: ({ id }) => <IdLink id={id} kind="execution" primary /> },
  { id: "status", header: "Status", width: 76, cell: ({ status }) => <Status value={status} /> },
  { id: "trigger", header: "Trigger", width: 60, cell: ({ triggerType }) => triggerType },
  { id: "sandbox", header: "Sandbox", width: 110, cell: ({ sandboxId }) => <IdLink id={sandboxId} kind="sandbox" /> },
  {
    id: "duration",
    header: "Duration",
    align: "right",
    width: 40,
    cell: ({ finishedAt, startedAt }) => <Elapsed from={startedAt} to={finishedAt} />
  },
  { id: "queued", header: "Queued", align: "right", width: 60, cell: ({ queuedAt }) => <Time at={queuedAt} /> }
]

const Loaded = ({ page: { events, executions, issue, workflow } }: { readonly page: WorkflowPage }) => (
  <>
    {workflow.cancelReason === undefined ? null : (
      <div className="note warn">
        Cancelled: <Text>{workflow.cancelReason}</Text>
      </div>
    )}
    <Card flush title={executions.nextCursor === undefined ? "Executions" : "Newest 50 executions"}>
      <DataTable
        columns={columns}
        empty={
          <Empty short title="No execution yet">
            A start of the workflow adds one, in a new sandbox or in an existing one.
          </Empty>
        }
        keyOf={({ id }) => id}
        label="Executions"
        rows={executions.items}
      />
    </Card>
    <div className="grid cols-main">
      <Card title="Events">{events.length === 0 ? <Empty short title="No events" /> : <Steps events={events} />}</Card>
      <Card title="Workflow">
        <Facts
          rows={[
            ["Id", <IdLink full id={workflow.id} key="id" kind="workflow" />],
            ["Issue", <Text key="issue">{`#${issue.number} ${issue.title}`}</Text>],
            ["Issue state", <Status key="state" value={issue.state} />],
            [
              "Address",
              <OptionalText key="url" mono>
                {issue.url}
              </OptionalText>
            ],
            ["Owner", <IdLink id={workflow.ownerUserId} key="owner" kind="user" />],
            ["Repository", <RepositoryLink id={workflow.repositoryId} key="repository" />],
            ["Created", <Time at={workflow.createdAt} key="created" />],
            ["Updated", <Time at={workflow.updatedAt} key="updated" />],
            ["Archived", <Time at={workflow.archivedAt} key="archived" />]
          ]}
        />
      </Card>
    </div>
  </>
)

export const Workflow = () => {
  const { id } = useParams({ from: "/workflows/$id" })
  const { data, error, refetch } = useApi("workflows", "get", { path: { id } })
  const title = data === undefined ? id : `#${data.issue.number} ${data.issue.title}`
  return (
    <Page
      crumbs={<Link to="/workflows">Issue workflows</Link>}
      heading={<Text>{title}</Text>}
      subtitle={data === undefined ? undefined : <Status value={data.workflow.status} />}
      title={`Workflow ${visible(title)}`}
    >
      {error !== null && data === undefined ? <Failure error={error} retry={() => void refetch()} /> : null}
      {data === undefined && error === null ? <SkeletonBlock height={420} /> : null}
      {data === undefined ? null : <Loaded page={data} />}
    </Page>
  )
}
