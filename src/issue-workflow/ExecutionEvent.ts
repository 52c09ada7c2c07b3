/**
 * An event of an execution: one line of what its agent did, in the order in which it was told.
 */
import { type Option, Schema } from "effect"
import { confinedTo, existing, Count, documentOf, enumeration, Flag, idOf, JsonObject, Name, OptionalJson, Prose, RawProse, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"

/** The id of an event, `evt_` and a UUIDv7 when it is ours. */
export const IssueWorkflowExecutionEventId = idOf("IssueWorkflowExecutionEventId")
export type IssueWorkflowExecutionEventId = typeof IssueWorkflowExecutionEventId.Type

/** How much an event matters. */
export const IssueWorkflowExecutionEventLevel = enumeration("debug", "info", "warn", "error")
export type IssueWorkflowExecutionEventLevel = typeof IssueWorkflowExecutionEventLevel.Type

/** One row of `issue_workflow_execution_events`. Never changes. */
export class IssueWorkflowExecutionEvent extends Model.Class<IssueWorkflowExecutionEvent>("IssueWorkflowExecutionEvent")({
  id: IssueWorkflowExecutionEventId,
  executionId: IssueWorkflowExecutionId,
  /** The place among the events of its execution. Numbered by the store, it is 1, 2, 3 without gaps. */
  sequence: Count,
  /** The part of the work that it belongs to, in words of the caller: `plan`, `build`. */
  phase: Name,
  level: IssueWorkflowExecutionEventLevel,
  /** What kind of event it is, in words of the caller. */
  eventType: Name,
  message: Prose,
  payload: OptionalJson(JsonObject),
  /** By the clock of who told it. The order of events is their sequence. */
  occurredAt: Timestamp,
  /** True if NUL characters or lone surrogates in the message were replaced with U+FFFD. */
  sanitized: Flag
}, table({
  name: "issue_workflow_execution_events",
  service: "IssueWorkflowExecutionRepo",
  purpose: "What happened in an execution, line by line, in the order of the sequence. Append-only."
})) {}

/** One row of `issue_workflow_execution_ends`: an execution that has ended or was deleted. */
export class IssueWorkflowExecutionEnd extends Model.Class<IssueWorkflowExecutionEnd>("IssueWorkflowExecutionEnd")({
  /** The position in the order of commits. Never reused. */
  position: Count,
  executionId: IssueWorkflowExecutionId
}, table({
  name: "issue_workflow_execution_ends",
  service: "IssueWorkflowExecutionRepo",
  purpose: "Wakes the tails of executions that have ended or were deleted. Written by triggers, which keep the newest 1,000 rows."
})) {}

// Far beyond what anybody counts to, and the store can go on counting from there with whole numbers that JavaScript has.
const highestSequence = 1_000_000_000_000_000

const Sequence = Count.pipe(
  Schema.lessThanOrEqualTo(highestSequence, { message: () => `must be a whole number from 0 to ${highestSequence}` })
)

/** An event as a caller tells it. `level` left out means info, `occurredAt` now. */
export const NewExecutionEvent = Schema.Struct({
  /** An event whose id is stored is told again. */
  id: Schema.optional(IssueWorkflowExecutionEventId),
  /** Left out, in all events of a call: the store numbers them. */
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

/** Events of one execution, in their order. */
export const AppendEvents = Schema.Struct({
  executionId: existing(IssueWorkflowExecutionId),
  events: Schema.Array(NewExecutionEvent).pipe(
    Schema.filter((events) =>
      events.every(({ sequence }) => (sequence === undefined) === (events[0]?.sequence === undefined))
        ? undefined
        : "either all events have a sequence, or none")
  )
})

/** What an append came to. */
export interface AppendedEvents {
  /** How many events it stored: those of the call without those that were stored before. */
  readonly appended: number
  /**
   * The lowest and the highest sequence of the events of the call; none when it had none. New events that the store
   * numbered stand in it one after the other, in the order of the call.
   */
  readonly range: Option.Option<{ readonly first: number; readonly last: number }>
}

/** Which events of an execution to read. */
export const ListEvents = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  ownerUserId: confinedTo(UserId),
  /** Only events after this one. Left out: from the first. */
  afterSequence: Schema.optional(Count)
})

/** Where a tail begins. */
export const TailEvents = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  ownerUserId: confinedTo(UserId),
  /** Only events after this one. Left out: from the first. */
  afterSequence: Schema.optional(Count)
})
