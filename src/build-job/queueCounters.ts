/**
 * The comparison of the tables that triggers maintain for the order of claims with the jobs, and their repair. They
 * differ only if a program wrote these tables itself, disabled triggers, or has a clock that is far ahead.
 *
 * `expected` selects what the tables should contain. The comparison runs on a page of owners; a repair recomputes the
 * rows of one owner in one transaction.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Clock, Effect } from "effect"
import { nextTurn } from "../libsql/eventLoop.js"
import { operations } from "../sql/operations.js"
import { writeAll } from "../sql/writeAll.js"
import { limitOf } from "./quotas.js"

/** Supervision skips owners with more queued jobs, because comparing them would block the event loop. */
const mostQueued = 10_000

/** The number of owners that one statement compares. */
const pageSize = 100

/** A rate limit keeps a key closed for at most a minute. The rest allows for clocks that differ. */
const farAheadMs = 6 * 60_000

const { traced } = operations("BuildQueueRepo", "BuildQueueFlow")

/** The advance of a flow of weight 1, as in `migrations/0023_fair_queue.ts`. */
const turn = 720_720

// Two CTEs of the jobs, in which the owners are those of ?1: a JSON array. Ended jobs have no place in the queue.
const expected = `
  WITH owners (bucket) AS (SELECT value FROM json_each(?1)),
  queued AS MATERIALIZED (
    SELECT o.bucket, j.priority, j.registry_id, coalesce(j.concurrency_key, '') AS concurrency_key,
      count(*) AS queued, min(j.available_at) AS head_at
    FROM owners AS o CROSS JOIN oci_image_build_jobs AS j INDEXED BY oci_image_build_jobs_lanes_idx
      ON j.status = 'queued' AND j.owner_user_id IS nullif(o.bucket, '')
    GROUP BY o.bucket, j.priority, j.registry_id, j.concurrency_key),
  counted AS MATERIALIZED (
    SELECT bucket, priority, concurrency_key, queued, 0 AS running FROM queued
    UNION ALL
    SELECT coalesce(owner_user_id, ''), priority, coalesce(concurrency_key, ''), 0, count(*)
    FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_leases_idx
    WHERE status = 'running' AND coalesce(owner_user_id, '') IN (SELECT bucket FROM owners) GROUP BY 1, 2, 3),
  flows AS (SELECT bucket, priority, sum(queued) AS queued, sum(running) AS running FROM counted GROUP BY 1, 2),
  keys AS (
    SELECT bucket, concurrency_key, sum(queued) AS queued, sum(running) AS running
    FROM counted WHERE concurrency_key <> '' GROUP BY 1, 2)`

const ofOwners = "bucket IN (SELECT bucket FROM owners)"

const isFull = `coalesce(
      (SELECT sum(running) FROM build_queue_flows AS s WHERE s.bucket = f.bucket) >= f.max_running, 0)`

const isPaused = (scope: string, subject: string) =>
  `EXISTS (SELECT 1 FROM build_queue_pauses WHERE scope = '${scope}' AND subject = ${subject})`

const stepOf = (owner: string) => `${turn} / coalesce(${limitOf("weight", owner)}, 1)`

/** The due time of the first job of a flow that may be claimed. */
const nextAt = (flow: string) => `(
    SELECT min(at) FROM (
      SELECT (
        SELECT available_at FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_lanes_idx
        WHERE status = 'queued' AND owner_user_id IS nullif(${flow}.bucket, '') AND priority = ${flow}.priority
          AND registry_id = l.registry_id AND concurrency_key IS NULL
        ORDER BY available_at LIMIT 1) AS at
      FROM build_queue_lanes AS l
      WHERE l.flow_id = ${flow}.id AND l.concurrency_key = '' AND l.registry_is_paused = 0
      UNION ALL
      SELECT max(head_at, opens_at) FROM build_queue_lanes
      WHERE flow_id = ${flow}.id AND key_is_full = 0 AND registry_is_paused = 0 AND head_at IS NOT NULL
        AND concurrency_key <> ''))`

const ofKey = (column: string, bucket: string, key: string) =>
  `coalesce((SELECT ${column} FROM build_queue_keys WHERE bucket = ${bucket} AND concurrency_key = ${key}), 0)`

const keyIsFull = "running >= max_running"
const keyOpensAt = "(empty_until_us - 60000000 + start_interval_us + 999) / 1000"

/** Selects the owners of ?1 whose rows differ from their jobs, limits and pauses. ?2: the latest end of an empty bucket. */
const differingText = `${expected}
  SELECT bucket FROM (
    SELECT * FROM flows EXCEPT SELECT bucket, priority, queued, running FROM build_queue_flows WHERE ${ofOwners})
  UNION
  SELECT bucket FROM (
    SELECT bucket, priority, queued, running FROM build_queue_flows WHERE ${ofOwners} AND (queued <> 0 OR running <> 0)
    EXCEPT SELECT * FROM flows)
  UNION
  SELECT bucket FROM (
    SELECT * FROM keys EXCEPT SELECT bucket, concurrency_key, queued, running FROM build_queue_keys WHERE ${ofOwners})
  UNION
  SELECT bucket FROM (
    SELECT bucket, concurrency_key, queued, running FROM build_queue_keys
    WHERE ${ofOwners} AND (queued <> 0 OR running <> 0 OR start_interval_us IS NULL)
    EXCEPT SELECT * FROM keys)
  UNION
  SELECT bucket FROM build_queue_keys WHERE ${ofOwners} AND empty_until_us > ?2
  UNION
  SELECT bucket FROM (
    SELECT bucket, priority, registry_id, concurrency_key, iif(concurrency_key = '', NULL, head_at) FROM queued
    EXCEPT SELECT f.bucket, f.priority, l.registry_id, l.concurrency_key, l.head_at
    FROM build_queue_flows AS f JOIN build_queue_lanes AS l ON l.flow_id = f.id WHERE f.${ofOwners})
  UNION
  SELECT f.bucket FROM build_queue_flows AS f JOIN build_queue_lanes AS l ON l.flow_id = f.id
  WHERE f.${ofOwners} AND (
    l.registry_is_paused <> ${isPaused("registry", "l.registry_id")}
    OR l.key_is_full <> ${ofKey(keyIsFull, "f.bucket", "l.concurrency_key")}
    OR l.opens_at <> ${ofKey(keyOpensAt, "f.bucket", "l.concurrency_key")}
    OR l.concurrency_key <> '' AND NOT EXISTS (
      SELECT 1 FROM queued AS q WHERE q.bucket = f.bucket AND q.priority = f.priority
        AND q.registry_id = l.registry_id AND q.concurrency_key = l.concurrency_key))
  UNION
  SELECT f.bucket FROM build_queue_flows AS f
  WHERE f.${ofOwners} AND (
    f.is_full <> ${isFull} OR f.is_paused <> ${isPaused("owner", "f.bucket")} OR f.step <> ${stepOf("f.bucket")}
    OR f.max_running IS NOT ${limitOf("max_running_builds", "f.bucket")} OR f.next_at IS NOT ${nextAt("f")}
    OR f.is_open AND (f.is_paused OR f.is_full OR f.next_at IS NULL))`.trim()

/**
 * Selects the next owners after ?1 with rows or queued jobs, up to ?2, and the number of their queued jobs. The owner of
 * jobs without one is empty.
 */
const ownersText = `
  WITH RECURSIVE waiting (owner) AS (
    SELECT (
      SELECT owner_user_id FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_lanes_idx
      WHERE status = 'queued' AND owner_user_id > ?1 ORDER BY owner_user_id LIMIT 1)
    UNION ALL
    SELECT (
      SELECT owner_user_id FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_lanes_idx
      WHERE status = 'queued' AND owner_user_id > waiting.owner ORDER BY owner_user_id LIMIT 1)
    FROM waiting WHERE waiting.owner IS NOT NULL LIMIT ?2),
  known (bucket) AS (
    SELECT * FROM (SELECT DISTINCT bucket FROM build_queue_flows WHERE bucket > ?1 ORDER BY bucket LIMIT ?2)
    UNION
    SELECT owner FROM waiting WHERE owner IS NOT NULL
    UNION
    SELECT owner_user_id FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_leases_idx
    WHERE status = 'running' AND owner_user_id > ?1)
  SELECT bucket, (SELECT coalesce(sum(queued), 0) FROM build_queue_flows AS f WHERE f.bucket = known.bucket) AS queued
  FROM known ORDER BY bucket LIMIT ?2`.trim()

/** The last inserted job with a key sets the limits of the key. */
const newestWithKey = (column: string) => `(
    SELECT ${column} FROM oci_image_build_jobs AS j
    WHERE j.status IN ('queued', 'running') AND j.owner_user_id IS nullif(keys.bucket, '')
      AND j.concurrency_key = keys.concurrency_key
    ORDER BY rowid DESC LIMIT 1)`

// A repair of the owner ['...'] of ?1. The flows come first, because lanes refer to them, and last, because triggers on
// the lanes and keys read the flows.
const repairTexts = [
  `${expected}
  INSERT INTO build_queue_flows (bucket, priority, step, is_paused)
  SELECT bucket, priority, ${turn}, 0 FROM flows
  WHERE NOT EXISTS (SELECT 1 FROM build_queue_flows AS f WHERE f.bucket = flows.bucket AND f.priority = flows.priority)`,
  `DELETE FROM build_queue_lanes
  WHERE flow_id IN (SELECT id FROM build_queue_flows WHERE bucket IN (SELECT value FROM json_each(?1)))`,
  `${expected}
  INSERT INTO build_queue_keys (bucket, concurrency_key, max_running, start_interval_us)
  SELECT bucket, concurrency_key, ${newestWithKey("coalesce(concurrency_limit, 1)")}, ${newestWithKey(
    "60000000 / starts_per_minute"
  )} FROM keys
  WHERE true ON CONFLICT (bucket, concurrency_key) DO NOTHING`,
  // A trigger deletes keys without jobs and without a rate limit.
  `${expected}
  UPDATE build_queue_keys SET
    queued = coalesce((SELECT k.queued FROM keys AS k WHERE k.concurrency_key = build_queue_keys.concurrency_key), 0),
    running = coalesce((SELECT k.running FROM keys AS k WHERE k.concurrency_key = build_queue_keys.concurrency_key), 0),
    empty_until_us = iif(empty_until_us > ?2, 0, empty_until_us)
  WHERE ${ofOwners}`,
  `${expected}
  INSERT INTO build_queue_lanes (flow_id, registry_id, concurrency_key, bucket, head_at, key_is_full, opens_at,
    registry_is_paused)
  SELECT f.id, q.registry_id, q.concurrency_key, q.bucket, iif(q.concurrency_key = '', NULL, q.head_at),
    ${ofKey(keyIsFull, "q.bucket", "q.concurrency_key")}, ${ofKey(keyOpensAt, "q.bucket", "q.concurrency_key")},
    ${isPaused("registry", "q.registry_id")}
  FROM queued AS q JOIN build_queue_flows AS f ON f.bucket = q.bucket AND f.priority = q.priority`,
  // The next claims open the flows.
  `${expected}
  UPDATE build_queue_flows SET
    queued = coalesce((SELECT x.queued FROM flows AS x WHERE x.priority = build_queue_flows.priority), 0),
    running = coalesce((SELECT x.running FROM flows AS x WHERE x.priority = build_queue_flows.priority), 0),
    step = ${stepOf("bucket")}, max_running = ${limitOf("max_running_builds", "bucket")},
    is_paused = ${isPaused("owner", "bucket")}, is_full = 0, is_open = 0, next_at = ${nextAt("build_queue_flows")}
  WHERE ${ofOwners}`,
  `UPDATE build_queue_flows AS f SET is_full = ${isFull}
  WHERE f.bucket IN (SELECT value FROM json_each(?1)) AND f.is_full <> ${isFull}`
].map((text) => text.trim())

interface Owner {
  readonly bucket: string
  readonly queued: number
}

/** Builds the comparison and the repair. */
export const makeQueueCounters = (sql: SqlClient.SqlClient) => {
  // The next call of `supervise` continues after this owner. `null`: it begins with the jobs without an owner.
  let position: string | null = null

  const pageAfter = (bucket: string | null, count: number) =>
    bucket === null
      ? Effect.map(pageAfterOwner("", count - 1), (owners) => [{ bucket: "", queued: 0 }, ...owners])
      : pageAfterOwner(bucket, count)

  const pageAfterOwner = (bucket: string, count: number): Effect.Effect<ReadonlyArray<Owner>, SqlError.SqlError> =>
    sql.unsafe<Owner>(ownersText, [bucket, count])

  const latestUs = Effect.map(Clock.currentTimeMillis, (now) => (now + farAheadMs) * 1000)

  const differing = (owners: ReadonlyArray<Owner>) =>
    Effect.flatMap(latestUs, (latest) =>
      sql.unsafe<{ readonly bucket: string }>(differingText, [
        JSON.stringify(owners.map(({ bucket }) => bucket)),
        latest
      ])
    )

  /** Recomputes the rows of one owner from its jobs. */
  const repairOwner = ({ bucket }: { readonly bucket: string }) =>
    Effect.flatMap(latestUs, (latest) =>
      writeAll(
        sql,
        repairTexts.map((text) => ({
          sql: text,
          values: text.includes("?2") ? [JSON.stringify([bucket]), latest] : [JSON.stringify([bucket])]
        }))
      )
    )

  const repairAll = (owners: ReadonlyArray<{ readonly bucket: string }>) =>
    Effect.as(
      Effect.forEach(owners, (owner) => Effect.zipRight(repairOwner(owner), nextTurn), { discard: true }),
      owners.length
    )

  /** Runs `each` on the differing owners of all pages, and returns the sum. */
  const overAll = <E>(each: (owners: ReadonlyArray<{ readonly bucket: string }>) => Effect.Effect<number, E>) =>
    Effect.gen(function* () {
      let sum = 0
      let owners = yield* pageAfter(null, pageSize)
      while (owners.length > 0) {
        sum += yield* each(yield* differing(owners))
        yield* nextTurn
        owners = yield* pageAfter(owners.at(-1)?.bucket ?? "", pageSize)
      }
      return sum
    })

  return {
    /** Counts the owners whose rows differ from their jobs. */
    drift: overAll((owners) => Effect.succeed(owners.length)),

    /** Repairs all owners whose rows differ. Returns their number. */
    repair: overAll(repairAll),

    /**
     * Compares up to 100 owners with at most 10,000 queued jobs, and repairs those that differ. Returns their number.
     * The next call continues with the next owners.
     */
    supervise: Effect.gen(function* () {
      const owners = yield* pageAfter(position, pageSize)
      position = owners.length < pageSize ? null : (owners.at(-1)?.bucket ?? null)
      return yield* repairAll(yield* differing(owners.filter(({ queued }) => queued <= mostQueued)))
    }).pipe(traced("supervise"))
  }
}
