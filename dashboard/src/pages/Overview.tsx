/**
 * The overview: the queue, the workers, the inbox, the sandboxes and the health of the database.
 */
import { keepPreviousData, useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { type ReactNode, useMemo } from "react"
import type { Overview as OverviewResult, Worker } from "../../../src/dashboard/api/index.js"
import { query, useApi } from "../lib/queries.js"
import { useList } from "../lib/search.js"
import { bytes, count, counted, visible } from "../lib/text.js"
import { duration, useNow } from "../lib/time.js"
import { Card, Elapsed, Empty, Failure, Skeleton, SkeletonBlock, Status, Text, Time, toneOf } from "../ui/basics.js"
import type { Series } from "../ui/Chart.js"
import { SelectFilter } from "../ui/filters.js"
import { Health } from "../ui/Health.js"
import { IdLink } from "../ui/IdLink.js"
import { LazyChart, Legend } from "../ui/LazyChart.js"
import { Page } from "../ui/Page.js"

type Data = typeof OverviewResult.Type

const ranges = [
  ["15", "Last 15 minutes"],
  ["60", "Last hour"],
  ["360", "Last 6 hours"],
  ["1440", "Last day"]
] as const

const sumOf = (data: Data, field: "failed" | "retried" | "succeeded") =>
  data.activity.points.reduce((sum, point) => sum + point[field], 0)

const Tile = ({
  bad = false,
  label,
  note,
  search,
  to,
  value
}: {
  readonly label: string
  readonly value: ReactNode
  readonly note: ReactNode
  readonly to: "/jobs" | "/sandboxes" | "/webhooks" | "/database"
  readonly search?: { readonly status?: string; readonly tab?: string }
  readonly bad?: boolean
}) => (
  <Link className={bad ? "tile bad" : "tile"} search={search ?? {}} to={to}>
    <div className="tile-label">{label}</div>
    <div className="tile-value">{value}</div>
    <div className="tile-note">{note}</div>
  </Link>
)

const Tiles = ({ data, minutes }: { readonly data: Data | undefined; readonly minutes: string }) => {
  const now = useNow()
  const wait = <Skeleton width={56} />
  const oldest = data?.queue.oldestDueAt
  const failed = data === undefined ? 0 : sumOf(data, "failed")
  const period =
    minutes === "1440" ? "last day" : minutes === "60" ? "last hour" : `last ${duration(Number(minutes) * 60_000)}`
  return (
    <div className="card tiles">
      <Tile
        label="Queued jobs"
        note={data === undefined ? " " : `${count(data.queue.due)} due now`}
        search={{ status: "queued" }}
        to="/jobs"
        value={data === undefined ? wait : count(data.queue.byStatus.queued)}
      />
      <Tile
        bad={oldest !== undefined && now - Date.parse(oldest) > 900_000}
        label="Oldest due"
        note="waits for a worker"
        search={{ status: "queued" }}
        to="/jobs"
        value={data === undefined ? wait : oldest === undefined ? "none" : duration(now - Date.parse(oldest))}
      />
      <Tile
        label="Running jobs"
        note={data === undefined ? " " : counted(data.workers.length, "worker")}
        search={{ status: "running" }}
        to="/jobs"
        value={data === undefined ? wait : count(data.queue.byStatus.running)}
      />
      <Tile
        bad={failed > 0}
        label="Failed jobs"
        note={data === undefined ? " " : `${period}, ${counted(sumOf(data, "retried"), "retry", "retries")}`}
        search={{ status: "failed" }}
        to="/jobs"
        value={data === undefined ? wait : count(failed)}
      />
      <Tile
        label="Sandboxes ready"
        note={data === undefined ? " " : `${count(data.sandboxes.queued + data.sandboxes.running)} starting`}
        search={{ status: "ready" }}
        to="/sandboxes"
        value={data === undefined ? wait : count(data.sandboxes.ready)}
      />
      <Tile
        label="Webhook inbox"
        note={data === undefined ? " " : `${count(data.inbox.byStatus.failed)} failed`}
        search={{ status: "received" }}
        to="/webhooks"
        value={data === undefined ? wait : count(data.inbox.byStatus.received + data.inbox.byStatus.processing)}
      />
      <Tile
        label="Database"
        note={data?.walBytes === undefined ? " " : `${bytes(data.walBytes)} in the log`}
        to="/database"
        value={data === undefined ? wait : data.fileBytes === undefined ? "server" : bytes(data.fileBytes)}
      />
    </div>
  )
}

const depthSeries = ({ activity: { points } }: Data): ReadonlyArray<Series> => [
  { label: "queued", tone: "gray", values: points.map(({ depth }) => depth.queued) },
  { label: "running", tone: "blue", values: points.map(({ depth }) => depth.running) }
]

const throughputSeries = ({ activity: { points } }: Data): ReadonlyArray<Series> => [
  { label: "succeeded", tone: "green", values: points.map(({ succeeded }) => succeeded) },
  { label: "failed", tone: "red", values: points.map(({ failed }) => failed) },
  { label: "retried", tone: "amber", values: points.map(({ retried }) => retried) },
  { label: "cancelled", tone: "violet", values: points.map(({ cancelled }) => cancelled) }
]

const Charts = ({ data }: { readonly data: Data | undefined }) => {
  const times = useMemo(() => data?.activity.points.map(({ at }) => Date.parse(at)) ?? [], [data])
  const depth = useMemo(() => (data === undefined ? [] : depthSeries(data)), [data])
  const ended = useMemo(() => (data === undefined ? [] : throughputSeries(data)), [data])
  const interval = data === undefined ? "" : ` per ${duration(data.activity.intervalMs).replace(/^1 /, "")}`
  return (
    <div className="grid cols-2">
      <Card actions={<Legend series={depth} />} title="Queue depth">
        {data === undefined ? (
          <div className="chart" />
        ) : (
          <LazyChart kind="area" label="Queued and running jobs over time" series={depth} times={times} />
        )}
      </Card>
      <Card actions={<Legend series={ended} />} title={`Throughput${interval}`}>
        {data === undefined ? (
          <div className="chart" />
        ) : (
          <LazyChart kind="stack" label="Ended and retried jobs over time" series={ended} times={times} />
        )}
      </Card>
    </div>
  )
}

const mostJobs = 6

const WorkerRow = ({ worker: { deliveries, jobs, workerId } }: { readonly worker: Worker }) => {
  const now = useNow()
  const isLost = jobs.some(({ leaseExpiresAt }) => leaseExpiresAt !== undefined && Date.parse(leaseExpiresAt) < now)
  return (
    <li className="worker">
      <div className="worker-head">
        <Link search={{ worker: workerId }} to="/jobs">
          <Text mono>{workerId}</Text>
        </Link>
        {isLost ? <Status value="lost" /> : <Status value="active" />}
        <span className="faint push">
          {counted(jobs.length, "job")}
          {deliveries.length > 0 ? `, ${counted(deliveries.length, "delivery", "deliveries")}` : ""}
        </span>
      </div>
      <ul className="worker-jobs">
        {jobs.slice(0, mostJobs).map((job) => (
          <li key={job.id}>
            <IdLink id={job.id} kind="job" />
            {job.sandboxId === undefined ? null : (
              <Link className="truncate" params={{ id: job.sandboxId }} to="/sandboxes/$id">
                {visible(job.sandboxName ?? job.sandboxId)}
              </Link>
            )}
            <span className="faint push">
              <Elapsed from={job.claimedAt} />
            </span>
          </li>
        ))}
        {jobs.length > mostJobs ? <li className="faint">and {count(jobs.length - mostJobs)} more</li> : null}
      </ul>
    </li>
  )
}

const Workers = ({ data }: { readonly data: Data | undefined }) => (
  <Card flush title="Workers">
    {data === undefined ? (
      <div className="card-body">
        <SkeletonBlock height={120} />
      </div>
    ) : data.workers.length === 0 ? (
      <Empty icon="jobs" short title="No worker holds a lease">
        Workers appear here while they build. Jobs that are due wait until one claims them.
      </Empty>
    ) : (
      <ul className="list">
        {data.workers.map((worker) => (
          <WorkerRow key={worker.workerId} worker={worker} />
        ))}
      </ul>
    )}
  </Card>
)

const Counts = ({
  counts,
  title,
  to
}: {
  readonly title: string
  readonly counts: Readonly<Record<string, number>> | undefined
  readonly to: "/sandboxes" | "/webhooks"
}) => {
  const most = Math.max(1, ...Object.values(counts ?? {}))
  return (
    <Card title={title}>
      {counts === undefined ? (
        <SkeletonBlock height={150} />
      ) : (
        <ul className="bars">
          {Object.entries(counts).map(([status, value]) => (
            <li key={status}>
              <Link search={{ status }} to={to}>
                <Status value={status} />
              </Link>
              <span aria-hidden="true" className="meter">
                <span style={{ width: `${(value / most) * 100}%`, background: `var(--${toneOf(status)}-line)` }} />
              </span>
              <span className="num right">{count(value)}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}

const Failures = () => {
  const { data } = useApi("jobs", "list", { urlParams: { statuses: "failed", limit: 6 } })
  return (
    <Card
      actions={
        <Link search={{ status: "failed" }} to="/jobs">
          All failed jobs
        </Link>
      }
      flush
      title="Latest failures"
    >
      {data === undefined ? (
        <div className="card-body">
          <SkeletonBlock height={120} />
        </div>
      ) : data.items.length === 0 ? (
        <Empty icon="check" short title="No failed job">
          Jobs appear here when they fail without attempts left.
        </Empty>
      ) : (
        <ul className="list">
          {data.items.map(({ job, sandbox }) => (
            <li key={job.id}>
              <IdLink id={job.id} kind="job" />
              <span className="truncate muted">
                {sandbox === undefined ? visible(job.repository) : visible(sandbox.name)}
              </span>
              <span className="push truncate mono">{visible(job.errorCode ?? "")}</span>
              <span className="faint">
                <Time at={job.finishedAt ?? job.createdAt} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}

export const Overview = () => {
  const { search, setFilters } = useList()
  const minutes = search.range ?? "60"
  const { data, error, refetch } = useQuery({
    ...query("overview", "get", { urlParams: { minutes: Number(minutes) } }),
    placeholderData: keepPreviousData,
    // The server keeps the counts of a large database for a while.
    refetchInterval: ({ state }) => state.data?.staleFor ?? false
  })
  return (
    <Page
      actions={
        <SelectFilter
          label="Period of the charts"
          onChange={(range) => setFilters({ range: range === "60" ? "" : range })}
          options={ranges}
          value={minutes}
        />
      }
      title="Overview"
    >
      {error !== null && data === undefined ? <Failure error={error} retry={() => void refetch()} /> : null}
      <Tiles data={data} minutes={minutes} />
      <Charts data={data} />
      <div className="grid cols-main">
        <div className="stack">
          <Workers data={data} />
          <Failures />
        </div>
        <div className="stack">
          <Health fileBytes={data?.fileBytes} ready={data !== undefined} />
          <Counts counts={data?.sandboxes} title="Sandboxes" to="/sandboxes" />
          <Counts counts={data?.inbox.byStatus} title="Webhook inbox" to="/webhooks" />
        </div>
      </div>
    </Page>
  )
}
