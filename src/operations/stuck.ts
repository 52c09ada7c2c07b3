/**
 * The search for rows that have waited too long: by the rules of supervision (docs/supervision.md), plus the time
 * that supervision needs to act.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Duration, Effect, Option } from "effect"
import { isUnblocked } from "../build-job/queueStatements.js"
import { beginDeadline, executionSource, whyExecutionEnds } from "../issue-workflow/leftBehind.js"
import {
  attemptIsLeft,
  attemptWaitsSince,
  jobIsUnsettled,
  mayIdleAt,
  runtimeIsLeft,
  sandboxDisagrees,
  sandboxIsIdle,
  sandboxIsLeft,
  sandboxMayExpire,
  sandboxMayIdle
} from "../sandbox/leftBehind.js"
import { operations } from "../sql/operations.js"

/** Rows that have waited too long: their number, and the longest wait. */
export interface Stuck {
  readonly count: number
  readonly longest: Duration.Duration
}

/** A consumer of the journal that has stopped acknowledging. */
export interface StuckConsumer {
  readonly name: string
  /** The number of positions after its own, up to the newest event. */
  readonly behind: number
  /** The time since its last acknowledgement. */
  readonly longest: Duration.Duration
}

/** Rows that have waited for longer than active workers and supervisors would allow. */
export interface StuckReport {
  /** Build jobs that could have been claimed: no pause, limit or rate limit prevents it. */
  readonly dueJobs: Option.Option<Stuck>
  /** Build jobs whose lease has expired, and that no worker has taken over. */
  readonly expiredJobs: Option.Option<Stuck>
  /** Build jobs whose end is not recorded in their attempt. */
  readonly unsettledJobs: Option.Option<Stuck>
  /** Active attempts that were asked to stop, or that have no job and wait for a runtime. */
  readonly leftAttempts: Option.Option<Stuck>
  /** Runtimes that are pending although their attempt has ended. */
  readonly leftRuntimes: Option.Option<Stuck>
  /** Teardowns of runtimes that could have been claimed. */
  readonly dueTeardowns: Option.Option<Stuck>
  /** Teardowns whose lease has expired, and that no worker has taken over. */
  readonly expiredTeardowns: Option.Option<Stuck>
  /** Teardowns without attempts left. Their resources may still exist. */
  readonly failedTeardowns: Option.Option<Stuck>
  /** Teardowns whose sandbox waits for longer than it may. */
  readonly leftTeardowns: Option.Option<Stuck>
  /** Waiting sandboxes whose attempt has ended, or that have no attempt. */
  readonly leftSandboxes: Option.Option<Stuck>
  /** Sandboxes that have ended for their owner and not in their row, or have ended in their row only. */
  readonly disagreeingSandboxes: Option.Option<Stuck>
  /** Sandboxes whose deadline has passed. */
  readonly expiredSandboxes: Option.Option<Stuck>
  /** Ready sandboxes without activity for their idle timeout. */
  readonly idleSandboxes: Option.Option<Stuck>
  /** Executions without their sandbox or workflow, or without an agent. */
  readonly leftExecutions: Option.Option<Stuck>
  /**
   * The newest active workflows without an owner, up to 10: created so, or left by a user whom an earlier release
   * deleted.
   */
  readonly ownerlessWorkflows: ReadonlyArray<string>
  /** Webhook deliveries that could have been processed. */
  readonly dueDeliveries: Option.Option<Stuck>
  /** Webhook deliveries whose lease has expired, and that no worker has taken over. */
  readonly expiredDeliveries: Option.Option<Stuck>
  /** Consumers that are behind, and have acknowledged nothing for a day. */
  readonly consumers: ReadonlyArray<StuckConsumer>
}

// A worker polls at once, and a supervisor within seconds. The limits allow for a deploy that stops them.
const untilDue = Duration.toMillis("15 minutes")
const untilReaped = Duration.toMillis("5 minutes")
const untilSettled = Duration.toMillis("1 hour")
const untilRead = Duration.toMillis("1 day")

const { traced } = operations("Doctor", "Stuck")

/** Finds rows that have waited too long. Fails with `PersistenceError` if the database cannot be read. */
export const findStuck = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Clock.currentTimeMillis
  const [latestImport] = yield* sql<{ readonly at: number | null }>`
    SELECT max(imported_at) AS at FROM legacy_imports`
  const importedAt = latestImport?.at ?? 0

  const since = (source: string, column: string, condition: string, allowed: number) =>
    Effect.map(
      sql.unsafe<{ readonly count: number; readonly since: number | null }>(
        `SELECT count(*) AS count, min(${column}) AS since FROM ${source} WHERE ${condition} AND ${column} <= ?1`,
        [now - allowed]
      ),
      ([row]): Option.Option<Stuck> =>
        // An import requires an empty database, so no worker or supervisor could act before it.
        row === undefined || row.since === null || importedAt > now - allowed
          ? Option.none()
          : Option.some({ count: row.count, longest: Duration.millis(now - Math.max(row.since, importedAt)) })
    )

  // Positions grow, so the newest one is in the last row of the table.
  const consumers = yield* sql.unsafe<{ readonly name: string; readonly behind: number; readonly since: number }>(
    `SELECT name, newest - position AS behind, updated_at AS since
     FROM (SELECT max(position) AS newest FROM control_plane_events), control_plane_event_consumers
     WHERE position < newest AND updated_at <= ?1 ORDER BY name`,
    [now - untilRead]
  )
  const ownerless = yield* sql<{ readonly id: string }>`
    SELECT id FROM issue_workflows WHERE status = 'active' AND +owner_user_id IS NULL AND +archived_at IS NULL
    ORDER BY created_at DESC, id DESC LIMIT 10`
  const report: StuckReport = {
    dueJobs: yield* since("oci_image_build_jobs", "available_at", `status = 'queued' AND ${isUnblocked}`, untilDue),
    expiredJobs: yield* since("oci_image_build_jobs", "lease_expires_at", "status = 'running'", untilReaped),
    unsettledJobs: yield* since("oci_image_build_jobs", "finished_at", jobIsUnsettled, untilSettled),
    // A supervisor acts within seconds after its deadline, which is 15 minutes by default.
    leftAttempts: yield* since(
      "sandbox_attempts AS a",
      attemptWaitsSince,
      `a.status IN ('queued', 'running') AND ${attemptIsLeft}`,
      untilSettled
    ),
    leftRuntimes: yield* since(
      "sandbox_runtime_instances AS r",
      "r.updated_at",
      `r.status = 'pending' AND ${runtimeIsLeft}`,
      untilSettled
    ),
    dueTeardowns: yield* since("runtime_teardowns", "available_at", "status = 'queued'", untilDue),
    expiredTeardowns: yield* since("runtime_teardowns", "lease_expires_at", "status = 'running'", untilReaped),
    failedTeardowns: yield* since("runtime_teardowns", "finished_at", "status = 'failed'", 0),
    leftTeardowns: yield* since(
      "runtime_teardowns AS t INDEXED BY runtime_teardowns_unsettled_idx",
      "t.created_at",
      "t.settled_at IS NULL",
      untilSettled
    ),
    leftSandboxes: yield* since(
      "sandboxes AS s",
      "s.updated_at",
      `s.status IN ('queued', 'running') AND ${sandboxIsLeft}`,
      untilSettled
    ),
    disagreeingSandboxes: yield* since(
      "sandboxes AS s INDEXED BY sandboxes_disagreeing_idx",
      "s.updated_at",
      `s.created_at >= 0 AND ${sandboxDisagrees}`,
      untilSettled
    ),
    expiredSandboxes: yield* since(
      "sandboxes AS s INDEXED BY sandboxes_expires_at_idx",
      "s.expires_at",
      sandboxMayExpire,
      untilSettled
    ),
    idleSandboxes: yield* since(
      "sandboxes AS s INDEXED BY sandboxes_idle_idx",
      mayIdleAt,
      `${sandboxMayIdle} AND ${sandboxIsIdle}`,
      untilSettled
    ),
    leftExecutions: yield* since(
      executionSource,
      "e.queued_at",
      `e.status IN ('queued', 'running') AND ${whyExecutionEnds} IS NOT NULL`,
      untilSettled + Duration.toMillis(beginDeadline)
    ),
    ownerlessWorkflows: ownerless.map(({ id }) => id),
    dueDeliveries: yield* since("github_webhook_deliveries", "available_at", "status = 'received'", untilDue),
    expiredDeliveries: yield* since(
      "github_webhook_deliveries",
      "lease_expires_at",
      "status = 'processing'",
      untilReaped
    ),
    consumers: consumers.map(({ behind, name, since }) => ({ name, behind, longest: Duration.millis(now - since) }))
  }
  return report
}).pipe(traced("findStuck"))
