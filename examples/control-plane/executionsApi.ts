/**
 * The contract of the API for issue workflows and their executions.
 */
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "@effect/platform"
import {
  AlreadyExists,
  IdempotencyConflict,
  InvalidTransition,
  Issue,
  IssueWorkflow,
  IssueWorkflowExecutionEvent,
  NotFound,
  Page,
  QuotaExceeded,
  ReferenceNotFound,
  Row
} from "@sealant/db"
import {
  ExecutionDetail,
  IssueWorkflowExecutionId,
  IssueWorkflowId,
  IssueWorkflowStatus,
  OpenedWorkflow,
  StartedExecution,
  UpsertIssue,
  WorkflowDetail,
  WorkflowView
} from "@sealant/db/issue-workflow"
import { UserWorkspaceSpec } from "@sealant/db/payloads"
import { LaunchSandbox } from "@sealant/db/sandbox"
import { UpsertRepository } from "@sealant/db/source"
import { Schema } from "effect"
import { Authentication } from "./authentication.js"
import { PageParams } from "./pages.js"

/** The request to open a workflow: the repository and the issue, by the names of their provider. */
export const OpenRequest = Schema.Struct({
  repository: Schema.Struct({ owner: UpsertRepository.fields.owner, name: UpsertRepository.fields.name }),
  issue: Schema.Struct({ number: UpsertIssue.fields.number, title: UpsertIssue.fields.title })
})

/** A workflow on an issue. `created` is false if this user already has an active workflow on it. */
export const OpenResponse = Schema.Struct({ ...OpenedWorkflow.fields, issue: Row(Issue) })

/** The request to start an execution: the sandbox of the agent. */
export const StartRequest = Schema.Struct({ name: LaunchSandbox.fields.name, spec: UserWorkspaceSpec })

const workflowId = HttpApiSchema.param("id", IssueWorkflowId)
const executionId = HttpApiSchema.param("id", IssueWorkflowExecutionId)

export const workflows = HttpApiGroup.make("workflows")
  .add(
    HttpApiEndpoint.post("open", "/workflows")
      .setPayload(OpenRequest)
      .addSuccess(OpenResponse)
      .addError(AlreadyExists)
      .addError(QuotaExceeded)
      .addError(ReferenceNotFound)
  )
  .add(
    HttpApiEndpoint.get("list", "/workflows")
      .setUrlParams(Schema.Struct({ ...PageParams.fields, status: Schema.optional(IssueWorkflowStatus) }))
      .addSuccess(Page(WorkflowView))
  )
  .add(HttpApiEndpoint.get("get")`/workflows/${workflowId}`.addSuccess(WorkflowDetail).addError(NotFound))
  .add(
    HttpApiEndpoint.post("start")`/workflows/${workflowId}/executions`
      .setHeaders(Schema.Struct({ "idempotency-key": Schema.optional(Schema.String) }))
      .setPayload(StartRequest)
      .addSuccess(StartedExecution, { status: 201 })
      .addError(NotFound)
      .addError(InvalidTransition)
      .addError(IdempotencyConflict)
      .addError(QuotaExceeded)
      .addError(ReferenceNotFound)
  )
  .add(
    HttpApiEndpoint.post("cancel")`/workflows/${workflowId}/cancel`
      .setPayload(Schema.Struct({ reason: Schema.String }))
      .addSuccess(Row(IssueWorkflow))
      .addError(NotFound)
      .addError(InvalidTransition)
  )
  .middleware(Authentication)

export const executions = HttpApiGroup.make("executions")
  .add(HttpApiEndpoint.get("get")`/executions/${executionId}`.addSuccess(ExecutionDetail).addError(NotFound))
  .add(
    HttpApiEndpoint.get("events")`/executions/${executionId}/events`
      .setUrlParams(PageParams)
      .addSuccess(Page(Row(IssueWorkflowExecutionEvent)))
      .addError(NotFound)
  )
  .add(
    // The id of an event is its sequence, so a client resumes with `Last-Event-ID`. The stream ends with the execution.
    HttpApiEndpoint.get("tail")`/executions/${executionId}/events/stream`
      .setHeaders(
        Schema.Struct({
          "last-event-id": Schema.optional(Schema.compose(Schema.NumberFromString, Schema.NonNegativeInt))
        })
      )
      .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))
      .addError(NotFound)
  )
  .middleware(Authentication)
