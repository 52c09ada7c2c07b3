/**
 * Ends the dependants of a row that is about to be deleted, and records it in the journal, in the transaction of the
 * deletion. Each step is one statement over all rows concerned.
 *
 * For rows that the deletion removes, it only appends the events; it also ends rows that stay. The triggers of the schema do
 * the same, without events, for deletions by other means.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import { CurrentActor } from "./CurrentActor.js"

/** The rows that a deletion concerns, as queries for ids; `?1` is the id of the deleted row. */
interface Concerned {
  readonly sandboxes?: string
  readonly attempts?: string
  readonly executions: string
  readonly workflows?: string
}

const executionsOf = (workflows: string) => `SELECT id FROM issue_workflow_executions WHERE issue_workflow_id IN (${workflows})`

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
} satisfies Concerned

const ofOwner = {
  sandboxes: "SELECT id FROM sandboxes WHERE owner_user_id = ?1",
  attempts: "SELECT id FROM sandbox_attempts WHERE owner_user_id = ?1",
  executions: `
    ${executionsOf(owned)}
    UNION SELECT id FROM issue_workflow_executions WHERE sandbox_id IN (SELECT id FROM sandboxes WHERE owner_user_id = ?1)`,
  workflows: owned
} satisfies Concerned

const ofRepository = { executions: executionsOf(inRepository), workflows: inRepository } satisfies Concerned
const ofIssue = { executions: executionsOf(onIssue), workflows: onIssue } satisfies Concerned

const live = "status IN ('queued', 'running')"

/**
 * Appends an event for each row of `changes`: `id`, `owner_user_id`, `to_state`, `payload`, and `forced`, which
 * appends the event even if the state is unchanged. ?2: now, ?3: event type, ?4: actor type, ?5: actor id.
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

const recordSandboxes = (sandboxes: string) => recordText("sandbox", `
  SELECT id, owner_user_id, 'deleted' AS to_state, 0 AS forced,
    iif(latest_run_id IS NULL, NULL, json_object('attemptId', latest_run_id)) AS payload
  FROM sandboxes WHERE id IN (${sandboxes})`)

// An ended attempt with an active runtime gets an event, too: the program that tears it down reads its resource here.
const recordAttempts = (attempts: string) => recordText("attempt", `
  SELECT a.id, a.owner_user_id, iif(a.${live}, 'cancelled', a.status) AS to_state, r.run_id IS NOT NULL AS forced,
    json_patch('{}', json_object(
      'sandboxId', (SELECT sandbox_id FROM sandbox_run_links WHERE run_id = a.id),
      'runtimeStatus', iif(r.run_id IS NULL, NULL, 'stopped'),
      'adapter', r.adapter, 'resourceId', r.resource_id, 'reference', r.reference)) AS payload
  FROM sandbox_attempts AS a
  LEFT JOIN sandbox_runtime_instances AS r ON r.run_id = a.id AND r.status IN ('pending', 'running')
  WHERE a.id IN (${attempts}) AND (+a.${live} OR r.run_id IS NOT NULL)`)

// Includes ended jobs whose end is not recorded yet.
const recordJobs = (attempts: string) => recordText("job", `
  SELECT j.id, a.owner_user_id, iif(j.${live}, 'cancelled', j.status) AS to_state, 0 AS forced,
    json_object('attemptCount', j.attempt_count, 'leaseToken', j.lease_token) AS payload
  FROM oci_image_build_jobs AS j JOIN sandbox_attempts AS a ON a.id = j.run_id
  WHERE j.run_id IN (${attempts}) AND j.run_settled_at IS NULL`)

const recordExecutions = (executions: string) => recordText("execution", `
  SELECT e.id, w.owner_user_id, 'cancelled' AS to_state, 0 AS forced,
    json_patch('{}', json_object(
      'workflowId', e.issue_workflow_id, 'sandboxId', e.sandbox_id, 'attemptId', e.sandbox_attempt_id)) AS payload
  FROM issue_workflow_executions AS e JOIN issue_workflows AS w ON w.id = e.issue_workflow_id
  WHERE e.id IN (${executions}) AND +e.${live}`)

const recordWorkflows = (workflows: string) => recordText("workflow", `
  SELECT id, owner_user_id, 'cancelled' AS to_state, 0 AS forced, json_object('issueId', issue_id) AS payload
  FROM issue_workflows WHERE id IN (${workflows}) AND +status = 'active'`)

// ?2: now, ?3: the reason.
const endExecutionsText = (executions: string) => `
  UPDATE issue_workflow_executions SET
    status = 'cancelled', cancel_reason = ?3, finished_at = max(?2, coalesce(started_at, 0)),
    duration_ms = max(?2, started_at) - started_at, updated_at = ?2
  WHERE id IN (${executions}) AND +${live}`

const endJobsText = (attempts: string) => `
  UPDATE oci_image_build_jobs SET
    status = 'cancelled', cancel_reason = ?3, lease_expires_at = NULL,
    lease_outcome = iif(status = 'running', 'cancelled', lease_outcome),
    finished_at = max(?2, coalesce(started_at, 0)), run_settled_at = ?2, updated_at = ?2
  WHERE run_id IN (${attempts}) AND +${live}`

const endAttemptsText = (attempts: string) => `
  UPDATE sandbox_attempts SET
    status = 'cancelled', cancel_reason = ?3, finished_at = max(?2, coalesce(started_at, 0)),
    duration_ms = max(?2, started_at) - started_at, stop_requested_at = coalesce(stop_requested_at, ?2), updated_at = ?2
  WHERE id IN (${attempts}) AND +${live}`

// The attempt of these jobs has ended with the sandbox. ?2: now.
const settleJobsText = (attempts: string) => `
  UPDATE oci_image_build_jobs SET run_settled_at = ?2
  WHERE run_id IN (${attempts}) AND finished_at IS NOT NULL AND run_settled_at IS NULL`

// Prevents late reports from starting their runtimes again. ?2: now.
const askToStopText = (attempts: string) => `
  UPDATE sandbox_attempts SET stop_requested_at = ?2, updated_at = ?2
  WHERE id IN (${attempts}) AND stop_requested_at IS NULL`

const endRuntimesText = (attempts: string) => `
  UPDATE sandbox_runtime_instances SET status = 'stopped', finished_at = max(?2, coalesce(launched_at, 0)), updated_at = ?2
  WHERE run_id IN (${attempts}) AND +status IN ('pending', 'running')`

const endWorkflowsText = (workflows: string) => `
  UPDATE issue_workflows SET status = 'cancelled', updated_at = ?2 WHERE id IN (${workflows}) AND +status = 'active'`

interface Deletion {
  readonly eventType: string
  readonly reason: string
  readonly records: ReadonlyArray<string>
  /** Statements with the reason as ?3. */
  readonly ends: ReadonlyArray<string>
  /** Statements without it. */
  readonly moves: ReadonlyArray<string>
}

const ending = ({ ends, eventType, moves, reason, records }: Deletion) =>
(sql: SqlClient.SqlClient, id: string): Effect.Effect<void, SqlError.SqlError> =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const { id: actorId = null, type } = Option.getOrElse(yield* CurrentActor, () => ({ type: "system" as const, id: undefined }))
    for (const text of records) yield* sql.unsafe(text, [id, now, eventType, type, actorId])
    for (const text of ends) yield* sql.unsafe(text, [id, now, reason])
    for (const text of moves) yield* sql.unsafe(text, [id, now])
  })

/** Ends attempts, jobs, runtimes and executions of a sandbox. Attempts and jobs stay. */
export const endWithSandbox = ending({
  eventType: "delete",
  reason: "the sandbox was deleted",
  records: [
    recordSandboxes(ofSandbox.sandboxes),
    recordAttempts(ofSandbox.attempts),
    recordJobs(ofSandbox.attempts),
    recordExecutions(ofSandbox.executions)
  ],
  ends: [endExecutionsText(ofSandbox.executions), endJobsText(ofSandbox.attempts), endAttemptsText(ofSandbox.attempts)],
  moves: [settleJobsText(ofSandbox.attempts), askToStopText(ofSandbox.attempts), endRuntimesText(ofSandbox.attempts)]
})

/** Ends workflows and executions of a user, which stay; sandboxes, attempts and jobs go with the user. */
export const endWithOwner = ending({
  eventType: "deleteUser",
  reason: "the owner was deleted",
  records: [
    recordSandboxes(ofOwner.sandboxes),
    recordAttempts(ofOwner.attempts),
    recordJobs(ofOwner.attempts),
    recordExecutions(ofOwner.executions),
    recordWorkflows(ofOwner.workflows)
  ],
  ends: [endExecutionsText(ofOwner.executions)],
  moves: [endWorkflowsText(ofOwner.workflows)]
})

/** Records the end of workflows and executions that go with their repository. */
export const endWithRepository = ending({
  eventType: "deleteRepository",
  reason: "the repository was deleted",
  records: [recordExecutions(ofRepository.executions), recordWorkflows(ofRepository.workflows)],
  ends: [],
  moves: []
})

/** Ends workflows and executions on an issue that its provider has deleted. All of them stay. */
export const endWithIssue = ending({
  eventType: "deleteIssue",
  reason: "the issue was deleted",
  records: [recordExecutions(ofIssue.executions), recordWorkflows(ofIssue.workflows)],
  ends: [endExecutionsText(ofIssue.executions)],
  moves: [endWorkflowsText(ofIssue.workflows)]
})
