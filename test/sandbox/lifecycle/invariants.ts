/**
 * The invariants of the tables of the lifecycle. Each rule selects the rows that break it, of any attempt of any sandbox: `s`
 * is the sandbox, `a` the attempt, `j` its newest job, `r` its runtime.
 */
import { Effect } from "effect"
import { shell } from "./support.js"

const latest = `s.latest_run_id = a.id`
const live = `a.status IN ('queued', 'running')`
const jobLive = `j.status IN ('queued', 'running')`
/** A runtime that is up, and whose teardown nobody will begin. */
const up = `(coalesce(r.status IN ('pending', 'running'), 0) AND NOT EXISTS (
  SELECT 1 FROM runtime_teardowns AS t
  WHERE t.run_id = a.id AND t.resource_id IS r.resource_id AND t.status IN ('queued', 'running') AND t.settled_at IS NULL))`

/** The state in which the journal leaves a subject. */
const told = (type: string, id: string) => `(
  SELECT to_state FROM control_plane_events WHERE subject_type = '${type}' AND subject_id = ${id} ORDER BY sequence DESC LIMIT 1)`

/** The derived status, computed from the four tables. */
const derived = `
  CASE
    WHEN a.id IS NULL THEN s.status
    WHEN a.status = 'failed' THEN 'failed'
    WHEN a.stop_requested_at IS NOT NULL AND r.status IN ('pending', 'running') THEN 'stopping'
    WHEN a.status = 'cancelled' THEN 'cancelled'
    WHEN a.stop_requested_at IS NOT NULL THEN iif(a.status = 'succeeded', 'stopped', 'cancelled')
    WHEN j.status = 'cancelled' THEN 'cancelled'
    WHEN j.status = 'failed' OR r.status = 'failed' THEN 'failed'
    WHEN r.status = 'stopped' THEN iif(a.status = 'succeeded', 'stopped', 'cancelled')
    WHEN a.status = 'succeeded' AND (j.id IS NULL OR j.status = 'succeeded') AND r.status = 'running' THEN 'ready'
    WHEN a.status = 'running' OR j.status = 'running' THEN 'running'
    ELSE 'queued'
  END`

/** The sandboxes that have a stored status that differs from the derived one. */
export const misderived = shell(`
  SELECT s.id, s.view_status AS stored, ${derived} AS derived FROM sandboxes AS s
  LEFT JOIN sandbox_attempts AS a ON a.id = s.latest_run_id
  LEFT JOIN oci_image_build_jobs AS j ON j.id = (
    SELECT id FROM oci_image_build_jobs WHERE run_id = s.latest_run_id ORDER BY created_at DESC, id DESC LIMIT 1)
  LEFT JOIN sandbox_runtime_instances AS r ON r.run_id = s.latest_run_id
  WHERE s.view_status IS NOT ${derived}
    OR s.derived_status IS NOT iif(s.view_status IN ('stopping', 'stopped'), 'cancelled', s.view_status)`)

/** The status of the row, as its owner sees it. A claimed job is running before its worker begins the build. */
const agrees = `(s.view_status IN (s.status, iif(s.status = 'stopped', 'cancelled', s.status))
  OR s.status = 'stopped' AND s.view_status = 'stopping'
  OR s.status = 'queued' AND s.view_status = 'running' AND j.status = 'running')`

/** A row was ended outside the lifecycle, or by a claim: supervision ends the others. */
const isUnsettled = `(${live} AND j.status IN ('failed', 'cancelled') AND j.run_settled_at IS NULL
  OR (${live} OR s.status = 'ready') AND coalesce(r.status IN ('failed', 'stopped'), 0))`

/** The sandboxes that are not the same for their owner and in their row, whatever the reason. */
export const disagreeing = shell(`
  SELECT s.id, s.status, s.view_status AS view FROM sandboxes AS s
  JOIN sandbox_attempts AS a ON a.id = s.latest_run_id
  LEFT JOIN oci_image_build_jobs AS j ON j.id = (
    SELECT id FROM oci_image_build_jobs WHERE run_id = a.id ORDER BY created_at DESC, id DESC LIMIT 1)
  WHERE NOT ${agrees}`)

const rules: Readonly<Record<string, string>> = {
  "an attempt without its snapshot": `NOT EXISTS (SELECT 1 FROM sandbox_attempt_snapshots WHERE run_id = a.id)`,
  "an attempt without a job": `j.id IS NULL`,
  "rows of two owners": `a.owner_user_id <> s.owner_user_id`,
  "an attempt before the latest that goes on": `NOT ${latest} AND (${live} OR ${jobLive} OR ${up})`,
  "a sandbox that waits, and an attempt that does not": `${latest} AND (s.status = 'queued') <> (a.status = 'queued')`,
  "a sandbox that is being brought up, and an attempt that does not run": `${latest} AND (s.status = 'running') <> (a.status = 'running')`,
  "a ready sandbox whose attempt has not succeeded": `${latest} AND s.status = 'ready' AND a.status <> 'succeeded'`,
  "a ready sandbox without a runtime": `${latest} AND s.status = 'ready' AND coalesce(r.status, 'stopped') = 'stopped'`,
  "a failed attempt of a sandbox that has not failed": `${latest} AND a.status = 'failed' AND s.status <> 'failed'`,
  "a failed sandbox whose attempt and runtime have not failed": `${latest} AND s.status = 'failed' AND a.status <> 'failed'
    AND NOT (a.status = 'succeeded' AND r.status IS 'failed')`,
  "a cancelled attempt of a sandbox that is not stopped": `${latest} AND a.status = 'cancelled' AND s.status <> 'stopped'`,
  "a stopped sandbox that nobody stopped": `${latest} AND s.status = 'stopped' AND a.stop_requested_at IS NULL AND j.status <> 'cancelled'
    AND r.status IS NOT 'stopped'`,
  "a teardown of a runtime that nobody stopped": `a.status = 'succeeded' AND EXISTS (
    SELECT 1 FROM runtime_teardowns AS t
    WHERE t.run_id = a.id AND t.resource_id IS r.resource_id AND t.status IN ('queued', 'running'))
    AND (${latest} AND s.status = 'ready' OR a.stop_requested_at IS NULL AND r.status IN ('pending', 'running'))`,
  "a runtime that is up although its teardown has ended": `r.status IN ('pending', 'running') AND EXISTS (
    SELECT 1 FROM runtime_teardowns AS t
    WHERE t.run_id = a.id AND t.resource_id IS r.resource_id AND t.settled_at IS NOT NULL)`,
  "a stop that was asked for, and something that goes on": `a.stop_requested_at IS NOT NULL AND (${live} OR ${jobLive} OR ${up})`,
  "a job of an attempt that has ended": `${jobLive} AND NOT ${live}`,
  "an attempt that waits while its image is built": `a.status = 'queued' AND j.status = 'succeeded'`,
  "a runtime of an attempt that waits or has failed": `${up} AND a.status NOT IN ('running', 'succeeded')`,
  "a success without an image": `a.status = 'succeeded' AND j.status <> 'succeeded'`,
  "a failure without a reason": `a.status = 'failed' AND j.status <> 'failed' AND r.status IS NOT 'failed'`,
  "an ended job of an ended attempt that is not settled": `NOT ${live} AND NOT ${jobLive} AND j.run_settled_at IS NULL`,
  "a settled job of an attempt that goes on": `${live} AND j.run_settled_at IS NOT NULL`,
  "a sandbox of which the journal tells otherwise": `s.status IS NOT ${told("sandbox", "s.id")}`,
  "an attempt of which the journal tells otherwise": `a.status IS NOT ${told("attempt", "a.id")}`,
  "an ended job of which the journal tells otherwise": `j.run_settled_at IS NOT NULL AND j.status IS NOT ${told("job", "j.id")}`,
  "events with a gap, or that do not follow from each other": `EXISTS (
    SELECT 1 FROM (
      SELECT sequence, from_state, row_number() OVER w AS place, lag(to_state) OVER w AS before
      FROM control_plane_events WHERE subject_id IN (s.id, a.id, j.id)
      WINDOW w AS (PARTITION BY subject_type, subject_id ORDER BY sequence))
    WHERE sequence <> place OR from_state IS NOT before)`,
  "a stored status that is not the derived one": `${latest} AND s.view_status IS NOT (${derived})`,
  "a status for the owner that differs from that of the row": `${latest} AND NOT ${agrees} AND NOT ${isUnsettled}`,
  "a latest attempt that is not the newest": `${latest} AND EXISTS (
    SELECT 1 FROM sandbox_run_links AS other JOIN sandbox_attempts AS b ON b.id = other.run_id
    WHERE other.sandbox_id = s.id AND (b.created_at, b.id) > (a.created_at, a.id))`
}

const broken = `
  SELECT ${Object.entries(rules)
    .map(([rule, condition]) => `${condition} AS "${rule}"`)
    .join(", ")}
  FROM sandboxes AS s JOIN sandbox_run_links AS l ON l.sandbox_id = s.id JOIN sandbox_attempts AS a ON a.id = l.run_id
  LEFT JOIN oci_image_build_jobs AS j ON j.id = (
    SELECT id FROM oci_image_build_jobs WHERE run_id = a.id ORDER BY created_at DESC, id DESC LIMIT 1)
  LEFT JOIN sandbox_runtime_instances AS r ON r.run_id = a.id
  WHERE ?1 IS NULL OR s.id = ?1`

/** Active rows of an attempt whose sandbox is gone, and contradictions in the journal: empty if the invariants hold. */
export const leftOf = (attemptId: string) =>
  shell(
    `SELECT id FROM sandbox_attempts AS a WHERE id = ?1 AND (status IN ('queued', 'running') OR status IS NOT ${told("attempt", "a.id")})
     UNION ALL SELECT id FROM oci_image_build_jobs AS j
       WHERE run_id = ?1 AND (status IN ('queued', 'running') OR run_settled_at IS NULL OR status IS NOT ${told("job", "j.id")})
     UNION ALL SELECT r.run_id FROM sandbox_runtime_instances AS r JOIN sandbox_attempts AS a ON a.id = r.run_id
       WHERE run_id = ?1 AND ${up}`,
    attemptId
  )

/** The rules that a sandbox breaks now, or any sandbox when none is named. */
export const contradictions = (sandboxId?: string) =>
  Effect.map(shell(broken, sandboxId ?? null), (rows) =>
    Object.keys(rules).filter((rule) => rows.some((row) => Reflect.get(Object(row), rule) === 1))
  )
