/**
 * The operations of `IssueWorkflowLifecycle`, each one transaction over the repositories.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { IssueWorkflowExecutionRepo } from "../domain/issue-workflow/IssueWorkflowExecutionRepo.js"
import { IssueWorkflowRepo } from "../domain/issue-workflow/IssueWorkflowRepo.js"
import { SandboxRepo } from "../domain/sandbox/SandboxRepo.js"
import { makeAccess } from "./access.js"
import type { IssueWorkflowLifecycleService } from "./IssueWorkflowLifecycle.js"
import { recordingWorkflows } from "./recording.js"
import { SandboxLifecycle } from "./SandboxLifecycle.js"
import { makeWorkflowEndings } from "./workflowEndings.js"
import { makeWorkflowReports } from "./workflowReports.js"
import { makeWorkflowStarts } from "./workflowStarts.js"
import { makeWorkflowSupervision } from "./workflowSupervision.js"
import { makeWorkflowViews } from "./workflowViews.js"

/** The repositories whose tables an operation on a workflow writes, and those of the sandboxes that it needs. */
export interface WorkflowRepositories {
  readonly sql: SqlClient.SqlClient
  readonly workflows: IssueWorkflowRepo["Type"]
  readonly executions: IssueWorkflowExecutionRepo["Type"]
  readonly sandboxes: SandboxRepo["Type"]
  readonly sandboxLifecycle: SandboxLifecycle["Type"]
}

export const makeIssueWorkflowLifecycle = Effect.gen(function*() {
  const repositories = recordingWorkflows({
    sql: yield* SqlClient.SqlClient,
    workflows: yield* IssueWorkflowRepo,
    executions: yield* IssueWorkflowExecutionRepo,
    sandboxes: yield* SandboxRepo,
    sandboxLifecycle: yield* SandboxLifecycle
  })
  const access = yield* makeAccess
  const service: IssueWorkflowLifecycleService = {
    ...makeWorkflowStarts(repositories, access),
    ...(yield* makeWorkflowReports(repositories)),
    ...makeWorkflowEndings(repositories, access),
    ...makeWorkflowSupervision(repositories),
    ...(yield* makeWorkflowViews)
  }
  return service
})
