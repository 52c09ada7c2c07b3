/**
 * Row models and requests of the journal. An event records that a sandbox, attempt, job, workflow or execution changed
 * its state, the operation that changed it, and the actor. Redeliveries of webhooks and backups are events, too.
 */
import { Schema } from "effect"
import {
  ownerScopeField,
  Count,
  enumeration,
  existing,
  idOf,
  Name,
  openEnumeration,
  optional,
  Timestamp
} from "../sql/columns.js"
import { JsonObject, OptionalJson } from "../sql/json.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"

/** The kind of row that an event is about. `database` is the whole database, with the subject id `database`. */
export const ControlPlaneSubjectType = enumeration(
  "sandbox",
  "attempt",
  "job",
  "workflow",
  "execution",
  "delivery",
  "database"
)
export type ControlPlaneSubjectType = typeof ControlPlaneSubjectType.Type

/**
 * The kind of actor: a user, a worker under its lease, the control plane itself, or an operator, who is a person without
 * a row in `user`.
 */
export const ControlPlaneActorType = enumeration("user", "worker", "system", "operator")
export type ControlPlaneActorType = typeof ControlPlaneActorType.Type

/** The id of the row that an event is about. The row may have been deleted since. */
export const ControlPlaneSubjectId = idOf("ControlPlaneSubjectId")
export type ControlPlaneSubjectId = typeof ControlPlaneSubjectId.Type

const eventFields = {
  /** The position in the whole journal. Increases with each event, with gaps, and is never assigned twice. */
  position: Count,
  subjectType: ControlPlaneSubjectType,
  subjectId: ControlPlaneSubjectId,
  /** The number of the event within its subject: 1, 2, 3, without gaps. */
  sequence: Count,
  /** The operation that changed the state: `launch`, `beginBuild`, `stop`. */
  eventType: Name,
  /** The state after the previous event of the subject. `None` for its first event. */
  fromState: optional(Name),
  toState: optional(Name),
  /** An actor type that this release does not know is read as `system`. */
  actorType: openEnumeration(ControlPlaneActorType, "system"),
  /** The id of the user or the worker, or the name of the operator. */
  actorId: optional(Name),
  /** The owner of the subject, if it has one. */
  ownerUserId: optional(UserId),
  /** Ids of related rows, and counts. */
  payload: OptionalJson(JsonObject),
  occurredAt: Timestamp
}

/** An event of the journal. Immutable. */
export class ControlPlaneEvent extends Model.Class<ControlPlaneEvent>("ControlPlaneEvent")(
  eventFields,
  table({
    name: "control_plane_events",
    service: "ControlPlaneEvents",
    purpose:
      "State changes of sandboxes, attempts, jobs, workflows and executions, written in their transactions. Append-only."
  })
) {}

/** One row of `control_plane_admin_events`. The journal returns it as a `ControlPlaneEvent`. Immutable. */
export class ControlPlaneAdminEvent extends Model.Class<ControlPlaneAdminEvent>("ControlPlaneAdminEvent")(
  eventFields,
  table({
    name: "control_plane_admin_events",
    service: "ControlPlaneEvents",
    purpose: "Redeliveries of webhooks and backups: the events of the journal about other subjects. Append-only."
  })
) {}

/** The history to which positions belong. A restore of a backup begins a new one. */
export const JournalEpoch = idOf("JournalEpoch")
export type JournalEpoch = typeof JournalEpoch.Type

/** The one row of `control_plane_journal`. */
export class ControlPlaneJournal extends Model.Class<ControlPlaneJournal>("ControlPlaneJournal")(
  {
    /** Always 1. */
    id: Count,
    epoch: JournalEpoch
  },
  table({
    name: "control_plane_journal",
    service: "ControlPlaneEvents",
    purpose: "The epoch of the journal, in one row. A restore changes it."
  })
) {}

/**
 * Consistent snapshot of the journal: its epoch, and the position of the last event ever written; 0 before the first.
 */
export class JournalState extends Schema.Class<JournalState>("JournalState")({ epoch: JournalEpoch, end: Count }) {}

/** One row of `control_plane_event_consumers`: the progress of one consumer. */
export class ControlPlaneEventConsumer extends Model.Class<ControlPlaneEventConsumer>("ControlPlaneEventConsumer")(
  {
    name: Name,
    /** The position of the last acknowledged event; 0 before the first. */
    position: Count,
    updatedAt: Timestamp,
    /** The epoch of its last read. */
    epoch: optional(JournalEpoch)
  },
  table({
    name: "control_plane_event_consumers",
    service: "ControlPlaneEvents",
    purpose: "The last position that each named consumer of the journal has acknowledged. Never decreases."
  })
) {}

// Callers that keep their own position store the epoch beside it.
const epoch = Schema.optional(JournalEpoch)

/** Start of a tail of the whole journal. */
export const TailJournal = Schema.Struct({
  /** Only events after this position. Default: from the first event. */
  afterPosition: Schema.optionalWith(Count, { default: () => 0 }),
  /** The epoch of the position. Default: not checked. */
  epoch
})

/** Request for events of one subject, in the order of their sequence. */
export const ListSubjectEvents = Schema.Struct({
  subjectType: ControlPlaneSubjectType,
  subjectId: ControlPlaneSubjectId,
  /** Only events of subjects of this user. */
  ownerUserId: ownerScopeField(UserId),
  /** Only events after this sequence number. Default: from the first event. */
  afterSequence: Schema.optionalWith(Count, { default: () => 0 }),
  /** 1 to 500, default 50. */
  limit: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 500)), { default: () => 50 })
})

/** Request for events of the whole journal, in the order of their position. */
export const ReadEvents = Schema.Struct({
  /** Only events after this position. Default: from the first event. */
  afterPosition: Schema.optionalWith(Count, { default: () => 0 }),
  /** The epoch of the position. Default: not checked. */
  epoch,
  /** 1 to 500, default 50. */
  limit: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 500)), { default: () => 50 })
})

/** The actor of an operation. `id` is that of the user or the worker, or the name of the operator. */
export const Actor = Schema.Struct({ type: ControlPlaneActorType, id: Schema.optional(Name) })
export type Actor = typeof Actor.Type

/**
 * Search of the whole journal, newest first. Events must match every field that is set; an empty list matches no event.
 */
export const SearchJournal = Schema.Struct({
  subjectTypes: Schema.optional(Schema.Array(ControlPlaneSubjectType)),
  subjectId: Schema.optional(existing(ControlPlaneSubjectId)),
  eventType: Schema.optional(Name),
  toState: Schema.optional(Name),
  actorType: Schema.optional(ControlPlaneActorType),
  actorId: Schema.optional(Name),
  ownerUserId: ownerScopeField(UserId),
  /** Only events before this position. Default: from the newest event. */
  beforePosition: Schema.optional(Count),
  /** 1 to 500, default 50. */
  limit: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 500)), { default: () => 50 })
})

/** A page of a search of the journal. */
export const JournalSearch = Schema.Struct({
  /** Newest first. */
  items: Schema.Array(Model.Row(ControlPlaneEvent)),
  /** The position before which the search continues; `None` if it has reached the first event. */
  nextBefore: Schema.optionalWith(Count, { as: "Option" })
})
export interface JournalSearch extends Schema.Schema.Type<typeof JournalSearch> {}

/** Request for the activity of one kind of subject: the instant from which it is counted, and the interval. */
export const JournalActivityRequest = Schema.Struct({
  subjectType: ControlPlaneSubjectType,
  since: Schema.DateTimeUtcFromSelf,
  /** The length of an interval in milliseconds, 1,000 or more. */
  intervalMs: Schema.Int.pipe(Schema.greaterThanOrEqualTo(1000))
})

/** The number of changes of state in each interval. */
export const JournalActivity = Schema.Struct({
  /** The start of the first interval: later than requested if the journal has too many events since then. */
  from: Schema.DateTimeUtc,
  changes: Schema.Array(
    Schema.Struct({
      /** The number of the interval, from 0. */
      interval: Count,
      fromState: Schema.optionalWith(Schema.String, { as: "Option" }),
      toState: Schema.optionalWith(Schema.String, { as: "Option" }),
      count: Count
    })
  )
})
export interface JournalActivity extends Schema.Schema.Type<typeof JournalActivity> {}

/** A backup that was made: the name of its file, and its size. */
export const RecordBackup = Schema.Struct({ file: Name, bytes: Count })

/** Acknowledgement of all events of a consumer up to a position. */
export const Acknowledge = Schema.Struct({
  consumer: Name,
  position: Count,
  /** The epoch of the position. Default: not checked. */
  epoch
})
