/**
 * The events of an execution: those that are stored, and new ones while it is active.
 */
import { useEffect, useState } from "react"
import type { ExecutionEvent, ExecutionLiveEvents } from "../../../src/dashboard/api/index.js"
import { paths } from "../../../src/dashboard/api/paths.js"
import { addressOf } from "./client.js"
import { openStream, type StreamState } from "./stream.js"

/** The most events that the page holds. Older ones are left out. */
export const mostEvents = 20_000

/** The events of an execution, and the state of their stream. */
export interface ExecutionLog {
  readonly events: ReadonlyArray<ExecutionEvent>
  /** The number of older events that the page no longer holds. */
  readonly omitted: number
  readonly state: StreamState
  /** The execution has ended, and all its events are here. */
  readonly ended: boolean
}

const initial: ExecutionLog = { events: [], omitted: 0, state: "connecting", ended: false }

const append = (log: ExecutionLog, added: ReadonlyArray<ExecutionEvent>): ExecutionLog => {
  const last = log.events.at(-1)?.sequence ?? 0
  const fresh = added.filter(({ sequence }) => sequence > last)
  if (fresh.length === 0) return log
  const all = [...log.events, ...fresh]
  const excess = Math.max(0, all.length - mostEvents)
  return { ...log, events: all.slice(excess), omitted: log.omitted + excess }
}

const decodeEvents: (data: string) => ExecutionLiveEvents["events"] = JSON.parse

/** Reads the log of an execution while the component is mounted. */
export const useExecutionLog = (id: string): ExecutionLog => {
  const [log, setLog] = useState(initial)
  useEffect(() => {
    setLog(initial)
    let lastSequence = 0
    const close = openStream<ReadonlyArray<ExecutionEvent> | "end">({
      address: () =>
        addressOf(paths.workflows.executionLive[1], { path: { id }, urlParams: { afterSequence: lastSequence } }),
      events: { events: (data) => decodeEvents(data).events, end: () => "end" },
      onBatch: (messages) => {
        const added = messages.flatMap((message) => (message === "end" ? [] : message))
        lastSequence = added.at(-1)?.sequence ?? lastSequence
        const ended = messages.includes("end")
        setLog((current) => ({ ...append(current, added), ended: current.ended || ended }))
        if (ended) close()
      },
      onState: (state) => setLog((current) => ({ ...current, state }))
    })
    return close
  }, [id])
  return log
}
