/**
 * Writes the journal (`control_plane_events`) of lifecycle operations. The decision of an operation contains each change
 * of state, and the operation appends them as the last write of its batch.
 */
import type { Actor, ControlPlaneSubjectType } from "./ControlPlaneEvent.js"
import type { Write } from "../sql/writeAll.js"

/** The state that a subject has entered. */
export interface Transition {
  readonly subjectType: ControlPlaneSubjectType
  readonly subjectId: string
  /** Absent for an event that does not change the state of a sandbox (`sandboxId`). */
  readonly toState?: string
  /** The owner. It is read from `sandboxId`, for a job from `attemptId`, for an execution from `workflowId`. */
  readonly ownerUserId?: string
  readonly sandboxId?: string
  readonly attemptId?: string
  readonly workflowId?: string
  /** Ids of related rows, and counts. */
  readonly payload?: Readonly<Record<string, string | number>>
  /** Appends an event for an unchanged state if the payload has other facts than the last event: a job under a new lease. */
  readonly evenIfSame?: boolean
  /** Appends an event even if it equals the previous event: a runtime that ends again. */
  readonly always?: boolean
}

/** The properties that the events of one operation share. */
export interface EventSource {
  readonly eventType: string
  readonly actor: Actor
  /** The time of the events, in epoch milliseconds. */
  readonly now: number
}

/**
 * Builds the write that appends an event for each transition, in their order. It skips a transition to the state that
 * its subject is in, unless `evenIfSame` or `always` applies.
 */
export const appendEvents = (
  { actor, eventType, now }: EventSource,
  transitions: ReadonlyArray<Transition>
): Write => ({
  sql: appendText,
  values: [JSON.stringify(numbered(transitions)), eventType, actor.type, actor.id ?? null, now]
})

/** Numbers the transitions of each subject, and adds the state before each except the first, which is in the journal. */
const numbered = (transitions: ReadonlyArray<Transition>) => {
  const ofSubject = new Map<string, Array<Transition>>()
  return withoutRepeats(transitions).map((transition) => {
    const before = ofSubject.get(keyOf(transition)) ?? []
    ofSubject.set(keyOf(transition), [...before, transition])
    return { ...transition, nth: before.length + 1, fromState: before.at(-1)?.toState, first: before[0] ?? transition }
  })
}

const keyOf = ({ subjectId, subjectType }: Transition) => `${subjectType} ${subjectId}`

/** Removes the transitions that repeat the state of the one before. Of an ordinary and a forced one, the forced stays. */
const withoutRepeats = (transitions: ReadonlyArray<Transition>): ReadonlyArray<Transition> => {
  const repeats = (transition: Transition, other: Transition | undefined) =>
    other !== undefined && other.toState === transition.toState
  const isForced = ({ always, evenIfSame }: Transition) => always === true || evenIfSame === true
  return transitions.filter((transition, index) => {
    if (isForced(transition)) return true
    const sameSubject = (other: Transition) => keyOf(other) === keyOf(transition)
    const next = transitions.slice(index + 1).find(sameSubject)
    const isReplaced = repeats(transition, next) && next?.evenIfSame === true
    return !isReplaced && !repeats(transition, transitions.slice(0, index).findLast(sameSubject))
  })
}

/**
 * The first transition of the subject repeats the last event of the journal: the state, and each fact of the payload. The
 * last event may contain further facts, such as a changed priority.
 */
const firstIsRepeat = `(
  last.to_state IS value ->> '$.first.toState' AND value ->> '$.first.always' IS NOT 1
  AND (
    value ->> '$.first.evenIfSame' IS NOT 1
    OR json_patch(coalesce(last.payload, '{}'), value -> '$.first.payload') IS last.payload))`

const appendText = `
  INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, from_state, to_state, actor_type,
    actor_id, owner_user_id, payload, occurred_at)
  SELECT value ->> 'subjectType', value ->> 'subjectId',
    coalesce(last.sequence, 0) + (value ->> 'nth') - ${firstIsRepeat}, ?2,
    coalesce(value ->> 'fromState', last.to_state),
    coalesce(value ->> 'toState', (SELECT status FROM sandboxes WHERE id = value ->> 'sandboxId')), ?3, ?4,
    coalesce(
      value ->> 'ownerUserId',
      (SELECT owner_user_id FROM sandboxes WHERE id = value ->> 'sandboxId'),
      (SELECT owner_user_id FROM sandbox_attempts WHERE id = value ->> 'attemptId'),
      (SELECT owner_user_id FROM issue_workflows WHERE id = value ->> 'workflowId')),
    value -> 'payload', ?5
  FROM json_each(?1) LEFT JOIN control_plane_events AS last ON last.position = (
    SELECT position FROM control_plane_events
    WHERE subject_type = value ->> 'subjectType' AND subject_id = value ->> 'subjectId'
    ORDER BY sequence DESC LIMIT 1)
  WHERE value ->> 'nth' > 1 OR NOT ${firstIsRepeat}`.trim()
