/**
 * Rows of the tables that grow, as old as a test wants them, by plain SQL.
 */
import { SqlClient } from "@effect/sql"
import { Effect, TestClock } from "effect"
import * as Retention from "../../src/Retention.js"
import { seedIssue, seedRepository, seedUser } from "../support/database.js"
import { shell } from "../support/lists.js"

export const day = 86_400_000
export const now = 1000 * day

export const tables = Object.keys(Retention.defaults)

/** The rows of a table that the test put there, by their names. */
export const names = (table: string, column = "id") =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql.unsafe<{ readonly name: unknown }>(`SELECT ${column} AS name FROM ${table} ORDER BY 1`), (rows) =>
      rows.map(({ name }) => String(name))
    )
  )

export const session = (id: string, expiresAt: number) =>
  shell(
    "INSERT INTO session (id, user_id, token, expires_at, created_at, updated_at) VALUES (?1, 'user', ?1, ?2, 0, 0)",
    id,
    expiresAt
  )

export const verification = (id: string, expiresAt: number) =>
  shell(
    "INSERT INTO verification (id, identifier, value, expires_at, created_at, updated_at) VALUES (?1, ?1, '1', ?2, 0, 0)",
    id,
    expiresAt
  )

export const cacheEntry = (query: string, expiresAt: number) =>
  shell("INSERT INTO package_resolution_cache_entries VALUES (?1, '{}', 0, ?2, 0, 0)", query, expiresAt)

/** A concurrency key with a rate limit whose last start was a minute before `emptyUntil`. `used` is a column with jobs. */
export const queueKey = (key: string, emptyUntil: number, used?: "queued" | "running") =>
  shell(
    `INSERT INTO build_queue_keys (bucket, concurrency_key, max_running, start_interval_us, empty_until_us, queued, running)
     VALUES ('', ?1, 1, 1000, ?2 * 1000, ?3, ?4)`,
    key,
    emptyUntil,
    used === "queued" ? 1 : 0,
    used === "running" ? 1 : 0
  )

export const delivery = (id: string, status: string, receivedAt: number, processedAt: number | null) =>
  shell(
    `INSERT INTO github_webhook_deliveries (id, delivery_id, event_type, received_at, processed_at, status, error_message, attempt_count,
       max_attempts, available_at, claimed_at, lease_expires_at, worker_id, lease_token, lease_outcome, updated_at)
     VALUES (?1, ?1, 'push', ?2, ?3, ?4, iif(?4 = 'failed', 'x', NULL), iif(?4 = 'received', 0, 1), 5, 0, iif(?4 = 'processing', 0, NULL),
       iif(?4 = 'processing', 1, NULL), iif(?4 = 'processing', 'w', NULL), iif(?4 = 'received', 0, 1),
       CASE ?4 WHEN 'received' THEN NULL WHEN 'processing' THEN NULL ELSE ?4 END, 0)`,
    id,
    receivedAt,
    processedAt,
    status
  )

interface Job {
  readonly status: string
  readonly createdAt: number
  readonly finishedAt: number | null
  readonly attemptId?: string
  readonly settled?: boolean
}

export const job = (id: string, { createdAt, finishedAt, attemptId, settled, status }: Job) =>
  shell(
    `INSERT INTO oci_image_build_jobs (id, run_id, status, registry_id, repository, tag, request_payload, attempt_count, available_at,
       claimed_at, lease_expires_at, worker_id, lease_token, lease_outcome, started_at, finished_at, executor_id, published_reference,
       published_digest_reference, published_digest, error_message, cancel_reason, run_settled_at, created_at, updated_at)
     VALUES (?1, ?2, ?3, 'r', 'a', 't', '{}', iif(?3 = 'running', 1, 0), 0, iif(?3 = 'running', 0, NULL), iif(?3 = 'running', 1, NULL),
       iif(?3 = 'running', 'w', NULL), iif(?3 = 'queued', 0, 1), CASE ?3 WHEN 'queued' THEN NULL WHEN 'running' THEN NULL ELSE ?3 END,
       iif(?3 = 'running', 0, NULL), ?5, 'e', 'p', 'd', 's', iif(?3 = 'failed', 'x', NULL), iif(?3 = 'cancelled', 'x', NULL), ?6, ?4, 0)`,
    id,
    attemptId ?? null,
    status,
    createdAt,
    finishedAt,
    settled === true ? finishedAt : null
  )

export const teardown = (id: string, status: string, createdAt: number, settledAt: number | null) =>
  shell(
    `INSERT INTO runtime_teardowns (id, status, attempt_count, available_at, claimed_at, lease_expires_at, worker_id, lease_token,
       lease_outcome, error_message, finished_at, settled_at, created_at, updated_at)
     VALUES (?1, ?2, iif(?2 = 'queued', 0, 1), 0, iif(?2 = 'running', 0, NULL), iif(?2 = 'running', 1, NULL),
       iif(?2 = 'running', 'w', NULL), iif(?2 = 'queued', 0, 1), CASE ?2 WHEN 'queued' THEN NULL WHEN 'running' THEN NULL ELSE ?2 END,
       iif(?2 = 'failed', 'x', NULL), iif(?2 IN ('succeeded', 'failed'), ?3, NULL), ?4, ?3, 0)`,
    id,
    status,
    createdAt,
    settledAt
  )

export const attempt = (id: string, status: string, finishedAt: number | null) =>
  shell(
    `INSERT INTO sandbox_attempts (id, owner_user_id, status, queued_at, started_at, finished_at, created_at, updated_at)
     VALUES (?1, 'user', ?2, 0, iif(?2 = 'queued', NULL, 0), ?3, 0, 0)`,
    id,
    status,
    finishedAt
  )

export const sandbox = (id: string, latestAttemptId: string | null) =>
  shell(
    "INSERT INTO sandboxes (id, owner_user_id, latest_run_id, created_at, updated_at) VALUES (?1, 'user', ?2, 0, 0)",
    id,
    latestAttemptId
  )

export const event = (subjectType: string, subjectId: string, sequence: number, occurredAt: number) =>
  shell(
    `INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, actor_type, occurred_at)
     VALUES (?1, ?2, ?3, 'launch', 'system', ?4)`,
    subjectType,
    subjectId,
    sequence,
    occurredAt
  )

/** A redelivery, which takes the next position of the journal. */
export const redelivery = (subjectId: string, occurredAt: number) =>
  shell(
    `INSERT INTO control_plane_admin_events (position, subject_type, subject_id, sequence, event_type, actor_type, occurred_at)
     VALUES (1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'control_plane_events'), 0), 'delivery', ?1, 1,
       'redeliver', 'system', ?2)`,
    subjectId,
    occurredAt
  )

export const eventNames = names("control_plane_events", "subject_type || ' ' || subject_id || ' ' || sequence")

export const execution = (id: string, status: string, finishedAt: number | null) =>
  shell(
    `INSERT INTO issue_workflow_executions (id, issue_workflow_id, status, queued_at, started_at, finished_at, created_at, updated_at)
     VALUES (?1, 'workflow', ?2, 0, iif(?2 = 'queued', NULL, 0), ?3, 0, 0)`,
    id,
    status,
    finishedAt
  )

export const executionEvent = (executionId: string, sequence: number, occurredAt: number) =>
  shell(
    `INSERT INTO issue_workflow_execution_events (id, execution_id, sequence, phase, event_type, message, occurred_at)
     VALUES (?1 || ' ' || ?2, ?1, ?2, 'p', 't', 'm', ?3)`,
    executionId,
    sequence,
    occurredAt
  )

export const seedWorkflow = Effect.gen(function* () {
  yield* seedRepository("repository")
  yield* seedIssue("issue", "repository")
  yield* shell(
    "INSERT INTO issue_workflows (id, issue_id, repository_id, created_at, updated_at) VALUES ('workflow', 'issue', 'repository', 0, 0)"
  )
})

export const begin = Effect.zipRight(TestClock.setTime(now), seedUser("user"))

export const everything: Retention.Policy = Object.fromEntries(tables.map((table) => [table, 0]))
