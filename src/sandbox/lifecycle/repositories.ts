/**
 * The repositories whose tables the operations of `SandboxLifecycle` write.
 */
import type { SqlClient } from "@effect/sql"
import type { WorkspaceBuildJobRepo } from "../../build-job/WorkspaceBuildJobRepo.js"
import type { IssueWorkflowExecutionRepo } from "../../issue-workflow/IssueWorkflowExecutionRepo.js"
import type { SandboxAttemptRepo } from "../SandboxAttemptRepo.js"
import type { SandboxRepo } from "../SandboxRepo.js"

export interface Repositories {
  readonly sql: SqlClient.SqlClient
  readonly sandboxes: SandboxRepo["Type"]
  readonly attempts: SandboxAttemptRepo["Type"]
  readonly jobs: WorkspaceBuildJobRepo["Type"]
  /** The executions that work in sandboxes. */
  readonly executions: IssueWorkflowExecutionRepo["Type"]
}
