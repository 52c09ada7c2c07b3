/**
 * The statements of `ControlPlaneEvents`. How events are written stands in `journal.ts`.
 */
import { SqlClient } from "@effect/sql"
import { Chunk, Clock, Effect, Option, Schema, Stream } from "effect"
import { Acknowledge, ControlPlaneEvent, ControlPlaneEventConsumer, ListSubjectEvents, ReadEvents } from "../domain/control-plane/ControlPlaneEvent.js"
import { Name } from "../internal/columns.js"
import { operations } from "../internal/query.js"
import { columnList, rowsOf } from "../internal/rows.js"
import { firstFound } from "../internal/waiting.js"
import type { ControlPlaneEventsService } from "./ControlPlaneEvents.js"

const { input, read, write } = operations("ControlPlaneEvents", "ControlPlaneEvent")

const pageSize = 500
const defaultBatch = 100

const BatchSize = Schema.Struct({ batchSize: Schema.Int.pipe(Schema.between(1, pageSize)) })

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(ControlPlaneEvent))
  const events = yield* rowsOf(ControlPlaneEvent)
  const consumers = yield* rowsOf(ControlPlaneEventConsumer)
  const consumerColumns = sql.literal(columnList(ControlPlaneEventConsumer))

  const after = (position: number, limit: number) =>
    events.all(sql`SELECT ${columns} FROM control_plane_events WHERE position > ${position} ORDER BY position LIMIT ${limit}`)

  const readAfter: ControlPlaneEventsService["read"] = (request) =>
    input("read", ReadEvents)(request).pipe(
      Effect.flatMap(({ afterPosition, limit }) => after(afterPosition, limit)),
      read("read")
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
      const given = yield* input("acknowledge", Acknowledge)(request)
      const now = yield* Clock.currentTimeMillis
      const stands = yield* consumers.one(sql`
        INSERT INTO control_plane_event_consumers (name, position, updated_at) VALUES (${given.consumer}, ${given.position}, ${now})
        ON CONFLICT (name) DO UPDATE SET
          position = max(position, excluded.position),
          updated_at = iif(excluded.position > position, excluded.updated_at, updated_at)
        RETURNING ${consumerColumns}`)
      return stands.position
    }).pipe(write("acknowledge", ["InvalidInput"]))

  /** The next events after a position, as soon as there are some. */
  const awaitAfter = (from: number, limit: number) =>
    firstFound(sql, Effect.map(readAfter({ afterPosition: from, limit }), Option.liftPredicate((found) => found.length > 0)))

  const service: ControlPlaneEventsService = {
    list: (request) =>
      Effect.gen(function*() {
        const { afterSequence, limit, ownerUserId, subjectId, subjectType } = yield* input("list", ListSubjectEvents)(request)
        const ofOwner = ownerUserId === undefined ? sql`true` : sql`+owner_user_id = ${ownerUserId}`
        return yield* events.all(sql`
          SELECT ${columns} FROM control_plane_events
          WHERE subject_type = ${subjectType} AND subject_id = ${subjectId} AND sequence > ${afterSequence} AND ${ofOwner}
          ORDER BY sequence LIMIT ${limit}`)
      }).pipe(read("list")),

    read: readAfter,

    tail: ({ afterPosition = 0 }) =>
      Stream.paginateChunkEffect(afterPosition, (from) =>
        Effect.map(awaitAfter(from, pageSize), (found) => [
          Chunk.unsafeFromArray(found),
          Option.some(found.at(-1)?.position ?? from)
        ])),

    position,

    acknowledge,

    consume: ({ batchSize = defaultBatch, consumer }, handler) =>
      Effect.gen(function*() {
        const { batchSize: limit } = yield* input("consume", BatchSize)({ batchSize })
        let from = yield* position(consumer)
        const batch = Effect.gen(function*() {
          const found = yield* awaitAfter(from, limit)
          yield* handler(found)
          from = yield* acknowledge({ consumer, position: found.at(-1)?.position ?? from })
        })
        return yield* Effect.forever(batch)
      })
  }
  return service
})
