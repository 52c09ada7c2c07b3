/**
 * Events of executions: the log of an agent, ordered by sequence.
 */
import { Schema } from "effect"
import {
  ownerScopeField,
  Count,
  enumeration,
  existing,
  Flag,
  idOf,
  Name,
  Prose,
  RawProse,
  Timestamp
} from "../sql/columns.js"
import { documentOf, JsonObject, OptionalJson } from "../sql/json.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"

/** The id of an event. Generated ids are `evt_` and a UUIDv7. */
export const IssueWorkflowExecutionEventId = idOf("IssueWorkflowExecutionEventId")
export type IssueWorkflowExecutionEventId = typeof IssueWorkflowExecutionEventId.Type

/** The severity of an event. */
export const IssueWorkflowExecutionEventLevel = enumeration("debug", "info", "warn", "error")
export type IssueWorkflowExecutionEventLevel = typeof IssueWorkflowExecutionEventLevel.Type

/** One row of `issue_workflow_execution_events`. Immutable. */
export class IssueWorkflowExecutionEvent extends Model.Class<IssueWorkflowExecutionEvent>(
  "IssueWorkflowExecutionEvent"
)(
  {
    id: IssueWorkflowExecutionEventId,
    executionId: IssueWorkflowExecutionId,
    /** The position in the execution. The repository assigns 1, 2, 3 without gaps. */
    sequence: Count,
    /** The phase of the work, named by the caller: `plan`, `build`. */
    phase: Name,
    level: IssueWorkflowExecutionEventLevel,
    /** The kind of event, named by the caller. */
    eventType: Name,
    message: Prose,
    payload: OptionalJson(JsonObject),
    /** The time by the clock of the reporter. Events are ordered by sequence. */
    occurredAt: Timestamp,
    /** True if NUL characters or lone surrogates in the message were replaced with U+FFFD. */
    sanitized: Flag
  },
  table({
    name: "issue_workflow_execution_events",
    service: "IssueWorkflowExecutionRepo",
    purpose: "The log of an execution, ordered by sequence. Append-only."
  })
) {}

/** One row of `issue_workflow_execution_ends`: an execution that has ended or was deleted. */
export class IssueWorkflowExecutionEnd extends Model.Class<IssueWorkflowExecutionEnd>("IssueWorkflowExecutionEnd")(
  {
    /** The position in the order of commits. Never reused. */
    position: Count,
    executionId: IssueWorkflowExecutionId
  },
  table({
    name: "issue_workflow_execution_ends",
    service: "IssueWorkflowExecutionRepo",
    purpose: "Ended and deleted executions, for tails. Written by triggers, which keep the newest 1,000 rows."
  })
) {}

// Sequences that the repository assigns after this one are still exact: JavaScript has integers up to 2^53.
const highestSequence = 1_000_000_000_000_000

const Sequence = Count.pipe(
  Schema.lessThanOrEqualTo(highestSequence, { message: () => `must be a whole number from 0 to ${highestSequence}` })
)

/** A new event. `level` defaults to info, `occurredAt` to now. */
export const NewExecutionEvent = Schema.Struct({
  /** An event with the id of a stored event is a repeat of it. */
  id: Schema.optional(IssueWorkflowExecutionEventId),
  /** Set in all events of a call, or in no event: then the repository assigns the sequences. */
  sequence: Schema.optional(Sequence),
  phase: Name,
  level: Schema.optionalWith(IssueWorkflowExecutionEventLevel, { default: () => "info" }),
  eventType: Name,
  /** NUL characters and lone surrogates are replaced with U+FFFD, and the event is marked as `sanitized`. */
  message: RawProse,
  payload: Schema.optional(documentOf(JsonObject)),
  occurredAt: Schema.optional(Schema.DateTimeUtcFromSelf)
})
export type NewExecutionEvent = typeof NewExecutionEvent.Type

/** Request to append events to an execution, in this order. */
export const AppendEvents = Schema.Struct({
  executionId: existing(IssueWorkflowExecutionId),
  events: Schema.Array(NewExecutionEvent).pipe(
    Schema.filter((events) =>
      events.every(({ sequence }) => (sequence === undefined) === (events[0]?.sequence === undefined))
        ? undefined
        : "either all events have a sequence, or none"
    )
  )
})

/** The result of an append. */
export const AppendedEvents = Schema.Struct({
  /** The number of new events: events that were stored before are not counted. */
  appended: Count,
  /**
   * The lowest and the highest sequence of the events of the call; none for a call without events. Sequences that the
   * repository assigned are consecutive, in the order of the call.
   */
  range: Schema.optionalWith(Schema.Struct({ first: Count, last: Count }), { as: "Option" })
})
export interface AppendedEvents extends Schema.Schema.Type<typeof AppendedEvents> {}

/** Filter for listing the events of an execution. */
export const ListEvents = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  ownerUserId: ownerScopeField(UserId),
  /** Only events after this sequence. Default: all events. */
  afterSequence: Schema.optional(Count)
})

/** Request to tail the events of an execution. */
export const TailEvents = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  ownerUserId: ownerScopeField(UserId),
  /** Only events after this sequence. Default: all events. */
  afterSequence: Schema.optional(Count)
})
