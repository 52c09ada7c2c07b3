/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). One reader follows the journal
 * for all pages, from the first page that is open to the last one that leaves.
 *
 * The reader publishes at most once in 200 ms, at most 500 events at a time. A page that reads too slowly misses the
 * oldest messages, and receives the number of the events that it has missed.
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as SqlClient from "@effect/sql/SqlClient"
import {
  Clock,
  type Deferred,
  Effect,
  Either,
  Option,
  PubSub,
  RcRef,
  Schedule,
  Schema,
  type Scope,
  Stream
} from "effect"
import * as Database from "../Database.js"
import type { InvalidInput, PersistenceError } from "../Errors.js"
import { JournalReset } from "../Errors.js"
import { ControlPlaneEvent } from "../events/ControlPlaneEvent.js"
import { ControlPlaneEvents } from "../events/ControlPlaneEvents.js"
import type { LiveEvents } from "./api/index.js"

/** The least time between two messages to a page. */
export const intervalMillis = 200

/** The most events in a message. */
export const mostEvents = 500

/** The messages that wait for a slow page. */
const bufferedMessages = 16

/** The time between two comments that keep an idle connection open. */
const heartbeat = "15 seconds"

const encodeEvent = Schema.encodeSync(ControlPlaneEvent.json)

/** One message of a stream. */
export interface Message {
  readonly event: string
  readonly id?: string
  readonly data: unknown
}

// JSON has no line breaks, so the data of a message is one line.
const textOf = ({ data, event, id }: Message) =>
  `event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`

/** Builds the response of a stream of messages. It ends with the stream, or when the server closes. */
export const streamResponse = <E>(messages: Stream.Stream<Message, E>, closing: Deferred.Deferred<void>) => {
  const heartbeats = Stream.map(
    Stream.schedule(Stream.repeatValue(undefined), Schedule.spaced(heartbeat)),
    () => ": \n\n"
  )
  const texts = Stream.merge(Stream.map(messages, textOf), heartbeats, { haltStrategy: "left" })
  // The first line opens the stream in the page before the first message.
  const body = Stream.concat(Stream.make("retry: 2000\n\n"), texts).pipe(
    Stream.interruptWhenDeferred(closing),
    // The status has been sent, so a failure ends the stream. The page connects again.
    Stream.catchAllCause(() => Stream.empty),
    Stream.encodeText
  )
  return HttpServerResponse.stream(body, {
    contentType: "text/event-stream",
    // A page that connects again over a kept connection would keep a closing server open.
    headers: { "cache-control": "no-store", connection: "close", "x-accel-buffering": "no" }
  })
}

/** The journal after a position: the newest events, and the number of those that were left out before them. */
interface News {
  readonly epoch: string
  readonly after: number
  readonly end: number
  readonly skipped: number
  readonly events: ReadonlyArray<ControlPlaneEvent>
}

/** The start of a page: after this position of this epoch. */
export interface Place {
  readonly epoch: string
  readonly after: number
}

/** The live stream of a Dashboard. */
export interface Live {
  /** Streams the journal and other commits, from a place or from now on. A place of another epoch is a `reset`. */
  readonly messages: (place: Option.Option<Place>) => Stream.Stream<Message, PersistenceError | InvalidInput>
  /** The number of pages that receive messages. */
  readonly readers: Effect.Effect<number>
  /** Whether the journal is followed: from the first page to the last one. */
  readonly isFollowing: Effect.Effect<boolean>
}

/** Makes the live stream. */
export const makeLive: Effect.Effect<Live, never, ControlPlaneEvents | SqlClient.SqlClient | Scope.Scope> = Effect.gen(
  function* () {
    const journal = yield* ControlPlaneEvents
    const sql = yield* SqlClient.SqlClient
    let readers = 0
    let isFollowing = false

    /** Reads the newest events after a position. */
    const newsAfter = ({ after, epoch }: Place) =>
      Effect.gen(function* () {
        const state = yield* journal.journal
        if (state.epoch !== epoch || after > state.end) return yield* new JournalReset({ epoch: state.epoch })
        const from = Math.max(after, state.end - mostEvents)
        const events = from === state.end ? [] : yield* journal.read({ afterPosition: from, epoch, limit: mostEvents })
        const end = events.at(-1)?.position ?? state.end
        return { epoch, after, end, skipped: from - after, events } satisfies News
      })

    /** Publishes what is new after each commit, until the last page leaves. */
    const follow = (hub: PubSub.PubSub<News>, start: Place) =>
      Effect.gen(function* () {
        let place = start
        while (true) {
          // Read before the journal, so that a commit after the read counts as a change.
          const seen = yield* Database.version
          const news = yield* newsAfter(place).pipe(
            Effect.catchTag("JournalReset", () =>
              Effect.map(
                journal.journal,
                ({ end, epoch }): News => ({ epoch, after: end, end, skipped: 0, events: [] })
              )
            ),
            Effect.tapError((error) => Effect.logWarning(`the live view of the Dashboard waits: ${error.message}`)),
            Effect.option
          )
          if (Option.isSome(news)) {
            yield* PubSub.publish(hub, news.value)
            place = { epoch: news.value.epoch, after: news.value.end }
          }
          yield* Effect.sleep(Option.isSome(news) ? intervalMillis : 2000)
          if (Option.isSome(news)) yield* Database.changedSince(seen)
        }
      })

    const hub = yield* RcRef.make({
      acquire: Effect.gen(function* () {
        const pubsub = yield* Effect.acquireRelease(PubSub.sliding<News>(bufferedMessages), PubSub.shutdown)
        const { end, epoch } = yield* journal.journal
        yield* Effect.acquireRelease(
          Effect.sync(() => void (isFollowing = true)),
          () => Effect.sync(() => void (isFollowing = false))
        )
        yield* Effect.forkScoped(Effect.interruptible(follow(pubsub, { epoch, after: end })))
        return pubsub
      }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
    })

    const counted = Effect.acquireRelease(
      Effect.sync(() => void readers++),
      () => Effect.sync(() => void readers--)
    )

    const messages: Live["messages"] = (start) =>
      Effect.gen(function* () {
        yield* counted
        const queue = yield* PubSub.subscribe(yield* RcRef.get(hub))
        // After the subscription, so that no commit is missed between the two.
        const { end, epoch } = yield* journal.journal
        let place = Option.getOrElse(start, () => ({ epoch, after: end }))
        const first = yield* Effect.either(newsAfter(place))

        const messageOf = (news: News): ReadonlyArray<Message> => {
          const id = `${news.epoch}:${news.end}`
          if (news.epoch !== place.epoch) {
            place = { epoch: news.epoch, after: news.end }
            return [{ event: "reset", id, data: { epoch: news.epoch, end: news.end } satisfies LiveEvents["reset"] }]
          }
          const events = news.events.filter(({ position }) => position > place.after).map((event) => encodeEvent(event))
          const skipped = Math.max(0, news.after + news.skipped - place.after)
          place = { epoch: place.epoch, after: Math.max(place.after, news.end) }
          if (events.length === 0 && skipped === 0) return []
          return [{ event: "journal", id, data: { events, skipped } satisfies LiveEvents["journal"] }]
        }

        const resetOf = (): ReadonlyArray<Message> => {
          place = { epoch, after: end }
          return [{ event: "reset", id: `${epoch}:${end}`, data: { epoch, end } satisfies LiveEvents["reset"] }]
        }
        const before = yield* Either.match(first, {
          onLeft: (error) => (error._tag === "JournalReset" ? Effect.succeed(resetOf()) : Effect.fail(error)),
          onRight: (news) => Effect.succeed(messageOf(news))
        })
        const later = Stream.mapConcatEffect(Stream.fromQueue(queue), (news) => {
          const found = messageOf(news)
          // A commit without events of the journal: a claim, a delivery.
          return found.length > 0
            ? Effect.succeed(found)
            : Effect.map(now, (at) => [{ event: "changed", data: { at } }])
        })
        return Stream.concat(Stream.fromIterable<Message>(before), later)
      }).pipe(Stream.unwrapScoped)

    return { messages, readers: Effect.sync(() => readers), isFollowing: Effect.sync(() => isFollowing) }
  }
)

const now = Effect.map(Clock.currentTimeMillis, (millis) => new Date(millis).toISOString())
