/**
 * Writes the journal (`control_plane_events`) of lifecycle operations. The repositories of an operation record each
 * change of state, and the operation appends the recorded events as the last statement of its transaction.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, Context, Effect, Option } from "effect"
import type { Actor, ControlPlaneSubjectType } from "./ControlPlaneEvent.js"
import { CurrentActor } from "./CurrentActor.js"
import { jsonOrNull } from "../sql/batch.js"

/** The state that a subject has entered. */
export interface Transition {
  readonly subjectType: ControlPlaneSubjectType
  readonly subjectId: string
  readonly toState: string
  /** The owner. For a job it is read from `attemptId`, for an execution from `workflowId`. */
  readonly ownerUserId?: string
  readonly attemptId?: string
  readonly workflowId?: string
  /** Ids of related rows, and counts. */
  readonly payload?: Readonly<Record<string, string | number>>
  /** Appends an event for an unchanged state if the payload differs: a job under a new lease. */
  readonly evenIfSame?: boolean
  /** Appends an event even if it equals the previous event: a runtime that ends again. */
  readonly always?: boolean
}

class PendingTransitions extends Context.Reference<PendingTransitions>()("@sealant/db/PendingTransitions", {
  defaultValue: (): Option.Option<Array<Transition>> => Option.none()
}) {}

/** Records a transition for the current operation. Does nothing outside an operation. */
export const recordTransition = (transition: Transition): Effect.Effect<void> =>
  Effect.map(
    PendingTransitions,
    Option.match({ onNone: () => undefined, onSome: (pending) => void pending.push(transition) })
  )

/**
 * Runs `body`, then appends the transitions that it recorded. Must run in the transaction of the recorded changes.
 * `defaultActor` is the actor of the events when `CurrentActor` is not set.
 */
export const withEvents =
  (sql: SqlClient.SqlClient, eventType: string, defaultActor: Actor) =>
  <A, E, R>(body: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const pending: Array<Transition> = []
      return Effect.tap(Effect.provideService(body, PendingTransitions, Option.some(pending)), () =>
        pending.length === 0 ? Effect.void : append(sql, eventType, defaultActor, pending)
      )
    })

const append = (
  sql: SqlClient.SqlClient,
  eventType: string,
  defaultActor: Actor,
  transitions: ReadonlyArray<Transition>
) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const actor = Option.getOrElse(yield* CurrentActor, () => defaultActor)
    const subjects = JSON.stringify(transitions.map(({ subjectId, subjectType }) => ({ subjectId, subjectType })))
    // A read before the write is safe: the transaction has the write lock.
    const events = eventsOf(transitions, yield* sql.unsafe<LastEvent>(lastEventsText, [subjects]))
    if (events.length === 0) return
    yield* sql.unsafe(appendText, [JSON.stringify(events), eventType, actor.type, actor.id ?? null, now])
  })

/** The last event of a subject in the journal. */
interface LastEvent {
  readonly subjectType: string
  readonly subjectId: string
  readonly sequence: number
  readonly toState: string
  readonly payload: string | null
}

const keyOf = ({ subjectId, subjectType }: { readonly subjectType: string; readonly subjectId: string }) =>
  `${subjectType} ${subjectId}`

/** Builds the events of the transitions, each after the previous event of its subject. Skips unchanged states. */
const eventsOf = (transitions: ReadonlyArray<Transition>, lastEvents: ReadonlyArray<LastEvent>) => {
  const last = new Map(lastEvents.map((event) => [keyOf(event), event]))
  return transitions.flatMap((transition) => {
    const payload = jsonOrNull(transition.payload)
    const { subjectId, subjectType, toState } = transition
    const previous = last.get(keyOf(transition))
    const isForced = transition.always === true || (transition.evenIfSame === true && payload !== previous?.payload)
    if (previous?.toState === toState && !isForced) return []
    const event = { ...transition, fromState: previous?.toState ?? null, sequence: (previous?.sequence ?? 0) + 1 }
    last.set(keyOf(transition), { subjectType, subjectId, toState, payload, sequence: event.sequence })
    return [event]
  })
}

const lastEventsText = `
  SELECT subject_type AS "subjectType", subject_id AS "subjectId", sequence, to_state AS "toState", payload
  FROM control_plane_events
  WHERE position IN (
    SELECT (
      SELECT position FROM control_plane_events
      WHERE subject_type = value ->> 'subjectType' AND subject_id = value ->> 'subjectId'
      ORDER BY sequence DESC LIMIT 1)
    FROM json_each(?1))`

const appendText = `
  INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, from_state, to_state, actor_type,
    actor_id, owner_user_id, payload, occurred_at)
  SELECT value ->> 'subjectType', value ->> 'subjectId', value ->> 'sequence', ?2, value ->> 'fromState',
    value ->> 'toState', ?3, ?4,
    coalesce(
      value ->> 'ownerUserId',
      (SELECT owner_user_id FROM sandbox_attempts WHERE id = value ->> 'attemptId'),
      (SELECT owner_user_id FROM issue_workflows WHERE id = value ->> 'workflowId')),
    value -> 'payload', ?5
  FROM json_each(?1)`
