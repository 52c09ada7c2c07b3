/**
 * An event of the control plane: that a sandbox, an attempt, a job, a workflow or an execution went from one state to
 * another, through what, and by whom.
 */
import { Schema } from "effect"
import { confinedTo, Count, enumeration, idOf, JsonObject, Name, openEnumeration, optional, OptionalJson, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"

/** What an event is about. */
export const ControlPlaneSubjectType = enumeration("sandbox", "attempt", "job", "workflow", "execution")
export type ControlPlaneSubjectType = typeof ControlPlaneSubjectType.Type

/** Who did it: a person, a worker under its lease, or the control plane by itself. */
export const ControlPlaneActorType = enumeration("user", "worker", "system")
export type ControlPlaneActorType = typeof ControlPlaneActorType.Type

/** The id of the subject: a sandbox's, an attempt's, and so on. It may be gone by now. */
export const ControlPlaneSubjectId = idOf("ControlPlaneSubjectId")
export type ControlPlaneSubjectId = typeof ControlPlaneSubjectId.Type

/** One row of `control_plane_events`. Never changes. */
export class ControlPlaneEvent extends Model.Class<ControlPlaneEvent>("ControlPlaneEvent")({
  /** The place in the whole journal: grows with each event, with gaps, and is never given twice. */
  position: Count,
  subjectType: ControlPlaneSubjectType,
  subjectId: ControlPlaneSubjectId,
  /** The place among the events of its subject: 1, 2, 3, without gaps. */
  sequence: Count,
  /** The operation that did it: `launch`, `beginBuild`, `stop`. */
  eventType: Name,
  /** The state that the event before left the subject in; none at its first. */
  fromState: optional(Name),
  toState: optional(Name),
  /** An actor of a kind that this release does not know is read as `system`. */
  actorType: openEnumeration(ControlPlaneActorType, "system"),
  /** The user or the worker. */
  actorId: optional(Name),
  /** Whose the subject is, where it is somebody's. */
  ownerUserId: optional(UserId),
  /** Ids of what belongs to it, and counts. */
  payload: OptionalJson(JsonObject),
  occurredAt: Timestamp
}, table({
  name: "control_plane_events",
  service: "ControlPlaneEvents",
  purpose: "The journal of what happened to each sandbox, attempt, job, workflow and execution, written in the transaction that did it. Append-only."
})) {}

/** The history to which positions belong. A restore of a backup begins a new one. */
export const JournalEpoch = idOf("JournalEpoch")
export type JournalEpoch = typeof JournalEpoch.Type

/** The one row of `control_plane_journal`. */
export class ControlPlaneJournal extends Model.Class<ControlPlaneJournal>("ControlPlaneJournal")({
  /** Always 1. */
  id: Count,
  epoch: JournalEpoch
}, table({
  name: "control_plane_journal",
  service: "ControlPlaneEvents",
  purpose: "The epoch of the journal, in one row. A restore changes it."
})) {}

/** Consistent snapshot of the journal: its epoch, and the position of the last event ever written; 0 before the first. */
export class JournalState extends Schema.Class<JournalState>("JournalState")({ epoch: JournalEpoch, end: Count }) {}

/** One row of `control_plane_event_consumers`: how far a consumer has come. */
export class ControlPlaneEventConsumer extends Model.Class<ControlPlaneEventConsumer>("ControlPlaneEventConsumer")({
  name: Name,
  /** The last event that it has acknowledged; 0 before the first. */
  position: Count,
  updatedAt: Timestamp,
  /** The epoch in which it has read last. */
  epoch: optional(JournalEpoch)
}, table({
  name: "control_plane_event_consumers",
  service: "ControlPlaneEvents",
  purpose: "How far each named consumer of the journal has come. Never goes back."
})) {}

// Callers that keep their own position store the epoch beside it.
const epoch = Schema.optional(JournalEpoch)

/** Start of a tail of the whole journal. */
export const TailJournal = Schema.Struct({
  /** Only events after this position. Default: from the first event. */
  afterPosition: Schema.optionalWith(Count, { default: () => 0 }),
  /** The epoch of the position. Default: not checked. */
  epoch
})

/** Events of one subject, in the order of their sequence. */
export const ListSubjectEvents = Schema.Struct({
  subjectType: ControlPlaneSubjectType,
  subjectId: ControlPlaneSubjectId,
  /** Only what is this user's: another's subject has no events then. */
  ownerUserId: confinedTo(UserId),
  /** Only events after this one. Left out: from the first. */
  afterSequence: Schema.optionalWith(Count, { default: () => 0 }),
  /** 1 to 500, default 50. */
  limit: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 500)), { default: () => 50 })
})

/** Events of the whole journal, in the order of their position. */
export const ReadEvents = Schema.Struct({
  /** Only events after this one. Left out: from the first. */
  afterPosition: Schema.optionalWith(Count, { default: () => 0 }),
  /** The epoch of the position. Default: not checked. */
  epoch,
  /** 1 to 500, default 50. */
  limit: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 500)), { default: () => 50 })
})

/** Who does something: `id` is the user's or the worker's. */
export const Actor = Schema.Struct({ type: ControlPlaneActorType, id: Schema.optionalWith(Name, { exact: true }) })
export type Actor = typeof Actor.Type

/** How far a consumer has come. */
export const Acknowledge = Schema.Struct({
  consumer: Name,
  position: Count,
  /** The epoch of the position. Default: not checked. */
  epoch
})
