/**
 * The live stream of all pages: one connection, whatever the number of its readers.
 */
import type { QueryClient } from "@tanstack/react-query"
import { useEffect, useRef, useSyncExternalStore } from "react"
import type { JournalEvent, LiveEvents } from "../../../src/dashboard/api/index.js"
import { paths } from "../../../src/dashboard/api/paths.js"
import { addressOf } from "./client.js"
import { openStream, type StreamState } from "./stream.js"

/** Events of the journal that have just been committed. `skipped` came too fast to be sent. */
export interface Batch {
  readonly events: ReadonlyArray<JournalEvent>
  readonly skipped: number
  /** The journal has a new epoch, or events are missing: readers start again. */
  readonly reset: boolean
}

const batchListeners = new Set<(batch: Batch) => void>()
const stateListeners = new Set<() => void>()
let state: StreamState = "connecting"

const subscribeState = (listener: () => void) => {
  stateListeners.add(listener)
  return () => {
    stateListeners.delete(listener)
  }
}

const address = (lastId: string | undefined) => {
  const at = lastId?.lastIndexOf(":") ?? -1
  const urlParams = at === -1 ? {} : { epoch: lastId?.slice(0, at), after: lastId?.slice(at + 1) }
  return addressOf(paths.overview.live[1], { urlParams })
}

const decodeJournal: (data: string) => LiveEvents["journal"] = JSON.parse

const nothing: Batch = { events: [], skipped: 0, reset: false }

const batchOf = (messages: ReadonlyArray<Batch>, dropped: number): Batch => ({
  events: messages.flatMap(({ events }) => events),
  skipped: messages.reduce((sum, { skipped }) => sum + skipped, 0),
  reset: dropped > 0 || messages.some(({ reset }) => reset)
})

// A page reads its lists again at most once in this time, however many events arrive.
const refreshInterval = 1000

/** Connects the stream, and makes queries on changed rows stale. Returns the function that disconnects. */
export const startLive = (queries: QueryClient): (() => void) => {
  let refreshTimer: ReturnType<typeof setTimeout> | undefined
  let lastRefresh = 0
  const refresh = () => {
    refreshTimer = undefined
    lastRefresh = Date.now()
    void queries.invalidateQueries({ predicate: ({ meta }) => meta?.["live"] === true })
  }
  const close = openStream({
    address,
    events: {
      journal: (data) => ({ ...decodeJournal(data), reset: false }),
      changed: () => nothing,
      reset: () => ({ ...nothing, reset: true })
    },
    onBatch: (messages, dropped) => {
      const batch = batchOf(messages, dropped)
      for (const listener of batchListeners) listener(batch)
      refreshTimer ??= setTimeout(refresh, Math.max(0, lastRefresh + refreshInterval - Date.now()))
    },
    onState: (next) => {
      state = next
      for (const listener of stateListeners) listener()
    }
  })
  return () => {
    clearTimeout(refreshTimer)
    close()
  }
}

/** Returns the state of the connection. */
export const useLiveState = (): StreamState => useSyncExternalStore(subscribeState, () => state)

/** Calls `onBatch` with each batch of events while the component is mounted. */
export const useLive = (onBatch: (batch: Batch) => void): void => {
  const latest = useRef(onBatch)
  useEffect(() => {
    latest.current = onBatch
  })
  useEffect(() => {
    const listener = (batch: Batch) => latest.current(batch)
    batchListeners.add(listener)
    return () => {
      batchListeners.delete(listener)
    }
  }, [])
}
