/**
 * The handlers of workflows and executions.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Chunk, Effect, Option, Stream } from "effect"
import { ControlPlaneEvent } from "../../events/ControlPlaneEvent.js"
import { ControlPlaneEvents } from "../../events/ControlPlaneEvents.js"
import { IssueWorkflowExecutionEvent } from "../../issue-workflow/ExecutionEvent.js"
import {
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionPullRequestLink,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult
} from "../../issue-workflow/ExecutionReport.js"
import { Issue } from "../../issue-workflow/Issue.js"
import { IssueRepo } from "../../issue-workflow/IssueRepo.js"
import { IssueWorkflow, IssueWorkflowStatus } from "../../issue-workflow/IssueWorkflow.js"
import { IssueWorkflowExecution, IssueWorkflowExecutionStatus } from "../../issue-workflow/IssueWorkflowExecution.js"
import { IssueWorkflowExecutionRepo } from "../../issue-workflow/IssueWorkflowExecutionRepo.js"
import { IssueWorkflowLifecycle } from "../../issue-workflow/IssueWorkflowLifecycle.js"
import { IssueWorkflowRepo } from "../../issue-workflow/IssueWorkflowRepo.js"
import { WorkflowView } from "../../issue-workflow/IssueWorkflowViews.js"
import { PullRequest } from "../../issue-workflow/PullRequest.js"
import { PullRequestRepo } from "../../issue-workflow/PullRequestRepo.js"
import { Row } from "../../sql/model.js"
import { Page } from "../../sql/pageSchemas.js"
import { DashboardApi, type ExecutionLiveEvents } from "../api/index.js"
import { intervalMillis, type Message, mostEvents, streamResponse } from "../live.js"
import { given, jsonOf, literalsOf, Running } from "./running.js"

const pageJson = jsonOf(Page(WorkflowView))
const executionsJson = jsonOf(Page(Row(IssueWorkflowExecution)))
const executionEventsJson = jsonOf(Page(Row(IssueWorkflowExecutionEvent)))
const executionEventJson = jsonOf(IssueWorkflowExecutionEvent.json)
const workflowJson = jsonOf(IssueWorkflow.json)
const issueJson = jsonOf(Issue.json)
const executionJson = jsonOf(IssueWorkflowExecution.json)
const summaryJson = jsonOf(IssueWorkflowExecutionSummary.json)
const resultJson = jsonOf(IssueWorkflowExecutionValidationResult.json)
const diffFileJson = jsonOf(IssueWorkflowExecutionDiffFile.json)
const artifactJson = jsonOf(IssueWorkflowExecutionArtifact.json)
const linkJson = jsonOf(IssueWorkflowExecutionPullRequestLink.json)
const pullRequestJson = jsonOf(PullRequest.json)
const eventJson = jsonOf(ControlPlaneEvent.json)

const workflowOf = (id: string) =>
  Effect.gen(function* () {
    const workflow = yield* Effect.flatMap(IssueWorkflowRepo, (workflows) => workflows.getById(id))
    const issue = yield* Effect.flatMap(IssueRepo, (issues) => issues.getById(workflow.issueId))
    const executions = yield* IssueWorkflowExecutionRepo
    const journal = yield* ControlPlaneEvents
    const events = yield* journal.list({ subjectType: "workflow", subjectId: workflow.id, limit: mostEvents })
    return {
      workflow: workflowJson(workflow),
      issue: issueJson(issue),
      executions: executionsJson(yield* executions.list({ issueWorkflowId: workflow.id })),
      events: events.map((event) => eventJson(event))
    }
  })

const executionOf = (id: string) =>
  Effect.gen(function* () {
    const executions = yield* IssueWorkflowExecutionRepo
    const pullRequests = yield* PullRequestRepo
    const { artifacts, diffFiles, execution, summary, validationResults } = yield* executions.getDetail(id)
    const links = yield* executions.listPullRequests({ executionId: execution.id, limit: 100 })
    const linked = yield* Effect.forEach(links.items, (link) =>
      Effect.map(pullRequests.findById(link.pullRequestId), (found) =>
        Option.toArray(found).map((row) => ({ link: linkJson(link), pullRequest: pullRequestJson(row) }))
      )
    )
    return given({
      execution: executionJson(execution),
      summary: Option.getOrUndefined(Option.map(summary, summaryJson)),
      validationResults: validationResults.map((result) => resultJson(result)),
      diffFiles: diffFiles.map((file) => diffFileJson(file)),
      artifacts: artifacts.map((artifact) => ({
        hasContent: Option.isSome(artifact.inlineJson),
        artifact: artifactJson(artifact)
      })),
      pullRequests: linked.flat()
    })
  })

const withoutPayload = (event: IssueWorkflowExecutionEvent) => {
  const { payload: _, ...rest } = executionEventJson(event)
  return rest
}

/** The tail of an execution, in messages of the events of up to 200 ms. */
const tailOf = (executionId: string, afterSequence: number | undefined) =>
  Effect.map(IssueWorkflowExecutionRepo, (executions) => {
    const events = executions.tailEvents(given({ executionId, afterSequence })).pipe(
      Stream.groupedWithin(mostEvents, intervalMillis),
      Stream.map((chunk): Message => {
        const events = Chunk.toReadonlyArray(chunk).map(withoutPayload)
        const last = events.at(-1)?.sequence
        const data: ExecutionLiveEvents["events"] = { events }
        return { event: "events", data, ...(last === undefined ? {} : { id: String(last) }) }
      })
    )
    const end = Effect.map(
      executions.getById(executionId),
      ({ status }): Message => ({ event: "end", data: { status } satisfies ExecutionLiveEvents["end"] })
    )
    return Stream.concat(events, Stream.fromEffect(end))
  })

export const workflowsLive = HttpApiBuilder.group(DashboardApi, "workflows", (handlers) =>
  handlers
    .handle("list", ({ urlParams: { includeArchived, statuses, ...rest } }) =>
      Effect.gen(function* () {
        const lifecycle = yield* IssueWorkflowLifecycle
        const decoded = yield* literalsOf("statuses", IssueWorkflowStatus, statuses)
        const request = { ...rest, statuses: decoded, includeArchived: includeArchived === "true" }
        return pageJson(yield* lifecycle.listAll(given(request)))
      })
    )
    .handle("get", ({ path: { id } }) => workflowOf(id))
    .handle("executions", ({ path: { id }, urlParams: { statuses, ...rest } }) =>
      Effect.gen(function* () {
        const executions = yield* IssueWorkflowExecutionRepo
        const decoded = yield* literalsOf("statuses", IssueWorkflowExecutionStatus, statuses)
        return executionsJson(yield* executions.list(given({ issueWorkflowId: id, statuses: decoded, ...rest })))
      })
    )
    .handle("execution", ({ path: { id } }) => executionOf(id))
    .handle("executionEvents", ({ path: { id }, urlParams }) =>
      Effect.gen(function* () {
        const executions = yield* IssueWorkflowExecutionRepo
        return executionEventsJson(yield* executions.listEvents(given({ executionId: id, ...urlParams })))
      })
    )
    .handleRaw("executionLive", ({ path: { id }, request, urlParams }) =>
      Effect.gen(function* () {
        const { closing } = yield* Running
        yield* Effect.flatMap(IssueWorkflowExecutionRepo, (executions) => executions.getById(id))
        // An `EventSource` that connects again sends the id of the last message.
        const last = Number(request.headers["last-event-id"] ?? Number.NaN)
        const messages = yield* tailOf(id, Number.isSafeInteger(last) && last >= 0 ? last : urlParams.afterSequence)
        return streamResponse(messages, closing)
      })
    )
)
