/**
 * `sealant-db workflows`: reads issue workflows of all owners, without the reports of their agents.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { DateTime, Effect, Layer, Option, Schema } from "effect"
import { ControlPlaneEvent } from "../events/ControlPlaneEvent.js"
import { ControlPlaneEvents } from "../events/ControlPlaneEvents.js"
import { Issue } from "../issue-workflow/Issue.js"
import { IssueRepo } from "../issue-workflow/IssueRepo.js"
import { IssueWorkflow, IssueWorkflowId, IssueWorkflowStatus } from "../issue-workflow/IssueWorkflow.js"
import { IssueWorkflowExecution } from "../issue-workflow/IssueWorkflowExecution.js"
import { IssueWorkflowExecutionRepo } from "../issue-workflow/IssueWorkflowExecutionRepo.js"
import { IssueWorkflowLifecycle } from "../issue-workflow/IssueWorkflowLifecycle.js"
import { IssueWorkflowRepo } from "../issue-workflow/IssueWorkflowRepo.js"
import { WorkflowView } from "../issue-workflow/IssueWorkflowViews.js"
import { existing } from "../sql/columns.js"
import { Page } from "../sql/pageSchemas.js"
import { layerCurrent } from "./database.js"
import { eventsOf, subjectCells } from "./events.js"
import { columns, json, orNone, printJson, printLines } from "./output.js"
import { age, allOf, idOf, pageOptions, printPage, requestOf, timeText } from "./rows.js"

const layer = Layer.provideMerge(
  Layer.mergeAll(
    IssueWorkflowLifecycle.layer,
    IssueWorkflowRepo.layer,
    IssueWorkflowExecutionRepo.layer,
    IssueRepo.layer,
    ControlPlaneEvents.layer
  ),
  layerCurrent
)

const status = Options.choice("status", IssueWorkflowStatus.literals).pipe(
  Options.withDescription("Only workflows in this state."),
  Options.optional
)

const encodePage = Schema.encodeSync(Page(WorkflowView))
const encodeWorkflow = Schema.encodeSync(IssueWorkflow.json)
const encodeIssue = Schema.encodeSync(Issue.json)
const encodeExecution = Schema.encodeSync(IssueWorkflowExecution.json)
const encodeEvent = Schema.encodeSync(ControlPlaneEvent.json)

const list = Command.make("list", { status, ...pageOptions("workflows"), json }, ({ json, ...options }) =>
  Effect.flatMap(IssueWorkflowLifecycle, ({ listAll }) =>
    Effect.flatMap(listAll(requestOf(options)), (page) =>
      printPage("workflows", page, {
        json,
        encode: encodePage,
        header: ["ID", "STATUS", "AGE", "OWNER", "EXECUTION", "ISSUE"],
        cells: ({ issue, latestExecution, workflow }, now) => [
          workflow.id,
          workflow.status,
          age(now, workflow.createdAt),
          orNone(workflow.ownerUserId),
          orNone(Option.map(latestExecution, ({ status }) => status)),
          `#${issue.number} ${issue.title}`
        ]
      })
    )
  )
).pipe(Command.withDescription("Lists the newest workflows of all owners, newest first."))

const fieldsOf = (workflow: IssueWorkflow, issue: Issue) => [
  ["id", workflow.id],
  ["status", workflow.status],
  ["owner", orNone(workflow.ownerUserId)],
  ["issue", `#${issue.number} ${issue.title}`],
  ["issue state", issue.state],
  ["issue url", orNone(issue.url)],
  ["repository", workflow.repositoryId],
  ["cancel reason", orNone(workflow.cancelReason)],
  ["created", DateTime.formatIso(workflow.createdAt)],
  ["archived", timeText(workflow.archivedAt)]
]

const executionCells = (execution: IssueWorkflowExecution) => [
  execution.id,
  execution.status,
  execution.triggerType,
  DateTime.formatIso(execution.queuedAt),
  timeText(execution.finishedAt),
  orNone(execution.sandboxId),
  orNone(execution.cancelReason)
]

const show = Command.make("show", { id: idOf(existing(IssueWorkflowId)), json }, ({ id, json }) =>
  Effect.gen(function* () {
    const executionRepo = yield* IssueWorkflowExecutionRepo
    const workflow = yield* Effect.flatMap(IssueWorkflowRepo, (workflows) => workflows.getById(id))
    const issue = yield* Effect.flatMap(IssueRepo, (issues) => issues.getById(workflow.issueId))
    const executions = yield* allOf((page) => executionRepo.list({ issueWorkflowId: id, ...page }))
    const events = yield* Effect.forEach(
      [
        { type: "workflow", id: String(id) } as const,
        ...executions.map(({ id }) => ({ type: "execution", id }) as const)
      ],
      (subject) => eventsOf(subject.type, subject.id)
    )
    const history = events.flat().toSorted((a, b) => a.position - b.position)
    if (json)
      return yield* printJson({
        workflow: encodeWorkflow(workflow),
        issue: encodeIssue(issue),
        executions: executions.map((execution) => encodeExecution(execution)),
        history: history.map((event) => encodeEvent(event))
      })
    yield* printLines(columns(fieldsOf(workflow, issue)))
    const header = ["EXECUTION", "STATUS", "TRIGGER", "QUEUED", "FINISHED", "SANDBOX", "CANCEL REASON"]
    if (executions.length > 0) yield* printLines(["", ...columns([header, ...executions.map(executionCells)])])
    if (history.length > 0) yield* printLines(["", "history", ...columns(history.map(subjectCells))])
  })
).pipe(
  Command.withDescription(
    "Shows one workflow with its issue, its executions, newest first, and the events of both, oldest first."
  )
)

export const workflows = Command.make("workflows").pipe(
  Command.withDescription("Reads issue workflows of all owners, with their executions."),
  Command.withSubcommands([list, show]),
  Command.provide(layer)
)
