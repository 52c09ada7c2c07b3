/**
 * The journal of the control plane, over the tables `control_plane_events`, `control_plane_admin_events` and
 * `control_plane_event_consumers`. `journal.ts` appends the events of lifecycle operations, `adminEvents.ts` those of
 * redeliveries and backups, and `consume.ts` delivers events to consumers.
 *
 * Guarantees:
 * - Every state change by a lifecycle operation is in the journal, written in the transaction of the change. A change
 *   is committed with its event, or neither is.
 * - The events of one subject are numbered 1, 2, 3 without gaps. Each begins in the end state of the previous one, except
 *   redeliveries, between which a worker changes the state of the delivery.
 * - Positions increase in the order of commits. A reader that has read up to a position has read every event before it.
 * - Delivery to a named consumer is at least once: an event is delivered until it is acknowledged. After a crash,
 *   unacknowledged events are delivered again, so handlers must be idempotent.
 * - A position belongs to an epoch. A restore of a backup begins a new epoch, because events that were written after
 *   the backup are gone and their positions are reused.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, Effect, Layer, Option, Stream } from "effect"
import {
  Acknowledge,
  Actor,
  ControlPlaneEvent,
  ControlPlaneEventConsumer,
  type JournalEpoch,
  JournalState,
  ListSubjectEvents,
  ReadEvents,
  RecordBackup,
  TailJournal
} from "./ControlPlaneEvent.js"
import { InvalidInput, JournalReset, type PersistenceError } from "../Errors.js"
import { Name } from "../sql/columns.js"
import { isSqlError, persistenceErrorOf } from "../sql/engineError.js"
import { pages } from "../sql/paging.js"
import { operations } from "../sql/operations.js"
import { columnList, joinedRows, rowsOf } from "../sql/rows.js"
import { writeAll } from "../sql/writeAll.js"
import { backedUp } from "./adminEvents.js"
import { makeConsume } from "./consume.js"
import { CurrentActor } from "./CurrentActor.js"
import { type JournalListMethods, makeJournalLists } from "./journalLists.js"
import * as Waiting from "./waiting.js"

/**
 * Methods of `ControlPlaneEvents`.
 *
 * Request handlers call `list` with `ownerUserId`. All other calls read the events of every owner and are internal: not
 * for request handlers.
 */
export interface ControlPlaneEventsService extends JournalListMethods {
  /**
   * Returns the epoch of the journal and the position of its last event. Readers that keep their own position store the
   * epoch beside it, and pass both.
   */
  readonly journal: Effect.Effect<JournalState, PersistenceError>

  /**
   * Lists the events of one subject in their order, after `afterSequence`. Returns no events if the subject is unknown
   * or belongs to another owner. Fails with `InvalidInput` if the limit or the sequence number is out of range.
   */
  readonly list: (
    request: typeof ListSubjectEvents.Encoded
  ) => Effect.Effect<ReadonlyArray<ControlPlaneEvent>, InvalidInput | PersistenceError>

  /**
   * Reads the events of all subjects in the order of their position, after `afterPosition`. Fails with `InvalidInput`
   * if the limit is out of range or the position is beyond the end of the journal, and with `JournalReset` if `epoch`
   * is not the current one.
   */
  readonly read: (
    request: typeof ReadEvents.Encoded
  ) => Effect.Effect<ReadonlyArray<ControlPlaneEvent>, InvalidInput | JournalReset | PersistenceError>

  /**
   * Streams all events after `afterPosition` (default: from the first), then each new event: about 10 ms after its
   * commit, by any process on the same file. Does not end by itself. Fails as `read` does. Idle tails cost nothing:
   * they share one reader, which reads after commits.
   */
  readonly tail: (
    request: typeof TailJournal.Encoded
  ) => Stream.Stream<ControlPlaneEvent, InvalidInput | JournalReset | PersistenceError>

  /**
   * Returns the position that the consumer has acknowledged last; 0 if it never did. Fails with `InvalidInput` if the
   * name is empty.
   */
  readonly position: (consumer: string) => Effect.Effect<number, InvalidInput | PersistenceError>

  /**
   * Records that the consumer has processed every event up to the position. Returns the recorded position; an earlier
   * position changes nothing. Fails with `InvalidInput` if the name is empty or the position is beyond the end of the
   * journal, and with `JournalReset` if `epoch` is not the current one. A failed call records nothing.
   */
  readonly acknowledge: (
    request: typeof Acknowledge.Encoded
  ) => Effect.Effect<number, InvalidInput | JournalReset | PersistenceError>

  /**
   * Records a backup as an event of the subject `database`, with the current actor. Fails with `InvalidInput` if the name
   * of the file is empty or too long, or the size is negative.
   */
  readonly recordBackup: (backup: typeof RecordBackup.Encoded) => Effect.Effect<void, InvalidInput | PersistenceError>

  /**
   * Passes every unacknowledged event of the consumer to the handler, then each new event, in batches of up to
   * `batchSize` (1 to 500, default 100) in the order of their positions. Acknowledges a batch when the handler has
   * succeeded. The next call delivers unacknowledged events again. Run it in one process at a time for each name: two
   * processes would both receive each event.
   *
   * The consumer exists from its first call, and purge keeps its unacknowledged events. After a restore, `onReset` runs
   * once before the first event, and again if it failed. Without `onReset`, a warning is logged. The handler then
   * receives the events after the position in the restored database.
   *
   * Runs until it is interrupted or the handler or `onReset` fails. While the database is busy or unavailable, it
   * retries, with a warning for each attempt. Fails with `InvalidInput` if the name is empty or the batch size is out
   * of range, and with `PersistenceError` if a row cannot be read, the schema does not match, or the database was
   * closed or its file replaced.
   */
  readonly consume: <E, R, E2 = never, R2 = never>(
    request: {
      readonly consumer: string
      readonly batchSize?: number | undefined
      readonly onReset?: ((reset: JournalReset) => Effect.Effect<void, E2, R2>) | undefined
    },
    handler: (events: ReadonlyArray<ControlPlaneEvent>) => Effect.Effect<void, E, R>
  ) => Effect.Effect<never, E | E2 | InvalidInput | PersistenceError, R | R2>
}

const { decodeFilter, decodeInput, traced } = operations("ControlPlaneEvents", "ControlPlaneEvent")

const decodeActor = decodeInput("actingAs", Actor)

/**
 * Sets the actor of the lifecycle operations in `effect`; their events contain it. By default, the actor of an
 * operation under a lease is its worker, that of a launch its requester, and that of any other operation `system`.
 *
 * Fails with `InvalidInput`, before `effect` runs, if the type is unknown or the id is empty or too long.
 */
export const actingAs =
  (actor: typeof Actor.Encoded) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | InvalidInput, R> =>
    Effect.flatMap(decodeActor(actor), (decoded) => Effect.provideService(effect, CurrentActor, Option.some(decoded)))

/** A position in the journal, and its epoch if the caller passes one. */
interface Place {
  readonly afterPosition: number
  readonly epoch?: JournalEpoch | undefined
}

// The engine keeps the highest position that it ever assigned, also after that event was purged
// (https://www.sqlite.org/autoinc.html).
const endText = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'control_plane_events'), 0)"

const stateText = `SELECT coalesce((SELECT epoch FROM control_plane_journal WHERE id = 1), '') AS epoch, ${endText} AS "end"`

// All readers share one key, because each of them waits for every event.
const everyReader = "journal"

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(ControlPlaneEvent))
  const events = yield* rowsOf(ControlPlaneEvent)
  const consumers = yield* rowsOf(ControlPlaneEventConsumer)
  const consumerColumns = sql.literal(columnList(ControlPlaneEventConsumer))
  const states = yield* rowsOf(JournalState)
  const state = states.single(sql.unsafe(stateText))

  /** Fails if the position belongs to another epoch or is beyond the end of the journal. */
  const checkPlace = (method: string, field: string, { afterPosition, epoch }: Place) =>
    Effect.flatMap(state, (current): Effect.Effect<void, InvalidInput | JournalReset> => {
      if (epoch !== undefined && epoch !== current.epoch) return Effect.fail(new JournalReset({ epoch: current.epoch }))
      if (afterPosition <= current.end) return Effect.void
      const issue = `${field}: must not be beyond the last event of the journal; after a restore, continue from the current end`
      return Effect.fail(new InvalidInput({ operation: `ControlPlaneEvents.${method}`, issues: [issue] }))
    })

  const inEpoch = (epoch: JournalEpoch | undefined) =>
    epoch === undefined
      ? sql`true`
      : sql`EXISTS (SELECT 1 FROM control_plane_journal WHERE id = 1 AND epoch = ${epoch})`

  const after = (method: string, place: Place, limit: number) =>
    Effect.tap(
      events.findAll(sql`
        SELECT ${columns} FROM control_plane_all_events
        WHERE position > ${place.afterPosition} AND ${inEpoch(place.epoch)} ORDER BY position LIMIT ${limit}`),
      // A position with later events cannot be beyond the end.
      (found) => (found.length > 0 ? Effect.void : checkPlace(method, "afterPosition", place))
    )

  const position: ControlPlaneEventsService["position"] = (consumer) =>
    decodeInput(
      "position",
      Name
    )(consumer).pipe(
      Effect.flatMap((name) =>
        consumers.findOne(sql`SELECT ${consumerColumns} FROM control_plane_event_consumers WHERE name = ${name}`)
      ),
      Effect.map(Option.match({ onNone: () => 0, onSome: (found) => found.position })),
      traced("position")
    )

  const acknowledge: ControlPlaneEventsService["acknowledge"] = (request) =>
    Effect.gen(function* () {
      const { consumer, epoch, position } = yield* decodeInput("acknowledge", Acknowledge)(request)
      const now = yield* Clock.currentTimeMillis
      const acknowledged = yield* consumers.findOne(sql`
        INSERT INTO control_plane_event_consumers (name, position, updated_at, epoch)
        SELECT ${consumer}, ${position}, ${now}, ${epoch ?? null}
        WHERE ${position} <= ${sql.literal(endText)} AND ${inEpoch(epoch)}
        ON CONFLICT (name) DO UPDATE SET
          position = max(position, excluded.position),
          updated_at = iif(excluded.position > position, excluded.updated_at, updated_at),
          epoch = coalesce(excluded.epoch, epoch)
        RETURNING ${consumerColumns}`)
      if (Option.isSome(acknowledged)) return acknowledged.value.position
      yield* checkPlace("acknowledge", "position", { afterPosition: position, epoch })
      // The journal has grown up to the position since the statement.
      return yield* acknowledge(request)
    }).pipe(traced("acknowledge", ["InvalidInput"]))

  const run = yield* joinedRows
  const mark = Effect.map(run(sql.unsafe(stateText)), ([row]) => `${String(row?.["epoch"])} ${String(row?.["end"])}`)
  const waiter = yield* Waiting.make({
    mark,
    since: (before) =>
      Effect.map(mark, (now) => ({ mark: now, concerned: now === before ? [] : [everyReader], isAll: true }))
  })

  /** Makes, for a scope, a function that waits for the next events after a position. */
  const nextEvents = Effect.map(waiter, (firstFound) => (method: string, place: Place, limit: number) => {
    const found = Effect.map(
      traced(method)(after(method, place, limit)),
      Option.liftPredicate((events) => events.length > 0)
    )
    return Effect.catchIf(firstFound(everyReader, found), isSqlError, (error) =>
      Effect.fail(persistenceErrorOf(`ControlPlaneEvents.${method}`, error))
    )
  })

  const tail: ControlPlaneEventsService["tail"] = (request) =>
    Effect.all([decodeInput("tail", TailJournal)(request), nextEvents]).pipe(
      Effect.map(([start, next]) =>
        pages(start.afterPosition, (afterPosition: number, limit) =>
          Effect.map(next("tail", { ...start, afterPosition }, limit), (found) => [
            found,
            Option.some(found.at(-1)?.position ?? afterPosition)
          ])
        )
      ),
      Stream.unwrapScoped
    )

  const service: ControlPlaneEventsService = {
    journal: traced("journal")(state),

    list: (request) =>
      Effect.gen(function* () {
        const decoded = yield* decodeFilter("list", ListSubjectEvents)(request)
        const { afterSequence, limit, ownerUserId, subjectId, subjectType } = decoded
        const ofOwner = ownerUserId === undefined ? sql`true` : sql`+owner_user_id = ${ownerUserId}`
        return yield* events.findAll(sql`
          SELECT ${columns} FROM control_plane_all_events
          WHERE subject_type = ${subjectType} AND subject_id = ${subjectId} AND sequence > ${afterSequence} AND ${ofOwner}
          ORDER BY sequence LIMIT ${limit}`)
      }).pipe(traced("list")),

    read: (request) =>
      decodeInput(
        "read",
        ReadEvents
      )(request).pipe(
        Effect.flatMap(({ limit, ...place }) => after("read", place, limit)),
        traced("read")
      ),

    tail,

    ...(yield* makeJournalLists),

    position,

    acknowledge,

    recordBackup: (backup) =>
      Effect.gen(function* () {
        const made = yield* decodeInput("recordBackup", RecordBackup)(backup)
        yield* writeAll(sql, [yield* backedUp(made, yield* Clock.currentTimeMillis)])
      }).pipe(traced("recordBackup")),

    consume: makeConsume({ sql, consumers, consumerColumns, state, nextEvents, acknowledge })
  }
  return service
})

/** The journal of state changes: lists, live tails, and consumers with a cursor. */
export class ControlPlaneEvents extends Context.Tag("@sealant/db/ControlPlaneEvents")<
  ControlPlaneEvents,
  ControlPlaneEventsService
>() {
  /** Provides the journal over `SqlClient`. */
  static readonly layer: Layer.Layer<ControlPlaneEvents, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
