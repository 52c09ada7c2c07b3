/**
 * Issue workflows and their executions, and what must be true of them.
 */
import { Effect, Option } from "effect"
import { IssueWorkflowExecutionId } from "../../../../src/issue-workflow/IssueWorkflowExecution.js"
import { IssueWorkflowLifecycle } from "../../../../src/issue-workflow/IssueWorkflowLifecycle.js"
import { shell, specification } from "../../../sandbox/lifecycle/support.js"
import { runOperation, type Turn } from "../operation.js"
import { begunOf, doneOf, type Ledger } from "../protocol.js"
import { issueIds, owner } from "../database.js"

const startOf = (workflowId: string, key: string) => ({
  issueWorkflowId: workflowId,
  ownerUserId: owner,
  idempotencyKey: key,
  launch: { name: key, spec: specification, registryId: "registry", repository: "acme/app", tag: "latest" }
})

const eventsOfReport = 3

const reportOf = (executionId: string, key: string) => ({
  executionId,
  idempotencyKey: key,
  events: Array.from(
    { length: eventsOfReport },
    (_, index) => ({ phase: "build", level: "info", eventType: "step", message: `${key} ${index}` }) as const
  ),
  diffFiles: [{ changeType: "modified", path: `${key}.ts`, additions: 1, deletions: 0, isBinary: false } as const]
})

const open = ({ options, random }: Turn) =>
  Effect.gen(function* () {
    const lifecycle = yield* IssueWorkflowLifecycle
    const issueId = random.pick(issueIds) ?? ""
    yield* runOperation(
      options,
      "open",
      { issueId },
      lifecycle.open({ issueId, ownerUserId: owner }),
      ({ workflow }) => ({
        workflowId: workflow.id
      })
    )
  })

const start = ({ name, options, random }: Turn) =>
  Effect.gen(function* () {
    const lifecycle = yield* IssueWorkflowLifecycle
    const { items } = yield* lifecycle.list({ ownerUserId: owner, statuses: ["active"], limit: 10 })
    const workflowId = random.pick(items)?.workflow.id
    if (workflowId === undefined) return
    const key = name()
    yield* runOperation(
      options,
      "start",
      { workflowId, key },
      lifecycle.startExecution(startOf(workflowId, key)),
      ({ execution }) => ({ workflowId, key, executionId: execution.id })
    )
  })

/** Reports for an execution, finishes it, or cancels its workflow. */
const work = ({ name, options, random }: Turn) =>
  Effect.gen(function* () {
    const lifecycle = yield* IssueWorkflowLifecycle
    const { items } = yield* lifecycle.list({ ownerUserId: owner, limit: 20 })
    const view = random.pick(items)
    const execution = view === undefined ? undefined : Option.getOrUndefined(view.latestExecution)
    if (view === undefined || execution === undefined) return
    const { id: executionId } = execution
    const workflowId = view.workflow.id
    if (random.chance(0.6)) {
      const key = name()
      yield* runOperation(
        options,
        "report",
        { executionId, key },
        lifecycle.report(reportOf(executionId, key)),
        () => ({
          executionId,
          key,
          events: eventsOfReport
        })
      )
    } else if (random.chance(0.8)) {
      const outcome = random.pick(["succeeded", "failed", "cancelled"] as const) ?? "failed"
      const finish = lifecycle.finish({
        executionId,
        outcome,
        ...(random.chance(0.3) ? { workflow: "completed" as const } : {})
      })
      yield* runOperation(options, "finishExecution", { executionId }, finish, () => ({ executionId, outcome }))
    } else {
      const cancel = lifecycle.cancel({ id: workflowId, ownerUserId: owner, reason: "enough" })
      yield* runOperation(options, "cancelWorkflow", { workflowId }, cancel, () => ({ workflowId }))
    }
  })

const supervise = ({ options }: Turn) =>
  Effect.gen(function* () {
    const lifecycle = yield* IssueWorkflowLifecycle
    yield* runOperation(options, "supervise", {}, lifecycle.supervise({ limit: 50 }), ({ ended }) => ({ ended }))
  })

export const acts = [open, start, work, work, work, supervise]

/** Repeats starts and reports of killed processes. Under its key each is stored once. */
export const repeat = (ledger: Ledger) =>
  Effect.gen(function* () {
    const lifecycle = yield* IssueWorkflowLifecycle
    const started = new Set(doneOf(ledger, "start").map(({ key }) => key))
    for (const { key = "", workflowId = "" } of begunOf(ledger, "start")) {
      if (started.has(key)) continue
      const again = yield* Effect.option(lifecycle.startExecution(startOf(workflowId, key)))
      // The workflow may have ended.
      if (Option.isSome(again))
        ledger.push({
          type: "done",
          id: "repeat",
          operation: "start",
          facts: { workflowId, key, executionId: again.value.execution.id }
        })
    }
    const reported = new Set(doneOf(ledger, "report").map(({ key }) => key))
    for (const { executionId = "", key = "" } of begunOf(ledger, "report")) {
      if (reported.has(key)) continue
      yield* lifecycle.report(reportOf(IssueWorkflowExecutionId.make(executionId), key))
      ledger.push({
        type: "done",
        id: "repeat",
        operation: "report",
        facts: { executionId, key, events: eventsOfReport }
      })
    }
  })

/** Queries for inconsistent rows, by the problem. */
const rules: Readonly<Record<string, string>> = {
  "an execution that goes on in a workflow that has ended": `
    SELECT x.id FROM issue_workflow_executions AS x JOIN issue_workflows AS w ON w.id = x.issue_workflow_id
    WHERE w.status <> 'active' AND x.status IN ('queued', 'running')`,
  "an execution without its key": `
    SELECT id FROM issue_workflow_executions WHERE id NOT IN (SELECT execution_id FROM issue_workflow_execution_keys)`,
  "events with a gap": `
    SELECT execution_id AS id FROM issue_workflow_execution_events GROUP BY execution_id
    HAVING max(sequence) - min(sequence) + 1 <> count(*) OR min(sequence) > 1`,
  "half a report": `
    SELECT execution_id AS id FROM issue_workflow_execution_events WHERE event_type = 'step'
    GROUP BY execution_id, substr(message, 1, instr(message, ' ')) HAVING count(*) <> ${eventsOfReport}`,
  "two active workflows of an issue": `
    SELECT issue_id AS id FROM issue_workflows WHERE status = 'active' GROUP BY issue_id HAVING count(*) > 1`,
  "a workflow of which the journal tells otherwise": `
    SELECT id FROM issue_workflows AS w WHERE status IS NOT (
      SELECT to_state FROM control_plane_events WHERE subject_type = 'workflow' AND subject_id = w.id ORDER BY sequence DESC LIMIT 1)`,
  "an execution of which the journal tells otherwise": `
    SELECT id FROM issue_workflow_executions AS x WHERE status IS NOT (
      SELECT to_state FROM control_plane_events WHERE subject_type = 'execution' AND subject_id = x.id ORDER BY sequence DESC LIMIT 1)`,
  "a journal with a gap": `
    SELECT subject_id AS id FROM control_plane_events GROUP BY subject_type, subject_id HAVING max(sequence) <> count(*)`
}

/** Rows that differ from the acknowledged operations, and inconsistent rows. */
export const checkInvariants = (ledger: Ledger) =>
  Effect.gen(function* () {
    const found: Array<string> = []
    for (const [rule, text] of Object.entries(rules)) {
      for (const { id } of yield* shell<{ readonly id: string }>(text)) found.push(`${rule}: ${id}`)
    }
    const workflows = yield* shell<{ readonly id: string; readonly status: string }>(
      "SELECT id, status FROM issue_workflows"
    )
    const workflowOf = new Map(workflows.map(({ id, status }) => [id, status]))
    for (const { workflowId } of doneOf(ledger, "open"))
      if (!workflowOf.has(workflowId)) found.push(`the workflow ${workflowId} is lost`)
    for (const { workflowId } of doneOf(ledger, "cancelWorkflow"))
      if (workflowOf.get(workflowId) !== "cancelled") found.push(`the end of ${workflowId} is lost`)

    const keys = yield* shell<{ readonly key: string; readonly id: string; readonly status: string }>(`
      SELECT idempotency_key AS "key", x.id, x.status FROM issue_workflow_execution_keys JOIN issue_workflow_executions AS x ON x.id = execution_id`)
    const byKey = new Map(keys.map(({ id, key }) => [key, id]))
    for (const { executionId, key } of doneOf(ledger, "start"))
      if (byKey.get(key) !== executionId) found.push(`the execution ${key} is lost`)
    const statusOf = new Map(keys.map(({ id, status }) => [id, status]))
    for (const { executionId, outcome } of doneOf(ledger, "finishExecution")) {
      if (statusOf.get(executionId) !== outcome) found.push(`the end of ${executionId} is lost`)
    }
    const events = yield* shell<{ readonly message: string; readonly n: number }>(
      "SELECT message, count(*) AS n FROM issue_workflow_execution_events GROUP BY execution_id, message"
    )
    const countOf = new Map(events.map(({ message, n }) => [message, n]))
    for (const { events: count, key } of doneOf(ledger, "report")) {
      for (let index = 0; index < count; index++) {
        if (countOf.get(`${key} ${index}`) !== 1) found.push(`the report ${key} is lost, or there twice`)
      }
    }
    return found
  })
