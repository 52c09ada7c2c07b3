/**
 * The statements of `ControlPlaneEvents`. How events are written is in `journal.ts`, how they are consumed in `consume.ts`.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option, Stream } from "effect"
import {
  Acknowledge,
  ControlPlaneEvent,
  ControlPlaneEventConsumer,
  type JournalEpoch,
  JournalState,
  ListSubjectEvents,
  ReadEvents,
  TailJournal
} from "./ControlPlaneEvent.js"
import { InvalidInput, JournalReset } from "../Errors.js"
import { Name } from "../sql/columns.js"
import { isSqlError, persistenceErrorOf } from "../sql/engineError.js"
import { pages } from "../sql/paging.js"
import { operations } from "../sql/operations.js"
import { columnList, joinedRows, rowsOf } from "../sql/rows.js"
import * as Waiting from "./waiting.js"
import { makeConsume } from "./consume.js"
import type { ControlPlaneEventsService } from "./ControlPlaneEvents.js"

const { input, read, write } = operations("ControlPlaneEvents", "ControlPlaneEvent")

/** A position, and its epoch if the caller knows it. */
export interface Place {
  readonly afterPosition: number
  readonly epoch?: JournalEpoch | undefined
}

// The engine keeps the highest position that it ever assigned, also after that event was purged
// (https://www.sqlite.org/autoinc.html).
const endText = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'control_plane_events'), 0)"

const stateText = `SELECT coalesce((SELECT epoch FROM control_plane_journal WHERE id = 1), '') AS epoch, ${endText} AS "end"`

// Readers of the journal wait for each of its events.
const everyReader = "journal"

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(ControlPlaneEvent))
  const events = yield* rowsOf(ControlPlaneEvent)
  const consumers = yield* rowsOf(ControlPlaneEventConsumer)
  const consumerColumns = sql.literal(columnList(ControlPlaneEventConsumer))
  const states = yield* rowsOf(JournalState)
  const state = states.one(sql.unsafe(stateText))

  /** Fails when the position is beyond the end of the journal or of another epoch. */
  const checkPlace = (method: string, field: string, { afterPosition, epoch }: Place) =>
    Effect.flatMap(state, (current): Effect.Effect<void, InvalidInput | JournalReset> => {
      if (epoch !== undefined && epoch !== current.epoch) return Effect.fail(new JournalReset({ epoch: current.epoch }))
      if (afterPosition <= current.end) return Effect.void
      const issue = `${field}: must not be beyond the last event of the journal; after a restore, continue from the current end`
      return Effect.fail(new InvalidInput({ operation: `ControlPlaneEvents.${method}`, issues: [issue] }))
    })

  const inEpoch = (epoch: JournalEpoch | undefined) =>
    epoch === undefined ? sql`true` : sql`EXISTS (SELECT 1 FROM control_plane_journal WHERE id = 1 AND epoch = ${epoch})`

  const after = (method: string, place: Place, limit: number) =>
    Effect.tap(
      events.all(sql`
        SELECT ${columns} FROM control_plane_events
        WHERE position > ${place.afterPosition} AND ${inEpoch(place.epoch)} ORDER BY position LIMIT ${limit}`),
      // A position with later events cannot be beyond the end.
      (found) => found.length > 0 ? Effect.void : checkPlace(method, "afterPosition", place)
    )

  const position: ControlPlaneEventsService["position"] = (consumer) =>
    input("position", Name)(consumer).pipe(
      Effect.flatMap((name) =>
        consumers.first(sql`SELECT ${consumerColumns} FROM control_plane_event_consumers WHERE name = ${name}`)
      ),
      Effect.map(Option.match({ onNone: () => 0, onSome: (found) => found.position })),
      read("position")
    )

  const acknowledge: ControlPlaneEventsService["acknowledge"] = (request) =>
    Effect.gen(function*() {
      const { consumer, epoch, position } = yield* input("acknowledge", Acknowledge)(request)
      const now = yield* Clock.currentTimeMillis
      const stands = yield* consumers.first(sql`
        INSERT INTO control_plane_event_consumers (name, position, updated_at, epoch)
        SELECT ${consumer}, ${position}, ${now}, ${epoch ?? null}
        WHERE ${position} <= ${sql.literal(endText)} AND ${inEpoch(epoch)}
        ON CONFLICT (name) DO UPDATE SET
          position = max(position, excluded.position),
          updated_at = iif(excluded.position > position, excluded.updated_at, updated_at),
          epoch = coalesce(excluded.epoch, epoch)
        RETURNING ${consumerColumns}`)
      if (Option.isSome(stands)) return stands.value.position
      yield* checkPlace("acknowledge", "position", { afterPosition: position, epoch })
      // The journal has grown up to the position in between.
      return yield* acknowledge(request)
    }).pipe(write("acknowledge", ["InvalidInput"]))

  const run = yield* joinedRows
  const mark = Effect.map(run(sql.unsafe(stateText)), ([row]) => `${String(row?.["epoch"])} ${String(row?.["end"])}`)
  const waiter = yield* Waiting.make({
    mark,
    since: (before) => Effect.map(mark, (now) => ({ mark: now, concerned: now === before ? [] : [everyReader], isAll: true }))
  })

  /** A way to wait for the next events after a place, for the scope. */
  const nextEvents = Effect.map(waiter, (firstFound) => (method: string, place: Place, limit: number) =>
    firstFound(everyReader, Effect.map(read(method)(after(method, place, limit)), Option.liftPredicate((found) => found.length > 0))).pipe(
      Effect.catchIf(isSqlError, (error) => Effect.fail(persistenceErrorOf(`ControlPlaneEvents.${method}`, error)))
    ))

  const tail: ControlPlaneEventsService["tail"] = (request) =>
    Effect.all([input("tail", TailJournal)(request), nextEvents]).pipe(
      Effect.map(([start, next]) =>
        pages(start.afterPosition, (afterPosition: number, limit) =>
          Effect.map(next("tail", { ...start, afterPosition }, limit), (found) => [
            found,
            Option.some(found.at(-1)?.position ?? afterPosition)
          ]))),
      Stream.unwrapScoped
    )

  const service: ControlPlaneEventsService = {
    journal: read("journal")(state),

    list: (request) =>
      Effect.gen(function*() {
        const { afterSequence, limit, ownerUserId, subjectId, subjectType } = yield* input("list", ListSubjectEvents)(request)
        const ofOwner = ownerUserId === undefined ? sql`true` : sql`+owner_user_id = ${ownerUserId}`
        return yield* events.all(sql`
          SELECT ${columns} FROM control_plane_events
          WHERE subject_type = ${subjectType} AND subject_id = ${subjectId} AND sequence > ${afterSequence} AND ${ofOwner}
          ORDER BY sequence LIMIT ${limit}`)
      }).pipe(read("list")),

    read: (request) =>
      input("read", ReadEvents)(request).pipe(
        Effect.flatMap(({ limit, ...place }) => after("read", place, limit)),
        read("read")
      ),

    tail,

    position,

    acknowledge,

    consume: makeConsume({ sql, consumers, consumerColumns, state, nextEvents, acknowledge })
  }
  return service
})
