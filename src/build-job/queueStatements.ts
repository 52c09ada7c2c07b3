/**
 * Reads of the tables that triggers maintain for the order of claims.
 */

/** The due time of the oldest job of the lane `l` of the flow `f`. */
const laneHead = `coalesce(l.head_at, (
        SELECT j.available_at FROM oci_image_build_jobs AS j INDEXED BY oci_image_build_jobs_lanes_idx
        WHERE j.status = 'queued' AND j.owner_user_id IS nullif(f.bucket, '') AND j.priority = f.priority
          AND j.registry_id = l.registry_id AND j.concurrency_key IS nullif(l.concurrency_key, '')
        ORDER BY j.available_at LIMIT 1))`

/** Selects the flows with queued or running jobs, and why none of their queued jobs can be claimed. ?1: now. */
const loads = `
  SELECT f.bucket, f.priority, f.queued, f.running,
    (SELECT min(${laneHead}) FROM build_queue_lanes AS l WHERE l.flow_id = f.id) AS oldest,
    CASE
      WHEN f.queued = 0 THEN NULL
      WHEN EXISTS (SELECT 1 FROM build_queue_pauses WHERE scope = 'queue') THEN 'queue-paused'
      WHEN f.is_paused THEN 'owner-paused'
      WHEN f.is_full THEN 'owner-limit'
      WHEN f.next_at <= ?1 THEN NULL
      ELSE coalesce((
        SELECT min(CASE
          WHEN l.key_is_full THEN 'key-limit' WHEN l.registry_is_paused THEN 'registry-paused' ELSE 'start-limit' END)
        FROM build_queue_lanes AS l WHERE l.flow_id = f.id AND ${laneHead} <= ?1), 'not-due')
    END AS "blockedBy"
  FROM build_queue_flows AS f
  WHERE f.queued > 0 OR f.running > 0`

/** Selects the load by owner and priority, the most urgent priority first. ?1: now, ?2: limit. */
export const loadText = `${loads}
  ORDER BY f.priority, f.queued DESC, f.bucket LIMIT ?2`.trim()

/** Selects the load by priority and reason. ?1: now. */
export const loadByPriorityText = `
  SELECT priority, "blockedBy", sum(queued) AS queued, sum(running) AS running, min(oldest) AS oldest FROM (${loads})
  GROUP BY priority, "blockedBy"`.trim()

/** Selects the load of the owners with the most queued jobs. ?1: now, ?2: limit. */
export const loadByOwnerText = `
  SELECT bucket, sum(queued) AS queued, sum(running) AS running, min(oldest) AS oldest,
    sum(iif("blockedBy" IS NULL, 0, queued)) AS blocked
  FROM (${loads}) GROUP BY bucket ORDER BY sum(queued) DESC, bucket LIMIT ?2`.trim()

/**
 * Selects the earliest time at which a job can be claimed: the first job of an owner that is not blocked, or the end of a
 * lease. No row if the queue is paused.
 */
export const nextDueText = `
  SELECT min(at) AS at FROM (
    SELECT * FROM (
      SELECT next_at AS at FROM build_queue_flows INDEXED BY build_queue_flows_open_idx
      WHERE is_open = 1 AND priority >= 0 ORDER BY priority LIMIT 1)
    UNION ALL
    SELECT * FROM (
      SELECT next_at FROM build_queue_flows INDEXED BY build_queue_flows_waiting_idx
      WHERE is_open = 0 AND is_paused = 0 AND is_full = 0 AND next_at >= 0 ORDER BY next_at LIMIT 1)
    UNION ALL
    SELECT * FROM (
      SELECT lease_expires_at FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_leases_idx
      WHERE status = 'running' ORDER BY lease_expires_at LIMIT 1))
  WHERE NOT EXISTS (SELECT 1 FROM build_queue_pauses WHERE scope = 'queue')`.trim()

/**
 * The condition on a queued job that neither a pause nor a limit keeps from being claimed, and whose key has been open
 * since ?1.
 */
export const isUnblocked = `NOT EXISTS (SELECT 1 FROM build_queue_pauses WHERE scope = 'queue') AND EXISTS (
    SELECT 1 FROM build_queue_flows AS f JOIN build_queue_lanes AS l ON l.flow_id = f.id
    WHERE f.bucket = coalesce(oci_image_build_jobs.owner_user_id, '') AND f.priority = oci_image_build_jobs.priority
      AND f.is_paused = 0 AND f.is_full = 0 AND l.registry_id = oci_image_build_jobs.registry_id
      AND l.concurrency_key = coalesce(oci_image_build_jobs.concurrency_key, '')
      AND l.key_is_full = 0 AND l.registry_is_paused = 0 AND l.opens_at <= ?1)`
