/**
 * The log of an execution: virtual rows, colours of terminals, search, and following of new lines.
 */
import { useVirtualizer } from "@tanstack/react-virtual"
import { memo, type ReactNode, useEffect, useMemo, useRef, useState } from "react"
import type { ExecutionEvent } from "../../../src/dashboard/api/index.js"
import { parseAnsi, plainText } from "../lib/ansi.js"
import { count, counted, visible } from "../lib/text.js"
import { clockTime } from "../lib/time.js"
import { Empty } from "./basics.js"
import { Icon } from "./Icon.js"

const AnsiText = ({ text }: { readonly text: string }) =>
  parseAnsi(text).map(({ background, bold, color, dim, italic, text: part, underline }, index) => (
    <span
      key={index}
      style={{
        ...(color === undefined ? {} : { color }),
        ...(background === undefined ? {} : { background }),
        ...(bold === true ? { fontWeight: 700 } : {}),
        ...(dim === true ? { opacity: 0.75 } : {}),
        ...(italic === true ? { fontStyle: "italic" } : {}),
        ...(underline === true ? { textDecoration: "underline" } : {})
      }}
    >
      {part}
    </span>
  ))

const Line = memo(({ event }: { readonly event: ExecutionEvent }) => (
  <>
    <span className="log-number">{event.sequence}</span>
    <time className="log-time" dateTime={event.occurredAt}>
      {clockTime(event.occurredAt)}
    </time>
    <span className="log-phase truncate">{visible(event.phase)}</span>
    <span className="log-text">
      {event.level === "error" || event.level === "warn" ? <span className="sr">{event.level}: </span> : null}
      <AnsiText text={event.message} />
    </span>
  </>
))

const matchesOf = (events: ReadonlyArray<ExecutionEvent>, search: string): ReadonlyArray<number> => {
  const wanted = search.toLowerCase()
  if (wanted === "") return []
  return events.flatMap(({ message }, index) => (plainText(message).toLowerCase().includes(wanted) ? [index] : []))
}

const lineHeight = 19
const nearEnd = 40

const Bar = ({
  current,
  follow,
  matches,
  move,
  search,
  setFollow,
  setSearch,
  status
}: {
  readonly search: string
  readonly setSearch: (text: string) => void
  readonly matches: number
  readonly current: number
  readonly move: (by: 1 | -1) => void
  readonly follow: boolean
  readonly setFollow: (follow: boolean) => void
  readonly status: ReactNode
}) => (
  <div className="log-bar">
    <input
      aria-label="Search in the log"
      className="input"
      data-first-filter=""
      onChange={(event) => setSearch(event.target.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter") move(event.shiftKey ? -1 : 1)
      }}
      placeholder="Search in the log"
      spellCheck={false}
      type="search"
      value={search}
    />
    <button
      aria-label="Previous match"
      className="icon-button"
      disabled={matches === 0}
      onClick={() => move(-1)}
      type="button"
    >
      <Icon name="left" size={14} />
    </button>
    <button
      aria-label="Next match"
      className="icon-button"
      disabled={matches === 0}
      onClick={() => move(1)}
      type="button"
    >
      <Icon name="right" size={14} />
    </button>
    <span className="muted num" role="status">
      {search === ""
        ? ""
        : matches === 0
          ? "no match"
          : `${count(current + 1)} of ${counted(matches, "match", "matches")}`}
    </span>
    <span className="log-end">
      {status}
      <button
        aria-pressed={follow}
        className={follow ? "button small primary" : "button small"}
        onClick={() => setFollow(!follow)}
        type="button"
      >
        <Icon name="down" size={12} /> Follow
      </button>
    </span>
  </div>
)

/** A log. `status` is shown beside the button that follows it. */
export const LogView = ({
  empty,
  events,
  status
}: {
  readonly events: ReadonlyArray<ExecutionEvent>
  readonly status: ReactNode
  readonly empty: ReactNode
}) => {
  const scroller = useRef<HTMLDivElement>(null)
  const [follow, setFollow] = useState(true)
  const [search, setSearch] = useState("")
  const [current, setCurrent] = useState(0)
  const matches = useMemo(() => matchesOf(events, search), [events, search])
  const hits = useMemo(() => new Set(matches), [matches])
  const rows = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => lineHeight,
    getItemKey: (index) => events[index]?.sequence ?? index,
    overscan: 20
  })
  useEffect(() => {
    if (follow && events.length > 0) rows.scrollToIndex(events.length - 1, { align: "end" })
  }, [follow, events, rows])
  const show = (match: number) => {
    setFollow(false)
    setCurrent(match)
    rows.scrollToIndex(matches[match] ?? 0, { align: "center" })
  }
  const move = (by: 1 | -1) => {
    if (matches.length > 0) show((current + by + matches.length) % matches.length)
  }
  return (
    <div className="log">
      <Bar
        current={Math.min(current, Math.max(0, matches.length - 1))}
        follow={follow}
        matches={matches.length}
        move={move}
        search={search}
        setFollow={setFollow}
        setSearch={(text) => {
          setSearch(text)
          setCurrent(0)
        }}
        status={status}
      />
      <div
        aria-label="Log of the execution"
        className="log-lines"
        onWheel={(event) => {
          if (event.deltaY < 0) setFollow(false)
        }}
        onScroll={({ currentTarget: { clientHeight, scrollHeight, scrollTop } }) => {
          if (!follow && search === "" && scrollHeight - scrollTop - clientHeight < nearEnd) setFollow(true)
        }}
        ref={scroller}
        aria-live="off"
        role="log"
        tabIndex={0}
      >
        {events.length === 0 ? (
          <Empty short title="No events yet">
            {empty}
          </Empty>
        ) : (
          <div style={{ height: rows.getTotalSize() }}>
            {rows.getVirtualItems().map(({ index, key, start }) => {
              const event = events[index]
              return event === undefined ? null : (
                <div
                  className={`log-line level-${event.level}${hits.has(index) ? " hit" : ""}${matches[current] === index ? " current" : ""}`}
                  data-index={index}
                  key={String(key)}
                  ref={rows.measureElement}
                  style={{ transform: `translateY(${start}px)` }}
                >
                  <Line event={event} />
                </div>
              )
            })}
          </div>
        )}
      </div>
    </div>
  )
}
