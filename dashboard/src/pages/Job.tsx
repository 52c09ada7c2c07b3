/**
 * One build job: its attempts as a timeline, its lease, its error, its events and its documents.
 */
import { useQuery } from "@tanstack/react-query"
import { Link, useParams } from "@tanstack/react-router"
import { useMemo } from "react"
import type { JobPage } from "../../../src/dashboard/api/index.js"
import { query, useApi } from "../lib/queries.js"
import { count, visible } from "../lib/text.js"
import { type Instant, millis, preciseDuration } from "../lib/time.js"
import { JobActions } from "../ui/actions.js"
import {
  Card,
  Elapsed,
  Empty,
  Facts,
  Failure,
  isAbsent,
  OptionalText,
  Problem,
  SkeletonBlock,
  Status,
  Text,
  Time
} from "../ui/basics.js"
import { IdHeading, IdLink, RepositoryLink } from "../ui/IdLink.js"
import { Page } from "../ui/Page.js"
import { type Documents, PayloadCard } from "../ui/Payload.js"
import { Gantt, type Span, Steps } from "../ui/Timeline.js"

const endOf = (endState: string | undefined, endedBy: string | undefined) => {
  if (endState === "queued") return endedBy === "failBuild" ? "retried" : "lost"
  return endState ?? "running"
}

/** The time in the queue, and the builds. A build without an end is under its lease. */
const spansOf = ({ job, runs }: JobPage): ReadonlyArray<Span> => {
  const starts: ReadonlyArray<Instant> = [
    job.createdAt,
    ...runs.flatMap(({ endedAt, endState }) => (endState === "queued" && endedAt !== undefined ? [endedAt] : []))
  ]
  const waits = starts.flatMap((from, index): ReadonlyArray<Span> => {
    const next = runs[index]?.startedAt ?? (job.status === "queued" ? undefined : (job.startedAt ?? job.finishedAt))
    return [
      {
        key: `wait ${from}`,
        label: index === 0 ? "In the queue" : "In the queue again",
        status: "queued",
        from: millis(from),
        to: isAbsent(next) ? undefined : millis(next)
      }
    ]
  })
  const builds = runs.map(
    ({ endedAt, endedBy, endState, errorCode, leaseToken, startedAt, workerId }, index): Span => ({
      key: `run ${startedAt}`,
      label: `Attempt ${leaseToken ?? index + 1}, ${workerId ?? "unknown worker"}`,
      status: endOf(endState, endedBy),
      from: Date.parse(startedAt),
      to: endedAt === undefined ? undefined : Date.parse(endedAt),
      ...(errorCode === undefined ? {} : { detail: errorCode })
    })
  )
  return [...waits, ...builds].toSorted((a, b) => a.from - b.from)
}

const useDocuments = (id: string) => () =>
  useQuery({
    ...query("payloads", "job", { path: { id } }, { live: false }),
    select: ({ request, result }): Documents => [
      ["Request", request],
      ["Result", result]
    ]
  })

const Lease = ({ job }: { readonly job: JobPage["job"] }) => (
  <Card title="Lease">
    <Facts
      rows={[
        ["Worker", <OptionalText key="worker">{job.workerId}</OptionalText>],
        ["Number", count(job.leaseToken)],
        [
          "Outcome",
          isAbsent(job.leaseOutcome) ? (
            job.status === "running" ? (
              "held"
            ) : (
              <OptionalText key="outcome" />
            )
          ) : (
            <Status key="outcome" value={job.leaseOutcome} />
          )
        ],
        ["Claimed", <Time at={job.claimedAt} key="claimed" />],
        ["Expires", <Time at={job.leaseExpiresAt} key="expires" />],
        ["Longest build", isAbsent(job.maxDurationMs) ? "no limit" : preciseDuration(job.maxDurationMs)]
      ]}
    />
  </Card>
)

const JobFacts = ({ attempt, job, sandbox }: JobPage) => (
  <Card title="Job">
    <Facts
      rows={[
        [
          "Sandbox",
          sandbox === undefined ? (
            <OptionalText key="sandbox" />
          ) : (
            <Link key="sandbox" params={{ id: sandbox.id }} to="/sandboxes/$id">
              <Text>{sandbox.name}</Text>
            </Link>
          )
        ],
        ["Owner", <IdLink id={attempt?.ownerUserId} key="owner" kind="user" />],
        ["Attempt", <IdLink id={job.attemptId} key="attempt" kind="attempt" />],
        ["Repository", <RepositoryLink id={attempt?.repositoryId} key="repository" />],
        ["Image", <Text key="image" mono>{`${job.registryId}/${job.repository}:${job.tag}`}</Text>],
        [
          "Published",
          <OptionalText key="published" mono>
            {job.publishedReference}
          </OptionalText>
        ],
        [
          "Digest",
          <OptionalText key="digest" mono>
            {job.publishedDigest}
          </OptionalText>
        ],
        ["Executor", <OptionalText key="executor">{job.executorId}</OptionalText>],
        ["Priority", count(job.priority)],
        ["Claims", `${count(job.attemptCount)} of ${count(job.maxAttempts)}`],
        ["Created", <Time at={job.createdAt} key="created" />],
        ["Available", <Time at={job.availableAt} key="available" />],
        ["Started", <Time at={job.startedAt} key="started" />],
        ["Finished", <Time at={job.finishedAt} key="finished" />],
        ["Duration", <Elapsed from={job.startedAt} key="duration" to={job.finishedAt} />],
        [
          "Idempotency key",
          <OptionalText key="key" mono>
            {job.idempotencyKey}
          </OptionalText>
        ]
      ]}
    />
  </Card>
)

const Loaded = ({ page }: { readonly page: JobPage }) => {
  const { events, job } = page
  const spans = useMemo(() => spansOf(page), [page])
  return (
    <>
      <Problem code={job.errorCode} message={job.errorMessage} />
      {isAbsent(job.cancelReason) ? null : (
        <div className="note warn">
          Cancelled: <Text>{job.cancelReason}</Text>
        </div>
      )}
      <Card title="Timeline">
        <Gantt label="Time in the queue and attempts of the job" spans={spans} />
      </Card>
      <div className="grid cols-main">
        <div className="stack">
          <Card title="Events">
            {events.length === 0 ? (
              <Empty short title="No events">
                The journal records jobs of sandboxes. Events older than its retention are purged.
              </Empty>
            ) : (
              <Steps events={events} />
            )}
          </Card>
          <PayloadCard
            empty="The job has no documents"
            title="Request and result"
            useDocuments={useDocuments(job.id)}
          />
        </div>
        <div className="stack">
          <JobFacts {...page} />
          <Lease job={job} />
        </div>
      </div>
    </>
  )
}

export const Job = () => {
  const { id } = useParams({ from: "/jobs/$id" })
  const { data, error, refetch } = useApi("jobs", "get", { path: { id } })
  return (
    <Page
      actions={
        data === undefined ? undefined : (
          <JobActions
            attemptStatus={data.attempt?.status}
            id={id}
            priority={data.job.priority}
            status={data.job.status}
          />
        )
      }
      crumbs={<Link to="/jobs">Build jobs</Link>}
      heading={<IdHeading id={id} />}
      subtitle={data === undefined ? undefined : <Status value={data.job.status} />}
      title={`Job ${visible(id)}`}
    >
      {error !== null && data === undefined ? <Failure error={error} retry={() => void refetch()} /> : null}
      {data === undefined && error === null ? <SkeletonBlock height={420} /> : null}
      {data === undefined ? null : <Loaded page={data} />}
    </Page>
  )
}
