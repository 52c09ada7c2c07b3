/**
 * The services that the operations of `IssueWorkflowLifecycle` use.
 */
import type { SqlClient } from "@effect/sql"
import type { SandboxLifecycle } from "../../sandbox/SandboxLifecycle.js"
import type { SandboxRepo } from "../../sandbox/SandboxRepo.js"
import type { IssueWorkflowExecutionRepo } from "../IssueWorkflowExecutionRepo.js"
import type { IssueWorkflowRepo } from "../IssueWorkflowRepo.js"

export interface WorkflowRepositories {
  readonly sql: SqlClient.SqlClient
  readonly workflows: IssueWorkflowRepo["Type"]
  readonly executions: IssueWorkflowExecutionRepo["Type"]
  readonly sandboxes: SandboxRepo["Type"]
  readonly sandboxLifecycle: SandboxLifecycle["Type"]
}
