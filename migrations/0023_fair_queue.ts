/**
 * A build queue that is fair between owners: priorities, limits, rate limits and pauses, at a cost of a claim that does
 * not depend on the number of jobs or owners.
 *
 * - A lane holds the queued jobs of one owner, priority, registry and concurrency key, in the order of their due times.
 * - A flow holds the lanes of one owner and priority. Flows take turns by their virtual time, which a claim advances by
 *   the step of the flow (start-time fair queueing). A flow is open if a claim may take a job from it.
 *
 * Triggers on the jobs maintain lanes, flows and keys, so that every program that writes jobs keeps them correct,
 * including programs of the previous release.
 */

type Row = "OLD" | "NEW"

/** The owner of the flow of a job. Jobs without an owner share one flow for each priority. */
const bucket = (job: Row) => `coalesce(${job}.owner_user_id, '')`
const key = (job: Row) => `coalesce(${job}.concurrency_key, '')`

const flowOf = (job: Row) => `bucket = ${bucket(job)} AND priority = ${job}.priority`
const keyOf = (job: Row) => `bucket = ${bucket(job)} AND concurrency_key = ${job}.concurrency_key`
const laneOf = (job: Row) => `flow_id = (SELECT id FROM build_queue_flows WHERE ${flowOf(job)})
    AND concurrency_key = ${key(job)} AND registry_id = ${job}.registry_id`

// Without INDEXED BY, the planner reads all queued jobs after statistics of a table with one row.
const jobsOfLanes = "oci_image_build_jobs INDEXED BY oci_image_build_jobs_lanes_idx"

/** The due time of the first job in the lane of a job. */
const head = (job: Row) => `(
      SELECT available_at FROM ${jobsOfLanes}
      WHERE status = 'queued' AND owner_user_id IS ${job}.owner_user_id AND priority = ${job}.priority
        AND registry_id = ${job}.registry_id AND concurrency_key IS ${job}.concurrency_key
      ORDER BY available_at LIMIT 1)`

/** The condition on lanes with a concurrency key and with a job that may be claimed when it is due. */
const isClaimable = "key_is_full = 0 AND registry_is_paused = 0 AND head_at IS NOT NULL"

/** Selects the due time of the first job of each lane without a key, and that of the first lane with a key, as `at`. */
const dueTimes = `
      SELECT (
        SELECT available_at FROM ${jobsOfLanes}
        WHERE status = 'queued' AND owner_user_id IS nullif(build_queue_flows.bucket, '')
          AND priority = build_queue_flows.priority AND registry_id = l.registry_id AND concurrency_key IS NULL
        ORDER BY available_at LIMIT 1) AS at
      FROM build_queue_lanes AS l
      WHERE flow_id = build_queue_flows.id AND concurrency_key = '' AND registry_is_paused = 0
      UNION ALL SELECT * FROM (
        SELECT max(head_at, opens_at) FROM build_queue_lanes
        WHERE flow_id = build_queue_flows.id AND ${isClaimable}
        ORDER BY max(head_at, opens_at) LIMIT 1)`

/** The earliest due time in the lanes of a flow. */
const nextAt = `(SELECT min(at) FROM (${dueTimes}))`

/** The virtual time of the flow whose turn is next at a priority. */
const current = `(
      SELECT virtual_time FROM build_queue_flows AS f
      WHERE f.is_open = 1 AND f.priority = build_queue_flows.priority ORDER BY f.virtual_time LIMIT 1)`

/**
 * The virtual time of a flow that opens: at most one step from the others, so that idle owners do not save up turns, and
 * owners are not kept waiting for turns that they had while the others were idle.
 */
const opened = `coalesce(min(max(virtual_time, ${current} - step), ${current} + step), virtual_time)`

/** Reads the first claimable job of the flow anew, after lanes have changed. Without a clock, a later job closes it. */
const refresh = `
    (next_at, is_open) = (
      SELECT min(at), is_open AND coalesce(min(at) <= next_at, 0) FROM (${dueTimes}))`

/** Reads the first job of a lane with a key anew. */
const keyedLane = `
  UPDATE build_queue_lanes SET head_at = ${head("OLD")}
  WHERE OLD.concurrency_key IS NOT NULL AND ${laneOf("OLD")};`

const leaveQueue = (condition: string) => `
  UPDATE build_queue_keys SET queued = queued - 1
  WHERE ${condition}OLD.concurrency_key IS NOT NULL AND ${keyOf("OLD")};${keyedLane}
  UPDATE build_queue_flows SET queued = queued - 1,${refresh}
  WHERE ${condition}${flowOf("OLD")};`

const leaveWorker = (condition: string) => `
  UPDATE build_queue_keys SET running = running - 1
  WHERE ${condition}OLD.concurrency_key IS NOT NULL AND ${keyOf("OLD")};
  UPDATE build_queue_flows SET running = running - 1
  WHERE ${condition}${flowOf("OLD")};`

/** The limits of an owner, or the defaults. `owner` is an SQL expression. */
const limit = (column: string, owner: string) => `coalesce(
      (SELECT ${column} FROM owner_limits WHERE owner_user_id = ${owner}),
      (SELECT ${column} FROM owner_limit_defaults WHERE id = 1))`

/** A flow advances by this, divided by the weight of its owner. Divisible by many weights. */
const turn = 720_720

const stepOf = (owner: string) => `${turn} / coalesce(${limit("weight", owner)}, 1)`

const isPaused = (scope: string, subject: string) =>
  `EXISTS (SELECT 1 FROM build_queue_pauses WHERE scope = '${scope}' AND subject = ${subject})`

/** The last inserted job with a key sets the limits of the key. */
const setLimits = `UPDATE SET
    max_running = excluded.max_running, start_interval_us = excluded.start_interval_us
  WHERE max_running <> excluded.max_running OR start_interval_us IS NOT excluded.start_interval_us`

const ofKey = (column: string, otherwise: string) => `coalesce((
      SELECT ${column} FROM build_queue_keys WHERE ${keyOf("NEW")}), ${otherwise})`

const keyIsFull = "running >= max_running"

/** The earliest next start of a key. Its bucket holds the starts of one minute, and is refilled evenly. */
const keyOpensAt = (key = "") => `coalesce((${key}empty_until_us - 60000000 + ${key}start_interval_us + 999) / 1000, 0)`

/** Adds a queued or running job to its flow, lane and key. */
const enter = (condition: string, whenKeyIsPresent: string) => `
  INSERT INTO build_queue_flows (bucket, priority, step, max_running, is_paused)
  SELECT ${bucket("NEW")}, NEW.priority, ${stepOf("NEW.owner_user_id")}, ${limit("max_running_builds", "NEW.owner_user_id")},
    ${isPaused("owner", bucket("NEW"))}
  WHERE ${condition}NOT EXISTS (SELECT 1 FROM build_queue_flows WHERE ${flowOf("NEW")});
  INSERT INTO build_queue_keys (bucket, concurrency_key, max_running, start_interval_us)
  SELECT ${bucket("NEW")}, NEW.concurrency_key, coalesce(NEW.concurrency_limit, 1), 60000000 / NEW.starts_per_minute
  WHERE ${condition}NEW.concurrency_key IS NOT NULL
  ON CONFLICT (bucket, concurrency_key) DO ${whenKeyIsPresent};
  UPDATE build_queue_keys SET queued = queued + (NEW.status = 'queued'), running = running + (NEW.status = 'running')
  WHERE ${condition}NEW.concurrency_key IS NOT NULL AND ${keyOf("NEW")};
  INSERT INTO build_queue_lanes (flow_id, concurrency_key, registry_id, bucket, head_at, key_is_full, opens_at,
    registry_is_paused)
  SELECT (SELECT id FROM build_queue_flows WHERE ${flowOf("NEW")}), ${key("NEW")}, NEW.registry_id, ${bucket("NEW")},
    iif(NEW.concurrency_key IS NULL, NULL, NEW.available_at), ${ofKey(keyIsFull, "0")}, ${ofKey(keyOpensAt(), "0")},
    ${isPaused("registry", "NEW.registry_id")}
  WHERE ${condition}NEW.status = 'queued' AND (NEW.concurrency_key IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM build_queue_lanes WHERE ${laneOf("NEW")}))
  ON CONFLICT (flow_id, concurrency_key, registry_id) DO
    UPDATE SET head_at = min(head_at, excluded.head_at) WHERE excluded.head_at < head_at;
  UPDATE build_queue_flows SET running = running + 1 WHERE ${condition}NEW.status = 'running' AND ${flowOf("NEW")};
  UPDATE build_queue_flows SET queued = queued + 1, next_at = ${nextAt}
  WHERE ${condition}NEW.status = 'queued' AND ${flowOf("NEW")};`

const isClaim = "OLD.status = 'queued' AND NEW.status = 'running'"

/** The condition that a job left its place in the queue or at a worker. */
const moved = `(NEW.status <> OLD.status OR NEW.priority <> OLD.priority OR NEW.owner_user_id IS NOT OLD.owner_user_id
    OR NEW.registry_id <> OLD.registry_id OR NEW.concurrency_key IS NOT OLD.concurrency_key
    OR NEW.status = 'queued' AND NEW.available_at <> OLD.available_at)`

const columns = "status, available_at, priority, owner_user_id, registry_id, concurrency_key"

/** The number of flows that a claim opens at most. It bounds the cost of a claim. */
const openedPerClaim = 100

const isWaiting = "is_open = 0 AND is_paused = 0 AND is_full = 0"

/** The virtual time of a flow after a claim. */
const advanced = `iif(is_open, virtual_time, ${opened}) + step`

const claimed = `
    queued = queued - 1, running = running + 1, (next_at, is_open) = (
      SELECT min(at), coalesce(NOT is_paused AND NOT is_full AND min(at) <= NEW.claimed_at, 0) FROM (${dueTimes}))`

/** Opens the flows whose first job has become due since the last claim. */
const openDue = `
  UPDATE build_queue_flows SET virtual_time = ${opened}, is_open = 1
  WHERE EXISTS (SELECT 1 FROM build_queue_flows WHERE ${isWaiting} AND next_at <= NEW.claimed_at) AND id IN (
    SELECT id FROM build_queue_flows WHERE ${isWaiting} AND next_at <= NEW.claimed_at
    ORDER BY next_at LIMIT ${openedPerClaim});`

/** Reads the limits of an owner anew. */
const setOwnerLimits = (owner: string) => `
  UPDATE build_queue_flows SET step = ${stepOf(owner)}, max_running = ${limit("max_running_builds", owner)}
  WHERE bucket = ${owner};`

const setAllLimits = `
  UPDATE build_queue_flows SET
    step = ${stepOf("bucket")}, max_running = ${limit("max_running_builds", "bucket")};`

const pause = (job: Row, paused: 0 | 1) => `
  UPDATE build_queue_flows SET is_paused = ${paused}, is_open = 0
  WHERE ${job}.scope = 'owner' AND bucket = ${job}.subject;
  UPDATE build_queue_lanes SET registry_is_paused = ${paused}
  WHERE ${job}.scope = 'registry' AND registry_id = ${job}.subject;`

/** The condition on a job whose attempt belongs to another owner. */
const isOfAnotherOwner = `NEW.owner_user_id IS NOT NULL AND NEW.run_id IS NOT NULL
  AND NEW.owner_user_id IS NOT (SELECT owner_user_id FROM sandbox_attempts WHERE id = NEW.run_id)`

export default `
ALTER TABLE oci_image_build_jobs ADD COLUMN owner_user_id TEXT REFERENCES user (id) ON DELETE CASCADE;
ALTER TABLE oci_image_build_jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 5
  CONSTRAINT oci_image_build_jobs_priority CHECK (priority BETWEEN 0 AND 9);
ALTER TABLE oci_image_build_jobs ADD COLUMN concurrency_key TEXT
  CONSTRAINT oci_image_build_jobs_concurrency_key CHECK (concurrency_key <> '');
ALTER TABLE oci_image_build_jobs ADD COLUMN concurrency_limit INTEGER
  CONSTRAINT oci_image_build_jobs_concurrency_limit CHECK (concurrency_limit >= 1);
ALTER TABLE oci_image_build_jobs ADD COLUMN starts_per_minute INTEGER
  CONSTRAINT oci_image_build_jobs_starts_per_minute CHECK (starts_per_minute >= 1);

CREATE TABLE owner_limits (
  owner_user_id TEXT PRIMARY KEY NOT NULL REFERENCES user (id) ON DELETE CASCADE,
  weight INTEGER CONSTRAINT owner_limits_weight CHECK (weight BETWEEN 1 AND 1000),
  max_running_builds INTEGER CONSTRAINT owner_limits_max_running_builds CHECK (max_running_builds >= 0),
  max_queued_builds INTEGER CONSTRAINT owner_limits_max_queued_builds CHECK (max_queued_builds >= 0),
  max_live_sandboxes INTEGER CONSTRAINT owner_limits_max_live_sandboxes CHECK (max_live_sandboxes >= 0),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT owner_limits_timestamps CHECK (created_at >= 0 AND updated_at >= 0)
) STRICT;

CREATE INDEX owner_limits_created_at_idx ON owner_limits (created_at DESC, owner_user_id DESC);

-- One row: the limits of owners without their own.
CREATE TABLE owner_limit_defaults (
  id INTEGER PRIMARY KEY NOT NULL CONSTRAINT owner_limit_defaults_id CHECK (id = 1),
  weight INTEGER CONSTRAINT owner_limit_defaults_weight CHECK (weight BETWEEN 1 AND 1000),
  max_running_builds INTEGER CONSTRAINT owner_limit_defaults_max_running_builds CHECK (max_running_builds >= 0),
  max_queued_builds INTEGER CONSTRAINT owner_limit_defaults_max_queued_builds CHECK (max_queued_builds >= 0),
  max_live_sandboxes INTEGER CONSTRAINT owner_limit_defaults_max_live_sandboxes CHECK (max_live_sandboxes >= 0),
  updated_at INTEGER NOT NULL,
  CONSTRAINT owner_limit_defaults_timestamps CHECK (updated_at >= 0)
) STRICT;

-- The subject is the id of an owner or a registry; it is empty for the whole queue, and for jobs without an owner.
CREATE TABLE build_queue_pauses (
  scope TEXT NOT NULL CONSTRAINT build_queue_pauses_scope CHECK (scope IN ('queue', 'owner', 'registry')),
  subject TEXT NOT NULL,
  reason TEXT,
  paused_at INTEGER NOT NULL,
  PRIMARY KEY (scope, subject),
  CONSTRAINT build_queue_pauses_subject CHECK (scope <> 'queue' OR subject = ''),
  CONSTRAINT build_queue_pauses_timestamps CHECK (paused_at >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE build_queue_flows (
  id INTEGER PRIMARY KEY NOT NULL,
  bucket TEXT NOT NULL,
  priority INTEGER NOT NULL,
  queued INTEGER NOT NULL DEFAULT 0,
  running INTEGER NOT NULL DEFAULT 0,
  virtual_time INTEGER NOT NULL DEFAULT 0,
  step INTEGER NOT NULL,
  max_running INTEGER,
  is_paused INTEGER NOT NULL,
  is_full INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER,
  is_open INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX build_queue_flows_bucket_idx ON build_queue_flows (bucket, priority);
CREATE INDEX build_queue_flows_open_idx ON build_queue_flows (priority, virtual_time, id) WHERE is_open = 1;
CREATE INDEX build_queue_flows_waiting_idx ON build_queue_flows (next_at, id)
  WHERE is_open = 0 AND is_paused = 0 AND is_full = 0;

CREATE TABLE build_queue_lanes (
  flow_id INTEGER NOT NULL,
  registry_id TEXT NOT NULL,
  concurrency_key TEXT NOT NULL,
  bucket TEXT NOT NULL,
  head_at INTEGER,
  opens_at INTEGER NOT NULL DEFAULT 0,
  key_is_full INTEGER NOT NULL DEFAULT 0,
  registry_is_paused INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (flow_id, concurrency_key, registry_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX build_queue_lanes_due_idx ON build_queue_lanes (flow_id, max(head_at, opens_at)) WHERE ${isClaimable};
CREATE INDEX build_queue_lanes_key_idx ON build_queue_lanes (bucket, concurrency_key) WHERE concurrency_key <> '';
CREATE INDEX build_queue_lanes_registry_id_idx ON build_queue_lanes (registry_id);

CREATE TABLE build_queue_keys (
  bucket TEXT NOT NULL,
  concurrency_key TEXT NOT NULL,
  max_running INTEGER NOT NULL,
  start_interval_us INTEGER,
  empty_until_us INTEGER NOT NULL DEFAULT 0,
  queued INTEGER NOT NULL DEFAULT 0,
  running INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (bucket, concurrency_key)
) STRICT, WITHOUT ROWID;

UPDATE oci_image_build_jobs SET owner_user_id = (SELECT owner_user_id FROM sandbox_attempts WHERE id = run_id)
WHERE status IN ('queued', 'running') AND run_id IS NOT NULL;

CREATE INDEX oci_image_build_jobs_owner_user_id_idx ON oci_image_build_jobs (owner_user_id)
  WHERE owner_user_id IS NOT NULL;
CREATE INDEX oci_image_build_jobs_lanes_idx
  ON oci_image_build_jobs (owner_user_id, priority, registry_id, concurrency_key, available_at, id)
  WHERE status = 'queued';

INSERT INTO build_queue_flows (bucket, priority, queued, running, step, is_paused, next_at)
SELECT coalesce(owner_user_id, ''), priority, sum(status = 'queued'), sum(status = 'running'), ${turn}, 0,
  min(iif(status = 'queued', available_at, NULL))
FROM oci_image_build_jobs WHERE status IN ('queued', 'running') GROUP BY 1, 2;

INSERT INTO build_queue_lanes (flow_id, registry_id, concurrency_key, bucket)
SELECT DISTINCT f.id, j.registry_id, '', f.bucket
FROM oci_image_build_jobs AS j JOIN build_queue_flows AS f
  ON f.bucket = coalesce(j.owner_user_id, '') AND f.priority = j.priority
WHERE j.status = 'queued';

CREATE TRIGGER oci_image_build_jobs_owner_insert BEFORE INSERT ON oci_image_build_jobs
WHEN ${isOfAnotherOwner}
BEGIN
  SELECT RAISE(ABORT, 'oci_image_build_jobs: an attempt of another owner');
END;

CREATE TRIGGER oci_image_build_jobs_owner_update BEFORE UPDATE OF run_id, owner_user_id ON oci_image_build_jobs
WHEN ${isOfAnotherOwner}
BEGIN
  SELECT RAISE(ABORT, 'oci_image_build_jobs: an attempt of another owner');
END;

CREATE TRIGGER oci_image_build_jobs_queue_insert AFTER INSERT ON oci_image_build_jobs
WHEN NEW.status IN ('queued', 'running')
BEGIN${enter("", setLimits)}
  -- Programs of the previous release do not write the owner.
  UPDATE oci_image_build_jobs SET owner_user_id = (SELECT owner_user_id FROM sandbox_attempts WHERE id = NEW.run_id)
  WHERE NEW.owner_user_id IS NULL AND NEW.run_id IS NOT NULL AND id = NEW.id;
END;

CREATE TRIGGER oci_image_build_jobs_queue_delete AFTER DELETE ON oci_image_build_jobs
WHEN OLD.status IN ('queued', 'running')
BEGIN${leaveQueue("OLD.status = 'queued' AND ")}${leaveWorker("OLD.status = 'running' AND ")}
END;

CREATE TRIGGER oci_image_build_jobs_queue_claim AFTER UPDATE OF status ON oci_image_build_jobs
WHEN NEW.concurrency_key IS NULL AND ${isClaim}
BEGIN
  UPDATE build_queue_flows SET virtual_time = ${advanced},${claimed}
  WHERE ${flowOf("NEW")};${openDue}
END;

-- The virtual time comes first, because the limits of the key may close the flow.
CREATE TRIGGER oci_image_build_jobs_queue_claim_with_key AFTER UPDATE OF status ON oci_image_build_jobs
WHEN NEW.concurrency_key IS NOT NULL AND ${isClaim}
BEGIN
  UPDATE build_queue_flows SET virtual_time = ${advanced} WHERE ${flowOf("NEW")};
  UPDATE build_queue_keys SET
    queued = queued - 1, running = running + 1,
    empty_until_us = iif(start_interval_us IS NULL, 0, max(empty_until_us, NEW.claimed_at * 1000) + start_interval_us)
  WHERE ${keyOf("NEW")};
  UPDATE build_queue_lanes SET head_at = ${head("OLD")}
  WHERE ${laneOf("OLD")};
  UPDATE build_queue_flows SET${claimed}
  WHERE ${flowOf("NEW")};${openDue}
END;

CREATE TRIGGER oci_image_build_jobs_queue_update AFTER UPDATE OF ${columns} ON oci_image_build_jobs
WHEN NOT (${isClaim}) AND (OLD.status IN ('queued', 'running') OR NEW.status IN ('queued', 'running')) AND ${moved}
BEGIN${leaveQueue("OLD.status = 'queued' AND ")}${leaveWorker("OLD.status = 'running' AND ")}${enter(
  "NEW.status IN ('queued', 'running') AND ",
  "NOTHING"
)}
END;

CREATE TRIGGER build_queue_keys_limits AFTER UPDATE OF running, max_running, empty_until_us, start_interval_us
ON build_queue_keys
BEGIN
  UPDATE build_queue_lanes SET
    key_is_full = NEW.running >= NEW.max_running,
    opens_at = ${keyOpensAt("NEW.")}
  WHERE bucket = NEW.bucket AND concurrency_key = NEW.concurrency_key AND concurrency_key <> '';
END;

CREATE TRIGGER build_queue_keys_unused AFTER UPDATE OF queued, running ON build_queue_keys
WHEN NEW.queued = 0 AND NEW.running = 0 AND NEW.start_interval_us IS NULL
BEGIN
  DELETE FROM build_queue_keys WHERE bucket = NEW.bucket AND concurrency_key = NEW.concurrency_key;
END;

CREATE TRIGGER build_queue_lanes_empty AFTER UPDATE OF head_at ON build_queue_lanes
WHEN NEW.head_at IS NULL AND NEW.concurrency_key <> ''
BEGIN
  DELETE FROM build_queue_lanes
  WHERE flow_id = NEW.flow_id AND registry_id = NEW.registry_id AND concurrency_key = NEW.concurrency_key;
END;

CREATE TRIGGER build_queue_lanes_changed AFTER UPDATE OF key_is_full, opens_at, registry_is_paused ON build_queue_lanes
WHEN NEW.key_is_full <> OLD.key_is_full OR NEW.opens_at <> OLD.opens_at
  OR NEW.registry_is_paused <> OLD.registry_is_paused
BEGIN
  UPDATE build_queue_flows SET${refresh}
  WHERE id = NEW.flow_id;
END;

CREATE TRIGGER build_queue_flows_full AFTER UPDATE OF running, max_running ON build_queue_flows
WHEN NEW.max_running IS NOT NULL OR OLD.max_running IS NOT NULL
BEGIN
  UPDATE build_queue_flows SET
    is_full = NOT is_full, is_open = 0
  WHERE bucket = NEW.bucket AND is_full <> coalesce(
    (SELECT sum(running) FROM build_queue_flows WHERE bucket = NEW.bucket) >= max_running, 0);
END;

CREATE TRIGGER build_queue_flows_full_insert AFTER INSERT ON build_queue_flows
WHEN NEW.max_running IS NOT NULL
BEGIN
  UPDATE build_queue_flows SET is_full = 1, is_open = 0
  WHERE id = NEW.id AND (SELECT sum(running) FROM build_queue_flows WHERE bucket = NEW.bucket) >= NEW.max_running;
END;

CREATE TRIGGER owner_limits_insert AFTER INSERT ON owner_limits
BEGIN${setOwnerLimits("NEW.owner_user_id")}
END;

CREATE TRIGGER owner_limits_update AFTER UPDATE ON owner_limits
BEGIN${setOwnerLimits("NEW.owner_user_id")}
END;

CREATE TRIGGER owner_limits_delete AFTER DELETE ON owner_limits
BEGIN${setOwnerLimits("OLD.owner_user_id")}
END;

CREATE TRIGGER owner_limit_defaults_insert AFTER INSERT ON owner_limit_defaults
BEGIN${setAllLimits}
END;

CREATE TRIGGER owner_limit_defaults_update AFTER UPDATE ON owner_limit_defaults
BEGIN${setAllLimits}
END;

CREATE TRIGGER build_queue_pauses_insert AFTER INSERT ON build_queue_pauses
BEGIN${pause("NEW", 1)}
END;

CREATE TRIGGER build_queue_pauses_delete AFTER DELETE ON build_queue_pauses
BEGIN${pause("OLD", 0)}
END;

-- The jobs of the owner are deleted with the owner.
CREATE TRIGGER user_delete_queue AFTER DELETE ON user
BEGIN
  DELETE FROM build_queue_pauses WHERE scope = 'owner' AND subject = OLD.id;
  DELETE FROM build_queue_lanes WHERE flow_id IN (SELECT id FROM build_queue_flows WHERE bucket = OLD.id);
  DELETE FROM build_queue_flows WHERE bucket = OLD.id;
  DELETE FROM build_queue_keys WHERE bucket = OLD.id;
END;

-- second release: the next statement recreates the view with more columns.
DROP VIEW workspace_build_jobs;
CREATE VIEW workspace_build_jobs AS
SELECT
  id, run_id, status, registry_id, repository, tag, request_payload, request_fingerprint, idempotency_key,
  attempt_count, max_attempts, available_at, claimed_at, lease_expires_at, worker_id, lease_token, lease_outcome,
  started_at, finished_at, executor_id, result_payload, published_reference, published_digest_reference,
  published_digest, error_code, error_message, cancel_reason, run_settled_at, created_at, updated_at, max_duration_ms,
  plan_hash, owner_user_id, priority, concurrency_key, concurrency_limit, starts_per_minute
FROM oci_image_build_jobs;
`
