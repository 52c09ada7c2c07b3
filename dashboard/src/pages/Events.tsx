/**
 * The journal with filters, and its live tail. On the first page, new events appear on top as they are committed.
 */
import { Link } from "@tanstack/react-router"
import { useMemo, useState } from "react"
import { useLive } from "../lib/live.js"
import { type JournalEvent, useApi } from "../lib/queries.js"
import { type ListSearch, useList } from "../lib/search.js"
import { count, visible } from "../lib/text.js"
import { Empty, None, Status, Time, Words } from "../ui/basics.js"
import { type Column, DataTable, Pager } from "../ui/DataTable.js"
import { ClearFilters, StatusFilter, TextFilter } from "../ui/filters.js"
import { IdLink } from "../ui/IdLink.js"
import { Page } from "../ui/Page.js"
import { SubjectLink } from "../ui/SubjectLink.js"
import { ActorView } from "../ui/Timeline.js"

const subjects = ["sandbox", "attempt", "job", "workflow", "execution", "delivery", "database"]

const columns: ReadonlyArray<Column<JournalEvent>> = [
  {
    id: "position",
    header: "Position",
    width: 50,
    cell: ({ position }) => (
      <Link className="num mono" data-row-link="" params={{ position: String(position) }} to="/events/$position">
        {position}
      </Link>
    )
  },
  { id: "subject", header: "Subject", width: 170, cell: (event) => <SubjectLink event={event} /> },
  { id: "operation", header: "Operation", width: 90, cell: ({ eventType }) => <Words>{eventType}</Words> },
  {
    id: "state",
    header: "State",
    width: 150,
    cell: ({ fromState, toState }) => (
      <span className="change">
        {fromState === undefined ? null : (
          <>
            <span className="muted">{visible(fromState)}</span>
            <span aria-hidden="true" className="faint">
              →
            </span>
            <span className="sr">to</span>
          </>
        )}
        {toState === undefined ? <None /> : <Status value={toState} />}
      </span>
    )
  },
  { id: "actor", header: "Actor", width: 90, cell: (event) => <ActorView event={event} /> },
  {
    id: "owner",
    header: "Owner",
    width: 100,
    wide: true,
    cell: ({ ownerUserId }) => <IdLink id={ownerUserId} kind="user" />
  },
  { id: "time", header: "Time", align: "right", width: 60, cell: ({ occurredAt }) => <Time at={occurredAt} /> }
]

const pageSize = 50

const matches =
  ({ actor, owner, state, status, subject, type }: ListSearch) =>
  (event: JournalEvent) =>
    (status === undefined || status.split(",").includes(event.subjectType)) &&
    (subject === undefined || event.subjectId === subject) &&
    (type === undefined || event.eventType === type) &&
    (state === undefined || event.toState === state) &&
    (actor === undefined || event.actorId === actor) &&
    (owner === undefined || event.ownerUserId === owner)

/** The newest events that have arrived since the list was read, at most one page of them. */
const useTail = (filters: ListSearch, onReset: () => void) => {
  const [tail, setTail] = useState<ReadonlyArray<JournalEvent>>([])
  const [paused, setPaused] = useState(false)
  useLive(({ events, reset }) => {
    if (reset) {
      setTail([])
      return onReset()
    }
    if (!paused && events.length > 0) setTail((current) => [...events.toReversed(), ...current].slice(0, pageSize * 4))
  })
  const matching = useMemo(() => tail.filter(matches(filters)), [tail, filters])
  return { tail: matching, paused, setPaused }
}

export const Events = () => {
  const { cursorParams, filters: all, paging, setFilters } = useList()
  const { actor, owner, state, status, subject, type } = all
  const filters = useMemo(
    () => ({ actor, owner, state, status, subject, type }),
    [actor, owner, state, status, subject, type]
  )
  const before = "cursor" in cursorParams ? Number(cursorParams.cursor) : undefined
  const { data, error, refetch } = useApi(
    "events",
    "list",
    {
      urlParams: {
        subjectTypes: status,
        subjectId: subject,
        eventType: type,
        toState: state,
        actorId: actor,
        ownerUserId: owner,
        before,
        limit: pageSize
      }
    },
    { keep: true, live: false }
  )
  const { paused, setPaused, tail } = useTail(filters, () => void refetch())
  const isFirst = before === undefined
  const rows = useMemo(() => {
    if (data === undefined) return undefined
    const newest = data.items[0]?.position ?? 0
    const fresh = isFirst ? tail.filter(({ position }) => position > newest) : []
    return [...fresh, ...data.items]
  }, [data, tail, isFirst])
  const isFiltered = Object.values(filters).some((value) => value !== undefined)
  return (
    <Page
      actions={
        isFirst ? (
          <button aria-pressed={paused} className="button" onClick={() => setPaused(!paused)} type="button">
            {paused ? "Resume the tail" : "Pause the tail"}
          </button>
        ) : undefined
      }
      title="Events"
    >
      <div className="toolbar">
        <StatusFilter onChange={(next) => setFilters({ status: next })} options={subjects} value={status} />
        <TextFilter first label="Subject id" onChange={(next) => setFilters({ subject: next })} value={subject} />
        <TextFilter label="Operation" onChange={(next) => setFilters({ type: next })} value={type} />
        <TextFilter label="New state" onChange={(next) => setFilters({ state: next })} value={state} />
        <TextFilter label="Actor" onChange={(next) => setFilters({ actor: next })} value={actor} />
        <TextFilter label="Owner id" onChange={(next) => setFilters({ owner: next })} value={owner} />
        <ClearFilters
          active={isFiltered}
          onClear={() => setFilters({ status: "", subject: "", type: "", state: "", actor: "", owner: "" })}
        />
      </div>
      <div className="card">
        <DataTable
          columns={columns}
          empty={
            isFiltered ? (
              <Empty icon="search" title="No event on this page matches the filters">
                {data?.nextBefore === undefined
                  ? "Remove a filter."
                  : "A page examines a limited number of events: older pages may have some."}
              </Empty>
            ) : (
              <Empty icon="events" title="The journal is empty">
                Each change of the state of a sandbox, attempt, job, workflow or execution is one event, and so is a
                redelivery or a backup.
              </Empty>
            )
          }
          error={error}
          keyOf={({ position }) => String(position)}
          label="Events"
          retry={() => void refetch()}
          rows={rows}
        />
        <Pager
          {...paging}
          next={data?.nextBefore === undefined ? undefined : String(data.nextBefore)}
          shown={rows?.length}
        />
      </div>
      <p className="foot faint">
        {data === undefined
          ? " "
          : `The journal ends at position ${count(Math.max(data.end, tail[0]?.position ?? 0))}, epoch ${data.epoch}`}
      </p>
    </Page>
  )
}
