/**
 * One sandbox: the timeline of its attempts, jobs and runtimes, its events, and its actions.
 */
import { Link, useParams } from "@tanstack/react-router"
import { useMemo } from "react"
import type { Attempt, SandboxPage } from "../../../src/dashboard/api/index.js"
import { useApi, type JournalEvent } from "../lib/queries.js"
import { visible } from "../lib/text.js"
import { type Instant, millis, preciseDuration } from "../lib/time.js"
import { SandboxActions } from "../ui/actions.js"
import {
  Card,
  Empty,
  Facts,
  Failure,
  isAbsent,
  None,
  OptionalText,
  Problem,
  SkeletonBlock,
  Status,
  Tag,
  Text,
  Time
} from "../ui/basics.js"
import { IdLink, RepositoryLink } from "../ui/IdLink.js"
import { Page } from "../ui/Page.js"
import { SubjectLink } from "../ui/SubjectLink.js"
import { Gantt, type Span, Steps } from "../ui/Timeline.js"

const time = (at: Instant | null | undefined) => (isAbsent(at) ? undefined : millis(at))

/** The span of an attempt, and that of its runtime. */
const attemptSpans = ({ attempt, relation, runtime }: Attempt, number: number): ReadonlyArray<Span> => {
  const queued: Span = {
    key: `${attempt.id} attempt`,
    label: `Attempt ${number}, ${relation}`,
    status: attempt.status,
    from: millis(attempt.queuedAt),
    to: time(attempt.finishedAt)
  }
  if (isAbsent(runtime?.launchedAt)) return [queued]
  return [
    queued,
    {
      key: `${attempt.id} runtime`,
      label: `Runtime${isAbsent(runtime.adapter) ? "" : `, ${runtime.adapter}`}`,
      status: runtime.status,
      from: millis(runtime.launchedAt),
      to: time(runtime.finishedAt),
      ...(isAbsent(runtime.stopReason) ? {} : { detail: runtime.stopReason })
    }
  ]
}

/** The waits and the builds of the jobs, from their events. A build has the outcome of its end. */
const jobSpans = (events: ReadonlyArray<JournalEvent>): ReadonlyArray<Span> => {
  const jobs = events.filter(({ subjectType }) => subjectType === "job").toReversed()
  return jobs.flatMap((event, index): ReadonlyArray<Span> => {
    const { actorId, occurredAt, position, subjectId, toState } = event
    if (toState !== "queued" && toState !== "running") return []
    const next = jobs.slice(index + 1).find((other) => other.subjectId === subjectId)
    const span = { key: `job ${position}`, from: millis(occurredAt), to: time(next?.occurredAt) }
    return toState === "queued"
      ? [{ ...span, label: "Job, in the queue", status: "queued" }]
      : [
          {
            ...span,
            label: "Job, build",
            status: next?.toState === "queued" ? "retried" : (next?.toState ?? "running"),
            ...(actorId === undefined ? {} : { detail: actorId })
          }
        ]
  })
}

const Timeline = ({
  events,
  id
}: {
  readonly id: string
  readonly events: ReadonlyArray<JournalEvent> | undefined
}) => {
  const { data } = useApi("sandboxes", "attempts", { path: { id }, urlParams: { limit: 20 } })
  const spans = useMemo(() => {
    const attempts = data?.items.toReversed() ?? []
    return [
      ...attempts.flatMap((attempt, index) => attemptSpans(attempt, index + 1)),
      ...jobSpans(events ?? [])
    ].toSorted((a, b) => a.from - b.from)
  }, [data, events])
  return (
    <Card title="Timeline">
      {data === undefined || events === undefined ? (
        <SkeletonBlock height={140} />
      ) : spans.length === 0 ? (
        <Empty short title="No attempt yet">
          A launch or a retry adds one.
        </Empty>
      ) : (
        <Gantt label="Attempts, jobs and runtimes of the sandbox" spans={spans} />
      )}
    </Card>
  )
}

const SandboxFacts = ({ page: { attempt, image, job, sandbox } }: { readonly page: SandboxPage }) => (
  <Card title="Sandbox">
    <Facts
      rows={[
        ["Id", <IdLink full id={sandbox.id} key="id" kind="sandbox" />],
        ["Owner", <IdLink id={sandbox.ownerUserId} key="owner" kind="user" />],
        ["Repository", <RepositoryLink id={sandbox.repositoryId} key="repository" />],
        [
          "Attempt",
          attempt === undefined ? (
            <None key="none" />
          ) : (
            <span key="attempt">
              <IdLink id={attempt.id} kind="attempt" /> <Status value={attempt.status} />
            </span>
          )
        ],
        [
          "Job",
          job === undefined ? (
            <None key="none" />
          ) : (
            <span key="job">
              <IdLink id={job.id} kind="job" /> <Status value={job.status} />
            </span>
          )
        ],
        [
          "Image",
          <OptionalText key="image" mono>
            {image}
          </OptionalText>
        ],
        ["Created", <Time at={sandbox.createdAt} key="created" />],
        ["Deadline", <Time at={sandbox.expiresAt} key="deadline" />],
        ["Lifetime", sandbox.lifetimeMs === undefined ? "no limit" : preciseDuration(sandbox.lifetimeMs)],
        ["Idle timeout", sandbox.idleTimeoutMs === undefined ? "no limit" : preciseDuration(sandbox.idleTimeoutMs)],
        ["Last active", <Time at={sandbox.lastActiveAt} key="active" />],
        ["Archived", <Time at={sandbox.archivedAt} key="archived" />]
      ]}
    />
  </Card>
)

const Runtime = ({ runtime }: { readonly runtime: SandboxPage["runtime"] }) => (
  <Card title="Runtime">
    {runtime === undefined ? (
      <Empty short title="No runtime">
        A worker launches it when the image is published.
      </Empty>
    ) : (
      <Facts
        rows={[
          ["Status", <Status key="status" value={runtime.status} />],
          ["Adapter", <OptionalText key="adapter">{runtime.adapter}</OptionalText>],
          [
            "Resource",
            <OptionalText key="resource" mono>
              {runtime.resourceId}
            </OptionalText>
          ],
          [
            "Endpoint",
            <OptionalText key="endpoint" mono>
              {runtime.endpoint}
            </OptionalText>
          ],
          ["Launched", <Time at={runtime.launchedAt} key="launched" />],
          ["Finished", <Time at={runtime.finishedAt} key="finished" />],
          ["Stop reason", <OptionalText key="reason">{runtime.stopReason}</OptionalText>]
        ]}
      />
    )}
  </Card>
)

const Loaded = ({ page }: { readonly page: SandboxPage }) => {
  const { error, runtime, sandbox } = page
  const { data } = useApi("sandboxes", "timeline", { path: { id: sandbox.id }, urlParams: { limit: 200 } })
  const events = data?.items
  return (
    <>
      <Problem code={error?.code} message={error?.message} />
      <Timeline events={events} id={sandbox.id} />
      <div className="grid cols-main">
        <Card title="Events">
          {events === undefined ? (
            <SkeletonBlock height={200} />
          ) : events.length === 0 ? (
            <Empty short title="No events">
              Events older than the retention of the journal are purged.
            </Empty>
          ) : (
            <Steps events={events} subject={(event) => <SubjectLink event={event} />} />
          )}
        </Card>
        <div className="stack">
          <SandboxFacts page={page} />
          <Runtime runtime={runtime} />
        </div>
      </div>
    </>
  )
}

export const Sandbox = () => {
  const { id } = useParams({ from: "/sandboxes/$id" })
  const { data, error, refetch } = useApi("sandboxes", "get", { path: { id } })
  const name = data === undefined ? id : data.sandbox.name === "" ? id : data.sandbox.name
  return (
    <Page
      actions={
        data === undefined ? undefined : (
          <SandboxActions expiresAt={data.sandbox.expiresAt} id={id} name={name} status={data.status} />
        )
      }
      crumbs={<Link to="/sandboxes">Sandboxes</Link>}
      heading={<Text>{name}</Text>}
      subtitle={
        data === undefined ? undefined : (
          <>
            <Status value={data.status} /> {data.sandbox.archivedAt === undefined ? null : <Tag>archived</Tag>}
          </>
        )
      }
      title={`Sandbox ${visible(name)}`}
    >
      {error !== null && data === undefined ? <Failure error={error} retry={() => void refetch()} /> : null}
      {data === undefined && error === null ? <SkeletonBlock height={420} /> : null}
      {data === undefined ? null : <Loaded page={data} />}
    </Page>
  )
}
