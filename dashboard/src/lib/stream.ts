/**
 * Server-sent events in batches. A connection resumes after the last event that arrived, is closed while the page is
 * hidden, and holds a bounded number of events.
 */

/** The state of a connection. `paused`: the page is hidden. */
export type StreamState = "connecting" | "open" | "paused" | "closed"

/** The address of a stream of messages, and its handlers. */
export interface StreamOptions<Message> {
  /** The address to connect to, after the id of the last event, if there is one. */
  readonly address: (lastId: string | undefined) => URL
  /** The events to read by their names, and the decoder of their data. */
  readonly events: Readonly<Record<string, (data: string) => Message>>
  /** Called with the messages of the last `interval`, and the number of those that were dropped. */
  readonly onBatch: (messages: ReadonlyArray<Message>, dropped: number) => void
  readonly onState?: (state: StreamState) => void
  /** The time between batches, in milliseconds. Default: 250. */
  readonly interval?: number
  /** The most messages that wait for a batch. Older ones are dropped. Default: 1,000. */
  readonly capacity?: number
}

const firstDelay = 500
const longestDelay = 30_000

/** Opens a stream, and returns the function that closes it. */
export const openStream = <Message>({
  address,
  capacity = 1000,
  events,
  interval = 250,
  onBatch,
  onState = () => {}
}: StreamOptions<Message>): (() => void) => {
  let source: EventSource | undefined
  let lastId: string | undefined
  let waiting: Array<Message> = []
  let dropped = 0
  let flushTimer: ReturnType<typeof setTimeout> | undefined
  let retryTimer: ReturnType<typeof setTimeout> | undefined
  let delay = firstDelay

  const flush = () => {
    flushTimer = undefined
    const [batch, lost] = [waiting, dropped]
    waiting = []
    dropped = 0
    onBatch(batch, lost)
  }

  const receive = (decode: (data: string) => Message) => (event: MessageEvent<string>) => {
    if (event.lastEventId !== "") lastId = event.lastEventId
    waiting.push(decode(event.data))
    if (waiting.length > capacity) {
      waiting.shift()
      dropped += 1
    }
    flushTimer ??= setTimeout(flush, interval)
  }

  const disconnect = () => {
    source?.close()
    source = undefined
    clearTimeout(retryTimer)
  }

  const connect = () => {
    disconnect()
    onState("connecting")
    const opened = new EventSource(address(lastId))
    source = opened
    opened.addEventListener("open", () => {
      delay = firstDelay
      onState("open")
    })
    opened.addEventListener("error", () => {
      onState("connecting")
      // The browser reconnects by itself, unless the server has refused the connection.
      if (opened.readyState !== EventSource.CLOSED) return
      retryTimer = setTimeout(connect, delay)
      delay = Math.min(longestDelay, delay * 2)
    })
    for (const [name, decode] of Object.entries(events)) opened.addEventListener(name, receive(decode))
  }

  const onVisibility = () => {
    if (document.hidden) {
      disconnect()
      onState("paused")
    } else if (source === undefined) connect()
  }

  document.addEventListener("visibilitychange", onVisibility)
  if (document.hidden) onState("paused")
  else connect()

  return () => {
    document.removeEventListener("visibilitychange", onVisibility)
    clearTimeout(flushTimer)
    disconnect()
    onState("closed")
  }
}
