/**
 * Issue workflows and their executions.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import { Schema } from "effect"
import { NotFound } from "../../Errors.js"
import { IssueWorkflowExecutionEvent } from "../../issue-workflow/ExecutionEvent.js"
import {
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionPullRequestLink,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult
} from "../../issue-workflow/ExecutionReport.js"
import { Issue } from "../../issue-workflow/Issue.js"
import { IssueWorkflow } from "../../issue-workflow/IssueWorkflow.js"
import { IssueWorkflowExecution, IssueWorkflowExecutionStatus } from "../../issue-workflow/IssueWorkflowExecution.js"
import { WorkflowView } from "../../issue-workflow/IssueWorkflowViews.js"
import { PullRequest } from "../../issue-workflow/PullRequest.js"
import { ById, JournalEvent, jsonOf, List, pageOf, pageParams, ServerSentEvents } from "./common.js"
import { paths } from "./paths.js"

/** A workflow in a list, with its issue and its newest execution. */
export const Workflow = jsonOf(WorkflowView)
export type Workflow = typeof Workflow.Type

/** An execution of a workflow. */
export const Execution = jsonOf(IssueWorkflowExecution.json)
export type Execution = typeof Execution.Type

/** A workflow, its issue, and its newest 50 executions. */
export const WorkflowPage = Schema.Struct({
  workflow: jsonOf(IssueWorkflow.json),
  issue: jsonOf(Issue.json),
  executions: pageOf(Execution),
  /** The events of the workflow, oldest first. */
  events: Schema.Array(JournalEvent)
})
export type WorkflowPage = typeof WorkflowPage.Type

/** An event of an execution without its payload. */
export const ExecutionEvent = jsonOf(IssueWorkflowExecutionEvent.json).pipe(Schema.omit("payload"))
export type ExecutionEvent = typeof ExecutionEvent.Type

/** An artifact without its content. */
export const Artifact = Schema.Struct({
  /** Whether the content is in the database, and `payloads.artifact` returns it. */
  hasContent: Schema.Boolean,
  artifact: jsonOf(IssueWorkflowExecutionArtifact.json).pipe(Schema.omit("inlineJson"))
})
export type Artifact = typeof Artifact.Type

/** A pull request that an execution created, updated or referred to. */
export const LinkedPullRequest = Schema.Struct({
  link: jsonOf(IssueWorkflowExecutionPullRequestLink.json),
  pullRequest: jsonOf(PullRequest.json)
})

/** An execution and its reports, without payloads. Its events are a list of their own. */
export const ExecutionPage = Schema.Struct({
  execution: Execution,
  summary: Schema.optional(jsonOf(IssueWorkflowExecutionSummary.json)),
  validationResults: Schema.Array(jsonOf(IssueWorkflowExecutionValidationResult.json).pipe(Schema.omit("details"))),
  diffFiles: Schema.Array(jsonOf(IssueWorkflowExecutionDiffFile.json)),
  artifacts: Schema.Array(Artifact),
  pullRequests: Schema.Array(LinkedPullRequest)
})
export type ExecutionPage = typeof ExecutionPage.Type

/**
 * The events of `executionLive`, by their name:
 *
 * - `events`: events of the execution, in the order of their sequence, up to 500. The id of the message is the last
 *   sequence, from which a reconnected `EventSource` continues.
 * - `end`: the execution has ended. The server closes the stream; the page closes its `EventSource`.
 */
export const ExecutionLiveEvents = {
  events: Schema.Struct({ events: Schema.Array(ExecutionEvent) }),
  end: Schema.Struct({ status: jsonOf(IssueWorkflowExecutionStatus) })
}
export type ExecutionLiveEvents = {
  [Name in keyof typeof ExecutionLiveEvents]: (typeof ExecutionLiveEvents)[Name]["Type"]
}

/** Reads of workflows and executions. */
export const workflows = HttpApiGroup.make("workflows")
  .add(
    HttpApiEndpoint.get("list", paths.workflows.list[1])
      .setUrlParams(
        Schema.Struct({
          statuses: Schema.optional(List),
          ownerUserId: Schema.optional(Schema.String),
          includeArchived: Schema.optional(Schema.Literal("true", "false")),
          ...pageParams
        })
      )
      .addSuccess(pageOf(Workflow))
  )
  .add(HttpApiEndpoint.get("get", paths.workflows.get[1]).setPath(ById).addSuccess(WorkflowPage).addError(NotFound))
  .add(
    HttpApiEndpoint.get("executions", paths.workflows.executions[1])
      .setPath(ById)
      .setUrlParams(Schema.Struct({ statuses: Schema.optional(List), ...pageParams }))
      .addSuccess(pageOf(Execution))
  )
  .add(
    HttpApiEndpoint.get("execution", paths.workflows.execution[1])
      .setPath(ById)
      .addSuccess(ExecutionPage)
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.get("executionEvents", paths.workflows.executionEvents[1])
      .setPath(ById)
      .setUrlParams(
        Schema.Struct({
          /** Only events after this sequence. Either this or `cursor`. */
          afterSequence: Schema.optional(Schema.NumberFromString),
          ...pageParams
        })
      )
      .addSuccess(pageOf(ExecutionEvent))
  )
  .add(
    HttpApiEndpoint.get("executionLive", paths.workflows.executionLive[1])
      .setPath(ById)
      .setUrlParams(Schema.Struct({ afterSequence: Schema.optional(Schema.NumberFromString) }))
      .addSuccess(ServerSentEvents)
      .addError(NotFound)
  )
