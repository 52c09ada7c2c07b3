/**
 * The retention of rows in the tables that only grow, and the purge of expired rows.
 *
 * It guarantees:
 * - Live rows stay, however old: sessions that have not expired, jobs and deliveries that wait or are processed, the
 *   keys of active launches and executions, and events that a named consumer has not acknowledged. The DELETE
 *   contains this condition, so a row that becomes live meanwhile stays, too.
 * - Writers do not wait noticeably. Old rows are found on the reading connection, and removed by their keys, one
 *   batch per statement, with a pause after each batch.
 * - A purge can be stopped at any moment and run again, also in several processes at once. Removed rows stay removed,
 *   and the oldest are removed first.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Duration, Effect, Option, Record, Schema, Stream } from "effect"
import type { InvalidInput, PersistenceError } from "./Errors.js"
import { Count } from "./sql/columns.js"
import { decodeDuration, durationBetween } from "./sql/durations.js"
import { nextTurn } from "./libsql/eventLoop.js"
import { Limit } from "./sql/inputLimits.js"
import { steps } from "./sql/paging.js"
import { operations } from "./sql/operations.js"
import { growing, type Growing, kept as keptTables, type Scan } from "./operations/retentionTables.js"

/** A table that grows and has a retention. */
export type GrowingTable = keyof typeof growing

const tables = Object.keys(growing) as ReadonlyArray<GrowingTable>

/** The retention of each table; `keep` keeps its rows for ever. A table that is omitted has its default. */
export type Policy = { readonly [Table in GrowingTable]?: Duration.DurationInput | "keep" | undefined }

/** The default retention of a table. */
export interface DefaultRetention {
  readonly keepFor: Duration.Duration
  /** The start of the retention: "they expired". */
  readonly since: string
}

/** The tables that grow, in the order in which they are purged, with their defaults. */
export const defaults: Readonly<Record<GrowingTable, DefaultRetention>> = Record.map(growing, ({ days, since }) => ({
  keepFor: Duration.days(days),
  since
}))

/** The tables whose rows are never purged, and the reasons. */
export const kept: Readonly<Record<string, string>> = keptTables

/** The options of a purge. */
export interface PurgeOptions {
  readonly policy?: Policy | undefined
  /**
   * The number of rows that one step examines, and so the most that it removes: 1 to 1,000, default 200. A step examines
   * fewer rows when their documents and messages have more than 4 MB together.
   */
  readonly batchSize?: number | undefined
  /** The pause after each full batch, up to a minute. Default 10 ms. */
  readonly pause?: Duration.DurationInput | undefined
  /** Whether the rows are only counted and not removed. Default false. */
  readonly dryRun?: boolean | undefined
}

/** The result of one batch. */
export const PurgedBatch = Schema.Struct({
  table: Schema.Literal(...tables),
  /** The number of examined rows that are old enough. */
  examined: Count,
  /** The number of rows that were removed, or would be. */
  removed: Count
})
export interface PurgedBatch extends Schema.Schema.Type<typeof PurgedBatch> {}

/** The number of rows that were removed from each growing table, or would be. */
export const Purged = Schema.Struct(Record.map(growing, () => Count))
export interface Purged extends Schema.Schema.Type<typeof Purged> {}

/**
 * Removes expired rows, table by table, and returns their number for each table. When it is interrupted or fails, the
 * rows that were removed by then stay removed, and the next purge continues.
 *
 * Fails with `InvalidInput`, before anything is removed, if a table has no retention, a duration is invalid, or the
 * batch size or the pause is out of range. Fails with `PersistenceError` if the database cannot be written.
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
export const purge = (
  options: PurgeOptions = {}
): Effect.Effect<Purged, InvalidInput | PersistenceError, SqlClient.SqlClient> =>
  Stream.runFold(
    purgeBatches(options),
    nothing,
    (purged, { removed, table }): Purged => ({ ...purged, [table]: purged[table] + removed })
  ).pipe(Effect.withSpan("Retention.purge", { captureStackTrace: false }))

const nothing: Purged = Record.map(growing, () => 0)

/**
 * Removes expired rows as `purge` does, and emits the result of each batch, for reports of progress. Removes only the
 * batches that are pulled.
 */
export const purgeBatches = (
  options: PurgeOptions = {}
): Stream.Stream<PurgedBatch, InvalidInput | PersistenceError, SqlClient.SqlClient> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { batchSize, dryRun, pause, policy } = yield* decodeInput("purge", Options)(options)
      const now = yield* Clock.currentTimeMillis
      const scans = tables.flatMap((table) => {
        const until = now - millisOf(policy[table] ?? defaults[table].keepFor)
        return Number.isFinite(until)
          ? growing[table].scans.map((scan: Scan) => ({ table, scan, until: Math.floor(until) }))
          : []
      })
      return Stream.flatMap(Stream.fromIterable(scans), ({ scan, table, until }) => {
        const step = stepOf(sql, table, scan, { batchSize, dryRun, until })
        return steps(Option.none<Position>(), (from) =>
          // Pauses only between two batches of one scan, so that a purge with few rows to remove does not sleep.
          Effect.zipRight(Option.isSome(from) ? Effect.sleep(pause) : nextTurn, step(from)).pipe(
            Effect.map(([batch, next]) => [batch, Option.map(next, Option.some)] as const)
          )
        )
      })
    })
  )

const { decodeInput, traced } = operations("Retention", "Retention")

const isKeepFor = (value: unknown): value is Duration.DurationInput | "keep" =>
  value === "keep" ||
  // A hundred years exceed any history, and still fit between two instants.
  Option.exists(
    decodeDuration(value),
    (duration) => !Duration.isFinite(duration) || Duration.lessThanOrEqualTo(duration, "36500 days")
  )

const KeepFor = Schema.declare(isKeepFor, { message: () => "must be a duration of up to a hundred years, or `keep`" })

const Options = Schema.Struct({
  policy: Schema.optionalWith(
    Schema.Struct(Record.map(growing, () => Schema.optional(KeepFor))).annotations({
      parseOptions: { onExcessProperty: "error" }
    }),
    { default: () => ({}) }
  ),
  batchSize: Schema.optionalWith(Limit, { default: () => 200 }),
  pause: Schema.optionalWith(durationBetween(0, "1 minute", "must be a duration of up to a minute"), {
    default: () => "10 millis" as const
  }),
  dryRun: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

const millisOf = (keepFor: Duration.DurationInput | "keep"): number =>
  keepFor === "keep" ? Infinity : Duration.toMillis(keepFor)

/** The bytes of long texts that one statement removes, unless a single row has more: about 10 ms. */
const batchBytes = 4_000_000

/** Returns the first rows whose long texts have up to `batchBytes` together, but at least one row. */
const limitedBytes = (rows: ReadonlyArray<Found>): ReadonlyArray<Found> => {
  let bytes = 0
  const end = rows.findIndex((row, index) => {
    bytes += Number(row["bytes"])
    return index > 0 && bytes > batchBytes
  })
  return end < 0 ? rows : rows.slice(0, end)
}

type Found = Readonly<Record<string, unknown>>

/** The position of a row in its scan: the values of the columns of the order. */
type Position = ReadonlyArray<unknown>

interface StepOptions {
  readonly batchSize: number
  readonly dryRun: boolean
  readonly until: number
}

/** Runs one batch from a position on. Returns the position from which the next batch starts, or `None` at the end. */
const stepOf = (
  sql: SqlClient.SqlClient,
  table: GrowingTable,
  scan: Scan,
  { batchSize, dryRun, until }: StepOptions
) => {
  const { removeText, selectText } = textsOf(table, scan)
  return (from: Option.Option<Position>) =>
    Effect.gen(function* () {
      const start = Option.getOrElse(from, () => scan.order.map(() => scan.below ?? beginning))
      const read = yield* sql.unsafe<Found>(selectText, [until, batchSize, ...start])
      const found = limitedBytes(read)
      const young = found.findIndex(({ old }) => old === 0)
      // In an order by age, all rows after a young one are young, too, so the scan ends there.
      const scanned = scan.mixed === true || young < 0 ? found : found.slice(0, young)
      const examined = scanned.filter(({ old }) => old === 1)
      const keys = examined
        .filter(({ ended }) => ended === 1)
        .map((row) => growing[table].key.map((column) => row[column]))
      const removed =
        keys.length === 0 || dryRun
          ? keys.length
          : (yield* sql.unsafe(removeText, [until, JSON.stringify(keys)])).length
      const last = scanned.at(-1)
      const isOver = scanned.length < found.length || (found.length === read.length && read.length < batchSize)
      const next: Option.Option<Position> =
        isOver || last === undefined ? Option.none() : Option.some(scan.order.map((column) => last[column]))
      const batch: PurgedBatch = { table, examined: examined.length, removed }
      return [batch, next] as const
    }).pipe(traced("purge", { table }))
}

// Below every number of a position: instants and positions are not negative.
const beginning = -1

const textsOf = (table: GrowingTable, { order, part }: Scan) => {
  const { longTexts = [], ended = "true", key, old }: Growing = growing[table]
  const parameters = order.map((_, index) => `?${index + 3}`)
  const columns = [...new Set([...order, ...key])].map((column) => `${column} AS ${column}`).join(", ")
  // The engine reads the length of a value without the value.
  const bytes = ["0", ...longTexts.map((column) => `coalesce(octet_length(${column}), 0)`)].join(" + ")
  const inPart = part === undefined ? "" : `${part} AND `
  return {
    // ?2 is the number of rows. The following parameters are the position after which the batch begins.
    selectText: `
      SELECT ${columns}, ${old} AS old, ${old} AND ${ended} AS ended, ${bytes} AS bytes FROM ${table}
      WHERE ${inPart}(${order.join(", ")}) > (${parameters.join(", ")})
      ORDER BY ${order.join(", ")} LIMIT ?2`.trim(),
    // ?2 contains the keys. The conditions are checked again, because a row may have become live since the SELECT.
    removeText: `
      DELETE FROM ${table}
      WHERE (${key.join(", ")}) IN (SELECT ${key.map((_, index) => `value ->> ${index}`).join(", ")} FROM json_each(?2))
        AND ${inPart}${old} AND ${ended}
      RETURNING 1`.trim()
  }
}
