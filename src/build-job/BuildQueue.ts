/**
 * The state of the build queue: pauses, and the rows that triggers maintain for the order of claims.
 */
import { Schema } from "effect"
import { Count, enumeration, Name, optional, OptionalTimestamp, Prose, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"

/** The part of the queue that a pause covers. */
export const PauseScope = enumeration("queue", "owner", "registry")
export type PauseScope = typeof PauseScope.Type

/** A row of `build_queue_pauses`. */
export class BuildQueuePause extends Model.Class<BuildQueuePause>("BuildQueuePause")(
  {
    scope: PauseScope,
    /** The id of the owner or registry. Empty for the whole queue, and for the jobs without an owner. */
    subject: Schema.String,
    reason: optional(Prose),
    pausedAt: Timestamp
  },
  table({
    name: "build_queue_pauses",
    service: "BuildQueueRepo",
    purpose: "The paused parts of the build queue: no job is claimed there. Running builds continue."
  })
) {}

const maintained = (fields: string) => `${fields} Triggers on the jobs maintain it.`

/** A row of `build_queue_flows`. */
export class BuildQueueFlow extends Model.Class<BuildQueueFlow>("BuildQueueFlow")(
  {
    id: Count,
    /** The id of the owner. Empty for the jobs without an owner. */
    bucket: Schema.String,
    priority: Count,
    queued: Count,
    running: Count,
    /** The turn of the flow: the lowest is next. */
    virtualTime: Count,
    /** The advance of `virtualTime` with each claim: inversely proportional to the weight of the owner. */
    step: Count,
    maxRunning: optional(Count),
    isPaused: Count,
    /** 1 if the owner has `maxRunning` running jobs. */
    isFull: Count,
    /** The earliest due time of a job that may be claimed. None if there is none. */
    nextAt: OptionalTimestamp,
    /** 1 if a claim may take a job without reading the time. */
    isOpen: Count
  },
  table({
    name: "build_queue_flows",
    service: "BuildQueueRepo",
    purpose: maintained("The jobs of one owner and priority, which take turns with those of other owners.")
  })
) {}

/** A row of `build_queue_lanes`. */
export class BuildQueueLane extends Model.Class<BuildQueueLane>("BuildQueueLane")(
  {
    flowId: Count,
    registryId: Name,
    /** Empty for jobs without a key. */
    concurrencyKey: Schema.String,
    bucket: Schema.String,
    /** The due time of the first job. None for a lane without a key, whose jobs are read from their index. */
    headAt: OptionalTimestamp,
    /** The earliest start by the rate limit of the key. */
    opensAt: Count,
    keyIsFull: Count,
    registryIsPaused: Count
  },
  table({
    name: "build_queue_lanes",
    service: "BuildQueueRepo",
    purpose: maintained("The queued jobs of a flow with one registry and concurrency key, oldest first.")
  })
) {}

/** A row of `build_queue_keys`. */
export class BuildQueueKey extends Model.Class<BuildQueueKey>("BuildQueueKey")(
  {
    bucket: Schema.String,
    concurrencyKey: Name,
    maxRunning: Count,
    /** The time in which the rate limit allows one start, in microseconds. None: no limit. */
    startIntervalUs: optional(Count),
    /** The time until which all allowed starts of a minute are used, in microseconds. */
    emptyUntilUs: Count,
    queued: Count,
    running: Count
  },
  table({
    name: "build_queue_keys",
    service: "BuildQueueRepo",
    purpose: maintained("The limits and the use of the concurrency keys of queued and running jobs.")
  })
) {}

/** A part of the queue. `id` is the id of the owner or registry; the whole queue has none. */
export const QueuePart = Schema.Union(
  Schema.Struct({ scope: Schema.Literal("queue") }),
  Schema.Struct({ scope: Schema.Literal("owner", "registry"), id: Name })
)

/** The reason for which no queued job of an owner and priority can be claimed. */
export const BlockedBy = enumeration(
  "queue-paused",
  "owner-paused",
  "owner-limit",
  "key-limit",
  "registry-paused",
  "start-limit",
  "not-due"
)
export type BlockedBy = typeof BlockedBy.Type

/** The load of one owner and priority. */
export const QueueLoad = Schema.Struct({
  /** None for the jobs without an owner. */
  ownerUserId: Schema.optionalWith(Schema.String, { as: "Option" }),
  priority: Count,
  queued: Count,
  running: Count,
  /** The due time of the oldest queued job. */
  oldestDueAt: Schema.optionalWith(Schema.DateTimeUtc, { as: "Option" }),
  /** None if the next job can be claimed, or if no job is queued. */
  blockedBy: Schema.optionalWith(BlockedBy, { as: "Option" })
})
export interface QueueLoad extends Schema.Schema.Type<typeof QueueLoad> {}

/** The load of one priority, as far as its jobs wait for the same reason. */
export const PriorityLoad = QueueLoad.omit("ownerUserId")
export interface PriorityLoad extends Schema.Schema.Type<typeof PriorityLoad> {}

/** The load of one owner, over all priorities. */
export const OwnerLoad = Schema.Struct({
  ...QueueLoad.omit("priority", "blockedBy").fields,
  /** The number of queued jobs of priorities of which no job can be claimed. */
  blocked: Count
})
export interface OwnerLoad extends Schema.Schema.Type<typeof OwnerLoad> {}

/** The load of the queue, once by priority and once by owner. */
export const QueueSummary = Schema.Struct({
  priorities: Schema.Array(PriorityLoad),
  owners: Schema.Array(OwnerLoad)
})
export interface QueueSummary extends Schema.Schema.Type<typeof QueueSummary> {}
