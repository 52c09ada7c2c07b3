/**
 * Ends the dependants of a row before its deletion, and appends their events to the journal, in the batch or the
 * transaction of the deletion. Each step is one statement over all affected rows.
 *
 * Rows that the deletion removes only get an event. Rows that stay are also ended. For deletions by other programs, the
 * triggers of the schema end the same rows, without events.
 */
import type { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { type Write, writeAll } from "../sql/writeAll.js"
import { CurrentActor } from "./CurrentActor.js"

/** The rows that a deletion affects, as queries for ids. `?1` is the id of the deleted row. */
interface Affected {
  readonly sandboxes?: string
  readonly attempts?: string
  readonly executions: string
  readonly workflows?: string
}

const executionsOf = (workflows: string) =>
  `SELECT id FROM issue_workflow_executions WHERE issue_workflow_id IN (${workflows})`

const linked = "SELECT run_id FROM sandbox_run_links WHERE sandbox_id = ?1"
const owned = "SELECT id FROM issue_workflows WHERE owner_user_id = ?1"
const inRepository = "SELECT id FROM issue_workflows WHERE repository_id = ?1"
const onIssue = "SELECT id FROM issue_workflows WHERE issue_id = ?1"

const ofSandbox = {
  sandboxes: "SELECT ?1",
  attempts: linked,
  executions: `
    SELECT id FROM issue_workflow_executions WHERE sandbox_id = ?1
    UNION SELECT id FROM issue_workflow_executions WHERE sandbox_attempt_id IN (${linked})`
} satisfies Affected

const ofOwner = {
  sandboxes: "SELECT id FROM sandboxes WHERE owner_user_id = ?1",
  attempts: "SELECT id FROM sandbox_attempts WHERE owner_user_id = ?1",
  executions: `
    ${executionsOf(owned)}
    UNION SELECT id FROM issue_workflow_executions
    WHERE sandbox_id IN (SELECT id FROM sandboxes WHERE owner_user_id = ?1)`,
  workflows: owned
} satisfies Affected

const ofRepository = { executions: executionsOf(inRepository), workflows: inRepository } satisfies Affected
const ofIssue = { executions: executionsOf(onIssue), workflows: onIssue } satisfies Affected

const isActive = "status IN ('queued', 'running')"

/**
 * Builds the statement that appends an event for each row of `changes`: `id`, `owner_user_id`, `to_state`, `payload`,
 * and `forced`, which appends the event even if the state is unchanged. ?2: now, ?3: event type, ?4: actor type, ?5:
 * actor id.
 */
const recordText = (subjectType: string, changes: string) => `
  INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, from_state, to_state, actor_type,
    actor_id, owner_user_id, payload, occurred_at)
  SELECT '${subjectType}', change.id, coalesce(last.sequence, 0) + 1, ?3, last.to_state, change.to_state, ?4, ?5,
    change.owner_user_id, change.payload, ?2
  FROM (${changes}) AS change
  LEFT JOIN control_plane_events AS last ON last.position = (
    SELECT position FROM control_plane_events WHERE subject_type = '${subjectType}' AND subject_id = change.id
    ORDER BY sequence DESC LIMIT 1)
  WHERE change.forced OR last.to_state IS NOT change.to_state`

const recordSandboxes = (sandboxes: string) =>
  recordText(
    "sandbox",
    `
  SELECT id, owner_user_id, 'deleted' AS to_state, 0 AS forced,
    iif(latest_run_id IS NULL, NULL, json_object('attemptId', latest_run_id)) AS payload
  FROM sandboxes WHERE id IN (${sandboxes})`
  )

// An ended attempt with an active runtime gets an event, too: the program that tears the runtime down reads its
// resource from this event.
const recordAttempts = (attempts: string) =>
  recordText(
    "attempt",
    `
  SELECT a.id, a.owner_user_id, iif(a.${isActive}, 'cancelled', a.status) AS to_state, r.run_id IS NOT NULL AS forced,
    json_patch('{}', json_object(
      'sandboxId', (SELECT sandbox_id FROM sandbox_run_links WHERE run_id = a.id),
      'runtimeStatus', iif(r.run_id IS NULL, NULL, 'stopping'), 'stopReason', iif(r.run_id IS NULL, NULL, 'user'),
      'adapter', r.adapter, 'resourceId', r.resource_id, 'reference', r.reference)) AS payload
  FROM sandbox_attempts AS a
  LEFT JOIN sandbox_runtime_instances AS r ON r.run_id = a.id AND r.status IN ('pending', 'running')
  WHERE a.id IN (${attempts}) AND (+a.${isActive} OR r.run_id IS NOT NULL)`
  )

// Includes ended jobs without an event for their end.
const recordJobs = (attempts: string) =>
  recordText(
    "job",
    `
  SELECT j.id, a.owner_user_id, iif(j.${isActive}, 'cancelled', j.status) AS to_state, 0 AS forced,
    json_object('attemptCount', j.attempt_count, 'leaseToken', j.lease_token) AS payload
  FROM oci_image_build_jobs AS j JOIN sandbox_attempts AS a ON a.id = j.run_id
  WHERE j.run_id IN (${attempts}) AND j.run_settled_at IS NULL`
  )

const recordExecutions = (executions: string) =>
  recordText(
    "execution",
    `
  SELECT e.id, w.owner_user_id, 'cancelled' AS to_state, 0 AS forced,
    json_patch('{}', json_object(
      'workflowId', e.issue_workflow_id, 'sandboxId', e.sandbox_id, 'attemptId', e.sandbox_attempt_id)) AS payload
  FROM issue_workflow_executions AS e JOIN issue_workflows AS w ON w.id = e.issue_workflow_id
  WHERE e.id IN (${executions}) AND +e.${isActive}`
  )

const recordWorkflows = (workflows: string) =>
  recordText(
    "workflow",
    `
  SELECT id, owner_user_id, 'cancelled' AS to_state, 0 AS forced, json_object('issueId', issue_id) AS payload
  FROM issue_workflows WHERE id IN (${workflows}) AND +status = 'active'`
  )

// ?2: now, ?3: the reason.
const endExecutionsText = (executions: string) => `
  UPDATE issue_workflow_executions SET
    status = 'cancelled', cancel_reason = ?3, finished_at = max(?2, coalesce(started_at, 0)),
    duration_ms = max(?2, started_at) - started_at, updated_at = ?2
  WHERE id IN (${executions}) AND +${isActive}`

const endJobsText = (attempts: string) => `
  UPDATE oci_image_build_jobs SET
    status = 'cancelled', cancel_reason = ?3, lease_expires_at = NULL,
    lease_outcome = iif(status = 'running', 'cancelled', lease_outcome),
    finished_at = max(?2, coalesce(started_at, 0)), run_settled_at = ?2, updated_at = ?2
  WHERE run_id IN (${attempts}) AND +${isActive}`

const endAttemptsText = (attempts: string) => `
  UPDATE sandbox_attempts SET
    status = 'cancelled', cancel_reason = ?3, finished_at = max(?2, coalesce(started_at, 0)),
    duration_ms = max(?2, started_at) - started_at, stop_requested_at = coalesce(stop_requested_at, ?2), updated_at = ?2
  WHERE id IN (${attempts}) AND +${isActive}`

const endWorkflowsText = (workflows: string) => `
  UPDATE issue_workflows SET status = 'cancelled', cancel_reason = ?3, updated_at = ?2
  WHERE id IN (${workflows}) AND +status = 'active'`

// The attempts of these jobs have ended with the sandbox. ?2: now.
const settleJobsText = (attempts: string) => `
  UPDATE oci_image_build_jobs SET run_settled_at = ?2
  WHERE run_id IN (${attempts}) AND finished_at IS NOT NULL AND run_settled_at IS NULL`

// Prevents late reports from starting their runtimes again. A trigger requests the teardown of active runtimes. ?2: now.
const requestStopText = (attempts: string) => `
  UPDATE sandbox_attempts SET stop_requested_at = ?2, updated_at = ?2
  WHERE id IN (${attempts}) AND stop_requested_at IS NULL`

const hasActiveRuntime = `EXISTS (
  SELECT 1 FROM sandbox_runtime_instances AS r
  WHERE r.run_id = sandbox_attempts.id AND +r.status IN ('pending', 'running'))`

interface Deletion {
  readonly eventType: string
  readonly reason: string
  /** Statements that append events. */
  readonly events: ReadonlyArray<string>
  /** Statements with the reason as ?3. */
  readonly updatesWithReason: ReadonlyArray<string>
  /** Statements without the reason. */
  readonly updates: ReadonlyArray<string>
}

/** The deletion of a row, in the batch of the endings of its dependants. */
interface DeletedWith {
  /** The guard that the row may be deleted. */
  readonly allowed?: Write
  readonly deletion: Write
}

/**
 * Builds the function that ends the dependants of a row. With the deletion of the row, all of it is one batch, and the
 * function returns the rows of the deletion. Otherwise it runs in the transaction of the caller.
 */
const endDependants =
  ({ events, eventType, reason, updates, updatesWithReason }: Deletion) =>
  (sql: SqlClient.SqlClient, id: string, deleted?: DeletedWith) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const actor = yield* CurrentActor
      const { id: actorId = null, type } = Option.getOrElse(actor, () => ({ type: "system" as const, id: undefined }))
      const endings = [
        ...events.map((text) => ({ sql: text, values: [id, now, eventType, type, actorId] })),
        ...updatesWithReason.map((text) => ({ sql: text, values: [id, now, reason] })),
        ...updates.map((text) => ({ sql: text, values: [id, now] }))
      ]
      const allowed = deleted?.allowed === undefined ? [] : [deleted.allowed]
      const deletion = deleted === undefined ? [] : [deleted.deletion]
      const rows = yield* writeAll(sql, [...allowed, ...endings, ...deletion])
      return deleted === undefined ? [] : (rows.at(-1) ?? [])
    })

/**
 * Ends the attempts, jobs and executions of a sandbox, and requests the stop of its runtimes. Their rows stay.
 */
export const endWithSandbox = endDependants({
  eventType: "delete",
  reason: "the sandbox was deleted",
  events: [
    recordSandboxes(ofSandbox.sandboxes),
    recordAttempts(ofSandbox.attempts),
    recordJobs(ofSandbox.attempts),
    recordExecutions(ofSandbox.executions)
  ],
  updatesWithReason: [
    endExecutionsText(ofSandbox.executions),
    endJobsText(ofSandbox.attempts),
    endAttemptsText(ofSandbox.attempts)
  ],
  updates: [settleJobsText(ofSandbox.attempts), requestStopText(ofSandbox.attempts)]
})

/**
 * Ends the workflows and executions of a user; their rows stay. The deletion of the user removes sandboxes, attempts,
 * jobs and runtimes. The teardowns of active runtimes stay.
 */
export const endWithOwner = endDependants({
  eventType: "deleteUser",
  reason: "the owner was deleted",
  events: [
    recordSandboxes(ofOwner.sandboxes),
    recordAttempts(ofOwner.attempts),
    recordJobs(ofOwner.attempts),
    recordExecutions(ofOwner.executions),
    recordWorkflows(ofOwner.workflows)
  ],
  updatesWithReason: [endExecutionsText(ofOwner.executions), endWorkflowsText(ofOwner.workflows)],
  updates: [requestStopText(`${ofOwner.attempts} AND ${hasActiveRuntime}`)]
})

/** Appends the events of workflows and executions that the deletion of their repository removes. */
export const endWithRepository = endDependants({
  eventType: "deleteRepository",
  reason: "the repository was deleted",
  events: [recordExecutions(ofRepository.executions), recordWorkflows(ofRepository.workflows)],
  updatesWithReason: [],
  updates: []
})

/** Ends the workflows and executions on an issue that its provider has deleted. Their rows stay. */
export const endWithIssue = endDependants({
  eventType: "deleteIssue",
  reason: "the issue was deleted",
  events: [recordExecutions(ofIssue.executions), recordWorkflows(ofIssue.workflows)],
  updatesWithReason: [endExecutionsText(ofIssue.executions), endWorkflowsText(ofIssue.workflows)],
  updates: []
})

/** Ends the workflow and executions on the new row of a transferred issue whose former row has an active workflow. */
export const endWithTransfer = endDependants({
  eventType: "transferIssue",
  reason: "the issue was transferred with an active workflow",
  events: [recordExecutions(ofIssue.executions), recordWorkflows(ofIssue.workflows)],
  updatesWithReason: [endExecutionsText(ofIssue.executions), endWorkflowsText(ofIssue.workflows)],
  updates: []
})
