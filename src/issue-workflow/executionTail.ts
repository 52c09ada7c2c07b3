/**
 * The tail of an execution: its events, and each new one when it is committed, until the execution ends.
 */
import { SqlClient } from "@effect/sql"
import { Array, Effect, Option, Stream } from "effect"
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
import type { IssueWorkflowExecutionService } from "./IssueWorkflowExecutionRepo.js"

const { input, read } = operations("IssueWorkflowExecutionRepo", "IssueWorkflowExecution")

const columns = columnList(IssueWorkflowExecutionEvent)
const partColumns = partColumnList(IssueWorkflowExecutionEvent, "event")
const eventOf = partOf(IssueWorkflowExecutionEvent, "event")

/** Sequences that were not there when one above them was delivered: from the first to the last of each. */
export type Gaps = ReadonlyArray<readonly [first: number, last: number]>

/**
 * How far a tail has come. Callers that number events themselves may store one below another that was delivered
 * already: it must not be lost.
 */
interface Place {
  readonly after: number
  readonly gaps: Gaps
}

// Who numbers with holes would have it look into more and more of them, for ever.
const mostGaps = 1000

// ?1: the execution, ?2: after which sequence, ?3: up to how many, ?4: its owner, if scoped. Returns one row without an event when there is none.
// The end of the execution is read with the events or before them, never after: so no event before the end is missed.
const nextText = (scope: string) => `
  SELECT execution.finished_at IS NOT NULL AS "hasEnded", ${partColumns}
  FROM issue_workflow_executions AS execution
  LEFT JOIN issue_workflow_execution_events AS event ON event.execution_id = execution.id AND event.sequence > ?2
  WHERE execution.id = ?1 ${scope}
  ORDER BY event.sequence LIMIT ?3`.trim()

const nextOfAnyText = nextText("")

const nextOfOwnerText = nextText(`
    AND EXISTS (SELECT 1 FROM issue_workflows AS w WHERE w.id = execution.issue_workflow_id AND w.owner_user_id = ?4)`)

// ?1: the execution, ?2: the gaps, ?3: up to how many. CROSS JOIN keeps the planner to this order of the tables, and so to the order of the gaps.
const inGapsText = `
  SELECT ${columns}
  FROM (SELECT value ->> 0 AS first, value ->> 1 AS last FROM json_each(?2)) CROSS JOIN issue_workflow_execution_events
    ON execution_id = ?1 AND sequence BETWEEN first AND last
  LIMIT ?3`

export const makeTail = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const events = yield* rowsOf(IssueWorkflowExecutionEvent)
  const run = yield* joinedRows

  /** What is there now, in the order of the sequences. */
  const look = ({ id: executionId, ownerUserId }: Target, { after, gaps }: Place, limit: number) =>
    Effect.gen(function*() {
      const rows = yield* run(
        ownerUserId === undefined ? sql.unsafe(nextOfAnyText, [executionId, after, limit]) : sql.unsafe(nextOfOwnerText, [executionId, after, limit, ownerUserId])
      )
      const [first] = rows
      if (first === undefined) return yield* executionNotFound(executionId)
      const late = gaps.length === 0 ? [] : yield* events.all(sql.unsafe(inGapsText, [executionId, JSON.stringify(gaps), limit]))
      const following = Array.getSomes(yield* Effect.forEach(rows, eventOf))
      const isAll = following.length < limit && late.length < limit
      return { found: [...late, ...following], isAll, hasEnded: first["hasEnded"] === 1 }
    }).pipe(read("tailEvents", { "execution.id": executionId }))

  const waiter = yield* Waiting.make(executionNews((text, params) => run(sql.unsafe(text, params))))

  /** The next events, as soon as there are some, and where to go on; from nowhere when the execution has ended. */
  const next = (firstFound: Effect.Effect.Success<typeof waiter>, target: Target, place: Place, limit: number) =>
    firstFound(target.id, Effect.map(look(target, place, limit), ({ found, hasEnded, isAll }) => {
      const isLast = hasEnded && isAll
      if (found.length === 0 && !isLast) return Option.none()
      const goOn = isLast ? Option.none<Place>() : Option.some(placeAfter(place, found.map(({ sequence }) => sequence)))
      return Option.some([found, goOn] as const)
    })).pipe(Effect.catchIf(isSqlError, (error) => Effect.fail(persistenceErrorOf("IssueWorkflowExecutionRepo.tailEvents", error))))

  const tailEvents: IssueWorkflowExecutionService["tailEvents"] = (request) =>
    Effect.all([input("tailEvents", TailEvents)(request), waiter]).pipe(
      Effect.map(([{ afterSequence = beforeTheFirst, executionId: id, ownerUserId }, firstFound]) =>
        pages<Place, IssueWorkflowExecutionEvent, Effect.Effect.Error<ReturnType<typeof next>>, never>(
          { after: afterSequence, gaps: [] },
          (place, limit) => next(firstFound, { id, ownerUserId }, place, limit)
        )),
      Stream.unwrapScoped
    )
  return { tailEvents }
})

/** Where a tail stands when it has delivered the events of these sequences, which ascend. */
const placeAfter = ({ after, gaps }: Place, delivered: ReadonlyArray<number>): Place => {
  const last = delivered.at(-1) ?? after
  const open: Gaps = last > after ? [...gaps, [after + 1, last]] : gaps
  return { after: Math.max(after, last), gaps: gapsWithout(open, delivered).slice(-mostGaps) }
}

/** What remains of gaps, in their order, when something in them has come. Both ascend. */
export const gapsWithout = (gaps: Gaps, came: ReadonlyArray<number>): Gaps => {
  const left: Array<readonly [number, number]> = []
  let index = 0
  for (const [first, last] of gaps) {
    let from = first
    for (let sequence = came[index]; sequence !== undefined && sequence <= last; sequence = came[++index]) {
      if (sequence > from) left.push([from, sequence - 1])
      if (sequence >= from) from = sequence + 1
    }
    if (from <= last) left.push([from, last])
  }
  return left
}
