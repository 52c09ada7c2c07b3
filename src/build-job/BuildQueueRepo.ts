/**
 * The build queue as a whole: pauses, and the load by owner and priority.
 *
 * - No job is claimed from a paused part of the queue. Running builds continue, so a paused queue drains. Their retries
 *   wait until the part is resumed.
 * - Resuming wakes waiting workers.
 *
 * Internal: for operators, not for request handlers.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, DateTime, Effect, Layer, Option, Schema } from "effect"
import type { InvalidInput, PersistenceError } from "../Errors.js"
import { Prose } from "../sql/columns.js"
import { Limited } from "../sql/inputLimits.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import {
  type BlockedBy,
  BuildQueuePause,
  type OwnerLoad,
  type PriorityLoad,
  type QueueLoad,
  QueuePart,
  type QueueSummary
} from "./BuildQueue.js"
import { makeQueueCounters } from "./queueCounters.js"
import { loadByOwnerText, loadByPriorityText, loadText } from "./queueStatements.js"

/** Methods of `BuildQueueRepo`. */
export interface BuildQueueService {
  /**
   * Pauses the whole queue, an owner or a registry, whether it exists or not. Idempotent: returns the pause that is in
   * effect, with its first reason. Fails with `InvalidInput` if a field is invalid.
   */
  readonly pause: (request: {
    readonly part: typeof QueuePart.Encoded
    readonly reason?: string | undefined
  }) => Effect.Effect<BuildQueuePause, InvalidInput | PersistenceError>

  /** Ends a pause. Idempotent. Fails with `InvalidInput` if a field is invalid. */
  readonly resume: (part: typeof QueuePart.Encoded) => Effect.Effect<void, InvalidInput | PersistenceError>

  /** Returns all pauses, oldest first. */
  readonly listPauses: Effect.Effect<ReadonlyArray<BuildQueuePause>, PersistenceError>

  /**
   * Returns the load of up to `limit` (1 to 1,000) owners and priorities with queued or running jobs, and why their jobs
   * wait. The most urgent priority comes first, in it the owner with the most queued jobs. Reads the rows of all owners,
   * so the cost grows with their number: for operators and metrics. Fails with `InvalidInput` if `limit` is out of
   * range.
   */
  readonly load: (limit: number) => Effect.Effect<ReadonlyArray<QueueLoad>, InvalidInput | PersistenceError>

  /**
   * Returns the load by priority and reason to wait, and that of the `limit` (1 to 1,000) owners with the most queued
   * jobs, most first. Costs as much as `load`. Fails with `InvalidInput` if `limit` is out of range.
   */
  readonly summarize: (limit: number) => Effect.Effect<QueueSummary, InvalidInput | PersistenceError>

  /**
   * Counts the owners for whom the tables `build_queue_*` differ from their jobs, limits and pauses: 0, unless a program
   * wrote these tables itself, or a clock was more than 6 minutes ahead. Reads all queued and running jobs.
   */
  readonly drift: Effect.Effect<number, PersistenceError>

  /**
   * Recomputes the tables `build_queue_*` of the owners that `drift` counts, each in one transaction, and returns their
   * number. `Supervisor` does the same for 100 owners in each round, except those with more than 10,000 queued jobs.
   */
  readonly repair: Effect.Effect<number, PersistenceError>
}

const { decodeInput, onlyFields, traced } = operations("BuildQueueRepo", "BuildQueuePause")

const Reason = Schema.Struct({ reason: Schema.optional(Prose) })

const subjectOf = (part: typeof QueuePart.Type) => (part.scope === "queue" ? "" : part.id)

interface Counts {
  readonly queued: number
  readonly running: number
  readonly oldest: number | null
}

interface ByPriority extends Counts {
  readonly priority: number
  readonly blockedBy: BlockedBy | null
}

interface ByOwner extends Counts {
  readonly bucket: string
  readonly blocked: number
}

const countsOf = ({ oldest, queued, running }: Counts) => ({
  queued,
  running,
  oldestDueAt: Option.map(Option.fromNullable(oldest), DateTime.unsafeMake)
})

const ofPriority = (row: ByPriority): PriorityLoad => ({
  priority: row.priority,
  ...countsOf(row),
  blockedBy: Option.fromNullable(row.blockedBy)
})

const ownerOf = (bucket: string) => ({ ownerUserId: bucket === "" ? Option.none() : Option.some(bucket) })

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const pauses = yield* rowsOf(BuildQueuePause)
  const columns = sql.literal(columnList(BuildQueuePause))
  const counters = makeQueueCounters(sql)

  const service: BuildQueueService = {
    pause: (request) =>
      Effect.gen(function* () {
        yield* onlyFields("pause", ["part", "reason"])(request)
        const part = yield* decodeInput("pause", QueuePart)(request.part)
        const { reason } = yield* decodeInput("pause", Reason)({ reason: request.reason })
        // The update changes nothing, so that the statement returns the row.
        return yield* pauses.single(sql`
          INSERT INTO build_queue_pauses (scope, subject, reason, paused_at)
          VALUES (${part.scope}, ${subjectOf(part)}, ${reason ?? null}, ${yield* Clock.currentTimeMillis})
          ON CONFLICT (scope, subject) DO UPDATE SET paused_at = paused_at
          RETURNING ${columns}`)
      }).pipe(traced("pause")),

    resume: (request) =>
      Effect.gen(function* () {
        const part = yield* decodeInput("resume", QueuePart)(request)
        yield* sql`DELETE FROM build_queue_pauses WHERE scope = ${part.scope} AND subject = ${subjectOf(part)}`
      }).pipe(traced("resume")),

    listPauses: pauses
      .findAll(sql`SELECT ${columns} FROM build_queue_pauses ORDER BY paused_at, scope, subject`)
      .pipe(traced("listPauses")),

    load: (limit) =>
      Effect.gen(function* () {
        const { limit: count } = yield* decodeInput("load", Limited)({ limit })
        const rows = yield* sql.unsafe<ByPriority & { readonly bucket: string }>(loadText, [
          yield* Clock.currentTimeMillis,
          count
        ])
        return rows.map((row): QueueLoad => ({ ...ownerOf(row.bucket), ...ofPriority(row) }))
      }).pipe(traced("load")),

    summarize: (limit) =>
      Effect.gen(function* () {
        const { limit: count } = yield* decodeInput("summarize", Limited)({ limit })
        const now = yield* Clock.currentTimeMillis
        const priorities = yield* sql.unsafe<ByPriority>(loadByPriorityText, [now])
        const owners = yield* sql.unsafe<ByOwner>(loadByOwnerText, [now, count])
        return {
          priorities: priorities.map(ofPriority),
          owners: owners.map((row): OwnerLoad => ({ ...ownerOf(row.bucket), ...countsOf(row), blocked: row.blocked }))
        }
      }).pipe(traced("summarize")),

    drift: counters.drift.pipe(traced("drift")),

    repair: counters.repair.pipe(traced("repair"))
  }
  return service
})

/** The build queue as a whole. */
export class BuildQueueRepo extends Context.Tag("@sealant/db/BuildQueueRepo")<BuildQueueRepo, BuildQueueService>() {
  /** The repository over `SqlClient`. */
  static readonly layer: Layer.Layer<BuildQueueRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
