/**
 * The tail of an execution: a stream of its events, and of new events when they are committed, until the execution
 * ends.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Array, Effect, Option, Stream } from "effect"
import type { InvalidInput, NotFound, PersistenceError } from "../Errors.js"
import { isSqlError, persistenceErrorOf } from "../sql/engineError.js"
import type { Target } from "../sql/ownerScope.js"
import { pages } from "../sql/paging.js"
import { operations } from "../sql/operations.js"
import { columnList, joinedRows, partColumnList, partOf, rowsOf } from "../sql/rows.js"
import * as Waiting from "../events/waiting.js"
import { IssueWorkflowExecutionEvent, TailEvents } from "./ExecutionEvent.js"
import { executionNotFound } from "./executionBatches.js"
import { beforeTheFirst } from "./executionEvents.js"
import { executionNews } from "./executionNews.js"

/** The tail of an execution. Part of `IssueWorkflowExecutionService`. */
export interface ExecutionTailMethods {
  /**
   * Streams the events after `afterSequence`, by default all, and then each new event when it is committed. The delay
   * is near zero for commits of this process, some 10 ms for commits of another process to the same file, and up to a
   * quarter of a second on a libSQL server.
   *
   * The stream ends when the execution has ended, after every event that was stored before the end, each once. For an
   * ended execution it returns the stored events and ends. It holds neither a connection nor a transaction while it
   * waits.
   *
   * Events arrive in the order of their sequences, with one exception: if the caller stores an event below a delivered
   * one, it is delivered when it is read. A tail watches up to 1,000 such gaps.
   *
   * Fails with `NotFound` if the execution does not exist or is deleted, with `InvalidInput` if the sequence is out of
   * range.
   */
  readonly tailEvents: (
    request: typeof TailEvents.Encoded
  ) => Stream.Stream<IssueWorkflowExecutionEvent, NotFound | InvalidInput | PersistenceError>
}

const { decodeInput, traced } = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecution")

const columns = columnList(IssueWorkflowExecutionEvent)
const partColumns = partColumnList(IssueWorkflowExecutionEvent, "event")
const eventOf = partOf(IssueWorkflowExecutionEvent, "event")

/** Ranges of sequences that did not exist when a higher one was delivered, in ascending order. */
export type Gaps = ReadonlyArray<readonly [first: number, last: number]>

/**
 * The position of a tail. Callers that set sequences may store an event below a delivered one, so the tail also reads
 * the gaps.
 */
interface Position {
  readonly after: number
  readonly gaps: Gaps
}

// Limits the cost of a read when a caller leaves many gaps.
const mostGaps = 1000

// ?1: the execution, ?2: the sequence before the first event, ?3: the limit, ?4: the owner, if scoped. Returns one row
// without an event if there is no event. The statement reads the end of the execution together with the events, so that
// no event before the end is missed.
const nextText = (scope: string) =>
  `
  SELECT execution.finished_at IS NOT NULL AS "hasEnded", ${partColumns}
  FROM issue_workflow_executions AS execution
  LEFT JOIN issue_workflow_execution_events AS event ON event.execution_id = execution.id AND event.sequence > ?2
  WHERE execution.id = ?1 ${scope}
  ORDER BY event.sequence LIMIT ?3`.trim()

const nextOfAnyText = nextText("")

const nextOfOwnerText = nextText(`
    AND EXISTS (SELECT 1 FROM issue_workflows AS w WHERE w.id = execution.issue_workflow_id AND w.owner_user_id = ?4)`)

// ?1: the execution, ?2: the gaps, ?3: the limit. CROSS JOIN fixes the order of the tables, so that the rows are in the
// order of the gaps (https://www.sqlite.org/optoverview.html).
const inGapsText = `
  SELECT ${columns}
  FROM (SELECT value ->> 0 AS first, value ->> 1 AS last FROM json_each(?2)) CROSS JOIN issue_workflow_execution_events
    ON execution_id = ?1 AND sequence BETWEEN first AND last
  LIMIT ?3`

export const makeTail = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* rowsOf(IssueWorkflowExecutionEvent)
  const run = yield* joinedRows

  /** Reads the events that are stored now, in the order of their sequences. */
  const readEvents = ({ id: executionId, ownerUserId }: Target, { after, gaps }: Position, limit: number) =>
    Effect.gen(function* () {
      const rows = yield* run(
        ownerUserId === undefined
          ? sql.unsafe(nextOfAnyText, [executionId, after, limit])
          : sql.unsafe(nextOfOwnerText, [executionId, after, limit, ownerUserId])
      )
      const [first] = rows
      if (first === undefined) return yield* executionNotFound(executionId)
      const inGaps =
        gaps.length === 0
          ? []
          : yield* events.findAll(sql.unsafe(inGapsText, [executionId, JSON.stringify(gaps), limit]))
      const following = Array.getSomes(yield* Effect.forEach(rows, eventOf))
      const isAll = following.length < limit && inGaps.length < limit
      return { found: [...inGaps, ...following], isAll, hasEnded: first["hasEnded"] === 1 }
    }).pipe(traced("tailEvents", { "execution.id": executionId }))

  const waiter = yield* Waiting.make(executionNews((text, params) => run(sql.unsafe(text, params))))

  /** Waits for the next events. Returns them with the next position, or without one if the execution has ended. */
  const next = (firstFound: Effect.Effect.Success<typeof waiter>, target: Target, position: Position, limit: number) =>
    firstFound(
      target.id,
      Effect.map(readEvents(target, position, limit), ({ found, hasEnded, isAll }) => {
        const isLast = hasEnded && isAll
        if (found.length === 0 && !isLast) return Option.none()
        const sequences = found.map(({ sequence }) => sequence)
        const nextPosition = isLast ? Option.none<Position>() : Option.some(positionAfter(position, sequences))
        return Option.some([found, nextPosition] as const)
      })
    ).pipe(
      Effect.catchIf(isSqlError, (error) =>
        Effect.fail(persistenceErrorOf("IssueWorkflowExecutionRepo.tailEvents", error))
      )
    )

  const tailEvents = (request: typeof TailEvents.Encoded) =>
    Effect.all([decodeInput("tailEvents", TailEvents)(request), waiter]).pipe(
      Effect.map(([{ afterSequence = beforeTheFirst, executionId: id, ownerUserId }, firstFound]) =>
        pages<Position, IssueWorkflowExecutionEvent, Effect.Effect.Error<ReturnType<typeof next>>, never>(
          { after: afterSequence, gaps: [] },
          (position, limit) => next(firstFound, { id, ownerUserId }, position, limit)
        )
      ),
      Stream.unwrapScoped
    )
  return { tailEvents }
})

/** Returns the position after these sequences were delivered. They are in ascending order. */
const positionAfter = ({ after, gaps }: Position, delivered: ReadonlyArray<number>): Position => {
  const last = delivered.at(-1) ?? after
  const open: Gaps = last > after ? [...gaps, [after + 1, last]] : gaps
  return { after: Math.max(after, last), gaps: gapsWithout(open, delivered).slice(-mostGaps) }
}

/** Removes the delivered sequences from the gaps. Both are in ascending order, and so is the result. */
export const gapsWithout = (gaps: Gaps, delivered: ReadonlyArray<number>): Gaps => {
  const left: Array<readonly [number, number]> = []
  let index = 0
  for (const [first, last] of gaps) {
    let from = first
    for (let sequence = delivered[index]; sequence !== undefined && sequence <= last; sequence = delivered[++index]) {
      if (sequence > from) left.push([from, sequence - 1])
      if (sequence >= from) from = sequence + 1
    }
    if (from <= last) left.push([from, last])
  }
  return left
}
