/**
 * How long rows are kept in the tables that only grow, and how those are removed whose time is over.
 *
 * What it guarantees:
 * - Live rows stay, however old: sessions that have not expired, jobs and deliveries that wait or run, the keys of what was
 *   launched and goes on, events that a named consumer has not acknowledged. The guard is in the DELETE, so that a row that comes to life meanwhile stays, too.
 * - Writers do not wait noticeably: old rows are looked for on the reading connection, and removed by their keys, a
 *   batch in one statement, with a pause after each batch.
 * - It can be stopped at any moment and run again, also in several processes at once: what is removed stays removed, and
 *   the oldest go first.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Duration, Effect, Option, Record, Schema, Stream } from "effect"
import type { InvalidInput, PersistenceError } from "./Errors.js"
import { decodeDuration, durationBetween } from "./sql/durations.js"
import { nextTurn } from "./libsql/eventLoop.js"
import { steps } from "./sql/paging.js"
import { operations } from "./sql/operations.js"
import { growing, type Growing, kept as keptTables, type Walk } from "./operations/retentionTables.js"

/** A table that grows and has a retention. */
export type GrowingTable = keyof typeof growing

const tables = Object.keys(growing) as ReadonlyArray<GrowingTable>

/** How long rows of each table are kept; `keep` is for ever. A table that is left out has its default. */
export type Policy = { readonly [Table in GrowingTable]?: Duration.DurationInput | "keep" }

/** The retention of a table when nothing else is said. */
export interface DefaultRetention {
  readonly keepFor: Duration.Duration
  /** Since when that is counted: "they expired". */
  readonly since: string
}

/** The tables that grow, in the order in which they are purged, with their defaults. */
export const defaults: Readonly<Record<GrowingTable, DefaultRetention>> = Record.map(growing, ({ days, since }) => ({
  keepFor: Duration.days(days),
  since
}))

/** The tables of which nothing is removed, and why. */
export const kept: Readonly<Record<string, string>> = keptTables

/** How to purge. */
export interface PurgeOptions {
  readonly policy?: Policy
  /** How many rows are looked at, and removed at most, in one step: 1 to 1,000, default 200. */
  readonly batchSize?: number
  /** The pause after each full batch, up to a minute. Default 10 ms. */
  readonly pause?: Duration.DurationInput
  /** Only count what would go. Default false. */
  readonly dryRun?: boolean
}

/** What one batch did. */
export interface PurgedBatch {
  readonly table: GrowingTable
  /** How many rows were looked at that are old enough. */
  readonly examined: number
  /** How many of them were removed, or would be. */
  readonly removed: number
}

/** How many rows were removed from each table that grows, or would be. */
export type Purged = Readonly<Record<GrowingTable, number>>

/**
 * Removes the rows whose time is over, table by table, and says how many of each. When it is interrupted or fails, what
 * was removed by then is gone, and the next run goes on.
 *
 * Fails with `InvalidInput`, before anything is removed, for a table that has no retention, a duration that is none, or a
 * batch size or pause out of range; with `PersistenceError` when the database cannot be written.
 *
 * @example
 * ```ts
 * import { Retention } from "@sealant/db"
 *
 * // Once an hour; webhook deliveries stay for a week, the journal for ever.
 * export const purge = Retention.purge({
 *   policy: { github_webhook_deliveries: "7 days", control_plane_events: "keep" }
 * })
 * ```
 */
export const purge = (options: PurgeOptions = {}): Effect.Effect<Purged, InvalidInput | PersistenceError, SqlClient.SqlClient> =>
  Stream.runFold(purgeBatches(options), nothing, (purged, { removed, table }): Purged => ({ ...purged, [table]: purged[table] + removed })).pipe(
    Effect.withSpan("Retention.purge", { captureStackTrace: false })
  )

const nothing: Purged = Record.map(growing, () => 0)

/** As `purge`, and tells of each batch when it is done: for progress. Removes what is pulled. */
export const purgeBatches = (options: PurgeOptions = {}): Stream.Stream<PurgedBatch, InvalidInput | PersistenceError, SqlClient.SqlClient> =>
  Stream.unwrap(Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const { batchSize, dryRun, pause, policy } = yield* input("purge", Options)(options)
    const now = yield* Clock.currentTimeMillis
    const walks = tables.flatMap((table) => {
      const until = now - millisOf(policy[table] ?? defaults[table].keepFor)
      return Number.isFinite(until) ? growing[table].walks.map((walk: Walk) => ({ table, walk, until: Math.floor(until) })) : []
    })
    return Stream.flatMap(Stream.fromIterable(walks), ({ table, until, walk }) => {
      const step = stepOf(sql, table, walk, { batchSize, dryRun, until })
      return steps(Option.none<Place>(), (from) =>
        // Pauses only between two batches of one kind of rows; a purge with little to remove does not sleep.
        Effect.zipRight(Option.isSome(from) ? Effect.sleep(pause) : nextTurn, step(from)).pipe(
          Effect.map(([batch, next]) => [batch, Option.map(next, Option.some)] as const)
        ))
    })
  }))

const { input, read } = operations("Retention", "Retention")

const isKeepFor = (given: unknown): given is Duration.DurationInput | "keep" =>
  given === "keep"
  // A hundred years are longer than any history, and yet from an instant to an instant.
  || Option.exists(decodeDuration(given), (duration) => !Duration.isFinite(duration) || Duration.lessThanOrEqualTo(duration, "36500 days"))

const KeepFor = Schema.declare(isKeepFor, { message: () => "must be a duration of up to a hundred years, or `keep`" })

const Options = Schema.Struct({
  policy: Schema.optionalWith(
    Schema.Struct(Record.map(growing, () => Schema.optional(KeepFor))).annotations({ parseOptions: { onExcessProperty: "error" } }),
    { default: () => ({}) }
  ),
  batchSize: Schema.optionalWith(
    Schema.Int.pipe(Schema.between(1, 1000, { message: () => "must be a whole number from 1 to 1000" })),
    { default: () => 200 }
  ),
  pause: Schema.optionalWith(durationBetween(0, "1 minute", "must be a duration of up to a minute"), { default: () => "10 millis" as const }),
  dryRun: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

const millisOf = (keepFor: Duration.DurationInput | "keep"): number => keepFor === "keep" ? Infinity : Duration.toMillis(keepFor)

/** The place of a row on its walk: the values of the columns of the order. */
type Place = ReadonlyArray<unknown>

interface StepOptions {
  readonly batchSize: number
  readonly dryRun: boolean
  readonly until: number
}

/** One batch from a place on, and the place where the next one begins, if there is one. */
const stepOf = (sql: SqlClient.SqlClient, table: GrowingTable, walk: Walk, { batchSize, dryRun, until }: StepOptions) => {
  const { lookText, removeText } = textsOf(table, walk)
  return (from: Option.Option<Place>) =>
    Effect.gen(function*() {
      const start = Option.getOrElse(from, () => walk.order.map(() => beginning))
      const found = yield* sql.unsafe<Readonly<Record<string, unknown>>>(lookText, [until, batchSize, ...start])
      const young = found.findIndex(({ old }) => old === 0)
      // Where all that comes after a young row is young, too, the walk ends there.
      const walked = walk.mixed === true || young < 0 ? found : found.slice(0, young)
      const examined = walked.filter(({ old }) => old === 1)
      const keys = examined.filter(({ ended }) => ended === 1).map((row) => growing[table].key.map((column) => row[column]))
      const removed = keys.length === 0 || dryRun
        ? keys.length
        : (yield* sql.unsafe(removeText, [until, JSON.stringify(keys)])).length
      const last = walked.at(-1)
      const next: Option.Option<Place> = walked.length < batchSize || last === undefined
        ? Option.none()
        : Option.some(walk.order.map((column) => last[column]))
      const batch: PurgedBatch = { table, examined: examined.length, removed }
      return [batch, next] as const
    }).pipe(read("purge", { table }))
}

// Before every row, whatever the other columns hold: instants and positions are not negative.
const beginning = -1

const textsOf = (table: GrowingTable, { order, part }: Walk) => {
  const { ended = "true", key, old }: Growing = growing[table]
  const places = order.map((_, index) => `?${index + 3}`)
  const columns = [...new Set([...order, ...key])].map((column) => `${column} AS ${column}`).join(", ")
  const inPart = part === undefined ? "" : `${part} AND `
  return {
    // ?2: how many rows; then the place after which it begins.
    lookText: `
      SELECT ${columns}, ${old} AS old, ${old} AND ${ended} AS ended FROM ${table}
      WHERE ${inPart}(${order.join(", ")}) > (${places.join(", ")})
      ORDER BY ${order.join(", ")} LIMIT ?2`.trim(),
    // ?2: the keys. What was seen is asked again: a row may have come to life since.
    removeText: `
      DELETE FROM ${table}
      WHERE (${key.join(", ")}) IN (SELECT ${key.map((_, index) => `value ->> ${index}`).join(", ")} FROM json_each(?2))
        AND ${inPart}${old} AND ${ended}
      RETURNING 1`.trim()
  }
}
