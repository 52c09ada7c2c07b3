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
 */
import type { SqlClient } from "@effect/sql"
import { Context, Effect, Layer, Option, type Stream } from "effect"
import { Actor, type ControlPlaneEvent, type ListSubjectEvents, type ReadEvents } from "../domain/control-plane/ControlPlaneEvent.js"
import type { InvalidInput, PersistenceError } from "../Errors.js"
import { operations } from "../internal/query.js"
import { CurrentActor } from "../domain/control-plane/CurrentActor.js"
import { make } from "./makeControlPlaneEvents.js"

/** What `ControlPlaneEvents` can do. */
export interface ControlPlaneEventsService {
  /**
   * The events of one subject in their order, after `afterSequence`: of a subject that is unknown, or of another owner
   * than the one given, none. Fails with `InvalidInput` for a limit or a sequence out of range.
   */
  readonly list: (
    request: typeof ListSubjectEvents.Encoded
  ) => Effect.Effect<ReadonlyArray<ControlPlaneEvent>, InvalidInput | PersistenceError>

  /**
   * The events of all subjects in the order of their position, after `afterPosition`. Fails with `InvalidInput` for a
   * limit or a position out of range.
   */
  readonly read: (
    request: typeof ReadEvents.Encoded
  ) => Effect.Effect<ReadonlyArray<ControlPlaneEvent>, InvalidInput | PersistenceError>

  /**
   * All events after `afterPosition`, from the first if it is left out, and then each new one when it is committed: at
   * once when this process wrote it, within some 10 ms when another process on the same file did. Never ends by itself.
   * Fails as `read` does.
   */
  readonly tail: (
    request: { readonly afterPosition?: number }
  ) => Stream.Stream<ControlPlaneEvent, InvalidInput | PersistenceError>

  /** The position that the consumer has acknowledged last; 0 for one that never did. Fails with `InvalidInput` for an empty name. */
  readonly position: (consumer: string) => Effect.Effect<number, InvalidInput | PersistenceError>

  /**
   * Says that the consumer needs nothing up to this position any more. Returns where it stands: a position before that
   * changes nothing. Fails with `InvalidInput` for an empty name, or a position that is no whole number from 0.
   */
  readonly acknowledge: (
    request: { readonly consumer: string; readonly position: number }
  ) => Effect.Effect<number, InvalidInput | PersistenceError>

  /**
   * Gives the consumer every event that it has not acknowledged, in batches of up to `batchSize` (1 to 500, default 100)
   * in the order of their positions, and then each new one; acknowledges a batch when the handler has succeeded. Runs
   * until it is interrupted or the handler fails; what was not acknowledged comes again next time. One process at a time
   * should run it for a name: two would both get each event.
   */
  readonly consume: <E, R>(
    request: { readonly consumer: string; readonly batchSize?: number },
    handler: (events: ReadonlyArray<ControlPlaneEvent>) => Effect.Effect<void, E, R>
  ) => Effect.Effect<never, E | InvalidInput | PersistenceError, R>
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
