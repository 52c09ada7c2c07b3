/**
 * Events of executions: how they are stored and read.
 */
import { SqlClient } from "@effect/sql"
import { Clock, DateTime, Effect, Either, Option, ParseResult, Schema } from "effect"
import { v7 } from "uuid"
import { AlreadyExists, InvalidInput, SequenceConflict } from "../Errors.js"
import { Count, isStorable, storableText } from "../sql/columns.js"
import { isTaken } from "../sql/engineError.js"
import { canonicalJson } from "../sql/fingerprint.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { columnList, joinedRows, rowsOf } from "../sql/rows.js"
import { batchOf, documentOf, executionNotFound, executionOwnerScope, requireExecution } from "./executionBatches.js"
import {
  AppendEvents,
  type AppendedEvents,
  IssueWorkflowExecutionEvent,
  ListEvents,
  type NewExecutionEvent
} from "./ExecutionEvent.js"
import type { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"
import type { IssueWorkflowExecutionService } from "./IssueWorkflowExecutionRepo.js"

const { input, read, write } = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecutionEvent")

const columns = columnList(IssueWorkflowExecutionEvent)

// ?1: the execution, ?2: the events. The statement has the write lock: nobody takes a number while it counts.
const insertText = (sequence: string) => `
  INSERT INTO issue_workflow_execution_events (id, execution_id, sequence, phase, level, event_type, message, payload, occurred_at, sanitized)
  SELECT value ->> 'id', ?1, ${sequence}, value ->> 'phase', value ->> 'level', value ->> 'eventType', value ->> 'message',
    value ->> 'payload', value ->> 'occurredAt', value ->> 'sanitized'
  FROM json_each(?2)
  RETURNING sequence`.trim()

const insertGivenText = insertText("value ->> 'sequence'")

const insertNumberedText = insertText(
  "(SELECT coalesce(max(sequence), 0) FROM issue_workflow_execution_events WHERE execution_id = ?1) + 1 + key"
)

const atSequencesText = `
  SELECT ${columns} FROM issue_workflow_execution_events
  WHERE execution_id = ?1 AND sequence IN (SELECT value FROM json_each(?2))`

const ofIdsText = `SELECT ${columns} FROM issue_workflow_execution_events WHERE id IN (SELECT value FROM json_each(?1))`

type Events = Pick<IssueWorkflowExecutionService, "appendEvents" | "listEvents">

export const makeEvents = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const events = yield* rowsOf(IssueWorkflowExecutionEvent)
  const run = yield* joinedRows
  const ofOwner = executionOwnerScope(sql)

  /** Stores them all, or fails. Returns their sequences, in no order. */
  const insert = (executionId: IssueWorkflowExecutionId, given: ReadonlyArray<NewExecutionEvent>) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const batch = yield* batchOf("appendEvents", "events", given, (event) => toRow(event, now))
      const text = isNumbered(given) ? insertGivenText : insertNumberedText
      const rows = yield* run(sql.unsafe(text, [executionId, batch]))
      return rows.map(({ sequence }) => Number(sequence))
    })

  /**
   * Stores those that are not stored yet. In a transaction, so that nothing comes in between. One that stands in the
   * way with other content ends it.
   */
  const insertRest = (executionId: IssueWorkflowExecutionId, given: ReadonlyArray<NewExecutionEvent>) =>
    Effect.gen(function*() {
      const isStored = isNumbered(given) ? yield* atTheirSequence(executionId, given) : yield* ofTheirId(executionId, given)
      const rest: Array<NewExecutionEvent> = []
      const known: Array<number> = []
      for (const event of given) {
        const stored = yield* isStored(event)
        if (stored === undefined) rest.push(event)
        else known.push(stored.sequence)
      }
      const inserted = rest.length === 0 ? [] : yield* insert(executionId, rest)
      return { appended: rest.length, sequences: [...known, ...inserted] }
    })

  const atTheirSequence = (executionId: IssueWorkflowExecutionId, given: ReadonlyArray<NewExecutionEvent>) =>
    Effect.gen(function*() {
      const sequences = JSON.stringify(given.map(({ sequence }) => sequence))
      const stored = yield* events.all(sql.unsafe(atSequencesText, [executionId, sequences]))
      const bySequence = new Map<number | undefined, IssueWorkflowExecutionEvent>(stored.map((event) => [event.sequence, event]))
      return (event: NewExecutionEvent) => {
        const found = bySequence.get(event.sequence)
        return found === undefined || isSame(event, asGiven(found))
          ? Effect.succeed(found)
          : Effect.fail(new SequenceConflict({ executionId, sequence: found.sequence }))
      }
    })

  const ofTheirId = (executionId: IssueWorkflowExecutionId, given: ReadonlyArray<NewExecutionEvent>) =>
    Effect.gen(function*() {
      const ids = JSON.stringify(given.flatMap(({ id }) => id ?? []))
      const stored = yield* events.all(sql.unsafe(ofIdsText, [ids]))
      const byId = new Map<string | undefined, IssueWorkflowExecutionEvent>(stored.map((event) => [event.id, event]))
      return (event: NewExecutionEvent) => {
        const found = byId.get(event.id)
        return found === undefined || found.executionId === executionId && isSame(event, asGiven(found))
          ? Effect.succeed(found)
          : Effect.fail(idTaken())
      }
    })

  const append = ({ events: given, executionId }: typeof AppendEvents.Type) =>
    Effect.gen(function*() {
      const once = yield* withoutRepeats(executionId, given)
      if (once.length === 0) {
        yield* requireExecution(sql, { id: executionId })
        return appendedOf({ appended: 0, sequences: [] })
      }
      // In nearly every call all is new: one statement, which the engine refuses whole when something is there already.
      return yield* insert(executionId, once).pipe(
        Effect.map((sequences) => appendedOf({ appended: once.length, sequences })),
        Effect.catchIf(isTaken, () => Effect.map(sql.withTransaction(insertRest(executionId, once)), appendedOf))
      )
    })

  const service: Events = {
    appendEvents: (request) =>
      input("appendEvents", AppendEvents)(request).pipe(
        Effect.flatMap(append),
        write("appendEvents", ["AlreadyExists", "ReferenceNotFound", "InvalidInput"], { "execution.id": request.executionId }),
        // It is all that an event refers to.
        Effect.catchTag("ReferenceNotFound", () => executionNotFound(request.executionId))
      ),

    listEvents: (request) =>
      Effect.gen(function*() {
        const { afterSequence, executionId, ownerUserId } = yield* input("listEvents", ListEvents)(request)
        const { limit } = yield* Page.start("IssueWorkflowExecutionRepo.listEvents", request.limit === undefined ? {} : { limit: request.limit })
        const after = yield* startOf(afterSequence, request.cursor)
        const rows = yield* events.all(sql`
          SELECT ${sql.literal(columns)} FROM issue_workflow_execution_events
          WHERE execution_id = ${executionId} AND sequence > ${after} AND ${ofOwner({ id: executionId, ownerUserId })}
          ORDER BY sequence LIMIT ${limit + 1}`)
        return pageOfEvents(rows, limit)
      }).pipe(read("listEvents", { "execution.id": request.executionId }))
  }
  return service
})

/** Before every sequence. */
export const beforeTheFirst = -1

const Cursor = Page.cursorOf(Schema.Struct({ afterSequence: Count }))
const decodeCursor = ParseResult.decodeUnknownEither(Cursor)
const encodeCursor = Schema.encodeSync(Cursor)

const startOf = (afterSequence: number | undefined, cursor: string | undefined): Effect.Effect<number, InvalidInput> => {
  const refuse = (issue: string) =>
    Effect.fail(new InvalidInput({ operation: "IssueWorkflowExecutionRepo.listEvents", issues: [issue] }))
  if (cursor === undefined) return Effect.succeed(afterSequence ?? beforeTheFirst)
  if (afterSequence !== undefined) return refuse("cursor: goes on after a page, afterSequence begins elsewhere; give one of them")
  return Either.match(decodeCursor(cursor), {
    onLeft: () => refuse("cursor: is not a cursor of this list"),
    onRight: (start) => Effect.succeed(start.afterSequence)
  })
}

/** A page out of up to `limit + 1` events: the one too many only says that there is more. */
export const pageOfEvents = (rows: ReadonlyArray<IssueWorkflowExecutionEvent>, limit: number): Page.Page<IssueWorkflowExecutionEvent> => {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const nextCursor = rows.length <= limit || last === undefined ? Option.none() : Option.some(encodeCursor({ afterSequence: last.sequence }))
  return { items, nextCursor }
}

/** Whether the events of a call come with their sequences: all do, or none. */
const isNumbered = ([first]: ReadonlyArray<NewExecutionEvent>) => first?.sequence !== undefined

const toRow = ({ id, message, occurredAt, payload, ...event }: NewExecutionEvent, now: number) => ({
  ...event,
  message: storableText(message),
  sanitized: isStorable(message) ? 0 : 1,
  id: id ?? `evt_${v7()}`,
  payload: documentOf(payload),
  occurredAt: occurredAt === undefined ? now : DateTime.toEpochMillis(occurredAt)
})

const asGiven = ({ payload, ...event }: IssueWorkflowExecutionEvent): NewExecutionEvent => ({
  ...event,
  payload: Option.getOrUndefined(payload)
})

/** Whether one event is the other told again: what was left out of one of them is no difference. */
const isSame = (one: NewExecutionEvent, other: NewExecutionEvent) =>
  agree(one.id, other.id)
  && agree(one.occurredAt?.epochMillis, other.occurredAt?.epochMillis)
  && one.phase === other.phase && one.level === other.level && one.eventType === other.eventType
  && storableText(one.message) === storableText(other.message)
  && canonicalJson(one.payload) === canonicalJson(other.payload)

const agree = <A>(one: A | undefined, other: A | undefined) => one === undefined || other === undefined || one === other

/** The events of a call without those that it has twice. */
const withoutRepeats = (
  executionId: IssueWorkflowExecutionId,
  given: ReadonlyArray<NewExecutionEvent>
): Effect.Effect<ReadonlyArray<NewExecutionEvent>, SequenceConflict | AlreadyExists> => {
  const bySequence = new Map<number, NewExecutionEvent>()
  const byId = new Map<string, NewExecutionEvent>()
  const once: Array<NewExecutionEvent> = []
  for (const event of given) {
    const { id, sequence } = event
    const atSequence = sequence === undefined ? undefined : bySequence.get(sequence)
    if (sequence !== undefined && atSequence !== undefined) {
      if (!isSame(event, atSequence)) return Effect.fail(new SequenceConflict({ executionId, sequence }))
      continue
    }
    const ofId = id === undefined ? undefined : byId.get(id)
    if (ofId !== undefined) {
      if (sequence !== undefined || !isSame(event, ofId)) return Effect.fail(idTaken())
      continue
    }
    once.push(event)
    if (sequence !== undefined) bySequence.set(sequence, event)
    if (id !== undefined) byId.set(id, event)
  }
  return Effect.succeed(once)
}

const idTaken = () =>
  new AlreadyExists({ entity: "IssueWorkflowExecutionEvent", constraint: "issue_workflow_execution_events.id" })

const appendedOf = ({ appended, sequences }: { readonly appended: number; readonly sequences: ReadonlyArray<number> }): AppendedEvents => {
  let first = Infinity
  let last = -Infinity
  for (const sequence of sequences) {
    first = Math.min(first, sequence)
    last = Math.max(last, sequence)
  }
  return { appended, range: sequences.length === 0 ? Option.none() : Option.some({ first, last }) }
}
