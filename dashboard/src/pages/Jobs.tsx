/**
 * The list of build jobs, and the redrive of all jobs that match a filter.
 */
import { useQuery } from "@tanstack/react-query"
import { useMemo } from "react"
import type { Job } from "../../../src/dashboard/api/index.js"
import { call } from "../lib/client.js"
import { query, useAction, useApi, useMayWrite } from "../lib/queries.js"
import { useList } from "../lib/search.js"
import { count, counted, visible } from "../lib/text.js"
import { Elapsed, Empty, isAbsent, OptionalText, Status, Text, Time } from "../ui/basics.js"
import { Action } from "../ui/Confirm.js"
import type { Column } from "../ui/DataTable.js"
import { ClearFilters, periods, SelectFilter, startOfPeriod, StatusFilter, TextFilter } from "../ui/filters.js"
import { IdLink } from "../ui/IdLink.js"
import { Page } from "../ui/Page.js"
import { PagedTable } from "../ui/PagedTable.js"
import { Link } from "@tanstack/react-router"

const statuses = ["queued", "running", "succeeded", "failed", "cancelled"]

const columns: ReadonlyArray<Column<Job>> = [
  { id: "id", header: "Job", width: 130, cell: ({ job }) => <IdLink id={job.id} kind="job" primary /> },
  { id: "status", header: "Status", width: 76, cell: ({ job }) => <Status value={job.status} /> },
  {
    id: "sandbox",
    header: "Sandbox",
    width: 110,
    cell: ({ sandbox }) =>
      sandbox === undefined ? (
        <OptionalText />
      ) : (
        <Link params={{ id: sandbox.id }} title={visible(sandbox.id)} to="/sandboxes/$id">
          <Text>{sandbox.name}</Text>
        </Link>
      )
  },
  {
    id: "image",
    header: "Image",
    width: 150,
    widest: true,
    cell: ({ job }) => <Text mono>{`${job.repository}:${job.tag}`}</Text>
  },
  {
    id: "owner",
    header: "Owner",
    width: 100,
    wide: true,
    cell: ({ attempt }) => <IdLink id={attempt?.ownerUserId} kind="user" />
  },
  {
    id: "worker",
    header: "Worker",
    width: 70,
    cell: ({ job }) =>
      isAbsent(job.workerId) ? (
        <OptionalText />
      ) : (
        <Link search={{ worker: job.workerId }} to="/jobs">
          <Text>{job.workerId}</Text>
        </Link>
      )
  },
  { id: "error", header: "Error", width: 90, cell: ({ job }) => <OptionalText mono>{job.errorCode}</OptionalText> },
  {
    id: "attempts",
    header: "Attempts",
    align: "right",
    width: 30,
    wide: true,
    cell: ({ job }) => `${count(job.attemptCount)} of ${count(job.maxAttempts)}`
  },
  {
    id: "duration",
    header: "Duration",
    align: "right",
    width: 40,
    widest: true,
    cell: ({ job }) => <Elapsed from={job.startedAt} to={job.finishedAt} />
  },
  { id: "created", header: "Created", align: "right", width: 60, cell: ({ job }) => <Time at={job.createdAt} /> }
]

const mostRedriven = 1000

/** The filters of the list as parameters of the API. */
const useParams = ({ after, error, owner, repository, status, worker }: ReturnType<typeof useList>["filters"]) =>
  useMemo(
    () => ({
      statuses: status,
      ownerUserId: owner,
      repositoryId: repository,
      workerId: worker,
      errorCode: error,
      createdAfter: startOfPeriod(after)
    }),
    [after, error, owner, repository, status, worker]
  )

type Params = ReturnType<typeof useParams>

/** The number of failed and cancelled jobs that match the filters, read when the dialog is open. */
const RedriveCount = ({ params }: { readonly params: Params }) => {
  const { data } = useQuery(query("jobs", "count", { urlParams: params }, { live: false }))
  return (
    <p>
      {data === undefined ? (
        "Counting the jobs that match the filters."
      ) : (
        <>
          <strong>{counted(data.count, "job")}</strong> with the status {params.statuses}{" "}
          {data.count === 1 ? "matches" : "match"} the filters
          {data.count > mostRedriven
            ? `, of which the newest ${count(mostRedriven)} are queued again.`
            : " and will be queued again."}{" "}
          Jobs whose attempt has ended stay as they are.
        </>
      )}
    </p>
  )
}

const RedriveAll = ({ params }: { readonly params: Params }) => {
  const run = useAction()
  if (!useMayWrite()) return null
  const ended = (params.statuses ?? "failed")
    .split(",")
    .filter((status) => status === "failed" || status === "cancelled")
  const ofEnded = { ...params, statuses: (ended.length === 0 ? ["failed"] : ended).join(",") }
  return (
    <Action
      describe={<RedriveCount params={ofEnded} />}
      done="The jobs are queued again"
      label="Redrive matching jobs"
      run={() => run(() => call("jobActions", "redriveMany", { payload: { ...ofEnded, limit: mostRedriven } }))}
      title="Redrive all jobs that match the filters?"
    />
  )
}

export const Jobs = () => {
  const { cursorParams, filters, paging, setFilters } = useList()
  const params = useParams(filters)
  const { data, error, refetch } = useApi("jobs", "list", { urlParams: { ...params, ...cursorParams } }, { keep: true })
  const isFiltered = Object.keys(filters).length > 0
  return (
    <Page actions={<RedriveAll params={params} />} title="Build jobs">
      <div className="toolbar">
        <StatusFilter onChange={(status) => setFilters({ status })} options={statuses} value={filters.status} />
        <TextFilter first label="Owner id" onChange={(owner) => setFilters({ owner })} value={filters.owner} />
        <TextFilter
          label="Repository id"
          onChange={(repository) => setFilters({ repository })}
          value={filters.repository}
        />
        <TextFilter label="Worker" onChange={(worker) => setFilters({ worker })} value={filters.worker} />
        <TextFilter label="Error code" onChange={(code) => setFilters({ error: code })} value={filters.error} />
        <SelectFilter
          label="Created"
          onChange={(after) => setFilters({ after })}
          options={periods}
          value={filters.after}
        />
        <ClearFilters
          active={isFiltered}
          onClear={() => setFilters({ status: "", owner: "", repository: "", worker: "", error: "", after: "" })}
        />
      </div>
      <PagedTable
        columns={columns}
        empty={
          isFiltered ? (
            <Empty icon="search" title="No job matches the filters">
              Remove a filter, or search for an id.
            </Empty>
          ) : (
            <Empty icon="jobs" title="There is no build job yet">
              The launch of a sandbox enqueues one. Workers claim jobs, build their image and report the result.
            </Empty>
          )
        }
        found={{ data, error, refetch }}
        keyOf={({ job }) => job.id}
        label="Build jobs"
        paging={paging}
      />
    </Page>
  )
}
