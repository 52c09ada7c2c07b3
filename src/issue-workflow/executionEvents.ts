/**
 * Events of executions: appending and listing.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Effect, Either, ParseResult, Schema } from "effect"
import {
  type AlreadyExists,
  InvalidInput,
  type NotFound,
  type PersistenceError,
  type SequenceConflict
} from "../Errors.js"
import { Count } from "../sql/columns.js"
import { isTaken } from "../sql/engineError.js"
import * as Page from "../sql/page.js"
import { operations } from "../sql/operations.js"
import { columnList, type Found, joinedRows, rowsOf } from "../sql/rows.js"
import { appendedOf, appendWrite, missingOf, sequencesOf, storedLike, withoutRepeats } from "./eventStatements.js"
import { executionNotFound, executionOwnerScope, requireExecution } from "./executionBatches.js"
import {
  AppendEvents,
  type AppendedEvents,
  IssueWorkflowExecutionEvent,
  ListEvents,
  type NewExecutionEvent
} from "./ExecutionEvent.js"
import type { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"

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

export const makeEvents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* rowsOf(IssueWorkflowExecutionEvent)
  const run = yield* joinedRows
  const ofOwner = executionOwnerScope(sql)

  /** Inserts all events, or fails. Returns their sequences, in undefined order. */
  const insert = (executionId: IssueWorkflowExecutionId, newEvents: ReadonlyArray<NewExecutionEvent>) =>
    Effect.gen(function* () {
      const write = yield* appendWrite(executionId, newEvents, yield* Clock.currentTimeMillis)
      return sequencesOf(yield* run(sql.unsafe(write.sql, [...write.values])))
    })

  /**
   * Inserts the events that are not stored yet. Runs in a transaction, so that no other writer appends between the read
   * and the insert. Fails if a stored event has the sequence or the id of a different one.
   */
  const insertMissing = (executionId: IssueWorkflowExecutionId, newEvents: ReadonlyArray<NewExecutionEvent>) =>
    Effect.gen(function* () {
      const { sql: text, values } = storedLike(executionId, newEvents)
      const stored = yield* events.findAll(sql.unsafe(text, [...values]))
      const { missing, sequences } = yield* missingOf(executionId, newEvents, stored)
      const inserted = missing.length === 0 ? [] : yield* insert(executionId, missing)
      return appendedOf(missing.length, [...sequences, ...inserted])
    })

  const append = ({ events: newEvents, executionId }: typeof AppendEvents.Type) =>
    Effect.gen(function* () {
      const distinct = yield* withoutRepeats(executionId, newEvents)
      if (distinct.length === 0) {
        yield* requireExecution(sql, { id: executionId })
        return appendedOf(0, [])
      }
      // Nearly all calls have only new events. Otherwise the statement fails as a whole, by a UNIQUE constraint.
      return yield* insert(executionId, distinct).pipe(
        Effect.map((sequences) => appendedOf(distinct.length, sequences)),
        Effect.catchIf(isTaken, () => sql.withTransaction(insertMissing(executionId, distinct)))
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
        const found = yield* events.findPage(sql`
          SELECT ${sql.literal(columns)} FROM issue_workflow_execution_events
          WHERE execution_id = ${executionId} AND sequence > ${after} AND ${ofOwner({ id: executionId, ownerUserId })}
          ORDER BY sequence LIMIT ${limit + 1}`)
        return pageOfEvents(found, limit)
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
export const pageOfEvents = (found: Found<IssueWorkflowExecutionEvent>, limit: number) =>
  Page.pageOf(found, limit, ({ sequence }) => encodeCursor({ afterSequence: sequence }))
