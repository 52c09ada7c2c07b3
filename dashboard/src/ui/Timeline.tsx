/**
 * Timelines: spans of time on a common axis, and lists of events.
 */
import type { ReactNode } from "react"
import type { JournalEvent } from "../lib/queries.js"
import { clockTime, preciseDuration, useNow } from "../lib/time.js"
import { visible, words } from "../lib/text.js"
import { IdLink } from "./IdLink.js"
import { Link } from "@tanstack/react-router"
import { Status, Text, Time, type Tone, toneOf } from "./basics.js"

/** A span. Without an end it lasts until now. */
export interface Span {
  readonly key: string
  readonly label: string
  readonly detail?: string
  readonly status: string
  readonly from: number
  readonly to?: number | undefined
  readonly tone?: Tone
}

const marks = 5

// Below this share of the axis in percent, a bar is too short for its text, which its label contains, too.
const narrow = 8

const dated = (time: number, range: number) =>
  range > 86_400_000
    ? new Date(time).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })
    : clockTime(new Date(time).toISOString())

/** Spans as bars, in the order of the list. */
export const Gantt = ({ label, spans }: { readonly label: string; readonly spans: ReadonlyArray<Span> }) => {
  const now = useNow()
  const start = Math.min(...spans.map(({ from }) => from))
  const end = Math.max(start + 1000, ...spans.map(({ to }) => to ?? now))
  const range = end - start
  const share = (length: number) => (length / range) * 100
  const percent = (time: number) => `${share(time - start)}%`
  return (
    <div aria-label={label} className="gantt" role="list">
      <div aria-hidden="true" className="gantt-axis">
        {Array.from({ length: marks }, (_, index) => start + (range * index) / (marks - 1)).map((time) => (
          <span key={time} style={{ left: percent(time) }}>
            {dated(time, range)}
          </span>
        ))}
      </div>
      {spans.map(({ detail, from, key, label: name, status, to, tone }) => {
        const length = preciseDuration((to ?? now) - from)
        return (
          <div className="gantt-row" key={key} role="listitem">
            <div className="gantt-label">
              <span className="truncate">{visible(name)}</span>
              <small className="truncate">
                {visible(status)}, {length}
                {detail === undefined ? "" : `, ${visible(detail)}`}
              </small>
            </div>
            <div aria-hidden="true" className="gantt-track">
              <div
                className={`gantt-bar tone-${tone ?? toneOf(status)}${to === undefined ? " open" : ""}`}
                style={{ left: percent(from), width: `${share((to ?? now) - from)}%` }}
                title={`${visible(name)}: ${visible(status)}, ${length}`}
              >
                {share((to ?? now) - from) > narrow ? <span>{length}</span> : null}
              </div>
            </div>
          </div>
        )
      })}
    </div>
  )
}

/** The actor of an event: a user or a worker as a link, `operator alice` as text. */
export const ActorView = ({ event: { actorId, actorType } }: { readonly event: JournalEvent }) => {
  if (actorId === undefined) return <span className="muted">{actorType}</span>
  return (
    <span className="subject">
      <span className="faint">{actorType}</span>
      {actorType === "user" ? (
        <IdLink id={actorId} kind="user" />
      ) : actorType === "worker" ? (
        <Link search={{ worker: actorId }} to="/jobs">
          <Text>{actorId}</Text>
        </Link>
      ) : (
        <Text>{actorId}</Text>
      )}
    </span>
  )
}

const reasonOf = ({ payload }: JournalEvent): string | undefined => {
  const code = payload?.["errorCode"] ?? payload?.["reason"]
  return typeof code === "string" ? visible(code) : undefined
}

/** The events of a row, in the order of the list. */
export const Steps = ({
  events,
  subject
}: {
  readonly events: ReadonlyArray<JournalEvent>
  /** Shows the subject of each event: the list contains several ones. */
  readonly subject?: (event: JournalEvent) => ReactNode
}) => (
  <ol className="steps">
    {events.map((event) => (
      <li key={event.position}>
        <span aria-hidden="true" className={`steps-dot tone-${toneOf(event.toState ?? "")}`} />
        <div>
          <Link params={{ position: String(event.position) }} to="/events/$position">
            {words(visible(event.eventType))}
          </Link>{" "}
          {event.toState === undefined ? null : <Status value={event.toState} />}
          <small>
            {subject === undefined ? null : subject(event)}
            <ActorView event={event} />
            {reasonOf(event) === undefined ? null : <span className="mono">{reasonOf(event)}</span>}
          </small>
        </div>
        <span className="faint">
          <Time at={event.occurredAt} />
        </span>
      </li>
    ))}
  </ol>
)
