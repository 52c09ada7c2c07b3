/**
 * The writes on `issue_workflow_execution_events`, and the rules by which an event is a repeat. Shared by
 * `IssueWorkflowExecutionRepo` and the lifecycle operations.
 */
import { DateTime, Effect, Either, Option } from "effect"
import { AlreadyExists, type InvalidInput, SequenceConflict } from "../Errors.js"
import { jsonOrNull } from "../sql/batch.js"
import { isStorable, storableText } from "../sql/columns.js"
import { canonicalJson } from "../sql/fingerprint.js"
import { newUuid } from "../sql/ids.js"
import { columnList } from "../sql/rows.js"
import { guard, type Write } from "../sql/writeAll.js"
import { batchOf } from "./executionBatches.js"
import { type AppendedEvents, IssueWorkflowExecutionEvent, type NewExecutionEvent } from "./ExecutionEvent.js"
import type { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"

type Row = Readonly<Record<string, unknown>>

// ?1: the execution, ?2: the events. The statement holds the write lock, so no other writer assigns the same sequence.
const insertText = (sequence: string) =>
  `
  INSERT INTO issue_workflow_execution_events (id, execution_id, sequence, phase, level, event_type, message, payload, occurred_at, sanitized)
  SELECT value ->> 'id', ?1, ${sequence}, value ->> 'phase', value ->> 'level', value ->> 'eventType', value ->> 'message',
    value ->> 'payload', value ->> 'occurredAt', value ->> 'sanitized'
  FROM json_each(?2)
  RETURNING sequence`.trim()

const insertSequencedText = insertText("value ->> 'sequence'")

const insertNextText = insertText(
  "(SELECT coalesce(max(sequence), 0) FROM issue_workflow_execution_events WHERE execution_id = ?1) + 1 + key"
)

/** The condition that an event has one of these ids or sequences. ?1: the execution, ?2: ids, ?3: sequences. */
export const hasKeyOf = `id IN (SELECT value FROM json_each(?2))
  OR execution_id = ?1 AND sequence IN (SELECT value FROM json_each(?3))`

const storedText = `
  SELECT ${columnList(IssueWorkflowExecutionEvent)} FROM issue_workflow_execution_events WHERE ${hasKeyOf}`.trim()

/** Returns the parameters of `hasKeyOf`. */
export const keysOf = (executionId: IssueWorkflowExecutionId, events: ReadonlyArray<NewExecutionEvent>) => [
  executionId,
  JSON.stringify(events.flatMap(({ id }) => id ?? [])),
  JSON.stringify(events.flatMap(({ sequence }) => sequence ?? []))
]

/** Builds the read of the stored events that have an id or a sequence of these events. */
export const storedLike = (executionId: IssueWorkflowExecutionId, events: ReadonlyArray<NewExecutionEvent>): Write => ({
  sql: storedText,
  values: keysOf(executionId, events)
})

/** Builds the guard that no stored event has an id or a sequence of these events. */
export const noneStoredLike = (
  executionId: IssueWorkflowExecutionId,
  events: ReadonlyArray<NewExecutionEvent>
): Write =>
  guard(`NOT EXISTS (SELECT 1 FROM issue_workflow_execution_events WHERE ${hasKeyOf})`, keysOf(executionId, events))

/** Returns whether another event can have an id or a sequence of these events. */
export const haveKeys = (events: ReadonlyArray<NewExecutionEvent>): boolean =>
  events.some(({ id, sequence }) => id !== undefined || sequence !== undefined)

/** Builds the write that appends the events. It returns their sequences, in undefined order (`sequencesOf`). */
export const appendWrite = (
  executionId: IssueWorkflowExecutionId,
  events: ReadonlyArray<NewExecutionEvent>,
  now: number
): Effect.Effect<Write, InvalidInput> =>
  Effect.map(
    batchOf("appendEvents", "events", events, (event) => toRow(event, now)),
    (batch) => ({ sql: haveSequences(events) ? insertSequencedText : insertNextText, values: [executionId, batch] })
  )

/** Builds the write that appends one event without a sequence. */
export const appendOne = (executionId: IssueWorkflowExecutionId, event: NewExecutionEvent, now: number): Write => ({
  sql: insertNextText,
  values: [executionId, JSON.stringify([toRow(event, now)])]
})

/** Returns the sequences of appended events. */
export const sequencesOf = (rows: ReadonlyArray<Row>): ReadonlyArray<number> =>
  rows.map(({ sequence }) => Number(sequence))

/** Returns whether the events of a call have sequences: all have one, or none. */
const haveSequences = ([first]: ReadonlyArray<NewExecutionEvent>) => first?.sequence !== undefined

const toRow = ({ id, message, occurredAt, payload, ...event }: NewExecutionEvent, now: number) => ({
  ...event,
  message: storableText(message),
  sanitized: isStorable(message) ? 0 : 1,
  id: id ?? `evt_${newUuid(now)}`,
  payload: jsonOrNull(payload),
  occurredAt: occurredAt === undefined ? now : DateTime.toEpochMillis(occurredAt)
})

/** Converts a stored event to the form of the input, for comparison. */
const toNewEvent = ({ payload, ...event }: IssueWorkflowExecutionEvent): NewExecutionEvent => ({
  ...event,
  payload: Option.getOrUndefined(payload)
})

/** Returns whether one event is a repeat of the other. An id or an instant that one of them omits is not compared. */
const isRepeat = (one: NewExecutionEvent, other: NewExecutionEvent) =>
  agree(one.id, other.id) &&
  agree(one.occurredAt?.epochMillis, other.occurredAt?.epochMillis) &&
  one.phase === other.phase &&
  one.level === other.level &&
  one.eventType === other.eventType &&
  storableText(one.message) === storableText(other.message) &&
  canonicalJson(one.payload) === canonicalJson(other.payload)

const agree = <A>(one: A | undefined, other: A | undefined) => one === undefined || other === undefined || one === other

/** Removes repeats within a call. Fails if two different events have one sequence or one id. */
export const withoutRepeats = (
  executionId: IssueWorkflowExecutionId,
  newEvents: ReadonlyArray<NewExecutionEvent>
): Either.Either<ReadonlyArray<NewExecutionEvent>, SequenceConflict | AlreadyExists> => {
  const bySequence = new Map<number, NewExecutionEvent>()
  const byId = new Map<string, NewExecutionEvent>()
  const distinct: Array<NewExecutionEvent> = []
  for (const event of newEvents) {
    const { id, sequence } = event
    const atSequence = sequence === undefined ? undefined : bySequence.get(sequence)
    if (sequence !== undefined && atSequence !== undefined) {
      if (!isRepeat(event, atSequence)) return Either.left(new SequenceConflict({ executionId, sequence }))
      continue
    }
    const withId = id === undefined ? undefined : byId.get(id)
    if (withId !== undefined) {
      if (sequence !== undefined || !isRepeat(event, withId)) return Either.left(idExists())
      continue
    }
    distinct.push(event)
    if (sequence !== undefined) bySequence.set(sequence, event)
    if (id !== undefined) byId.set(id, event)
  }
  return Either.right(distinct)
}

const idExists = () =>
  new AlreadyExists({ entity: "IssueWorkflowExecutionEvent", constraint: "issue_workflow_execution_events.id" })

/**
 * Finds the events that are not stored yet, and the sequences of the others. Fails if a stored event has the sequence
 * or the id of a different event.
 */
export const missingOf = (
  executionId: IssueWorkflowExecutionId,
  events: ReadonlyArray<NewExecutionEvent>,
  stored: ReadonlyArray<IssueWorkflowExecutionEvent>
): Either.Either<
  { readonly missing: ReadonlyArray<NewExecutionEvent>; readonly sequences: ReadonlyArray<number> },
  SequenceConflict | AlreadyExists
> => {
  const own = stored.filter((event) => event.executionId === executionId)
  const bySequence = new Map<number | undefined, IssueWorkflowExecutionEvent>(
    own.map((event) => [event.sequence, event])
  )
  const byId = new Map<string | undefined, IssueWorkflowExecutionEvent>(stored.map((event) => [event.id, event]))
  const missing: Array<NewExecutionEvent> = []
  const sequences: Array<number> = []
  for (const event of events) {
    const { id, sequence } = event
    const found = sequence === undefined ? byId.get(id) : bySequence.get(sequence)
    if (found === undefined) {
      missing.push(event)
      continue
    }
    if (found.executionId !== executionId || !isRepeat(event, toNewEvent(found))) {
      return Either.left(
        sequence === undefined ? idExists() : new SequenceConflict({ executionId, sequence: found.sequence })
      )
    }
    sequences.push(found.sequence)
  }
  // Events with sequences may also have ids.
  return missing.some(({ id }) => byId.has(id)) ? Either.left(idExists()) : Either.right({ missing, sequences })
}

/** Builds the result of an append from the sequences of all its events. */
export const appendedOf = (appended: number, sequences: ReadonlyArray<number>): AppendedEvents => {
  let first = Infinity
  let last = -Infinity
  for (const sequence of sequences) {
    first = Math.min(first, sequence)
    last = Math.max(last, sequence)
  }
  return { appended, range: sequences.length === 0 ? Option.none() : Option.some({ first, last }) }
}
