/**
 * Events of executions: appending and listing.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect, Either, Option, ParseResult, Schema } from "effect"
import { AlreadyExists, InvalidInput, type NotFound, type PersistenceError, SequenceConflict } from "../Errors.js"
import { jsonOrNull } from "../sql/batch.js"
import { Count, isStorable, storableText } from "../sql/columns.js"
import { isTaken } from "../sql/engineError.js"
import { canonicalJson } from "../sql/fingerprint.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { columnList, joinedRows, rowsOf } from "../sql/rows.js"
import { batchOf, executionNotFound, executionOwnerScope, requireExecution } from "./executionBatches.js"
import {
  AppendEvents,
  type AppendedEvents,
  IssueWorkflowExecutionEvent,
  ListEvents,
  type NewExecutionEvent
} from "./ExecutionEvent.js"
import type { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"
import { newUuid } from "../sql/ids.js"

/** Methods for the events of executions. Part of `IssueWorkflowExecutionService`. */
export interface ExecutionEventMethods {
  /**
   * Appends events, all of them or none, in a constant number of statements: one, unless some events are stored
   * already. Returns the number of new events and the range of the sequences, not the events, because they may be many.
   *
   * - Either all events of a call have a `sequence`, from 0, or none has. Without, the repository assigns the
   *   sequences: they follow the highest sequence of the execution, in the order of the call, and start at 1.
   * - An event is a repeat if its sequence is stored with the same content. If the repository assigns the sequences,
   *   the id decides instead. Repeats are skipped, and the other events are stored.
   * - Content is compared without the order of keys in the payload, and without an id or an instant that one side
   *   omits.
   * - The same rules apply to repeats within a call.
   * - A call whose answer was lost can be repeated. If the repository assigns the sequences, a repeat without ids
   *   stores the events twice.
   * - The execution may have ended.
   *
   * Fails with:
   * - `NotFound` if the execution does not exist;
   * - `SequenceConflict`, with the first such sequence, if another event has a sequence of the call;
   * - `AlreadyExists` if another event has an id of the call;
   * - `InvalidInput` if an event is invalid, only some events have a sequence, or the call has more than 200 million
   *   characters.
   */
  readonly appendEvents: (
    request: typeof AppendEvents.Encoded
  ) => Effect.Effect<AppendedEvents, NotFound | SequenceConflict | AlreadyExists | InvalidInput | PersistenceError>

  /**
   * Lists the events of an execution after `afterSequence`, by default all, in the order of their sequences. The list
   * of an unknown execution is empty. Fails with `InvalidInput` if the cursor is malformed, the limit or the sequence
   * is out of range, or both a cursor and a sequence are set.
   */
  readonly listEvents: (
    request: Page.PageRequest & typeof ListEvents.Encoded
  ) => Effect.Effect<Page.Page<IssueWorkflowExecutionEvent>, InvalidInput | PersistenceError>
}

const { decodeFilter, decodeInput, traced } = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecutionEvent")

const columns = columnList(IssueWorkflowExecutionEvent)

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

const bySequencesText = `
  SELECT ${columns} FROM issue_workflow_execution_events
  WHERE execution_id = ?1 AND sequence IN (SELECT value FROM json_each(?2))`

const byIdsText = `SELECT ${columns} FROM issue_workflow_execution_events WHERE id IN (SELECT value FROM json_each(?1))`

export const makeEvents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* rowsOf(IssueWorkflowExecutionEvent)
  const run = yield* joinedRows
  const ofOwner = executionOwnerScope(sql)

  /** Inserts all events, or fails. Returns their sequences, in undefined order. */
  const insert = (executionId: IssueWorkflowExecutionId, newEvents: ReadonlyArray<NewExecutionEvent>) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const batch = yield* batchOf("appendEvents", "events", newEvents, (event) => toRow(event, now))
      const text = haveSequences(newEvents) ? insertSequencedText : insertNextText
      const rows = yield* run(sql.unsafe(text, [executionId, batch]))
      return rows.map(({ sequence }) => Number(sequence))
    })

  /**
   * Inserts the events that are not stored yet. Runs in a transaction, so that no other writer appends between the read
   * and the insert. Fails if a stored event has the sequence or the id of a different one.
   */
  const insertMissing = (executionId: IssueWorkflowExecutionId, newEvents: ReadonlyArray<NewExecutionEvent>) =>
    Effect.gen(function* () {
      const findStored = haveSequences(newEvents)
        ? yield* readBySequence(executionId, newEvents)
        : yield* readById(executionId, newEvents)
      const missing: Array<NewExecutionEvent> = []
      const storedSequences: Array<number> = []
      for (const event of newEvents) {
        const stored = yield* findStored(event)
        if (stored === undefined) missing.push(event)
        else storedSequences.push(stored.sequence)
      }
      const inserted = missing.length === 0 ? [] : yield* insert(executionId, missing)
      return { appended: missing.length, sequences: [...storedSequences, ...inserted] }
    })

  /** Reads the stored events with these sequences. Returns a lookup that fails if the stored event is different. */
  const readBySequence = (executionId: IssueWorkflowExecutionId, newEvents: ReadonlyArray<NewExecutionEvent>) =>
    Effect.gen(function* () {
      const sequences = JSON.stringify(newEvents.map(({ sequence }) => sequence))
      const stored = yield* events.findAll(sql.unsafe(bySequencesText, [executionId, sequences]))
      const bySequence = new Map<number | undefined, IssueWorkflowExecutionEvent>(
        stored.map((event) => [event.sequence, event])
      )
      return (event: NewExecutionEvent) => {
        const found = bySequence.get(event.sequence)
        return found === undefined || isRepeat(event, toNewEvent(found))
          ? Effect.succeed(found)
          : Effect.fail(new SequenceConflict({ executionId, sequence: found.sequence }))
      }
    })

  /** Reads the stored events with these ids. Returns a lookup that fails if the stored event is different. */
  const readById = (executionId: IssueWorkflowExecutionId, newEvents: ReadonlyArray<NewExecutionEvent>) =>
    Effect.gen(function* () {
      const ids = JSON.stringify(newEvents.flatMap(({ id }) => id ?? []))
      const stored = yield* events.findAll(sql.unsafe(byIdsText, [ids]))
      const byId = new Map<string | undefined, IssueWorkflowExecutionEvent>(stored.map((event) => [event.id, event]))
      return (event: NewExecutionEvent) => {
        const found = byId.get(event.id)
        return found === undefined || (found.executionId === executionId && isRepeat(event, toNewEvent(found)))
          ? Effect.succeed(found)
          : Effect.fail(idExists())
      }
    })

  const append = ({ events: newEvents, executionId }: typeof AppendEvents.Type) =>
    Effect.gen(function* () {
      const distinct = yield* withoutRepeats(executionId, newEvents)
      if (distinct.length === 0) {
        yield* requireExecution(sql, { id: executionId })
        return appendedOf({ appended: 0, sequences: [] })
      }
      // Nearly all calls have only new events. Otherwise the statement fails as a whole, by a UNIQUE constraint.
      return yield* insert(executionId, distinct).pipe(
        Effect.map((sequences) => appendedOf({ appended: distinct.length, sequences })),
        Effect.catchIf(isTaken, () => Effect.map(sql.withTransaction(insertMissing(executionId, distinct)), appendedOf))
      )
    })

  return {
    appendEvents: (request: typeof AppendEvents.Encoded) =>
      decodeInput(
        "appendEvents",
        AppendEvents
      )(request).pipe(
        Effect.flatMap(append),
        traced("appendEvents", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], {
          "execution.id": request.executionId
        }),
        // The only reference of an event is its execution.
        Effect.catchTag("ReferenceNotFound", () => executionNotFound(request.executionId))
      ),

    listEvents: (request: Page.PageRequest & typeof ListEvents.Encoded) =>
      Effect.gen(function* () {
        const { afterSequence, executionId, ownerUserId } = yield* decodeFilter("listEvents", ListEvents)(request)
        // Only the limit: the cursor of this list is a sequence.
        const page = request.limit === undefined ? {} : { limit: request.limit }
        const { limit } = yield* Page.start("IssueWorkflowExecutionRepo.listEvents", page)
        const after = yield* startOf(afterSequence, request.cursor)
        const rows = yield* events.findAll(sql`
          SELECT ${sql.literal(columns)} FROM issue_workflow_execution_events
          WHERE execution_id = ${executionId} AND sequence > ${after} AND ${ofOwner({ id: executionId, ownerUserId })}
          ORDER BY sequence LIMIT ${limit + 1}`)
        return pageOfEvents(rows, limit)
      }).pipe(traced("listEvents", { "execution.id": request.executionId }))
  }
})

/** A position before every sequence. */
export const beforeTheFirst = -1

const Cursor = Page.cursorOf(Schema.Struct({ afterSequence: Count }))
const decodeCursor = ParseResult.decodeUnknownEither(Cursor)
const encodeCursor = Schema.encodeSync(Cursor)

/** Returns the sequence after which a page starts. */
const startOf = (
  afterSequence: number | undefined,
  cursor: string | undefined
): Effect.Effect<number, InvalidInput> => {
  const refuse = (issue: string) =>
    Effect.fail(new InvalidInput({ operation: "IssueWorkflowExecutionRepo.listEvents", issues: [issue] }))
  if (cursor === undefined) return Effect.succeed(afterSequence ?? beforeTheFirst)
  if (afterSequence !== undefined) return refuse("cursor: must be omitted when afterSequence is set")
  return Either.match(decodeCursor(cursor), {
    onLeft: () => refuse("cursor: is not a cursor of this list"),
    onRight: (start) => Effect.succeed(start.afterSequence)
  })
}

/** Builds a page from up to `limit + 1` events. If the extra event exists, the page has a next cursor. */
export const pageOfEvents = (
  rows: ReadonlyArray<IssueWorkflowExecutionEvent>,
  limit: number
): Page.Page<IssueWorkflowExecutionEvent> => {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const nextCursor =
    rows.length <= limit || last === undefined
      ? Option.none()
      : Option.some(encodeCursor({ afterSequence: last.sequence }))
  return { items, nextCursor }
}

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
const withoutRepeats = (
  executionId: IssueWorkflowExecutionId,
  newEvents: ReadonlyArray<NewExecutionEvent>
): Effect.Effect<ReadonlyArray<NewExecutionEvent>, SequenceConflict | AlreadyExists> => {
  const bySequence = new Map<number, NewExecutionEvent>()
  const byId = new Map<string, NewExecutionEvent>()
  const distinct: Array<NewExecutionEvent> = []
  for (const event of newEvents) {
    const { id, sequence } = event
    const atSequence = sequence === undefined ? undefined : bySequence.get(sequence)
    if (sequence !== undefined && atSequence !== undefined) {
      if (!isRepeat(event, atSequence)) return Effect.fail(new SequenceConflict({ executionId, sequence }))
      continue
    }
    const withId = id === undefined ? undefined : byId.get(id)
    if (withId !== undefined) {
      if (sequence !== undefined || !isRepeat(event, withId)) return Effect.fail(idExists())
      continue
    }
    distinct.push(event)
    if (sequence !== undefined) bySequence.set(sequence, event)
    if (id !== undefined) byId.set(id, event)
  }
  return Effect.succeed(distinct)
}

const idExists = () =>
  new AlreadyExists({ entity: "IssueWorkflowExecutionEvent", constraint: "issue_workflow_execution_events.id" })

const appendedOf = ({
  appended,
  sequences
}: {
  readonly appended: number
  readonly sequences: ReadonlyArray<number>
}): AppendedEvents => {
  let first = Infinity
  let last = -Infinity
  for (const sequence of sequences) {
    first = Math.min(first, sequence)
    last = Math.max(last, sequence)
  }
  return { appended, range: sequences.length === 0 ? Option.none() : Option.some({ first, last }) }
}
