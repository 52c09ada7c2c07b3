/**
 * Statistics of the whole database, from a consistent snapshot.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Duration, Effect, Option, Schema } from "effect"
import { WorkspaceBuildJobStatus } from "../build-job/WorkspaceBuildJob.js"
import { GitHubWebhookDeliveryStatus } from "../github/GitHubWebhookDelivery.js"
import type { Place } from "../libsql/registry.js"
import { ledgerPresentText } from "../migration/ledger.js"
import { RuntimeTeardownStatus } from "../sandbox/RuntimeTeardown.js"
import { Count } from "../sql/columns.js"
import { sizeOf } from "./files.js"
import { countRows } from "./integrity.js"
import { placeOf, type Reader, readerOf } from "./reader.js"

/** The depth of a queue. */
export const QueueDepth = Schema.Struct({
  byStatus: Schema.Record({ key: Schema.String, value: Count }),
  /** The number of waiting rows that can be claimed now. */
  due: Count,
  /** The time for which the oldest due row could have been claimed; `None` when no row is due. Milliseconds in JSON. */
  oldestQueuedAge: Schema.optionalWith(Schema.DurationFromMillis, { as: "Option" })
})
export interface QueueDepth extends Schema.Schema.Type<typeof QueueDepth> {}

/** The depths of the queues, and the sandboxes that are not archived, by their derived status. */
export const Depths = Schema.Struct({
  queue: QueueDepth,
  teardowns: QueueDepth,
  inbox: QueueDepth,
  sandboxes: Schema.Record({ key: Schema.String, value: Count })
})
export interface Depths extends Schema.Schema.Type<typeof Depths> {}

/** Statistics of a database. Sizes are those of a local file; a server and a database in memory have none. */
export const Stats = Schema.Struct({
  /** The version of SQLite in the engine, as `3.45.1`. */
  engineVersion: Schema.String,
  /** The number of applied migrations. */
  migrations: Count,
  /** The number of rows of each table. */
  tables: Schema.Record({ key: Schema.String, value: Count }),
  fileBytes: Schema.optionalWith(Count, { as: "Option" }),
  walBytes: Schema.optionalWith(Count, { as: "Option" }),
  /** Bytes of free pages in the file, which later rows use. */
  reusableBytes: Schema.optionalWith(Count, { as: "Option" }),
  /** The queue of build jobs. */
  queue: QueueDepth,
  /** The queue of teardowns of runtimes. */
  teardowns: QueueDepth,
  /** The inbox of webhook deliveries. */
  inbox: QueueDepth
})
export interface Stats extends Schema.Schema.Type<typeof Stats> {}

/** The sizes of a local file. */
export const FileSizes = Schema.Struct({
  fileBytes: Schema.optionalWith(Count, { as: "Option" }),
  walBytes: Schema.optionalWith(Count, { as: "Option" })
})
export interface FileSizes extends Schema.Schema.Type<typeof FileSizes> {}

/** Returns the sizes of a file and its log; `None` for other databases. */
export const fileSizesOf = (place: Place): Effect.Effect<FileSizes> =>
  place.kind === "file"
    ? Effect.all({
        fileBytes: Effect.asSome(sizeOf(place.path)),
        walBytes: Effect.asSome(sizeOf(`${place.path}-wal`))
      })
    : Effect.succeed({ fileBytes: Option.none(), walBytes: Option.none() })

// The pages of indexes belong to their table (https://www.sqlite.org/dbstat.html).
const tableSizesText = `
  SELECT m.tbl_name AS name, sum(d.pgsize) AS bytes FROM dbstat AS d JOIN sqlite_schema AS m ON m.name = d.name
  WHERE d.aggregate = TRUE GROUP BY m.tbl_name`

/** Returns the bytes of the pages of each table. */
export const tableSizesOf = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  if (placeOf(sql).kind !== "file") return {}
  const reader = yield* readerOf(sql)
  const rows = yield* reader.all(tableSizesText)
  return Object.fromEntries(rows.map(({ bytes, name }) => [String(name), Number(bytes)]))
}).pipe(Effect.scoped)

/** Collects the statistics. Counts every row. */
export const collectStats = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const place = placeOf(sql)
  const now = yield* Clock.currentTimeMillis
  const reader = yield* readerOf(sql)
  const sizes = yield* fileSizesOf(place)
  return yield* reader.inSnapshot(
    Effect.gen(function* () {
      const [version] = yield* reader.all("SELECT sqlite_version() AS version")
      const isMigrated = (yield* reader.all(ledgerPresentText)).length > 0
      const [ledger] = isMigrated ? yield* reader.all("SELECT count(*) AS count FROM sealant_migrations") : []
      const stats: Stats = {
        engineVersion: String(version?.["version"]),
        migrations: Number(ledger?.["count"] ?? 0),
        tables: yield* countRows(reader),
        ...sizes,
        reusableBytes: place.kind === "server" ? Option.none() : Option.some(yield* freeBytes(reader)),
        ...(yield* queuesOf(reader, now))
      }
      return stats
    })
  )
}).pipe(Effect.scoped)

const queuesOf = (reader: Reader, now: number) =>
  Effect.all({
    queue: depthOf(reader, "oci_image_build_jobs", WorkspaceBuildJobStatus.literals, "queued", now),
    teardowns: depthOf(reader, "runtime_teardowns", RuntimeTeardownStatus.literals, "queued", now),
    inbox: depthOf(reader, "github_webhook_deliveries", GitHubWebhookDeliveryStatus.literals, "received", now)
  })

// The index is that of the operators' list.
const sandboxesText = `
  SELECT view_status AS status, count(*) AS count FROM sandboxes INDEXED BY sandboxes_view_status_created_at_idx
  WHERE archived_at IS NULL GROUP BY view_status`

/** Counts the depths. */
export const collectDepths = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis
  const reader = yield* readerOf(yield* SqlClient.SqlClient)
  return yield* reader.inSnapshot(
    Effect.gen(function* () {
      const counts = yield* reader.all(sandboxesText)
      const depths: Depths = {
        ...(yield* queuesOf(reader, now)),
        sandboxes: Object.fromEntries(counts.map(({ count, status }) => [String(status), Number(count)]))
      }
      return depths
    })
  )
}).pipe(Effect.scoped)

const freeBytes = (reader: Reader) =>
  Effect.map(
    reader.all("SELECT freelist_count * page_size AS bytes FROM pragma_freelist_count, pragma_page_size"),
    ([row]) => Number(row?.["bytes"] ?? 0)
  )

const depthOf = (reader: Reader, table: string, statuses: ReadonlyArray<string>, waiting: string, now: number) =>
  Effect.gen(function* () {
    const counts = yield* reader.all(`SELECT status, count(*) AS count FROM ${table} GROUP BY status`)
    const [oldest] = yield* reader.all(
      `SELECT count(*) AS due, min(available_at) AS since FROM ${table} WHERE status = '${waiting}' AND available_at <= ${now}`
    )
    const since = oldest?.["since"]
    return {
      byStatus: Object.fromEntries([
        ...statuses.map((status) => [status, 0] as const),
        ...counts.map(({ count, status }) => [String(status), Number(count)] as const)
      ]),
      due: Number(oldest?.["due"] ?? 0),
      oldestQueuedAge: typeof since === "number" ? Option.some(Duration.millis(now - since)) : Option.none()
    }
  })
