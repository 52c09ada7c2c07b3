/**
 * The journal of the control plane, over the tables `control_plane_events` and `control_plane_event_consumers`.
 *
 * What it guarantees:
 * - Every change of state that a lifecycle operation makes is in the journal, written in the transaction that made it:
 *   there is no change without its event, and no event of a change that was taken back.
 * - The events of one subject are numbered 1, 2, 3 without gaps, and each begins in the state that the one before ended in.
 * - Positions grow in the order of commits: who has read up to a position has missed nothing before it.
 * - An event is delivered to each named consumer until the consumer has acknowledged it (at least once): who is killed in
 *   the middle gets again what it had not acknowledged. Handlers have to bear an event twice.
 * - A position belongs to an epoch. A restore of a backup begins a new epoch, because events that were written after the
 *   backup are gone and their positions are reused.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Effect, Layer, Option, type Stream } from "effect"
import {
  type Acknowledge,
  Actor,
  type ControlPlaneEvent,
  type JournalState,
  type ListSubjectEvents,
  type ReadEvents,
  type TailJournal
} from "./ControlPlaneEvent.js"
import type { InvalidInput, JournalReset, PersistenceError } from "../Errors.js"
import { operations } from "../sql/operations.js"
import { CurrentActor } from "./CurrentActor.js"
import { make } from "./makeControlPlaneEvents.js"

/**
 * Methods of `ControlPlaneEvents`.
 *
 * Request handlers call `list` with `ownerUserId`. All other calls read the events of every owner and are internal: not
 * for request handlers.
 */
export interface ControlPlaneEventsService {
  /**
   * The epoch of the journal, and the position of its last event. Readers that keep their own position store the epoch
   * beside it, and pass both.
   */
  readonly journal: Effect.Effect<JournalState, PersistenceError>

  /**
   * The events of one subject in their order, after `afterSequence`: of a subject that is unknown, or of another owner
   * than the one given, none. Fails with `InvalidInput` for a limit or a sequence out of range.
   */
  readonly list: (
    request: typeof ListSubjectEvents.Encoded
  ) => Effect.Effect<ReadonlyArray<ControlPlaneEvent>, InvalidInput | PersistenceError>

  /**
   * Reads the events of all subjects in the order of their position, after `afterPosition`. Fails with `InvalidInput` if the
   * limit is out of range or the position is beyond the end of the journal, and with `JournalReset` if `epoch` is not the
   * current one.
   */
  readonly read: (
    request: typeof ReadEvents.Encoded
  ) => Effect.Effect<ReadonlyArray<ControlPlaneEvent>, InvalidInput | JournalReset | PersistenceError>

  /**
   * Streams all events after `afterPosition`, from the first if it is left out, and then each new one: within some 10 ms after
   * its commit, whichever process on the same file wrote it. Never ends by itself. Fails as `read` does. Idle tails cost
   * nothing: one reader for all of them reads after commits.
   */
  readonly tail: (
    request: typeof TailJournal.Encoded
  ) => Stream.Stream<ControlPlaneEvent, InvalidInput | JournalReset | PersistenceError>

  /** Returns the position that the consumer has acknowledged last; 0 if it never did. Fails with `InvalidInput` if the name is empty. */
  readonly position: (consumer: string) => Effect.Effect<number, InvalidInput | PersistenceError>

  /**
   * Records that the consumer has processed every event up to the position. Returns the recorded position: an earlier
   * position changes nothing. Fails with `InvalidInput` if the name is empty or the position is beyond the end of the journal,
   * and with `JournalReset` if `epoch` is not the current one; nothing is recorded then.
   */
  readonly acknowledge: (
    request: typeof Acknowledge.Encoded
  ) => Effect.Effect<number, InvalidInput | JournalReset | PersistenceError>

  /**
   * Passes every event that the consumer has not acknowledged to the handler, and then each new one, in batches of up to
   * `batchSize` (1 to 500, default 100) in the order of their positions. Acknowledges a batch when the handler has succeeded.
   * Unacknowledged events are delivered again by the next call. One process at a time should run it for a name: two would
   * both receive each event.
   *
   * The consumer exists from its first call: purge keeps the events that it has not acknowledged. After a restore, `onReset`
   * runs once before the first event, and again if it failed; without it, a warning is logged. The handler then receives the
   * events after the position that the restored database contains.
   *
   * Runs until it is interrupted or the handler or `onReset` fails. A busy or unavailable database is waited for, with a
   * warning for each attempt. Fails with `InvalidInput` if the name is empty or the batch size is out of range, and with
   * `PersistenceError` if a row cannot be read, the schema does not match, or the database was closed or its file replaced.
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

export class ControlPlaneEvents extends Context.Tag("@sealant/db/ControlPlaneEvents")<
  ControlPlaneEvents,
  ControlPlaneEventsService
>() {
  /** The journal over `SqlClient`. */
  static readonly layer: Layer.Layer<ControlPlaneEvents, never, SqlClient.SqlClient> = Layer.effect(this, make)
}

const decodeActor = operations("ControlPlaneEvents", "ControlPlaneEvent").input("actingAs", Actor)

/**
 * Names who does what the lifecycle operations inside do; their events carry it. Without it, an operation under a lease
 * is its worker's, a launch its requester's, and every other the system's. Fails with `InvalidInput`, before anything is
 * done, for an unknown type or an id that is empty or too long.
 */
export const actingAs = (actor: typeof Actor.Encoded) =>
<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | InvalidInput, R> =>
  Effect.flatMap(decodeActor(actor), (known) => Effect.provideService(effect, CurrentActor, Option.some(known)))
