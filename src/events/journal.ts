/**
 * How lifecycle operations keep the journal (`control_plane_events`): the repositories that an operation writes through
 * note each change of state, and the operation appends what was noted as the last statement of its transaction.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, Context, Effect, Option } from "effect"
import type { Actor, ControlPlaneSubjectType } from "./ControlPlaneEvent.js"
import { CurrentActor } from "./CurrentActor.js"

/** That a subject is now in a state. */
export interface Change {
  readonly subjectType: ControlPlaneSubjectType
  readonly subjectId: string
  readonly toState: string
  /** Whose it is; of a job, its run tells, and of an execution, its workflow. */
  readonly ownerUserId?: string
  readonly runId?: string
  readonly workflowId?: string
  /** Ids of what belongs to it, and counts. */
  readonly payload?: Readonly<Record<string, string | number>>
  /** It is worth telling also when the state is the same as before: a job under a new lease. */
  readonly evenIfSame?: boolean
  /** Each such change is an event, also one equal to the event before: a runtime that ends again. */
  readonly always?: boolean
}

class Notes extends Context.Reference<Notes>()("@sealant/db/Notes", {
  defaultValue: (): Option.Option<Array<Change>> => Option.none()
}) {}

/** Notes a change for the operation that is being run. */
export const note = (change: Change): Effect.Effect<void> =>
  Effect.map(Notes, Option.match({ onNone: () => undefined, onSome: (notes) => void notes.push(change) }))

/** Runs `body`, and appends what it notes. To be run in the transaction that the notes are about. */
export const journaled = (sql: SqlClient.SqlClient, eventType: string, own: Actor) => <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const notes: Array<Change> = []
    return Effect.tap(
      Effect.provideService(body, Notes, Option.some(notes)),
      () => notes.length === 0 ? Effect.void : append(sql, eventType, own, notes)
    )
  })

const append = (sql: SqlClient.SqlClient, eventType: string, own: Actor, changes: ReadonlyArray<Change>) =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const actor = Option.getOrElse(yield* CurrentActor, () => own)
    // A read before the write, and safe: the transaction has the write lock.
    const ends = yield* sql.unsafe<End>(endsText, [JSON.stringify(changes.map(({ subjectId, subjectType }) => ({ subjectId, subjectType })))])
    const events = follow(changes, ends)
    if (events.length === 0) return
    yield* sql.unsafe(appendText, [JSON.stringify(events), eventType, actor.type, actor.id ?? null, now])
  })

/** Where the journal leaves a subject. */
interface End {
  readonly subjectType: string
  readonly subjectId: string
  readonly sequence: number
  readonly toState: string
  readonly payload: string | null
}

const keyOf = ({ subjectId, subjectType }: { readonly subjectType: string; readonly subjectId: string }) => `${subjectType} ${subjectId}`

/** Each change as the event after the one before of its subject; a change that changes nothing is none. */
const follow = (changes: ReadonlyArray<Change>, ends: ReadonlyArray<End>) => {
  const last = new Map(ends.map((end) => [keyOf(end), end]))
  return changes.flatMap((change) => {
    const payload = change.payload === undefined ? null : JSON.stringify(change.payload)
    const { subjectId, subjectType, toState } = change
    const before = last.get(keyOf(change))
    const isRecorded = change.always === true || (change.evenIfSame === true && payload !== before?.payload)
    if (before?.toState === toState && !isRecorded) return []
    const event = { ...change, fromState: before?.toState ?? null, sequence: (before?.sequence ?? 0) + 1 }
    last.set(keyOf(change), { subjectType, subjectId, toState, payload, sequence: event.sequence })
    return [event]
  })
}

const endsText = `
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
      (SELECT owner_user_id FROM sandbox_attempts WHERE id = value ->> 'runId'),
      (SELECT owner_user_id FROM issue_workflows WHERE id = value ->> 'workflowId')),
    value -> 'payload', ?5
  FROM json_each(?1)`
