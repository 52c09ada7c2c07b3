/**
 * The operations of `IssueWorkflowLifecycle`, each one transaction over the repositories.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { IssueWorkflowExecutionRepo } from "./IssueWorkflowExecutionRepo.js"
import { IssueWorkflowRepo } from "./IssueWorkflowRepo.js"
import { SandboxRepo } from "../sandbox/SandboxRepo.js"
import { makeAccess } from "../sandbox/lifecycle/access.js"
import type { IssueWorkflowLifecycleService } from "./IssueWorkflowLifecycle.js"
import { recordingWorkflows } from "../events/recording.js"
import { SandboxLifecycle } from "../sandbox/SandboxLifecycle.js"
import { makeWorkflowEndings } from "./lifecycle/end.js"
import { makeWorkflowReports } from "./lifecycle/report.js"
import { makeWorkflowStarts } from "./lifecycle/start.js"
import { makeWorkflowSupervision } from "./lifecycle/supervise.js"
import { makeWorkflowViews } from "./lifecycle/views.js"

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
