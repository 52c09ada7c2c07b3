/**
 * The order of claims, as SQL: which job a claim takes. docs/decisions-queue.md has the reasons.
 *
 * `build_queue_flows` has a row for each owner and priority, `build_queue_lanes` one for each flow, registry and
 * concurrency key. Triggers on the jobs maintain both (`migrations/0023_fair_queue.ts`). Each step reads the first
 * entries of an index, so the cost does not depend on the number of jobs, owners or blocked jobs.
 */

/**
 * The number of flows that a claim compares when their first job has become due since the last claim. The claim itself
 * opens up to 100 of them for the claims after it.
 */
const comparedWhenDue = 20

/** The virtual time of the flow whose turn is next at the priority of `w`. */
const current = `(
            SELECT o.virtual_time FROM build_queue_flows AS o INDEXED BY build_queue_flows_open_idx
            WHERE o.is_open = 1 AND o.priority = w.priority ORDER BY o.virtual_time LIMIT 1)`

/** Flows whose first job has become due since the last claim. ?1: now. */
const newlyDue = `FROM build_queue_flows AS w INDEXED BY build_queue_flows_waiting_idx
          WHERE w.is_open = 0 AND w.is_paused = 0 AND w.is_full = 0 AND w.next_at <= ?1`

const firstOpen = (condition: string) => `
          SELECT id, priority, virtual_time FROM build_queue_flows INDEXED BY build_queue_flows_open_idx
          WHERE is_open = 1 AND ${condition} ORDER BY priority, virtual_time, id LIMIT 1`

/**
 * The flow whose turn it is: the most urgent priority from ?4 on, or of all if none is due, and the lowest virtual time
 * in it. Sorts only if a flow has become due since the last claim, or if the claim is one that serves all priorities.
 */
const flow = `CASE
      WHEN ?4 = 0 AND NOT EXISTS (SELECT 1 ${newlyDue}) THEN (
        SELECT id FROM (${firstOpen("priority >= 0")}))
      ELSE (
        SELECT id FROM (
          SELECT * FROM (${firstOpen("priority >= ?4")})
          UNION ALL
          SELECT * FROM (${firstOpen("?4 > 0 AND priority >= 0")})
          UNION ALL
          SELECT * FROM (
          SELECT w.id, w.priority, coalesce(
            min(max(w.virtual_time, ${current} - w.step), ${current} + w.step), w.virtual_time) AS virtual_time
          ${newlyDue} ORDER BY w.next_at LIMIT ${comparedWhenDue}))
        ORDER BY priority < ?4, priority, virtual_time, id LIMIT 1)
      END`

/** The first job of the lane `l` of the flow `f`. */
const first = (column: string) => `(
          SELECT j.${column} FROM oci_image_build_jobs AS j INDEXED BY oci_image_build_jobs_lanes_idx
          WHERE j.status = 'queued' AND j.owner_user_id IS nullif(f.bucket, '') AND j.priority = f.priority
            AND j.registry_id = l.registry_id AND j.concurrency_key IS nullif(l.concurrency_key, '')
          ORDER BY j.available_at, j.id LIMIT 1)`

// Of the lanes, `min` selects the row with the earliest due time (https://www.sqlite.org/lang_select.html#bareagg).
const queued = `(
    SELECT (
      SELECT id FROM (SELECT id, min(due) FROM (
        SELECT ${first("id")} AS id, ${first("available_at")} AS due
        FROM build_queue_lanes AS l WHERE l.flow_id = f.id AND l.concurrency_key = '' AND l.registry_is_paused = 0
        UNION ALL
        SELECT * FROM (
          SELECT ${first("id")}, max(l.head_at, l.opens_at)
          FROM build_queue_lanes AS l INDEXED BY build_queue_lanes_due_idx
          WHERE l.flow_id = f.id AND l.key_is_full = 0 AND l.registry_is_paused = 0 AND l.head_at IS NOT NULL
          ORDER BY max(l.head_at, l.opens_at) LIMIT 1))))
    FROM build_queue_flows AS f WHERE f.id = ${flow})`

const isPaused = (scope: string, subject: string) =>
  `EXISTS (SELECT 1 FROM build_queue_pauses WHERE scope = '${scope}' AND subject = ${subject})`

const queueIsPaused = isPaused("queue", "''")

const jobIsPaused = `(${isPaused("owner", "coalesce(owner_user_id, '')")} OR ${isPaused("registry", "registry_id")})`

// A job whose lease has expired still occupies its slots, so it comes before all queued jobs.
const expired = `(
    SELECT id FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_leases_idx
    WHERE status = 'running' AND lease_expires_at <= ?1 AND NOT ${jobIsPaused}
    ORDER BY lease_expires_at, id LIMIT 1)`

/** The job that is next. ?1: now, ?4: the most urgent priority of this claim. */
export const isNext = `id = iif(${queueIsPaused}, NULL, coalesce(${expired}, ${queued}))`

/** The condition on a job that may be claimed now. ?1: now, ?4: its id. */
export const isClaimable = `id = ?4 AND NOT ${queueIsPaused} AND NOT ${jobIsPaused} AND (
    status = 'running' AND lease_expires_at <= ?1
    OR status = 'queued' AND available_at <= ?1 AND EXISTS (
      SELECT 1 FROM build_queue_flows AS f WHERE f.bucket = coalesce(owner_user_id, '')
        AND f.priority = oci_image_build_jobs.priority AND f.is_full = 0)
    AND (concurrency_key IS NULL OR EXISTS (
      SELECT 1 FROM build_queue_keys AS k WHERE k.bucket = coalesce(owner_user_id, '')
        AND k.concurrency_key = oci_image_build_jobs.concurrency_key AND k.running < k.max_running
        AND coalesce(k.empty_until_us - 60000000 + k.start_interval_us <= ?1 * 1000, true))))`
