/**
 * Helpers of the tests of `IssueWorkflowLifecycle`: the services over each database, a workflow of Ada, and what is
 * stored of it.
 */
import type { SqlClient } from "@effect/sql"
import { Array, Effect, Layer, Option } from "effect"
import { Factories } from "@sealant/db/testing"
import { IssueWorkflowExecutionId } from "../../../src/issue-workflow/IssueWorkflowExecution.js"
import { IssueWorkflowId } from "../../../src/issue-workflow/IssueWorkflow.js"
import * as IssueWorkflows from "../../../src/issue-workflow/index.js"
import { ControlPlaneEvents } from "../../../src/events/ControlPlaneEvents.js"
import { IssueWorkflowLifecycle } from "../../../src/issue-workflow/IssueWorkflowLifecycle.js"
import type { StartExecution } from "../../../src/issue-workflow/IssueWorkflowViews.js"
import * as Sandboxes from "../../../src/sandbox/index.js"
import { specification } from "../../sandbox/support.js"
import { overDatabases } from "../../support/database.js"
import { shell } from "../../support/lists.js"

export { pages, shell } from "../../support/lists.js"
export { badNames, refusalOf, tagOf } from "../../support/refusals.js"

export const { make } = Factories

export type Services = IssueWorkflows.Services | Sandboxes.Services | ControlPlaneEvents | SqlClient.SqlClient

/** The services over a database. */
export const services = Layer.mergeAll(IssueWorkflows.layer, Sandboxes.layer, ControlPlaneEvents.layer)

/** The lifecycle over each database, with the users `ada` and `eve`. */
export const layers = overDatabases(
  Layer.merge(
    services,
    Layer.effectDiscard(Effect.orDie(Effect.all([make.user({ id: "ada" }), make.user({ id: "eve" })])))
  )
)

export const goneWorkflow = IssueWorkflowId.make("gone")
export const goneExecution = IssueWorkflowExecutionId.make("gone")

/** A workflow of Ada on a new issue. */
export const opened = Effect.gen(function* () {
  const { open } = yield* IssueWorkflowLifecycle
  const { id: issueId } = yield* make.issue({ repositoryId: "app" })
  return (yield* open({ issueId, ownerUserId: "ada" })).workflow
})

/** A new execution of a workflow, of a new one if none is given. */
export const started = (given: Partial<typeof StartExecution.Encoded> = {}) =>
  Effect.gen(function* () {
    const { startExecution } = yield* IssueWorkflowLifecycle
    const issueWorkflowId = given.issueWorkflowId ?? (yield* opened).id
    return (yield* startExecution({ ...given, issueWorkflowId })).execution
  })

/** A sandbox to launch. */
export const toLaunch = {
  name: "one",
  spec: specification,
  registryId: "registry",
  repository: "acme/app",
  tag: "latest"
} as const

/** The events of a subject, one line each. */
export const eventLines = (subjectType: "workflow" | "execution" | "sandbox", subjectId: string) =>
  Effect.flatMap(ControlPlaneEvents, (events) =>
    Effect.map(
      events.list({ subjectType, subjectId }),
      Array.map((event) => {
        const from = Option.getOrElse(event.fromState, () => "-")
        const who = [event.actorType, ...Option.toArray(event.actorId)].join(" ")
        return `${event.sequence} ${event.eventType}: ${from} > ${Option.getOrElse(event.toState, () => "-")} by ${who}`
      })
    )
  )

const tables = [
  "issue_workflows",
  "issue_workflow_executions",
  "issue_workflow_execution_keys",
  "issue_workflow_execution_events",
  "issue_workflow_execution_validation_results",
  "issue_workflow_execution_diff_files",
  "issue_workflow_execution_artifacts",
  "issue_workflow_execution_summaries",
  "issue_workflow_execution_pull_request_links",
  "sandboxes",
  "sandbox_attempts",
  "oci_image_build_jobs",
  "control_plane_events"
] as const

/** All that is stored of workflows, for a test that nothing has changed. */
export const everything = Effect.map(
  Effect.forEach(tables, (table) => shell(`SELECT * FROM ${table} ORDER BY 1, 2, 3`)),
  (rows) => Object.fromEntries(rows.map((found, index) => [tables[index] ?? "", found]))
)

/** The state in which the journal leaves a subject. */
const inJournal = (type: string, id: string) => `(
  SELECT to_state FROM control_plane_events WHERE subject_type = '${type}' AND subject_id = ${id} ORDER BY sequence DESC LIMIT 1)`

const rules: Readonly<Record<string, string>> = {
  "an ended workflow, and something of it that goes on": `w.status <> 'active' AND e.status IN ('queued', 'running')`,
  "rows of two owners": `(s.owner_user_id <> w.owner_user_id) OR (a.owner_user_id <> w.owner_user_id)`,
  "a workflow of which the journal tells otherwise": `w.status IS NOT ${inJournal("workflow", "w.id")}`,
  "an execution of which the journal tells otherwise": `e.id IS NOT NULL AND e.status IS NOT ${inJournal("execution", "e.id")}`,
  "an event of another owner": `EXISTS (
    SELECT 1 FROM control_plane_events WHERE subject_id IN (w.id, e.id) AND owner_user_id IS NOT w.owner_user_id)`,
  "events with a gap, or that do not follow from each other": `EXISTS (
    SELECT 1 FROM (
      SELECT sequence, from_state, row_number() OVER g AS place, lag(to_state) OVER g AS before
      FROM control_plane_events WHERE subject_id IN (w.id, e.id)
      WINDOW g AS (PARTITION BY subject_type, subject_id ORDER BY sequence))
    WHERE sequence <> place OR from_state IS NOT before)`
}

/** What no workflow may be left in: the rules that any workflow or execution breaks now. */
export const contradictions = Effect.map(
  shell(`
    SELECT ${Object.entries(rules)
      .map(([rule, condition]) => `${condition} AS "${rule}"`)
      .join(", ")}
    FROM issue_workflows AS w LEFT JOIN issue_workflow_executions AS e ON e.issue_workflow_id = w.id
    LEFT JOIN sandboxes AS s ON s.id = e.sandbox_id LEFT JOIN sandbox_attempts AS a ON a.id = e.sandbox_attempt_id`),
  (rows) => Object.keys(rules).filter((rule) => rows.some((row) => Reflect.get(Object(row), rule) === 1))
)
